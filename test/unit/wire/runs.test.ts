import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { test } from 'tap'
import { bitmapFor, setBit } from '../../../src/base/bitmap.ts'
import { fromHex, toHex } from '../../../src/base/bytes.ts'
import { HAVE_BYTES_MAX } from '../../../src/base/limits.ts'
import { decodeRuns, encodeRuns, type Run, runsOf } from '../../../src/wire/runs.ts'

interface Vectors {
  sets: { name: string; chunks: number; runs: Run[]; bytes: string }[]
  refused: { name: string; chunks: number; bytes: string }[]
}

const vectors: Vectors = JSON.parse(readFileSync(new URL('../../vectors/runs.json', import.meta.url), 'utf8'))

test('runs are the vectors, both ways', async (t) => {
  for (const { name, chunks, runs, bytes } of vectors.sets) {
    t.equal(toHex(encodeRuns(runs, HAVE_BYTES_MAX)), bytes, name)
    t.same([...runsOf(decodeRuns(fromHex(bytes) as Uint8Array, chunks), chunks)], runs, name)
  }
})

test('what nobody writes is refused', async (t) => {
  for (const { name, chunks, bytes } of vectors.refused) {
    t.throws(() => decodeRuns(fromHex(bytes) as Uint8Array, chunks), { code: 'PEER_PROTOCOL' }, name)
  }
})

test('any set survives, and a bound leaves out only its end', async (t) => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  t.comment(`SEED=${seed}`)
  const chunks = fc.array(fc.nat(4_000), { maxLength: 400 })
  const property = fc.property(chunks, fc.integer({ min: 0, max: 200 }), (set, most) => {
    const bitmap = bitmapFor(4_001)
    for (const chunk of set) setBit(bitmap, chunk)
    const runs = [...runsOf(bitmap, 4_001)]
    const whole = decodeRuns(encodeRuns(runs, HAVE_BYTES_MAX), 4_001)
    const cut = encodeRuns(runs, most)
    const kept = [...runsOf(decodeRuns(cut, 4_001), 4_001)]
    return (
      Buffer.compare(whole, bitmap) === 0 &&
      cut.length <= most &&
      JSON.stringify(kept) === JSON.stringify(runs.slice(0, kept.length))
    )
  })
  fc.assert(property, { seed })
})

test('any bytes are runs or refused', async (t) => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  t.comment(`SEED=${seed}`)
  const property = fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 0, max: 500 }), (bytes, chunks) => {
    let bitmap: Uint8Array
    try {
      bitmap = decodeRuns(bytes, chunks)
    } catch (thrown) {
      return (thrown as { code?: unknown }).code === 'PEER_PROTOCOL'
    }
    return toHex(encodeRuns(runsOf(bitmap, chunks), HAVE_BYTES_MAX)) === toHex(bytes)
  })
  fc.assert(property, { seed })
})
