// Merkle trees over chunk ids, four hashes at a time. The tree of RFC 9162 §2.1.1 (split at the largest power of two
// below n) is the one that pairs neighbours level by level and lifts an odd last node unchanged.

import { hash4, OUT_OF_RANGE, SHA256_SCRATCH } from './sha256'

const LEAF: u8 = 0x00
const NODE: u8 = 0x01
const ROOT: u8 = 0x02
const VERSION: u8 = 1
const ALGORITHM_SHA256: u8 = 1
const PROFILE_CONTENT_64K: u32 = 2

/** A record, as it stands in a message and in a proof: u64be bytes below ‖ hash. */
const RECORD: usize = 40
const HASH: usize = 8

// Bytes of the three messages before their padding.
const LEAF_BYTES: usize = 1 + 8 + 32
const NODE_BYTES: usize = 1 + 8 + 32 + 32
const ROOT_BYTES: usize = 4 + 8 + 4 + 32

// Scratch after that of the hash: four messages, then a record for each leaf.
const MESSAGES: usize = SHA256_SCRATCH
const MESSAGE_STRIDE: usize = 128
const RECORDS: usize = MESSAGES + 4 * MESSAGE_STRIDE

/** Bytes of scratch for n leaves, at most 2²⁶ − 1. `merkleVerify` needs those for one. */
export function merkleScratch(n: u32): u32 {
  return <u32>RECORDS + n * <u32>RECORD
}

/**
 * Merkle root over n chunk ids.
 *
 * @param ids - n × 32 bytes
 * @param lengths - n × u32, each 1 to the largest chunk of the profile
 * @param profile - how the blob was cut, one byte
 * @param out - 32 bytes
 * @param nodes - receives the tree, (2n − 1) × 40 bytes; 0 when nobody wants it
 * @param scratch - `merkleScratch(nodes ? 1 : n)` bytes, 16-byte aligned
 * @returns 1, or `OUT_OF_RANGE` when a length is out of bounds
 */
export function merkleRoot(
  ids: usize,
  lengths: usize,
  n: u32,
  profile: u32,
  out: usize,
  nodes: usize,
  scratch: usize,
): i32 {
  for (let i: usize = 0; i < n; i++) {
    if (!isChunk(load<u32>(lengths + (i << 2)), profile)) return OUT_OF_RANGE
  }
  let top = scratch + RECORDS
  if (n > 0) {
    top = climb(ids, lengths, n, nodes, scratch)
  } else {
    prepare(0, 0, scratch)
    store<u64>(top, 0)
    hash4(scratch + MESSAGES, 1, 1, top + HASH, RECORD, scratch)
  }
  hashRoot(profile, n, top, out, scratch)
  return 1
}

/**
 * Whether chunk `index` of a blob has this id and length.
 *
 * @param root - 32 bytes
 * @param total - bytes of the blob, an integer of at most 2⁵³ − 1
 * @param id - 32 bytes
 * @param proof - `steps` records, siblings from the leaf upwards
 * @param scratch - `merkleScratch(1)` bytes, 16-byte aligned
 * @returns 1 or 0
 * @see RFC 9162 §2.1.3.2
 */
export function merkleVerify(
  root: usize,
  profile: u32,
  total: f64,
  count: u32,
  index: u32,
  id: usize,
  length: u32,
  proof: usize,
  steps: u32,
  scratch: usize,
): i32 {
  const all = <u64>total
  let bytes = <u64>length
  if (index >= count || !isChunk(length, profile) || bytes > all) return 0
  const node = scratch + RECORDS
  prepare(LEAF, LEAF_BYTES, scratch)
  leafMessage(id, bytes, scratch + MESSAGES)
  hash4(scratch + MESSAGES, 1, 1, node + HASH, RECORD, scratch)
  prepare(NODE, NODE_BYTES, scratch)
  let last = count - 1
  for (const end = proof + <usize>steps * RECORD; proof < end; proof += RECORD) {
    const below = bswap<u64>(load<u64>(proof))
    if (last === 0 || below > all - bytes) return 0
    bytes += below
    const isRight = (index & 1) !== 0 || index === last
    nodeMessage(bytes, isRight ? proof : node, isRight ? node : proof, scratch + MESSAGES)
    hash4(scratch + MESSAGES, 2, 1, node + HASH, RECORD, scratch)
    // A node without a right neighbour meets its sibling on a higher level.
    const skipped: u32 = isRight ? ctz(index) : 0
    index = (index >> skipped) >> 1
    last = (last >> skipped) >> 1
  }
  if (last > 0 || bytes !== all) return 0
  store<u64>(node, bswap<u64>(all))
  hashRoot(profile, count, node, node + HASH, scratch)
  return <i32>equal32(node + HASH, root)
}

function isChunk(length: u32, profile: u32): bool {
  return length > 0 && length <= (profile === PROFILE_CONTENT_64K ? 262144 : 65536)
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

function leafMessage(id: usize, bytes: u64, message: usize): void {
  store<u64>(message, bswap<u64>(bytes), 1)
  copy32(message + 9, id)
}

function nodeMessage(bytes: u64, left: usize, right: usize, message: usize): void {
  store<u64>(message, bswap<u64>(bytes), 1)
  copy32(message + 9, left + HASH)
  copy32(message + 41, right + HASH)
}

function hashRoot(profile: u32, count: u32, top: usize, out: usize, scratch: usize): void {
  const message = scratch + MESSAGES
  prepare(ROOT, ROOT_BYTES, scratch)
  store<u8>(message, VERSION, 1)
  store<u8>(message, ALGORITHM_SHA256, 2)
  store<u8>(message, <u8>profile, 3)
  store<u64>(message, load<u64>(top), 4)
  store<u32>(message, bswap<u32>(count), 12)
  copy32(message + 16, top + HASH)
  hash4(message, 1, 1, out, 32, scratch)
}

/** The whole tree, either level after level in `nodes` or each in place of the one below. @returns the top */
function climb(ids: usize, lengths: usize, n: usize, nodes: usize, scratch: usize): usize {
  let level = nodes ? nodes : scratch + RECORDS
  leaves(ids, lengths, n, level, scratch)
  prepare(NODE, NODE_BYTES, scratch)
  // A node without a right neighbour stays where it is; `lone` is the one that waits for its sibling.
  let lone: usize = 0
  for (let width = n; width + usize(lone !== 0) > 1; ) {
    const pairs = (width + usize(lone !== 0)) >> 1
    const next = nodes ? level + width * RECORD : level
    pairUp(level, width, lone, next, pairs, scratch)
    if (width & 1) lone = lone ? 0 : level + (width - 1) * RECORD
    level = next
    width = pairs
  }
  return level
}

function leaves(ids: usize, lengths: usize, n: usize, level: usize, scratch: usize): void {
  prepare(LEAF, LEAF_BYTES, scratch)
  for (let i: usize = 0; i < n; i += 4) {
    const count = min<usize>(4, n - i)
    for (let lane: usize = 0; lane < count; lane++) {
      const bytes = <u64>load<u32>(lengths + ((i + lane) << 2))
      leafMessage(ids + ((i + lane) << 5), bytes, scratch + MESSAGES + lane * MESSAGE_STRIDE)
      store<u64>(level + (i + lane) * RECORD, bswap<u64>(bytes))
    }
    hash4(scratch + MESSAGES, 1, count, level + i * RECORD + HASH, RECORD, scratch)
  }
}

/** The pairs of a level of `width` records and perhaps a lone one. In place, each lands at or before its left child. */
function pairUp(level: usize, width: usize, lone: usize, next: usize, pairs: usize, scratch: usize): void {
  for (let i: usize = 0; i < pairs; i += 4) {
    const count = min<usize>(4, pairs - i)
    for (let lane: usize = 0; lane < count; lane++) {
      const child = (i + lane) << 1
      const left = level + child * RECORD
      const right = child + 1 < width ? left + RECORD : lone
      const bytes = bswap<u64>(load<u64>(left)) + bswap<u64>(load<u64>(right))
      nodeMessage(bytes, left, right, scratch + MESSAGES + lane * MESSAGE_STRIDE)
      store<u64>(next + (i + lane) * RECORD, bswap<u64>(bytes))
    }
    hash4(scratch + MESSAGES, 2, count, next + i * RECORD + HASH, RECORD, scratch)
  }
}

function copy32(to: usize, from: usize): void {
  const low = v128.load(from)
  const high = v128.load(from, 16)
  v128.store(to, low)
  v128.store(to, high, 16)
}

function equal32(a: usize, b: usize): bool {
  const low = v128.xor(v128.load(a), v128.load(b))
  const high = v128.xor(v128.load(a, 16), v128.load(b, 16))
  return !v128.any_true(v128.or(low, high))
}
