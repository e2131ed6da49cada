// SHA-256 (FIPS 180-4) over raw memory: one message at a time, and four at a time with one lane of every
// 128-bit vector each. No decorators and no managed objects: the host owns the memory and passes pointers.

// FIPS 180-4 §4.2.2 and §5.3.3.
const K: usize = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
])
const IV: usize = memory.data<u32>([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
])

/** A call whose ranges or lengths do not fit; nothing was written. */
export const OUT_OF_RANGE: i32 = -2

const BLOCK: u32 = 64
/** The padded end of a message is one block or two. */
const TAIL_BYTES: usize = 128

// Scratch, 16-byte aligned: the message schedule, the state of four lanes (word-major: vector i holds word i
// of every lane), then a record and a tail for each lane.
const STATE: usize = 1024
const LANES: usize = STATE + 128
const LANE_BYTES: usize = 16
const TAILS: usize = LANES + 4 * LANE_BYTES
/** Bytes of scratch that `sha256Many` and `hash4` need. */
export const SHA256_SCRATCH: usize = TAILS + 4 * TAIL_BYTES

// A lane record: where its next block lies, how many follow each other there, whose digest it computes, and
// whether those blocks are the padded end.
const POINTER: usize = 0
const LEFT: usize = 4
const RANGE: usize = 8
const AT_TAIL: usize = 12
/** The range of a lane without work: it repeats another lane's blocks and its state is dropped. */
const IDLE: u32 = 0xffffffff

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
 * Four padded messages of equal length, 128 bytes apart, to `count` digests (1 to 4).
 *
 * @param scratch - `SHA256_SCRATCH` bytes, 16-byte aligned
 */
export function hash4(messages: usize, blocks: u32, count: usize, out: usize, scratch: usize): void {
  for (let lane: usize = 0; lane < 4; lane++) resetState(lane, scratch)
  compress4(scratch + STATE, messages, messages + 128, messages + 256, messages + 384, blocks, scratch)
  for (let lane: usize = 0; lane < count; lane++) storeDigest(lane, out + (lane << 5), scratch)
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

/** Point a lane at its padded end: what is left of the range, a 1 bit, zeros, the length in bits. */
function pad(lane: usize, ranges: usize, scratch: usize): void {
  const at = record(scratch, lane)
  const length = load<u32>(ranges + ((<usize>load<u32>(at, RANGE)) << 3), 4)
  const rest = <usize>(length & 63)
  const tail = scratch + TAILS + lane * TAIL_BYTES
  const blocks: u32 = rest < 56 ? 1 : 2
  memory.copy(tail, <usize>load<u32>(at, POINTER), rest)
  memory.fill(tail + rest, 0, TAIL_BYTES - rest)
  store<u8>(tail + rest, 0x80)
  store<u64>(tail + ((<usize>blocks) << 6) - 8, bswap<u64>((<u64>length) << 3))
  store<u32>(at, <u32>tail, POINTER)
  store<u32>(at, blocks, LEFT)
  store<u32>(at, 1, AT_TAIL)
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
    compress(state, <usize>load<u32>(at, POINTER), load<u32>(at, LEFT), scratch)
    store<u32>(at, load<u32>(at, POINTER) + load<u32>(at, LEFT) * BLOCK, POINTER)
    store<u32>(at, 0, LEFT)
  } while (!isDone(lane, ranges, scratch))
  finish(lane, out, scratch)
}

function rotate(x: v128, bits: i32): v128 {
  return v128.or(i32x4.shr_u(x, bits), i32x4.shl(x, 32 - bits))
}

function xor3(a: v128, b: v128, c: v128): v128 {
  return v128.xor(v128.xor(a, b), c)
}

/** h + Σ1(e) + Ch(e, f, g) + k + w, the first half of a round. */
function first(h: v128, e: v128, f: v128, g: v128, kw: v128): v128 {
  const sum = xor3(rotate(e, 6), rotate(e, 11), rotate(e, 25))
  return i32x4.add(i32x4.add(h, kw), i32x4.add(sum, v128.xor(g, v128.and(e, v128.xor(f, g)))))
}

/** Σ0(a) + Maj(a, b, c), the second half. */
function second(a: v128, b: v128, c: v128): v128 {
  const sum = xor3(rotate(a, 2), rotate(a, 13), rotate(a, 22))
  return i32x4.add(sum, v128.or(v128.and(a, b), v128.and(c, v128.or(a, b))))
}

function bigEndian(p: usize): v128 {
  return v128.swizzle(v128.load(p), i8x16(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12))
}

/** Words of one block of each lane, transposed: w[t] holds word t of all four. Then the other 48 words. */
function schedule4(p0: usize, p1: usize, p2: usize, p3: usize, w: usize): void {
  for (let i: usize = 0; i < 64; i += 16) {
    const r0 = bigEndian(p0 + i)
    const r1 = bigEndian(p1 + i)
    const r2 = bigEndian(p2 + i)
    const r3 = bigEndian(p3 + i)
    const t0 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5)
    const t1 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7)
    const t2 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5)
    const t3 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7)
    const at = w + (i << 2)
    v128.store(at, v128.shuffle<i64>(t0, t2, 0, 2))
    v128.store(at, v128.shuffle<i64>(t0, t2, 1, 3), 16)
    v128.store(at, v128.shuffle<i64>(t1, t3, 0, 2), 32)
    v128.store(at, v128.shuffle<i64>(t1, t3, 1, 3), 48)
  }
  for (const end = w + 768; w < end; w += 16) {
    const x = v128.load(w, 16)
    const y = v128.load(w, 224)
    const s0 = xor3(rotate(x, 7), rotate(x, 18), i32x4.shr_u(x, 3))
    const s1 = xor3(rotate(y, 17), rotate(y, 19), i32x4.shr_u(y, 10))
    v128.store(w, i32x4.add(i32x4.add(v128.load(w), v128.load(w, 144)), i32x4.add(s0, s1)), 256)
  }
}

function kw(w: usize, k: usize): v128 {
  return i32x4.add(v128.load(w), v128.load32_splat(k))
}

/** Take `blocks` blocks of each lane into `state`; `w` is 1 KiB of scratch. */
function compress4(state: usize, p0: usize, p1: usize, p2: usize, p3: usize, blocks: u32, w: usize): void {
  for (; blocks > 0; blocks--) {
    schedule4(p0, p1, p2, p3, w)
    let a = v128.load(state)
    let b = v128.load(state, 16)
    let c = v128.load(state, 32)
    let d = v128.load(state, 48)
    let e = v128.load(state, 64)
    let f = v128.load(state, 80)
    let g = v128.load(state, 96)
    let h = v128.load(state, 112)
    // Eight rounds bring the eight names back to where they were.
    for (let t: usize = 0; t < 256; t += 32) {
      const k = K + t
      const v = w + (t << 2)
      h = first(h, e, f, g, kw(v, k))
      d = i32x4.add(d, h)
      h = i32x4.add(h, second(a, b, c))
      g = first(g, d, e, f, kw(v + 16, k + 4))
      c = i32x4.add(c, g)
      g = i32x4.add(g, second(h, a, b))
      f = first(f, c, d, e, kw(v + 32, k + 8))
      b = i32x4.add(b, f)
      f = i32x4.add(f, second(g, h, a))
      e = first(e, b, c, d, kw(v + 48, k + 12))
      a = i32x4.add(a, e)
      e = i32x4.add(e, second(f, g, h))
      d = first(d, a, b, c, kw(v + 64, k + 16))
      h = i32x4.add(h, d)
      d = i32x4.add(d, second(e, f, g))
      c = first(c, h, a, b, kw(v + 80, k + 20))
      g = i32x4.add(g, c)
      c = i32x4.add(c, second(d, e, f))
      b = first(b, g, h, a, kw(v + 96, k + 24))
      f = i32x4.add(f, b)
      b = i32x4.add(b, second(c, d, e))
      a = first(a, f, g, h, kw(v + 112, k + 28))
      e = i32x4.add(e, a)
      a = i32x4.add(a, second(b, c, d))
    }
    v128.store(state, i32x4.add(v128.load(state), a))
    v128.store(state, i32x4.add(v128.load(state, 16), b), 16)
    v128.store(state, i32x4.add(v128.load(state, 32), c), 32)
    v128.store(state, i32x4.add(v128.load(state, 48), d), 48)
    v128.store(state, i32x4.add(v128.load(state, 64), e), 64)
    v128.store(state, i32x4.add(v128.load(state, 80), f), 80)
    v128.store(state, i32x4.add(v128.load(state, 96), g), 96)
    v128.store(state, i32x4.add(v128.load(state, 112), h), 112)
    p0 += BLOCK
    p1 += BLOCK
    p2 += BLOCK
    p3 += BLOCK
  }
}

function firstWord(h: u32, e: u32, f: u32, g: u32, w: usize, k: usize): u32 {
  const sum = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25)
  return h + sum + (g ^ (e & (f ^ g))) + load<u32>(w) + load<u32>(k)
}

function secondWord(a: u32, b: u32, c: u32): u32 {
  return (rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22)) + ((a & b) | (c & (a | b)))
}

function schedule(p: usize, w: usize): void {
  for (let i: usize = 0; i < 64; i += 16) v128.store(w + i, bigEndian(p + i))
  for (const end = w + 192; w < end; w += 4) {
    const x = load<u32>(w, 4)
    const y = load<u32>(w, 56)
    const s0 = rotr<u32>(x, 7) ^ rotr<u32>(x, 18) ^ (x >> 3)
    const s1 = rotr<u32>(y, 17) ^ rotr<u32>(y, 19) ^ (y >> 10)
    store<u32>(w, load<u32>(w) + s0 + load<u32>(w, 36) + s1, 64)
  }
}

function accumulate(state: usize, value: u32): void {
  store<u32>(state, load<u32>(state) + value)
}

/** The same for one lane: `state` is its first word, the next one 16 bytes on; `w` is 256 bytes of scratch. */
function compress(state: usize, p: usize, blocks: u32, w: usize): void {
  for (; blocks > 0; blocks--, p += BLOCK) {
    schedule(p, w)
    let a = load<u32>(state)
    let b = load<u32>(state, 16)
    let c = load<u32>(state, 32)
    let d = load<u32>(state, 48)
    let e = load<u32>(state, 64)
    let f = load<u32>(state, 80)
    let g = load<u32>(state, 96)
    let h = load<u32>(state, 112)
    for (let t: usize = 0; t < 256; t += 32) {
      const k = K + t
      const v = w + t
      h = firstWord(h, e, f, g, v, k)
      d += h
      h += secondWord(a, b, c)
      g = firstWord(g, d, e, f, v + 4, k + 4)
      c += g
      g += secondWord(h, a, b)
      f = firstWord(f, c, d, e, v + 8, k + 8)
      b += f
      f += secondWord(g, h, a)
      e = firstWord(e, b, c, d, v + 12, k + 12)
      a += e
      e += secondWord(f, g, h)
      d = firstWord(d, a, b, c, v + 16, k + 16)
      h += d
      d += secondWord(e, f, g)
      c = firstWord(c, h, a, b, v + 20, k + 20)
      g += c
      c += secondWord(d, e, f)
      b = firstWord(b, g, h, a, v + 24, k + 24)
      f += b
      b += secondWord(c, d, e)
      a = firstWord(a, f, g, h, v + 28, k + 28)
      e += a
      a += secondWord(b, c, d)
    }
    accumulate(state, a)
    accumulate(state + 16, b)
    accumulate(state + 32, c)
    accumulate(state + 48, d)
    accumulate(state + 64, e)
    accumulate(state + 80, f)
    accumulate(state + 96, g)
    accumulate(state + 112, h)
  }
}
