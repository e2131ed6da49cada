// Merkle root over chunk ids, four hashes at a time. The tree of RFC 9162 §2.1.1 (split at the largest power
// of two below n) is the one that pairs neighbours level by level and lifts an odd last node unchanged.

import { hash4, OUT_OF_RANGE, SHA256_SCRATCH } from './sha256'

const LEAF: u8 = 0x00
const NODE: u8 = 0x01
const ROOT: u8 = 0x02
const VERSION: u8 = 1
const ALGORITHM_SHA256: u8 = 1
const CHUNK_BYTES_MAX: u32 = 65536

// Bytes of the three messages before their padding.
const LEAF_BYTES: usize = 1 + 8 + 32
const NODE_BYTES: usize = 1 + 8 + 32 + 32
const ROOT_BYTES: usize = 4 + 8 + 4 + 32

// Scratch after that of the hash: four messages, then for each node of the current level the bytes below it
// (u64) and its digest.
const MESSAGES: usize = SHA256_SCRATCH
const MESSAGE_STRIDE: usize = 128
const SIZES: usize = MESSAGES + 4 * MESSAGE_STRIDE

/** Bytes of scratch that `merkleRoot` needs for n chunks; at least what `sha256Many` needs. */
export function merkleScratch(n: u32): u32 {
  return <u32>SIZES + n * 40
}

/**
 * Merkle root over n chunk ids.
 *
 * @param ids - n × 32 bytes
 * @param lengths - n × u32, each 1 to 65,536
 * @param profile - how the blob was cut, one byte
 * @param out - 32 bytes
 * @param scratch - `merkleScratch(n)` bytes, 16-byte aligned
 * @returns 1, or `OUT_OF_RANGE` when a length is out of bounds
 */
export function merkleRoot(ids: usize, lengths: usize, n: u32, profile: u32, out: usize, scratch: usize): i32 {
  for (let i: usize = 0; i < n; i++) {
    const length = load<u32>(lengths + (i << 2))
    if (length === 0 || length > CHUNK_BYTES_MAX) return OUT_OF_RANGE
  }
  const digests = scratch + SIZES + ((<usize>n) << 3)
  if (n > 0) {
    leaves(ids, lengths, n, digests, scratch)
    for (let width: usize = n; width > 1; width = (width + 1) >> 1) pairUp(width, digests, scratch)
  } else {
    prepare(0, 0, scratch)
    hash4(scratch + MESSAGES, 1, 1, out, scratch)
  }
  prepare(ROOT, ROOT_BYTES, scratch)
  const message = scratch + MESSAGES
  store<u8>(message, VERSION, 1)
  store<u8>(message, ALGORITHM_SHA256, 2)
  store<u8>(message, <u8>profile, 3)
  store<u64>(message, n > 0 ? bswap<u64>(load<u64>(scratch, SIZES)) : 0, 4)
  store<u32>(message, bswap<u32>(n), 12)
  memory.copy(message + 16, n > 0 ? digests : out, 32)
  hash4(message, 1, 1, out, scratch)
  return 1
}

/** Prefix and padding of four messages of `length` bytes; only what lies between is written again. */
function prepare(prefix: u8, length: usize, scratch: usize): void {
  const end: usize = length < 56 ? 56 : 120
  memory.fill(scratch + MESSAGES, 0, 4 * MESSAGE_STRIDE)
  for (let lane: usize = 0; lane < 4; lane++) {
    const message = scratch + MESSAGES + lane * MESSAGE_STRIDE
    store<u8>(message, prefix)
    store<u8>(message + length, 0x80)
    store<u64>(message + end, bswap<u64>((<u64>length) << 3))
  }
}

function leaves(ids: usize, lengths: usize, n: usize, digests: usize, scratch: usize): void {
  prepare(LEAF, LEAF_BYTES, scratch)
  for (let i: usize = 0; i < n; i += 4) {
    const count = min<usize>(4, n - i)
    for (let lane: usize = 0; lane < count; lane++) {
      const bytes = <u64>load<u32>(lengths + ((i + lane) << 2))
      const message = scratch + MESSAGES + lane * MESSAGE_STRIDE
      store<u64>(message, bswap<u64>(bytes), 1)
      memory.copy(message + 9, ids + ((i + lane) << 5), 32)
      store<u64>(scratch + SIZES + ((i + lane) << 3), bytes)
    }
    hash4(scratch + MESSAGES, 1, count, digests + (i << 5), scratch)
  }
}

/** One level up, in place: a node is written at or before the place of its left child. */
function pairUp(width: usize, digests: usize, scratch: usize): void {
  const sizes = scratch + SIZES
  const pairs = width >> 1
  prepare(NODE, NODE_BYTES, scratch)
  for (let i: usize = 0; i < pairs; i += 4) {
    const count = min<usize>(4, pairs - i)
    for (let lane: usize = 0; lane < count; lane++) {
      const left = sizes + ((i + lane) << 4)
      const bytes = load<u64>(left) + load<u64>(left, 8)
      const message = scratch + MESSAGES + lane * MESSAGE_STRIDE
      store<u64>(message, bswap<u64>(bytes), 1)
      memory.copy(message + 9, digests + ((i + lane) << 6), 64)
      store<u64>(sizes + ((i + lane) << 3), bytes)
    }
    hash4(scratch + MESSAGES, 2, count, digests + (i << 5), scratch)
  }
  if (width & 1) {
    store<u64>(sizes + (pairs << 3), load<u64>(sizes + ((width - 1) << 3)))
    memory.copy(digests + (pairs << 5), digests + ((width - 1) << 5), 32)
  }
}
