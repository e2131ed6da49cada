// Reed-Solomon code over GF(2⁸) with x⁸ + x⁴ + x³ + x² + 1: any k of k + m shards give back the others.
//
// The parity of `rsEncode`, made by a Cauchy matrix, is a polynomial f of degree below k in disguise (Roth, Seroussi,
// On generator matrices of MDS codes, IEEE Trans. Inf. Theory 1985): shard s is f(s) / v(s), with v(s) = Π (s − l) over
// the data shards l ≠ s. So Lagrange interpolation through any k shards S gives every other shard t, data or parity,
// without inverting a matrix: t is the sum over s in S of s × v(s) / v(t) × Π (t − r) / (s − r) over r ≠ s in S.
// Encoding is the case that S is the data.

import { OUT_OF_RANGE } from './sha256'

const POLYNOMIAL: u32 = 0x11d
/** Non-zero elements of the field: exponents of its generator 2 count modulo this. */
const ORDER: u32 = 255

/** Shards that one pass over the sources computes. */
const ROWS: u32 = 4
/** Products of a constant by 0 to 15, and by 16 times that: a product is one of each. */
const TABLE_BYTES: usize = 32
/** Columns that one step computes: two vectors. */
const STEP: usize = 32
/** Columns after which the next shards have their turn, while the sources are still in the cache. */
const BLOCK: usize = 1024

/** Addresses this far apart compete for the few places that a first-level cache has for them. */
const CACHE_WAY: u32 = 4096
/** Room for one block of a staged source: the block, what its last step reaches back, and the rest keeps rows apart. */
const STAGED_BYTES: usize = BLOCK + 64

/** In memory, since V8 builds a constant anew at each use. */
const NIBBLES: usize = memory.data<u8>([15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15])

// Scratch: logarithms (of 0: 0) and their inverse (twice, for sums of two), the shards read, the same where they are
// staged, the shards written (each u32 number, u32 address), the scale of each shard, the tables, the staged blocks.
const LOG: usize = 0
const EXP: usize = LOG + 256
const SOURCES: usize = EXP + 512
const STAGED: usize = SOURCES + 256 * 8
const TARGETS: usize = STAGED + 256 * 8
const SCALES: usize = TARGETS + 256 * 8
const TABLES: usize = SCALES + 256
const ENTRY_BYTES: usize = 8
const ADDRESS: usize = 4

/** Bytes of scratch that `rsEncode` and `rsReconstruct` need. */
export function erasureScratch(k: u32, m: u32): u32 {
  return <u32>TABLES + k * ((m + 1) * <u32>TABLE_BYTES + <u32>STAGED_BYTES)
}

/**
 * Parity of one stripe.
 *
 * @param k - data shards, ≥ 1
 * @param m - parity shards, ≥ 1; k + m ≤ 255
 * @param shardBytes - bytes of each, ≥ 1
 * @param data - first of the data shards, `dataStride` bytes from one to the next
 * @param parity - first of the parity shards, `parityStride` bytes from one to the next
 * @param scratch - `erasureScratch(k, m)` bytes, 16-byte aligned
 * @returns m
 */
export function rsEncode(
  k: u32,
  m: u32,
  shardBytes: u32,
  data: usize,
  dataStride: u32,
  parity: usize,
  parityStride: u32,
  scratch: usize,
): i32 {
  for (let i: u32 = 0; i < k; i++) enlist(scratch + SOURCES, i, i, data + <usize>(i * dataStride))
  for (let j: u32 = 0; j < m; j++) enlist(scratch + TARGETS, j, k + j, parity + <usize>(j * parityStride))
  combine(k, m, shardBytes, scratch)
  return <i32>m
}

/**
 * Rebuilds lost shards of a stripe.
 *
 * @param shards - first of the k + m shards, `stride` bytes from one to the next
 * @param present - k + m bytes, not 0 where the shard is there
 * @param want - k + m bytes, not 0 where it shall be
 * @param scratch - as for `rsEncode`
 * @returns number of shards written, or `OUT_OF_RANGE` when fewer than k are there and one is to be rebuilt
 */
export function rsReconstruct(
  k: u32,
  m: u32,
  shardBytes: u32,
  shards: usize,
  stride: u32,
  present: usize,
  want: usize,
  scratch: usize,
): i32 {
  let sources: u32 = 0
  let targets: u32 = 0
  for (let i: u32 = 0; i < k + m; i++) {
    const shard = shards + <usize>(i * stride)
    if (load<u8>(present + <usize>i)) {
      if (sources < k) enlist(scratch + SOURCES, sources++, i, shard)
    } else if (load<u8>(want + <usize>i)) {
      enlist(scratch + TARGETS, targets++, i, shard)
    }
  }
  if (targets === 0) return 0
  if (sources < k) return OUT_OF_RANGE
  combine(k, targets, shardBytes, scratch)
  return <i32>targets
}

function enlist(list: usize, place: u32, shard: u32, address: usize): void {
  const entry = list + <usize>place * ENTRY_BYTES
  store<u32>(entry, shard)
  store<u32>(entry, <u32>address, ADDRESS)
}

function shardOf(list: usize, place: u32): u32 {
  return load<u32>(list + <usize>place * ENTRY_BYTES)
}

function addressOf(list: usize, place: u32): usize {
  return <usize>load<u32>(list + <usize>place * ENTRY_BYTES, ADDRESS)
}

/** Computes the listed targets from the k listed sources. */
function combine(k: u32, targets: u32, shardBytes: u32, scratch: usize): void {
  const list = scratch + TARGETS
  if (targets % ROWS === ROWS - 1) {
    // Three are computed as four, one of them twice: faster than one by one.
    enlist(list, targets, shardOf(list, targets - 1), addressOf(list, targets - 1))
    targets++
  }
  fillTables(k, targets, scratch)
  const bytes = <usize>shardBytes
  const sources = scratch + SOURCES
  const crowded = k > 1 && ((<u32>addressOf(sources, 1) - <u32>addressOf(sources, 0)) & (CACHE_WAY - 1)) === 0
  const room = scratch + TABLES + <usize>(k * targets) * TABLE_BYTES
  for (let from: usize = 0; from < bytes; from += BLOCK) {
    const to = min(from + BLOCK, bytes)
    if (bytes < STEP) narrow(k, targets, bytes, scratch)
    else if (crowded) wide(stage(k, from, to, bytes - STEP, room, scratch), k, targets, from, to, bytes - STEP, scratch)
    else wide(sources, k, targets, from, to, bytes - STEP, scratch)
  }
}

/** One block of all targets. */
function wide(sources: usize, k: u32, targets: u32, from: usize, to: usize, last: usize, scratch: usize): void {
  for (let j: u32 = 0; j < targets; ) {
    const target = scratch + TARGETS + <usize>j * ENTRY_BYTES
    const tables = tableAt(j, 0, k, targets, scratch)
    if (j + ROWS <= targets) {
      four(sources, k, target, tables, from, to, last)
      j += ROWS
    } else {
      one(sources, k, target, tables, from, to, last)
      j++
    }
  }
}

/** Tables lie in the order in which they are used: by target, but those of four targets in turns, by source. */
function tableAt(target: u32, source: u32, k: u32, targets: u32, scratch: usize): usize {
  const row = target % ROWS
  const first = target - row
  const place = first + ROWS <= targets ? first * k + source * ROWS + row : target * k + source
  return scratch + TABLES + <usize>place * TABLE_BYTES
}

/** Moves one block of the sources to `room`. Returns a list of addresses to which the same columns can be added. */
function stage(k: u32, from: usize, to: usize, last: usize, room: usize, scratch: usize): usize {
  const start = min(from, last)
  for (let i: u32 = 0; i < k; i++, room += STAGED_BYTES) {
    const address = addressOf(scratch + SOURCES, i)
    const moved = room - start
    for (let column = start; column < to; column += STEP) {
      const at = min(column, last)
      put(moved + at, v128.load(address + at), v128.load(address + at, 16))
    }
    enlist(scratch + STAGED, i, i, moved)
  }
  return scratch + STAGED
}

function fillTables(k: u32, targets: u32, scratch: usize): void {
  fillLogarithms(scratch)
  for (let i: u32 = 0; i < k; i++) scale(shardOf(scratch + SOURCES, i), k, scratch)
  for (let j: u32 = 0; j < targets; j++) scale(shardOf(scratch + TARGETS, j), k, scratch)
  for (let j: u32 = 0; j < targets; j++) {
    for (let i: u32 = 0; i < k; i++) fillTable(tableAt(j, i, k, targets, scratch), i, j, scratch)
  }
}

function fillLogarithms(scratch: usize): void {
  store<u8>(scratch + LOG, 0)
  let power: u32 = 1
  for (let i: u32 = 0; i < ORDER; i++) {
    store<u8>(scratch + LOG + <usize>power, <u8>i)
    store<u8>(scratch + EXP + <usize>i, <u8>power)
    store<u8>(scratch + EXP + <usize>(i + ORDER), <u8>power)
    power <<= 1
    if (power > 255) power ^= POLYNOMIAL
  }
}

function log(element: u32, scratch: usize): u32 {
  return load<u8>(scratch + LOG + <usize>element)
}

/** Logarithm of what depends on one shard alone: Π (shard − r) over the other sources r, divided by v(shard). */
function scale(shard: u32, k: u32, scratch: usize): void {
  let sum: u32 = 0
  for (let i: u32 = 0; i < k; i++) {
    sum += log(shard ^ shardOf(scratch + SOURCES, i), scratch) + ORDER - log(shard ^ i, scratch)
  }
  store<u8>(scratch + SCALES + <usize>shard, <u8>(sum % ORDER))
}

function fillTable(table: usize, source: u32, target: u32, scratch: usize): void {
  const s = shardOf(scratch + SOURCES, source)
  const t = shardOf(scratch + TARGETS, target)
  const sum = <u32>load<u8>(scratch + SCALES + <usize>t) + 2 * ORDER - load<u8>(scratch + SCALES + <usize>s)
  const exponent = (sum - log(s ^ t, scratch)) % ORDER
  v128.store(table, multiples(scratch + EXP + <usize>exponent))
  v128.store(table, multiples(scratch + EXP + <usize>(exponent + 4)), 16)
}

/** Products by 0 to 15 of an element; it and its double, fourfold and eightfold stand at `powers`. */
function multiples(powers: usize): v128 {
  const numbers = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  let products = i8x16.splat(0)
  for (let i: usize = 0; i < 4; i++) {
    const bit = i8x16.splat((<i8>1) << (<i8>i))
    const has = i8x16.eq(v128.and(numbers, bit), bit)
    products = v128.xor(products, v128.and(has, v128.load_splat<u8>(powers + i)))
  }
  return products
}

/** Shards of less than a step, byte by byte. */
function narrow(k: u32, targets: u32, bytes: usize, scratch: usize): void {
  for (let j: u32 = 0; j < targets; j++) {
    for (let column: usize = 0; column < bytes; column++) {
      let sum: u8 = 0
      for (let i: u32 = 0; i < k; i++) {
        const x = load<u8>(addressOf(scratch + SOURCES, i) + column)
        const table = tableAt(j, i, k, targets, scratch)
        sum ^= load<u8>(table + <usize>(x & 15)) ^ load<u8>(table + <usize>(x >> 4), 16)
      }
      store<u8>(addressOf(scratch + TARGETS, j) + column, sum)
    }
  }
}

function lookUp(table: v128, indices: v128): v128 {
  // The indices are below 16, where the relaxed instruction is exact.
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_swizzle(table, indices)
  return v128.swizzle(table, indices)
}

/** Four targets, columns `from` to `to`; the last step reaches back rather than beyond the end. */
function four(sources: usize, k: u32, targets: usize, tables: usize, from: usize, to: usize, last: usize): void {
  const nibble = v128.load(NIBBLES)
  const end = sources + <usize>k * ENTRY_BYTES
  for (let column = from; column < to; column += STEP) {
    const at = min(column, last)
    let a0 = i8x16.splat(0)
    let a1 = a0
    let b0 = a0
    let b1 = a0
    let c0 = a0
    let c1 = a0
    let d0 = a0
    let d1 = a0
    let table = tables
    for (let source = sources; source < end; source += ENTRY_BYTES) {
      const address = <usize>load<u32>(source, ADDRESS) + at
      const x0 = v128.load(address)
      const x1 = v128.load(address, 16)
      const low0 = v128.and(x0, nibble)
      const low1 = v128.and(x1, nibble)
      const high0 = v128.and(i16x8.shr_u(x0, 4), nibble)
      const high1 = v128.and(i16x8.shr_u(x1, 4), nibble)
      let products = v128.load(table)
      a0 = v128.xor(a0, lookUp(products, low0))
      a1 = v128.xor(a1, lookUp(products, low1))
      products = v128.load(table, 16)
      a0 = v128.xor(a0, lookUp(products, high0))
      a1 = v128.xor(a1, lookUp(products, high1))
      products = v128.load(table, 32)
      b0 = v128.xor(b0, lookUp(products, low0))
      b1 = v128.xor(b1, lookUp(products, low1))
      products = v128.load(table, 48)
      b0 = v128.xor(b0, lookUp(products, high0))
      b1 = v128.xor(b1, lookUp(products, high1))
      products = v128.load(table, 64)
      c0 = v128.xor(c0, lookUp(products, low0))
      c1 = v128.xor(c1, lookUp(products, low1))
      products = v128.load(table, 80)
      c0 = v128.xor(c0, lookUp(products, high0))
      c1 = v128.xor(c1, lookUp(products, high1))
      products = v128.load(table, 96)
      d0 = v128.xor(d0, lookUp(products, low0))
      d1 = v128.xor(d1, lookUp(products, low1))
      products = v128.load(table, 112)
      d0 = v128.xor(d0, lookUp(products, high0))
      d1 = v128.xor(d1, lookUp(products, high1))
      table += 4 * TABLE_BYTES
    }
    put(addressOf(targets, 0) + at, a0, a1)
    put(addressOf(targets, 1) + at, b0, b1)
    put(addressOf(targets, 2) + at, c0, c1)
    put(addressOf(targets, 3) + at, d0, d1)
  }
}

/** One target, in the same way. */
function one(sources: usize, k: u32, target: usize, tables: usize, from: usize, to: usize, last: usize): void {
  const nibble = v128.load(NIBBLES)
  const end = sources + <usize>k * ENTRY_BYTES
  for (let column = from; column < to; column += STEP) {
    const at = min(column, last)
    let a0 = i8x16.splat(0)
    let a1 = a0
    let table = tables
    for (let source = sources; source < end; source += ENTRY_BYTES) {
      const address = <usize>load<u32>(source, ADDRESS) + at
      const x0 = v128.load(address)
      const x1 = v128.load(address, 16)
      let products = v128.load(table)
      a0 = v128.xor(a0, lookUp(products, v128.and(x0, nibble)))
      a1 = v128.xor(a1, lookUp(products, v128.and(x1, nibble)))
      products = v128.load(table, 16)
      a0 = v128.xor(a0, lookUp(products, v128.and(i16x8.shr_u(x0, 4), nibble)))
      a1 = v128.xor(a1, lookUp(products, v128.and(i16x8.shr_u(x1, 4), nibble)))
      table += TABLE_BYTES
    }
    put(addressOf(target, 0) + at, a0, a1)
  }
}

function put(address: usize, x0: v128, x1: v128): void {
  v128.store(address, x0)
  v128.store(address, x1, 16)
}
