// SHA-256 (FIPS 180-4): of many ranges of one buffer at once, and of a message that comes in pieces. No decorators and
// no managed objects: the host owns the memory and passes pointers.

import { BLOCK, compress, compress4, IV } from './compress'

/** A call whose ranges, lengths or state do not fit; nothing was written. */
export const OUT_OF_RANGE: i32 = -2

/** The padded end of a message is one block or two. */
const TAIL_BYTES: usize = 128

// Scratch, 16-byte aligned: the message schedule, the state of four lanes, then a record and a tail for each lane.
const STATE: usize = 1024
const LANES: usize = STATE + 128
const LANE_BYTES: usize = 16
const TAILS: usize = LANES + 4 * LANE_BYTES
/** Bytes of scratch that every function here needs. */
export const SHA256_SCRATCH: usize = TAILS + 4 * TAIL_BYTES

// A lane record: where its next block lies, how many follow each other there, whose digest it computes, and
// whether those blocks are the padded end.
const POINTER: usize = 0
const LEFT: usize = 4
const RANGE: usize = 8
const AT_TAIL: usize = 12
/** The range of a lane without work: it repeats another lane's blocks and its state is dropped. */
const IDLE: u32 = 0xffffffff

// The state between two pieces: chaining words, then these, as in `src/core/surface.ts`.
const TOTAL: usize = 32
const PENDING: usize = 40
const PHASE: usize = 104
const RESERVED: usize = 108
const FRESH: u32 = 0
const BEGUN: u32 = 1
const FINISHED: u32 = 2
const DIGEST_BYTES: i32 = 32
/** FIPS 180-4 writes the length in bits into 64 bits. */
const TOTAL_MAX: u64 = (1 << 61) - 1

/**
 * SHA-256 of n ranges of one buffer.
 *
 * Four ranges are hashed at a time. A lane that finishes takes the next range at once, so ranges of different
 * lengths keep all four busy; the last range alone goes through the scalar path, which is then the faster one.
 *
 * @param ranges - n pairs of u32: offset into the buffer, length; both may be 0
 * @param out - room for n × 32 bytes, apart from the buffer
 * @param scratch - `SHA256_SCRATCH` bytes, 16-byte aligned
 * @returns n, or `OUT_OF_RANGE` when a range ends beyond `bytes`
 */
export function sha256Many(buffer: usize, bytes: u32, ranges: usize, n: u32, out: usize, scratch: usize): i32 {
  for (let i: u32 = 0; i < n; i++) {
    const range = ranges + ((<usize>i) << 3)
    if (<u64>load<u32>(range) + <u64>load<u32>(range, 4) > <u64>bytes) return OUT_OF_RANGE
  }
  let next: u32 = 0
  let active: u32 = 0
  for (let lane: usize = 0; lane < 4; lane++) {
    store<u32>(record(scratch, lane), IDLE, RANGE)
    if (next < n) {
      begin(buffer, ranges, next++, lane, scratch)
      active++
    }
  }
  while (active > 1) {
    advance(scratch)
    for (let lane: usize = 0; lane < 4; lane++) {
      if (!isDone(lane, ranges, scratch)) continue
      finish(lane, out, scratch)
      if (next < n) begin(buffer, ranges, next++, lane, scratch)
      else active--
    }
  }
  if (active === 1) finishAlone(ranges, out, scratch)
  return n
}

/**
 * SHA-256 of a message that comes in pieces.
 *
 * @param state - 112 bytes, all zero before the first piece
 * @param final - 1 for the last piece: `state` then begins with the digest
 * @param scratch - `SHA256_SCRATCH` bytes, 16-byte aligned
 * @returns bytes of digest, 32 or 0, or `OUT_OF_RANGE` when the state is finished or none of ours
 */
export function sha256Update(state: usize, piece: usize, length: u32, final: u32, scratch: usize): i32 {
  const before = load<u64>(state, TOTAL)
  if (!isOpen(state) || before > TOTAL_MAX - <u64>length) return OUT_OF_RANGE
  const words = scratch + STATE
  for (let i: usize = 0; i < 8; i++) {
    store<u32>(words + (i << 4), load<u32>((load<u32>(state, PHASE) === FRESH ? IV : state) + (i << 2)))
  }
  store<u64>(state, before + <u64>length, TOTAL)
  store<u32>(state, BEGUN, PHASE)
  const held = <u32>before & (BLOCK - 1)
  const taken = held > 0 ? min(BLOCK - held, length) : 0
  memory.copy(state + PENDING + held, piece, taken)
  if (held + taken === BLOCK) {
    compress(words, state + PENDING, 1)
    memory.fill(state + PENDING, 0, BLOCK)
  }
  const blocks = (length - taken) >> 6
  compress(words, piece + taken, blocks)
  const done = taken + (blocks << 6)
  // Either nothing is left, or nothing is held any more.
  if (done < length) memory.copy(state + PENDING, piece + done, length - done)
  if (final) return close(state, scratch)
  for (let i: usize = 0; i < 8; i++) store<u32>(state + (i << 2), load<u32>(words + (i << 4)))
  return 0
}

/** Whether a state is one that `sha256Update` leaves, or all zero. */
function isOpen(state: usize): bool {
  if (load<u32>(state, RESERVED)) return false
  if (load<u32>(state, PHASE) === BEGUN) return true
  for (let i: usize = 0; i < RESERVED; i += 4) if (load<u32>(state + i)) return false
  return true
}

function close(state: usize, scratch: usize): i32 {
  const total = load<u64>(state, TOTAL)
  const tail = scratch + TAILS
  compress(scratch + STATE, tail, padEnd(tail, state + PENDING, <usize>total & (BLOCK - 1), total))
  storeDigest(0, state, scratch)
  memory.fill(state + PENDING, 0, BLOCK)
  store<u32>(state, FINISHED, PHASE)
  return DIGEST_BYTES
}

/**
 * Padded messages of equal length, 128 bytes apart, to `count` digests (1 to 4), `stride` bytes apart.
 *
 * @param scratch - `SHA256_SCRATCH` bytes, 16-byte aligned
 */
export function hash4(messages: usize, blocks: u32, count: usize, out: usize, stride: usize, scratch: usize): void {
  const state = scratch + STATE
  for (let lane: usize = 0; lane < 4; lane++) resetState(lane, scratch)
  // One message alone is faster without vectors.
  if (count === 1) compress(state, messages, blocks)
  else compress4(state, messages, messages + 128, messages + 256, messages + 384, blocks, scratch)
  for (let lane: usize = 0; lane < count; lane++) storeDigest(lane, out + lane * stride, scratch)
}

function record(scratch: usize, lane: usize): usize {
  return scratch + LANES + lane * LANE_BYTES
}

function resetState(lane: usize, scratch: usize): void {
  const state = scratch + STATE + (lane << 2)
  for (let i: usize = 0; i < 8; i++) store<u32>(state + (i << 4), load<u32>(IV + (i << 2)))
}

function storeDigest(lane: usize, out: usize, scratch: usize): void {
  const state = scratch + STATE + (lane << 2)
  for (let i: usize = 0; i < 8; i++) store<u32>(out + (i << 2), bswap<u32>(load<u32>(state + (i << 4))))
}

function begin(buffer: usize, ranges: usize, index: u32, lane: usize, scratch: usize): void {
  const range = ranges + ((<usize>index) << 3)
  const at = record(scratch, lane)
  store<u32>(at, <u32>buffer + load<u32>(range), POINTER)
  store<u32>(at, load<u32>(range, 4) >> 6, LEFT)
  store<u32>(at, index, RANGE)
  store<u32>(at, 0, AT_TAIL)
  resetState(lane, scratch)
  if (load<u32>(at, LEFT) === 0) pad(lane, ranges, scratch)
}

/** Point a lane at its padded end. */
function pad(lane: usize, ranges: usize, scratch: usize): void {
  const at = record(scratch, lane)
  const length = load<u32>(ranges + ((<usize>load<u32>(at, RANGE)) << 3), 4)
  const tail = scratch + TAILS + lane * TAIL_BYTES
  store<u32>(at, padEnd(tail, <usize>load<u32>(at, POINTER), <usize>length & (BLOCK - 1), <u64>length), LEFT)
  store<u32>(at, <u32>tail, POINTER)
  store<u32>(at, 1, AT_TAIL)
}

/**
 * The end of a message of `length` bytes: its last `rest` ones, a 1 bit, zeros, the length in bits.
 *
 * @returns its blocks, 1 or 2
 */
function padEnd(tail: usize, from: usize, rest: usize, length: u64): u32 {
  const blocks: u32 = rest < 56 ? 1 : 2
  memory.copy(tail, from, rest)
  memory.fill(tail + rest, 0, TAIL_BYTES - rest)
  store<u8>(tail + rest, 0x80)
  store<u64>(tail + ((<usize>blocks) << 6) - 8, bswap<u64>(length << 3))
  return blocks
}

/** Compress as many blocks as every busy lane still has in one piece. */
function advance(scratch: usize): void {
  let blocks: u32 = u32.MAX_VALUE
  let busy: usize = 0
  for (let lane: usize = 0; lane < 4; lane++) {
    const at = record(scratch, lane)
    if (load<u32>(at, RANGE) === IDLE) continue
    blocks = min(blocks, load<u32>(at, LEFT))
    busy = load<u32>(at, POINTER)
  }
  const p0 = pointer(0, busy, scratch)
  const p1 = pointer(1, busy, scratch)
  const p2 = pointer(2, busy, scratch)
  compress4(scratch + STATE, p0, p1, p2, pointer(3, busy, scratch), blocks, scratch)
  for (let lane: usize = 0; lane < 4; lane++) {
    const at = record(scratch, lane)
    store<u32>(at, load<u32>(at, POINTER) + blocks * BLOCK, POINTER)
    store<u32>(at, load<u32>(at, LEFT) - blocks, LEFT)
  }
}

function pointer(lane: usize, busy: usize, scratch: usize): usize {
  const at = record(scratch, lane)
  return load<u32>(at, RANGE) === IDLE ? busy : <usize>load<u32>(at, POINTER)
}

/** Whether a busy lane has taken its whole message; one that has only reached its end is pointed there. */
function isDone(lane: usize, ranges: usize, scratch: usize): bool {
  const at = record(scratch, lane)
  if (load<u32>(at, RANGE) === IDLE || load<u32>(at, LEFT) > 0) return false
  if (load<u32>(at, AT_TAIL)) return true
  pad(lane, ranges, scratch)
  return false
}

function finish(lane: usize, out: usize, scratch: usize): void {
  const at = record(scratch, lane)
  storeDigest(lane, out + ((<usize>load<u32>(at, RANGE)) << 5), scratch)
  store<u32>(at, IDLE, RANGE)
}

function finishAlone(ranges: usize, out: usize, scratch: usize): void {
  let lane: usize = 0
  while (load<u32>(record(scratch, lane), RANGE) === IDLE) lane++
  const at = record(scratch, lane)
  const state = scratch + STATE + (lane << 2)
  do {
    compress(state, <usize>load<u32>(at, POINTER), load<u32>(at, LEFT))
    store<u32>(at, load<u32>(at, POINTER) + load<u32>(at, LEFT) * BLOCK, POINTER)
    store<u32>(at, 0, LEFT)
  } while (!isDone(lane, ranges, scratch))
  finish(lane, out, scratch)
}
