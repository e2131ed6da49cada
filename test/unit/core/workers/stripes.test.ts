import { test } from 'tap'
import { BLOB_BYTES_MAX, CHUNK_BYTES } from '../../../../src/base/limits.ts'
import { MiB } from '../../../../src/base/units.ts'
import { Stripes } from '../../../../src/core/workers/stripes.ts'

test('every piece with bytes has an id, in order, and nothing else has', async (t) => {
  for (const k of [1, 2, 3, 10])
    for (const m of [1, 4])
      for (const chunks of [0, 1, 2, 9, 10, 11, 20])
        for (const tail of [0, 1, CHUNK_BYTES - 1]) {
          const size = Math.max(0, chunks * CHUNK_BYTES - tail)
          const stripes = new Stripes({ size, k, m })
          const lengths: number[] = []
          const places: number[] = []
          for (let stripe = 0; stripe < stripes.count; stripe++)
            for (let shard = 0; shard < k + m; shard++) {
              if (stripes.pieceBytes(stripe, shard) === 0) continue
              lengths.push(stripes.pieceBytes(stripe, shard))
              places.push(stripes.idIndex(stripe, shard))
            }
          const what = `${size} bytes, ${k} + ${m}`
          if (stripes.ids !== places.length) t.fail(what)
          t.strictSame([...stripes.lengths()], lengths, what)
          t.strictSame(
            places,
            lengths.map((_, i) => i),
            what,
          )
          const data = lengths.reduce((sum, length) => sum + length, 0) - stripes.count * m * CHUNK_BYTES
          t.equal(data, size, what)
        }
})

test('a batch has its megabyte of data, if the room allows, and one stripe at least', async (t) => {
  const batch = (k: number, m: number) => new Stripes({ size: 64 * MiB, k, m }).batch(MiB, 4 * MiB)
  t.equal(batch(10, 4), 2)
  t.equal(batch(1, 1), 16)
  t.equal(batch(1, 7), 8)
  t.equal(batch(60, 4), 1)
})

test('impossible stripes are refused', async (t) => {
  for (const shape of [
    { size: -1, k: 1, m: 1 },
    { size: 1.5, k: 1, m: 1 },
    { size: 1, k: 0, m: 1 },
    { size: 1, k: 1, m: 0 },
    { size: 1, k: Number.NaN, m: 1 },
  ]) {
    t.throws(() => new Stripes(shape), { code: 'CORE_RANGE' }, JSON.stringify(shape))
  }
  for (const shape of [
    { size: 1, k: 61, m: 4 },
    { size: BLOB_BYTES_MAX + 1, k: 10, m: 4 },
    { size: BLOB_BYTES_MAX, k: 10, m: 11 },
  ]) {
    t.throws(() => new Stripes(shape), { code: 'LIMIT_EXCEEDED' }, JSON.stringify(shape))
  }
  t.equal(new Stripes({ size: BLOB_BYTES_MAX, k: 10, m: 10 }).ids, 2 ** 21 + 4)
})
