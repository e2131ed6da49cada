// Erasure code: parity, and whatever can be lost and rebuilt.
import { hash } from 'node:crypto'
import fc from 'fast-check'
import { attempt, encoded, hex, repaired, type Stripe } from '../reference/calls.ts'
import type { Kernels } from '../reference/core.ts'
import { bytesOf, type Part } from '../reference/parts.ts'
import { splitmixBytes } from '../reference/splitmix.ts'
import { agree, each, reference, vectors } from './core-suite.ts'

interface Vector extends Stripe {
  parts: Part[]
  parity?: string
  paritySha256?: string
  lost: number[]
}

const pool = splitmixBytes(11n, 2 ** 17)
const GARBAGE = 0xa5

each('frozen parity, and back from what is left', (t, { placed, places }) => {
  for (const place of places) {
    for (const { parts, parity, paritySha256, lost, ...stripe } of vectors<Vector>('erasure')) {
      const { k, m, shardBytes } = stripe
      const name = `${k}+${m} of ${shardBytes} bytes`
      const all = encoded(placed(place), stripe, bytesOf(parts))
      const found = all.subarray(k * shardBytes)
      if (parity === undefined) t.equal(hash('sha256', found), paritySha256, name)
      else t.equal(hex(found), parity, name)
      t.same(recovered(placed(place), stripe, all, lost), { written: lost.length, shards: hex(all) }, name)
    }
  }
})

each('every loss of 4+3', (t, { placed }) => {
  const stripe = { k: 4, m: 3, shardBytes: 37 }
  const all = stripeOf(stripe)
  for (let pattern = 0; pattern < 128; pattern++) {
    const lost = [0, 1, 2, 3, 4, 5, 6].filter((i) => (pattern >> i) & 1)
    const outcome = attempt(() => recovered(placed(), stripe, all, lost))
    const expected = lost.length > 3 ? { code: 'CORE_RANGE' } : { written: lost.length, shards: hex(all) }
    t.same(outcome, expected, `without ${lost.join(', ')}`)
  }
})

each('losses of 10+4, of 29+51, and of the longest stripes', (t, { placed }) => {
  const stripes = [
    { k: 10, m: 4, shardBytes: 1_000, samples: 60 },
    { k: 29, m: 51, shardBytes: 70, samples: 20 },
    { k: 128, m: 127, shardBytes: 65, samples: 2 },
    { k: 1, m: 254, shardBytes: 9, samples: 2 },
    { k: 254, m: 1, shardBytes: 9, samples: 2 },
  ]
  for (const { samples, ...stripe } of stripes) {
    const { k, m } = stripe
    const all = stripeOf(stripe)
    for (let sample = 0; sample < samples; sample++) {
      const lost = shuffled(k + m, sample).slice(0, m - (sample % 2))
      const outcome = recovered(placed({ ground: sample, shift: sample }), stripe, all, lost)
      t.same(outcome, { written: lost.length, shards: hex(all) }, `${k}+${m}, sample ${sample}`)
    }
  }
})

each('only what is absent and wanted is written', (t, { placed }) => {
  const stripe = { k: 4, m: 3, shardBytes: 20 }
  const all = stripeOf(stripe)
  const shards = without(all, [1, 2, 5], 20)
  const present = Uint8Array.of(1, 0, 0, 255, 2, 0, 128)
  const want = Uint8Array.of(1, 0, 9, 0, 0, 64, 0)
  const expected = without(all, [1], 20)
  t.same(repaired(placed(), stripe, shards, present, want), { written: 2, shards: hex(expected) })
  t.same(repaired(placed(), stripe, shards, present, new Uint8Array(7)), { written: 0, shards: hex(shards) })
  const nobody = new Uint8Array(7)
  t.same(repaired(placed(), stripe, shards, nobody, nobody), { written: 0, shards: hex(shards) }, 'nothing is asked')
})

each('what is wanted may be what is present', (t, { core }) => {
  const stripe = { k: 2, m: 2, shardBytes: 5 }
  const all = stripeOf(stripe)
  const present = Uint8Array.of(1, 0, 1, 0)
  t.same(repaired(core, stripe, all, present, present), { written: 0, shards: hex(all) }, 'one view for both')
})

each('shards of every length up to three vectors and of a large one', (t, { core }) => {
  for (const shardBytes of [...Array.from({ length: 200 }, (_, i) => i + 1), 4_096, 9_999]) {
    const stripe = { k: 3, m: 2, shardBytes }
    const all = stripeOf(stripe)
    if (hex(encoded(core, stripe, all.subarray(0, 3 * shardBytes))) !== hex(all))
      t.fail(`parity of ${shardBytes} bytes`)
    if (recovered(core, stripe, all, [0, 4]).shards !== hex(all)) t.fail(`repair of ${shardBytes} bytes`)
  }
})

/** Any data and the parity that the reference gives it. */
function stripeOf(stripe: Stripe, from = 0): Uint8Array {
  return encoded(reference, stripe, pool.subarray(from, from + stripe.k * stripe.shardBytes))
}

/** A stripe some of whose shards are gone. */
function without(all: Uint8Array, lost: readonly number[], shardBytes: number): Uint8Array {
  const left = Uint8Array.from(all)
  for (const i of lost) left.fill(GARBAGE, i * shardBytes, (i + 1) * shardBytes)
  return left
}

/** All shards, rebuilt from those that are not lost. */
function recovered(core: Kernels, stripe: Stripe, all: Uint8Array, lost: readonly number[]) {
  const { k, m, shardBytes } = stripe
  const present = Uint8Array.from({ length: k + m }, (_, i) => Number(!lost.includes(i)))
  return repaired(core, stripe, without(all, lost, shardBytes), present, new Uint8Array(k + m).fill(1))
}

/** 0 to n − 1 in an order that depends on `seed`. */
function shuffled(n: number, seed: number): number[] {
  const keys = splitmixBytes(BigInt(seed), 4 * n)
  const key = (i: number) => Buffer.from(keys.buffer).readUInt32LE(4 * i)
  return Array.from({ length: n }, (_, i) => i).sort((a, b) => key(a) - key(b))
}

const bounded = (k: number, m: number, shardBytes: number) =>
  fc.record({
    k: fc.integer({ min: 1, max: k }),
    m: fc.integer({ min: 1, max: m }),
    shardBytes: fc.integer({ min: 1, max: shardBytes }),
  })
const stripes = fc.oneof(
  { weight: 8, arbitrary: bounded(12, 8, 300) },
  { weight: 2, arbitrary: bounded(40, 60, 100) },
  { weight: 1, arbitrary: bounded(128, 127, 20) },
)

agree('rsEncode of any stripe', 1_000, fc.tuple(stripes, fc.nat(9_999)), (core, [stripe, from]) => {
  return hex(encoded(core, stripe, pool.subarray(from, from + stripe.k * stripe.shardBytes)))
})

/** Which shards are there and wanted: a byte for each, 0 for about half of them. */
const marks = fc.uint8Array({ minLength: 255, maxLength: 255 }).map((bytes) => bytes.map((b) => (b < 128 ? 0 : b)))
const losses = fc.record({ stripe: stripes, order: fc.nat(), lost: fc.nat(255), want: marks, from: fc.nat(9_999) })

agree('rsReconstruct of what any shards are left of', 1_000, losses, (core, { stripe, order, lost, want, from }) => {
  const { k, m, shardBytes } = stripe
  // Mostly as many as can be lost; now and then one or more too many.
  const gone = shuffled(k + m, order).slice(0, lost % (m + 1 + (lost >> 6)))
  const present = Uint8Array.from({ length: k + m }, (_, i) => (gone.includes(i) ? 0 : 1 + (i % 255)))
  const shards = without(stripeOf(stripe, from), gone, shardBytes)
  return attempt(() => repaired(core, stripe, shards, present, want.subarray(0, k + m)))
})

const anything = fc.record({ stripe: stripes, order: fc.nat(), present: marks, want: marks })

agree('rsReconstruct of shards that never were a stripe', 500, anything, (core, { stripe, order, present, want }) => {
  const { k, m, shardBytes } = stripe
  // Any k shards are a stripe of their own. With more of them the answer would depend on which ones are taken.
  const chosen = shuffled(k + m, order)
    .filter((i) => present[i] !== 0)
    .slice(0, k)
  const there = Uint8Array.from({ length: k + m }, (_, i) => Number(chosen.includes(i)))
  const shards = pool.subarray(0, (k + m) * shardBytes)
  return attempt(() => repaired(core, stripe, shards, there, want.subarray(0, k + m)))
})
