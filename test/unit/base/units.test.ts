import { test } from 'tap'
import { formatBytes, GiB, KiB, MiB, parseBytes, parseDuration } from '../../../src/base/units.ts'

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

test('sizes from people', async (t) => {
  const sizes: [string | number, number][] = [
    [1536, 1536],
    ['0', 0],
    ['1536', 1536],
    ['1.5 KiB', 1536],
    ['1.5k', 1536],
    [' 2 mb ', 2 * MiB],
    ['2Mi', 2 * MiB],
    ['10GiB', 10 * GiB],
    ['1T', 1024 * GiB],
    ['7 B', 7],
    ['0.0001 k', 0],
  ]
  for (const [text, bytes] of sizes) t.equal(parseBytes(text), bytes, String(text))
  for (const text of ['', 'k', '-1', '1,5k', '1e3', '1 kk', '1 PiB', 'NaN', -1, 1.5e300, Number.NaN, '99999999 T']) {
    t.equal(parseBytes(text), undefined, String(text))
  }
  for (const bytes of [0, 1023, KiB, 20 * KiB, 2 * MiB, 2.5 * GiB]) t.equal(parseBytes(formatBytes(bytes)), bytes)
})

test('times are read with their unit', async (t) => {
  t.equal(parseDuration('90m'), 5_400_000)
  t.equal(parseDuration(' 30 d '), 2_592_000_000)
  for (const text of ['', '5', 'd', '1.5h', '-1d', '1 y']) t.equal(parseDuration(text), undefined, text)
})
