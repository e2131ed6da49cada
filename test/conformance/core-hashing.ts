// SHA-256: ranges of a buffer, and messages in pieces.
import { hash } from 'node:crypto'
import fc from 'fast-check'
import { DIGEST_BYTES, SHA256_STATE_BYTES } from '../../src/core/surface.ts'
import { absorb, digests, hex, type Range, stateOf, states } from '../reference/calls.ts'
import type { Kernels } from '../reference/core.ts'
import { bytesOf, type Part } from '../reference/parts.ts'
import { splitmixBytes } from '../reference/splitmix.ts'
import { agree, each, reference, vectors } from './core-suite.ts'

interface Published {
  unit: string
  repeat: number
  digest: string
}
interface MonteCarlo {
  seed: string
  digests: string[]
}
interface Pieces {
  parts: Part[]
  pieces: number[]
  states: Record<string, unknown>[]
}

const LENGTH_MAX = 1_100
const ALIGNMENTS = 64
const data = splitmixBytes(1n, 40_000)

const messages = vectors<Published>('sha256').map(({ unit, repeat, digest }) => {
  return { message: Buffer.from(unit.repeat(repeat), 'hex'), digest }
})

each('published SHA-256 vectors, one by one and all at once', (t, { placed }) => {
  const core = placed()
  const expected = messages.map(({ digest }) => digest)
  const alone = messages.flatMap(({ message }) => digests(core, message, [[0, message.length]]))
  t.same(alone, expected)
  const ranges: Range[] = []
  let end = 0
  for (const { message } of messages) {
    ranges.push([end, message.length])
    end += message.length
  }
  const all = Buffer.concat(messages.map(({ message }) => message))
  t.same(digests(core, all, ranges), expected, 'lanes of very different lengths')
})

each('published SHA-256 vectors in two pieces', (t, { placed }) => {
  const core = placed()
  for (const { message, digest } of messages) {
    const first = message.length >> 1
    t.equal(states(core, message, [first, message.length - first])[1]?.['digest'], digest)
  }
})

each("NIST's Monte Carlo test", (t, { core }) => {
  for (const { seed, digests: expected } of vectors<MonteCarlo>('sha256-monte-carlo')) {
    let start = Buffer.from(seed, 'hex')
    const digest = new Uint8Array(DIGEST_BYTES)
    for (const checkpoint of expected) {
      // Three digests on end are the message that gives the next.
      const chain = Buffer.alloc(1_003 * 32)
      for (let i = 0; i < 3; i++) start.copy(chain, 32 * i)
      for (let i = 0; i < 1_000; i++) {
        const message = chain.subarray(32 * i, 32 * i + 96)
        core.sha256Many(message, Uint32Array.of(0, message.length), digest)
        chain.set(digest, 32 * i + 96)
      }
      start = Buffer.from(digest)
      t.equal(hex(start), checkpoint)
    }
  }
})

each('every length and every alignment, in lanes and alone', (t, { core }) => {
  const lengths = Array.from({ length: LENGTH_MAX + 1 }, (_, length) => length)
  for (let shift = 0; shift < ALIGNMENTS; shift++) {
    const ranges = lengths.map((length): Range => [shift + ALIGNMENTS * (length % 13), length])
    const expected = ranges.map(([at, length]) => hash('sha256', data.subarray(at, at + length)))
    if (digests(core, data, ranges).join() !== expected.join()) t.fail(`in lanes, ${shift} bytes off`)
    const some = ranges.filter((_, length) => length % ALIGNMENTS === shift)
    const alone = some.flatMap((range) => digests(core, data, [range]))
    t.same(
      alone,
      some.map(([, length]) => expected[length]),
      `alone, ${shift} bytes off`,
    )
  }
})

each('every number of lanes', (t, { core }) => {
  for (let count = 0; count <= 40; count++) {
    const ranges = Array.from({ length: count }, (_, i): Range => [i, 64 + ((i * 7) % 200)])
    t.same(digests(core, data, ranges), digests(reference, data, ranges), `${count} ranges`)
  }
})

each('the state after each piece', (t, { placed, places }) => {
  for (const place of places) {
    for (const { parts, pieces, states: expected } of vectors<Pieces>('sha256-update')) {
      t.same(states(placed(place), bytesOf(parts), pieces), expected, `pieces of ${pieces.join(', ')} bytes`)
    }
  }
})

each('every length in one piece and cut anywhere', (t, { core }) => {
  const wrong: string[] = []
  for (let length = 0; length <= 260; length++) {
    const message = data.subarray(0, length)
    const expected = hash('sha256', message)
    for (let first = 0; first <= length; first += 1 + (first % 5)) {
      const [, last] = states(core, message, [first, length - first])
      if (last?.['digest'] !== expected) wrong.push(`${first} of ${length}`)
    }
  }
  t.same(wrong, [])
})

const range = fc.tuple(fc.nat(20_000), fc.nat(20_000)).map(([a, b]): Range => [Math.min(a, b), Math.abs(a - b)])
const short = fc.tuple(fc.nat(1_000), fc.nat(300)).map(([at, length]): Range => [at, length])
const even = fc.tuple(fc.nat(1_000), fc.nat(8)).map(([at, blocks]): Range => [at, 64 * blocks])
const ranges = fc.oneof(
  fc.array(fc.oneof(short, even), { maxLength: 40 }),
  fc.array(fc.oneof(range, short, even), { maxLength: 12 }),
)
agree('sha256Many of any ranges', 1_500, ranges, (core, ranges) => digests(core, data.subarray(0, 20_000), ranges))

/** Lengths, and whether the reference takes the piece in: a state is the same to every core. */
const pieces = fc.array(fc.record({ length: fc.oneof(fc.nat(70), fc.nat(400)), elsewhere: fc.boolean() }), {
  minLength: 1,
  maxLength: 8,
})
agree('sha256Update of any pieces, some taken in by another core', 1_500, pieces, (core, pieces) => {
  const state = new Uint8Array(SHA256_STATE_BYTES)
  let at = 0
  return pieces.map(({ length, elsewhere }, i) => {
    const taker: Kernels = elsewhere ? reference : core
    const written = absorb(taker, state, data.subarray(at, at + length), i === pieces.length - 1)
    at += length
    return { written, ...stateOf(state) }
  })
})
