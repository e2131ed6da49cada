// Calls of a core with outputs made and read for the caller: what went in and came out as plain data, so that two cores
// or a core and a vector can be compared as they are.
import { CatalogError } from '../../src/base/errors.ts'
import { DIGEST_BYTES, MERKLE_NODE_BYTES, NEED_MORE, SHA256_STATE_BYTES, SYMBOL_BYTES } from '../../src/core/surface.ts'
import type { Kernels } from './core.ts'

/** Offset and length, in bytes. */
export type Range = readonly [offset: number, length: number]

/** A blob as its outline tells it. */
export interface Blob {
  /** 32 bytes for each chunk. */
  ids: Uint8Array
  lengths: Uint32Array
  profile: number
}

/** What a proof is for and what it must lead to. */
export interface Claim {
  root: Uint8Array
  profile: number
  total: number
  count: number
  index: number
  id: Uint8Array
  length: number
  proof: Uint8Array
}

/** Numbers of data and parity shards, and the length of each. */
export interface Stripe {
  k: number
  m: number
  shardBytes: number
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** What `call` gives, or the code of what it throws. */
export function attempt<T>(call: () => T): T | { code: string } {
  try {
    return call()
  } catch (error) {
    if (error instanceof CatalogError) return { code: error.code }
    throw error
  }
}

export function digests(core: Kernels, buffer: Uint8Array, ranges: readonly Range[]): string[] {
  const out = new Uint8Array(ranges.length * DIGEST_BYTES)
  const count = core.sha256Many(buffer, Uint32Array.from(ranges.flat()), out)
  return Array.from({ length: count }, (_, i) => hex(out.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES)))
}

/** One more piece; the state is the caller's. */
export function absorb(core: Kernels, state: Uint8Array, piece: Uint8Array, final: boolean): number {
  return core.sha256Update(state, piece, 0, piece.length, final)
}

/** What a state says. Bytes behind the pending ones mean nothing, nor does anything but the digest once it is there. */
export function stateOf(state: Uint8Array): Record<string, number | string> {
  const view = Buffer.from(state)
  const [phase, bytes] = [view.readUInt32LE(104), Number(view.readBigUInt64LE(32))]
  if (phase === 2) return { phase, digest: view.toString('hex', 0, 32) }
  const pending = view.toString('hex', 40, 40 + (bytes % 64))
  return { phase, bytes, words: view.toString('hex', 0, 32), pending, zero: view.readUInt32LE(108) }
}

/** The states after each piece of a message, cut into pieces of these lengths. */
export function states(core: Kernels, message: Uint8Array, lengths: readonly number[]): Record<string, unknown>[] {
  const state = new Uint8Array(SHA256_STATE_BYTES)
  let at = 0
  return lengths.map((length, i) => {
    const written = core.sha256Update(state, message, at, length, i === lengths.length - 1)
    at += length
    return { written, ...stateOf(state) }
  })
}

/** The ends of the chunks that one call finds. */
export function cuts(core: Kernels, bytes: Uint8Array, profile: number, final = true, room = 1_000): number[] {
  const out = new Uint32Array(room)
  return [...out.subarray(0, core.chunk(bytes, 0, bytes.length, profile, final, out))]
}

/** The root, and the leaves and nodes below it. */
export function tree(core: Kernels, { ids, lengths, profile }: Blob): { root: string; nodes: string } {
  const root = new Uint8Array(DIGEST_BYTES)
  const nodes = new Uint8Array(Math.max(2 * lengths.length - 1, 0) * MERKLE_NODE_BYTES)
  core.merkleRoot(ids, lengths, profile, root, nodes)
  return { root: hex(root), nodes: hex(nodes) }
}

export function root(core: Kernels, { ids, lengths, profile }: Blob): string {
  const out = new Uint8Array(DIGEST_BYTES)
  core.merkleRoot(ids, lengths, profile, out)
  return hex(out)
}

export function verify(core: Kernels, claim: Claim): boolean {
  const { root, profile, total, count, index, id, length, proof } = claim
  return core.merkleVerify(root, profile, total, count, index, id, length, proof)
}

/** Data and parity side by side. */
export function encoded(core: Kernels, { k, m, shardBytes }: Stripe, data: Uint8Array): Uint8Array {
  const parity = new Uint8Array(m * shardBytes)
  core.rsEncode(k, m, shardBytes, data, parity)
  return Buffer.concat([data, parity])
}

/** The stripe after a repair, and how many shards were written. */
export function repaired(
  core: Kernels,
  { k, m, shardBytes }: Stripe,
  shards: Uint8Array,
  present: Uint8Array,
  want: Uint8Array,
): { written: number; shards: string } {
  const copy = Uint8Array.from(shards)
  return { written: core.rsReconstruct(k, m, shardBytes, copy, present, want), shards: hex(copy) }
}

/** The sketch of a set, or the difference of two. */
export function sketch(
  core: Kernels,
  symbols: number,
  added: readonly bigint[],
  removed: readonly bigint[] = [],
): Uint8Array {
  const bytes = new Uint8Array(symbols * SYMBOL_BYTES)
  core.sketchUpdate(bytes, symbols, BigUint64Array.from(added), 1)
  core.sketchUpdate(bytes, symbols, BigUint64Array.from(removed), -1)
  return bytes
}

/** The differences that a sketch holds as `+id` and `-id`, or null when it does not tell. */
export function decoded(core: Kernels, diff: Uint8Array, room = diff.length / SYMBOL_BYTES): string[] | null {
  const [ids, signs] = [new BigUint64Array(room), new Int8Array(room)]
  const count = core.sketchDecode(Uint8Array.from(diff), diff.length / SYMBOL_BYTES, ids, signs)
  if (count === NEED_MORE) return null
  return Array.from({ length: count }, (_, i) => {
    return `${signs[i] === 1 ? '+' : signs[i] === -1 ? '-' : '?'}${(ids[i] as bigint).toString(16).padStart(16, '0')}`
  })
}
