// The tree over a blob's chunks: RFC 9162 §2.1 with lengths in the nodes and the blob's own numbers in the root.
import { hash } from 'node:crypto'
import { DIGEST_BYTES, MERKLE_NODE_BYTES, PROFILE_CONTENT_64K } from '../../src/core/surface.ts'

const LEAF = 0
const NODE = 1
const ROOT = 2
const VERSION = 1
const ALGORITHM_SHA256 = 1

/** A leaf or node: what it is called and how many bytes of the blob lie below it. */
export interface Below {
  bytes: bigint
  hash: Uint8Array
}

/** Length of a profile's largest chunk, in bytes. */
export const chunkBytesMax = (profile: number): number => (profile === PROFILE_CONTENT_64K ? 262_144 : 65_536)

function sha256(...parts: Uint8Array[]): Uint8Array {
  return hash('sha256', Buffer.concat(parts), 'buffer')
}

function bigEndian(value: bigint | number, bytes: 4 | 8): Uint8Array {
  return Buffer.from(value.toString(16).padStart(2 * bytes, '0'), 'hex')
}

export function leaf(id: Uint8Array, length: number): Below {
  return { bytes: BigInt(length), hash: sha256(Uint8Array.of(LEAF), bigEndian(length, 8), id) }
}

export function node(left: Below, right: Below): Below {
  const bytes = left.bytes + right.bytes
  // No node of an honest tree holds more than a u64 says; of a forged one only this is of interest.
  const length = bigEndian(BigInt.asUintN(64, bytes), 8)
  return { bytes, hash: sha256(Uint8Array.of(NODE), length, left.hash, right.hash) }
}

/** The root of a tree that stands on `count` chunks and has this top. */
export function rootOf(profile: number, total: bigint | number, count: number, top: Uint8Array): Uint8Array {
  const head = Uint8Array.of(ROOT, VERSION, ALGORITHM_SHA256, profile)
  return sha256(head, bigEndian(total, 8), bigEndian(count, 4), top)
}

export function leavesOf(ids: Uint8Array, lengths: Uint32Array): Below[] {
  return Array.from(lengths, (length, i) => leaf(ids.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES), length))
}

/** The largest power of two below `count`, which is at least 2. */
function splitOf(count: number): number {
  let split = 1
  while (split * 2 < count) split *= 2
  return split
}

/** RFC 9162 §2.1.1, MTH: of at least one leaf. */
export function topOf(leaves: readonly Below[]): Below {
  if (leaves.length === 1) return leaves[0] as Below
  const split = splitOf(leaves.length)
  return node(topOf(leaves.slice(0, split)), topOf(leaves.slice(split)))
}

/** RFC 9162 §2.1.3.1, PATH: the siblings of a leaf, from below upwards. */
export function proofOf(leaves: readonly Below[], index: number): Below[] {
  if (leaves.length === 1) return []
  const split = splitOf(leaves.length)
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)]
  return index < split ? [...proofOf(left, index), topOf(right)] : [...proofOf(right, index - split), topOf(left)]
}

/** All leaves and nodes, level by level. */
export function levelsOf(leaves: readonly Below[]): Below[] {
  const all: Below[] = [...leaves]
  for (let level = [...leaves]; level.length > 1; ) {
    const above: Below[] = []
    for (let i = 0; i < level.length; i += 2) {
      const [left, right] = [level[i] as Below, level[i + 1]]
      above.push(right === undefined ? left : node(left, right))
      if (right !== undefined) all.push(above.at(-1) as Below)
    }
    level = above
  }
  return all
}

/**
 * Where a proof leads from leaf `index` of `count`.
 *
 * @returns undefined when a proof for that leaf has another number of steps
 */
export function climb(from: Below, index: number, count: number, proof: readonly Below[]): Below | undefined {
  if (count === 1) return proof.length === 0 ? from : undefined
  const sibling = proof.at(-1)
  if (sibling === undefined) return undefined
  const split = splitOf(count)
  const isLeft = index < split
  const reached = climb(from, isLeft ? index : index - split, isLeft ? split : count - split, proof.slice(0, -1))
  if (reached === undefined) return undefined
  return isLeft ? node(reached, sibling) : node(sibling, reached)
}

/** Leaves, nodes or steps of a proof as they lie in a buffer. */
export function toBytes(all: readonly Below[]): Uint8Array {
  return Buffer.concat(all.flatMap(({ bytes, hash }) => [bigEndian(bytes, 8), hash]))
}

/** @returns undefined when there is no whole number of them */
export function fromBytes(bytes: Uint8Array): Below[] | undefined {
  if (bytes.length % MERKLE_NODE_BYTES !== 0) return undefined
  const view = Buffer.from(bytes)
  return Array.from({ length: bytes.length / MERKLE_NODE_BYTES }, (_, i) => ({
    bytes: view.readBigUInt64BE(i * MERKLE_NODE_BYTES),
    hash: view.subarray(i * MERKLE_NODE_BYTES + 8, (i + 1) * MERKLE_NODE_BYTES),
  }))
}
