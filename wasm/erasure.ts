// Reed-Solomon code over GF(2⁸) with x⁸ + x⁴ + x³ + x² + 1: any k of k + m shards give back the others.
//
// The parity of `rsEncode` (a Cauchy matrix) is a polynomial of degree below k in disguise: shard s is f(s) / v(s) with
// v(s) = Π (s − l) over the data shards l ≠ s. Lagrange interpolation through any k shards S thus gives every other
// shard t, data or parity, without inverting a matrix: the sum over s in S of shard s × v(s) / v(t) × Π (t − r) / (s − r)
// over r ≠ s in S. Encoding is the case that S is the data.

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

// Scratch: logarithms (of 0: 0) and their inverse (twice, for sums of two), what is read and what is written (u32 number
// of the shard, u32 address), the scale of each shard, the tables.
const LOG: usize = 0
const EXP: usize = LOG + 256
const SOURCES: usize = EXP + 512
const TARGETS: usize = SOURCES + 256 * 8
const SCALES: usize = TARGETS + 256 * 8
const TABLES: usize = SCALES + 256
const ADDRESS: usize = 4

/** Bytes of scratch that `rsEncode` and `rsReconstruct` need. */
export function erasureScratch(k: u32, m: u32): u32 {
  return <u32>TABLES + k * m * <u32>TABLE_BYTES
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
  const entry = list + ((<usize>place) << 3)
  store<u32>(entry, shard)
  store<u32>(entry, <u32>address, ADDRESS)
}

function listed(list: usize, place: u32): u32 {
  return load<u32>(list + ((<usize>place) << 3))
}

/** Computes the listed targets from the k listed sources. */
function combine(k: u32, targets: u32, shardBytes: u32, scratch: usize): void {
  fillLogarithms(scratch)
  for (let i: u32 = 0; i < k; i++) scale(listed(scratch + SOURCES, i), k, scratch)
  for (let j: u32 = 0; j < targets; j++) scale(listed(scratch + TARGETS, j), k, scratch)
  let tables = scratch + TABLES
  for (let j: u32 = 0; j < targets; j += rowsFrom(j, targets)) {
    const rows = rowsFrom(j, targets)
    for (let i: u32 = 0; i < k; i++) {
      for (let row: u32 = 0; row < rows; row++, tables += TABLE_BYTES) fillTable(tables, i, j + row, scratch)
    }
  }
  const bytes = <usize>shardBytes
  for (let from: usize = 0; from < bytes; from += BLOCK) {
    const to = min(from + BLOCK, bytes)
    let at = scratch + TABLES
    for (let j: u32 = 0; j < targets; j += rowsFrom(j, targets)) {
      const rows = rowsFrom(j, targets)
      const target = scratch + TARGETS + ((<usize>j) << 3)
      if (bytes < STEP) narrow(scratch + SOURCES, k, target, rows, at, bytes)
      else if (rows === ROWS) four(scratch + SOURCES, k, target, at, from, to, bytes - STEP)
      else one(scratch + SOURCES, k, target, at, from, to, bytes - STEP)
      at += <usize>(rows * k) * TABLE_BYTES
    }
  }
}

/** How many targets are computed together, from number `target` on. */
function rowsFrom(target: u32, targets: u32): u32 {
  return targets - target >= ROWS ? ROWS : 1
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
    sum += log(shard ^ listed(scratch + SOURCES, i), scratch) + ORDER - log(shard ^ i, scratch)
  }
  store<u8>(scratch + SCALES + <usize>shard, <u8>(sum % ORDER))
}

function fillTable(table: usize, source: u32, target: u32, scratch: usize): void {
  const s = listed(scratch + SOURCES, source)
  const t = listed(scratch + TARGETS, target)
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
function narrow(sources: usize, k: u32, targets: usize, rows: u32, tables: usize, bytes: usize): void {
  for (let row: usize = 0; row < <usize>rows; row++) {
    const target = <usize>load<u32>(targets + (row << 3), ADDRESS)
    for (let column: usize = 0; column < bytes; column++) {
      let sum: u8 = 0
      for (let i: usize = 0; i < <usize>k; i++) {
        const x = load<u8>(<usize>load<u32>(sources + (i << 3), ADDRESS) + column)
        const table = tables + (i * <usize>rows + row) * TABLE_BYTES
        sum ^= load<u8>(table + <usize>(x & 15)) ^ load<u8>(table + <usize>(x >> 4), 16)
      }
      store<u8>(target + column, sum)
    }
  }
}

function lookUp(table: v128, indices: v128): v128 {
  // The indices are below 16, where the relaxed instruction is exact.
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_swizzle(table, indices)
  return v128.swizzle(table, indices)
}

function add(sum: v128, table: usize, low: v128, high: v128): v128 {
  const products = lookUp(v128.load(table), low)
  return v128.xor(sum, v128.xor(products, lookUp(v128.load(table, 16), high)))
}

/** Four targets, columns `from` to `to`; the last step reaches back to `last` rather than beyond the end. */
function four(sources: usize, k: u32, targets: usize, tables: usize, from: usize, to: usize, last: usize): void {
  const nibble = i8x16.splat(15)
  const end = sources + ((<usize>k) << 3)
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
    for (let source = sources; source < end; source += 8) {
      const address = <usize>load<u32>(source, ADDRESS) + at
      const x0 = v128.load(address)
      const x1 = v128.load(address, 16)
      const low0 = v128.and(x0, nibble)
      const low1 = v128.and(x1, nibble)
      const high0 = i8x16.shr_u(x0, 4)
      const high1 = i8x16.shr_u(x1, 4)
      a0 = add(a0, table, low0, high0)
      a1 = add(a1, table, low1, high1)
      b0 = add(b0, table + 32, low0, high0)
      b1 = add(b1, table + 32, low1, high1)
      c0 = add(c0, table + 64, low0, high0)
      c1 = add(c1, table + 64, low1, high1)
      d0 = add(d0, table + 96, low0, high0)
      d1 = add(d1, table + 96, low1, high1)
      table += 4 * TABLE_BYTES
    }
    put(targets, at, a0, a1)
    put(targets + 8, at, b0, b1)
    put(targets + 16, at, c0, c1)
    put(targets + 24, at, d0, d1)
  }
}

function one(sources: usize, k: u32, target: usize, tables: usize, from: usize, to: usize, last: usize): void {
  const nibble = i8x16.splat(15)
  const end = sources + ((<usize>k) << 3)
  for (let column = from; column < to; column += STEP) {
    const at = min(column, last)
    let a0 = i8x16.splat(0)
    let a1 = a0
    let table = tables
    for (let source = sources; source < end; source += 8) {
      const address = <usize>load<u32>(source, ADDRESS) + at
      const x0 = v128.load(address)
      const x1 = v128.load(address, 16)
      a0 = add(a0, table, v128.and(x0, nibble), i8x16.shr_u(x0, 4))
      a1 = add(a1, table, v128.and(x1, nibble), i8x16.shr_u(x1, 4))
      table += TABLE_BYTES
    }
    put(target, at, a0, a1)
  }
}

function put(target: usize, column: usize, x0: v128, x1: v128): void {
  const address = <usize>load<u32>(target, ADDRESS) + column
  v128.store(address, x0)
  v128.store(address, x1, 16)
}
