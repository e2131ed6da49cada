// Reed–Solomon with a Cauchy matrix over GF(2⁸): the parity rows below an identity matrix, and Gauss–Jordan back.

/** x⁸ + x⁴ + x³ + x² + 1. */
const POLYNOMIAL = 0x11d

/** Product of two polynomials over GF(2), reduced. */
function product(a: number, b: number): number {
  let sum = 0
  for (let bit = 7; bit >= 0; bit--) {
    sum = sum & 0x80 ? (sum << 1) ^ POLYNOMIAL : sum << 1
    if ((b >> bit) & 1) sum ^= a
  }
  return sum
}

/** Row a holds the products with a, that of b at b. */
const PRODUCTS = Array.from({ length: 256 }, (_, a) => Uint8Array.from({ length: 256 }, (_, b) => product(a, b)))

const times = (a: number, b: number): number => (PRODUCTS[a] as Uint8Array)[b] as number
/** Of anything but 0. */
const inverse = (a: number): number => (PRODUCTS[a] as Uint8Array).indexOf(1)

/** Shard `index` is this combination of the k data shards. */
function rowOf(index: number, k: number): number[] {
  if (index < k) return Array.from({ length: k }, (_, i) => Number(i === index))
  return Array.from({ length: k }, (_, i) => inverse(index ^ i))
}

/** Σ factorᵢ × shardᵢ, byte by byte. */
function combined(factors: readonly number[], shards: readonly Uint8Array[], shardBytes: number): Uint8Array {
  const sum = new Uint8Array(shardBytes)
  factors.forEach((factor, i) => {
    const shard = shards[i] as Uint8Array
    for (let at = 0; at < shardBytes; at++) sum[at] = (sum[at] as number) ^ times(factor, shard[at] as number)
  })
  return sum
}

/** The inverse of a square matrix that has one, by Gauss–Jordan elimination on it and an identity matrix beside it. */
function inverted(matrix: readonly number[][]): number[][] {
  const size = matrix.length
  const rows = matrix.map((row, i) => [...row, ...rowOf(i, size)])
  for (let column = 0; column < size; column++) {
    const pivot = rows.findIndex((row, i) => i >= column && row[column] !== 0)
    const [lower, upper] = [rows[pivot] as number[], rows[column] as number[]]
    const unit = inverse(lower[column] as number)
    rows[pivot] = upper
    const scaled = lower.map((value) => times(value, unit))
    rows[column] = scaled
    rows.forEach((row, i) => {
      const factor = row[column] as number
      if (i !== column && factor !== 0) rows[i] = row.map((value, j) => value ^ times(factor, scaled[j] as number))
    })
  }
  return rows.map((row) => row.slice(size))
}

/** The m parity shards of k data shards. */
export function parityOf(data: readonly Uint8Array[], m: number, shardBytes: number): Uint8Array[] {
  const k = data.length
  return Array.from({ length: m }, (_, j) => combined(rowOf(k + j, k), data, shardBytes))
}

/**
 * Shards of a stripe from others.
 *
 * @param known - k of them, by their index
 * @param wanted - indices of those to rebuild
 */
export function rebuilt(
  k: number,
  shardBytes: number,
  known: ReadonlyMap<number, Uint8Array>,
  wanted: readonly number[],
): Uint8Array[] {
  const solve = inverted(Array.from(known.keys(), (index) => rowOf(index, k)))
  const data = solve.map((factors) => combined(factors, [...known.values()], shardBytes))
  return wanted.map((index) => combined(rowOf(index, k), data, shardBytes))
}
