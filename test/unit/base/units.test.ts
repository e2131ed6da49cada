import { test } from 'tap'
import { formatBytes, formatRate, GiB, KiB, MB, MiB, parseBytes, parseRate } from '../../../src/base/units.ts'

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

test('rates for people', async (t) => {
  const rates: [number, string][] = [
    [1, '1 B/s'],
    [999, '999 B/s'],
    [1500, '1.5 kB/s'],
    [MB, '1 MB/s'],
    [12_340_000, '12.3 MB/s'],
    [10 * MB, '10 MB/s'],
    [2_500_000_000, '2.5 GB/s'],
    [Number.POSITIVE_INFINITY, 'unlimited'],
  ]
  for (const [rate, text] of rates) {
    t.equal(formatRate(rate), text)
    if (rate !== 12_340_000) t.equal(parseRate(text), rate)
  }
})

test('rates from people: powers of ten, bits too', async (t) => {
  const rates: [string | number, number][] = [
    [1536, 1536],
    ['1536', 1536],
    ['10 MB/s', 10 * MB],
    ['10MB/s', 10 * MB],
    ['10mb', 10 * MB],
    ['10M', 10 * MB],
    ['8 Mbit/s', MB],
    ['100 Mbits/s', 12.5 * MB],
    ['1 MiB/s', MiB],
    ['1.5 kB/s', 1500],
    ['500 kbit/s', 62_500],
    [' unlimited ', Number.POSITIVE_INFINITY],
    ['UNLIMITED', Number.POSITIVE_INFINITY],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  ]
  for (const [text, rate] of rates) t.equal(parseRate(text), rate, String(text))
  for (const text of ['', '0', '0 MB/s', '-1', '1 i', '1 iB/s', 'MB/s', '1,5 MB/s', '1 PB/s', '1 MB/h', 'NaN', '1e3']) {
    t.equal(parseRate(text), undefined, text)
  }
  for (const number of [0, -1, Number.NaN, 1.5e300]) t.equal(parseRate(number), undefined, String(number))
})
