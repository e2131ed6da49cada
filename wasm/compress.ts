// The compression function of SHA-256 (FIPS 180-4) over raw memory: four messages at a time, with one lane of every
// 128-bit vector each, and one alone. Both take whole blocks and find the state in the same place, word-major: vector i
// holds word i of every lane.

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
export const IV: usize = memory.data<u32>([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
])

export const BLOCK: u32 = 64

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

/** Σ0(a) + Maj(a, b, c), the second half: Maj is b ⊕ ((a ⊕ b) ∧ (b ⊕ c)), and b ⊕ c is a ⊕ b of the round before. */
function second(a: v128, b: v128, ab: v128, bc: v128): v128 {
  const sum = xor3(rotate(a, 2), rotate(a, 13), rotate(a, 22))
  return i32x4.add(sum, v128.xor(b, v128.and(ab, bc)))
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

/** Take `blocks` blocks of each lane into `state`; `w` is 1 KiB of scratch, 16-byte aligned. */
export function compress4(state: usize, p0: usize, p1: usize, p2: usize, p3: usize, blocks: u32, w: usize): void {
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
    let ab = v128.xor(a, b)
    let bc = v128.xor(b, c)
    // Eight rounds bring the eight names back to where they were.
    for (let t: usize = 0; t < 256; t += 32) {
      const k = K + t
      const v = w + (t << 2)
      h = first(h, e, f, g, kw(v, k))
      d = i32x4.add(d, h)
      ab = v128.xor(a, b)
      h = i32x4.add(h, second(a, b, ab, bc))
      g = first(g, d, e, f, kw(v + 16, k + 4))
      c = i32x4.add(c, g)
      bc = v128.xor(h, a)
      g = i32x4.add(g, second(h, a, bc, ab))
      f = first(f, c, d, e, kw(v + 32, k + 8))
      b = i32x4.add(b, f)
      ab = v128.xor(g, h)
      f = i32x4.add(f, second(g, h, ab, bc))
      e = first(e, b, c, d, kw(v + 48, k + 12))
      a = i32x4.add(a, e)
      bc = v128.xor(f, g)
      e = i32x4.add(e, second(f, g, bc, ab))
      d = first(d, a, b, c, kw(v + 64, k + 16))
      h = i32x4.add(h, d)
      ab = v128.xor(e, f)
      d = i32x4.add(d, second(e, f, ab, bc))
      c = first(c, h, a, b, kw(v + 80, k + 20))
      g = i32x4.add(g, c)
      bc = v128.xor(d, e)
      c = i32x4.add(c, second(d, e, bc, ab))
      b = first(b, g, h, a, kw(v + 96, k + 24))
      f = i32x4.add(f, b)
      ab = v128.xor(c, d)
      b = i32x4.add(b, second(c, d, ab, bc))
      a = first(a, f, g, h, kw(v + 112, k + 28))
      e = i32x4.add(e, a)
      bc = v128.xor(b, c)
      a = i32x4.add(a, second(b, c, bc, ab))
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

/** σ1 of two words. Each stands twice in its 64 bits, so that a shift of those is a rotation of the lower half. */
function sigmaOfTwo(twice: v128): v128 {
  return xor3(i64x2.shr_u(twice, 17), i64x2.shr_u(twice, 19), i32x4.shr_u(twice, 10))
}

/** The next four words of the schedule, of which the last two depend on the first two. */
function nextWords(w0: v128, w1: v128, w2: v128, w3: v128): v128 {
  const zero = i32x4.splat(0)
  const x = v128.shuffle<i32>(w0, w1, 1, 2, 3, 4)
  const s0 = xor3(rotate(x, 7), rotate(x, 18), i32x4.shr_u(x, 3))
  const sum = i32x4.add(i32x4.add(w0, v128.shuffle<i32>(w2, w3, 1, 2, 3, 4)), s0)
  const low = sigmaOfTwo(v128.shuffle<i32>(w3, w3, 2, 2, 3, 3))
  const half = i32x4.add(sum, v128.shuffle<i32>(low, zero, 0, 2, 4, 4))
  const high = sigmaOfTwo(v128.shuffle<i32>(half, half, 0, 0, 1, 1))
  return i32x4.add(half, v128.shuffle<i32>(zero, high, 0, 0, 4, 6))
}

function firstWord(h: u32, e: u32, f: u32, g: u32, kw: u32): u32 {
  const sum = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25)
  return h + kw + (g ^ (e & (f ^ g))) + sum
}

function secondWord(a: u32, b: u32, c: u32): u32 {
  return (rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22)) + (((a ^ b) & (b ^ c)) ^ b)
}

function accumulate(state: usize, value: u32): void {
  store<u32>(state, load<u32>(state) + value)
}

/** The same for one lane: `state` is its first word, the next one 16 bytes on. */
export function compress(state: usize, p: usize, blocks: u32): void {
  for (; blocks > 0; blocks--, p += BLOCK) {
    let w0 = bigEndian(p)
    let w1 = bigEndian(p + 16)
    let w2 = bigEndian(p + 32)
    let w3 = bigEndian(p + 48)
    let a = load<u32>(state)
    let b = load<u32>(state, 16)
    let c = load<u32>(state, 32)
    let d = load<u32>(state, 48)
    let e = load<u32>(state, 64)
    let f = load<u32>(state, 80)
    let g = load<u32>(state, 96)
    let h = load<u32>(state, 112)
    for (let k = K; k < K + 256; k += 32) {
      // The vectors of the words to come are computed beside the rounds, which wait for each other.
      // Two leave a vector at a time: through memory, a processor that is wary of it makes each round wait.
      const x = i32x4.add(w0, v128.load(k))
      const y = i32x4.add(w1, v128.load(k, 16))
      const x01 = <u64>i64x2.extract_lane(x, 0)
      const x23 = <u64>i64x2.extract_lane(x, 1)
      const y01 = <u64>i64x2.extract_lane(y, 0)
      const y23 = <u64>i64x2.extract_lane(y, 1)
      h = firstWord(h, e, f, g, <u32>x01)
      d += h
      h += secondWord(a, b, c)
      g = firstWord(g, d, e, f, <u32>(x01 >> 32))
      c += g
      g += secondWord(h, a, b)
      f = firstWord(f, c, d, e, <u32>x23)
      b += f
      f += secondWord(g, h, a)
      e = firstWord(e, b, c, d, <u32>(x23 >> 32))
      a += e
      e += secondWord(f, g, h)
      d = firstWord(d, a, b, c, <u32>y01)
      h += d
      d += secondWord(e, f, g)
      c = firstWord(c, h, a, b, <u32>(y01 >> 32))
      g += c
      c += secondWord(d, e, f)
      b = firstWord(b, g, h, a, <u32>y23)
      f += b
      b += secondWord(c, d, e)
      a = firstWord(a, f, g, h, <u32>(y23 >> 32))
      e += a
      a += secondWord(b, c, d)
      const next = nextWords(w0, w1, w2, w3)
      const last = nextWords(w1, w2, w3, next)
      w0 = w2
      w1 = w3
      w2 = next
      w3 = last
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
