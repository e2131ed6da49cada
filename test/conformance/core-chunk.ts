// Chunks cut by content: where, and that it is the same wherever the data lies and however it comes.
import fc from 'fast-check'
import { test } from 'tap'
import { PROFILE_CONTENT_16K, PROFILE_CONTENT_64K } from '../../src/core/surface.ts'
import { attempt, cuts } from '../reference/calls.ts'
import type { Kernels } from '../reference/core.ts'
import { gearHash, rolled } from '../reference/gear.ts'
import { bytesOf, type Part } from '../reference/parts.ts'
import { splitmixBytes } from '../reference/splitmix.ts'
import { QUIET_BYTE, windowWith } from '../reference/windows.ts'
import { agree, each, vectors } from './core-suite.ts'

interface Vector {
  profile: number
  parts: Part[]
  cuts: number[]
}

const pool = splitmixBytes(7n, 2 ** 18)
const frozen = vectors<Vector>('chunk').map((vector) => ({ ...vector, bytes: bytesOf(vector.parts) }))

each('frozen cuts', (t, { placed, places }) => {
  for (const place of places) {
    for (const { profile, bytes, cuts: expected } of frozen) t.same(cuts(placed(place), bytes, profile), expected)
  }
})

each('data that comes in portions is cut as data that is there', (t, { core }) => {
  const long = frozen.filter(({ bytes }) => bytes.length > 250_000 && bytes.length < 400_000).slice(0, 8)
  for (const { profile, bytes, cuts: expected } of long) {
    t.same(streamed(core, bytes, profile, 50_000, 1_000), expected, 'small portions')
    t.same(streamed(core, bytes, profile, 150_000, 1), expected, 'room for one cut')
    t.same(streamed(core, bytes, profile, 1_000_000, 3), expected, 'room for three')
  }
})

each('the last chunk waits for more, a full one does not', (t, { core }) => {
  const quiet = new Uint8Array(65_536).fill(QUIET_BYTE)
  t.same(cuts(core, quiet.subarray(1), PROFILE_CONTENT_16K, false), [])
  t.same(cuts(core, quiet.subarray(1), PROFILE_CONTENT_16K, true), [65_535])
  t.same(cuts(core, quiet, PROFILE_CONTENT_16K, false), [65_536])
  const ended = Buffer.concat([quiet.subarray(0, 9_936), windowWith(16)])
  t.same(cuts(core, ended, PROFILE_CONTENT_16K, false), [10_000], 'a cut at the end of what is there')
  t.same(cuts(core, ended.subarray(0, 9_999), PROFILE_CONTENT_16K, false), [])
})

test('the gear hash gone through is that of the definition', async (t) => {
  let hash = 0n
  for (const byte of pool.subarray(0, 1_000)) hash = rolled(hash, byte)
  t.equal(hash, gearHash(pool.subarray(1_000 - 64, 1_000)))
})

each('what stands before a chunk does not matter', (t, { core }) => {
  const all = cuts(core, pool, PROFILE_CONTENT_16K)
  const out = new Uint32Array(100)
  for (const start of all.slice(0, -1)) {
    const count = core.chunk(pool, start, pool.length - start, PROFILE_CONTENT_16K, true, out)
    t.same(
      [...out.subarray(0, count)],
      all.filter((end) => end > start).map((end) => end - start),
    )
  }
})

each('an insertion changes the chunks around it and no others', (t, { core }) => {
  const before = cuts(core, pool, PROFILE_CONTENT_16K)
  const edited = Buffer.concat([pool.subarray(0, 100_000), Buffer.from('inserted'), pool.subarray(100_000)])
  const after = cuts(core, edited, PROFILE_CONTENT_16K)
  const kept = before.filter((end) => after.includes(end < 100_000 ? end : end + 8))
  t.ok(kept.length >= before.length - 3, `${kept.length} of ${before.length} cuts stay`)
})

/** Cuts of data of which one portion after another becomes known. */
function streamed(core: Kernels, bytes: Uint8Array, profile: number, portion: number, room: number): number[] {
  const found: number[] = []
  const out = new Uint32Array(room)
  for (let known = 0; known < bytes.length; ) {
    known = Math.min(known + portion, bytes.length)
    for (;;) {
      const start = found.at(-1) ?? 0
      const count = core.chunk(bytes, start, known - start, profile, known === bytes.length, out)
      found.push(...Array.from(out.subarray(0, count), (end) => start + end))
      if (count < room) break
    }
  }
  return found
}

/** Pieces of data that content cuts, of data that it does not, and windows that cut by one rule or both. */
const windows = [11, 12, 13, 14, 15, 16, 17, 18].map(windowWith)
const random = fc.record({ from: fc.nat(pool.length), bytes: fc.oneof(fc.nat(200), fc.nat(30_000)) })
const quiet = fc.record({ quiet: fc.oneof(fc.nat(200), fc.nat(40_000), fc.nat(200_000)) })
const window = fc.record({ window: fc.nat(windows.length - 1) })
const near = fc.tuple(fc.constantFrom(4_096, 16_384, 65_536, 262_144), fc.integer({ min: -66, max: 2 }))
const edge = near.map(([length, off]) => ({ quiet: length + off }))
const input = fc.record({
  pieces: fc.array(fc.oneof(random, quiet, window, edge), { maxLength: 7 }),
  profile: fc.constantFrom(PROFILE_CONTENT_16K, PROFILE_CONTENT_64K),
  final: fc.boolean(),
  room: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constant(200)),
  before: fc.nat(100),
  after: fc.nat(100),
})

agree('chunk of any data', 500, input, (core, { pieces, profile, final, room, before, after }) => {
  const parts = pieces.map((piece) => {
    if ('from' in piece) return pool.subarray(piece.from, piece.from + piece.bytes)
    return 'quiet' in piece ? Buffer.alloc(piece.quiet, QUIET_BYTE) : (windows[piece.window] as Uint8Array)
  })
  const buffer = Buffer.concat([pool.subarray(0, before), ...parts, pool.subarray(0, after)])
  const out = new Uint32Array(room).fill(7)
  return attempt(() => {
    const count = core.chunk(buffer, before, buffer.length - before - after, profile, final, out)
    return [...out.subarray(0, count)]
  })
})
