import { test } from 'tap'
import { formatBytes, GiB, KiB, MiB } from '../../../src/base/units.ts'

test('sizes for people', async (t) => {
  const sizes: [number, string][] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [KiB, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [20 * KiB, '20 KiB'],
    [MiB, '1.0 MiB'],
    [2.5 * GiB, '2.5 GiB'],
    [5000 * 1024 * GiB, '5000 TiB'],
  ]
  for (const [bytes, text] of sizes) t.equal(formatBytes(bytes), text)
})
