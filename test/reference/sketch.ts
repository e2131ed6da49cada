// Rateless invertible Bloom look-up tables: which symbols an id stands in, and how to get the ids out again.
import { SYMBOL_BYTES } from '../../src/core/surface.ts'
import { u64 } from './splitmix.ts'

/** One symbol. */
export interface CodedSymbol {
  /** XOR of the ids in it. */
  ids: bigint
  /** XOR of their checks. */
  checks: bigint
  /** How many more were added than taken out, modulo 256. */
  count: number
}

/** An id and the set that has it: 1 the first, −1 the second. */
export interface Difference {
  id: bigint
  sign: 1 | -1
}

/** The check of an id. */
export function mix(id: bigint): bigint {
  let z = u64(id) ^ 0xa0761d6478bd642fn
  for (const factor of [0xff51afd7ed558ccdn, 0xc4ceb9fe1a85ec53n]) z = u64((z ^ (z >> 33n)) * factor)
  return z ^ (z >> 33n)
}

/** Ids for which arithmetic is hardest. */
export const EDGE_IDS: readonly bigint[] = [
  0n,
  2n ** 64n - 1n,
  // Check 0, hence p = 0: after the first symbol there is none below 2³².
  0xa0761d6478bd642fn,
  // p₁ = 2⁶⁴ − 1: as a float it is 2⁶⁴, and the step comes out as 0.
  0x2e9cf484d4a0d502n,
  // p₁ = 2⁶³, the least that is negative when signed, and one less, which as a float is the same.
  0xb3050696aa252b31n,
  0xd62bc5b3d68d20b2n,
]

/** The symbols, of so many, that an id stands in, ascending. */
export function indicesOf(id: bigint, symbols: number): number[] {
  const indices: number[] = []
  let p = mix(id)
  for (let index = 0; index < symbols; ) {
    indices.push(index)
    p = u64(p * 0xda942042e4dd58b5n)
    // Number() rounds to the nearest 64-bit float, ties to even, as every conversion from u64 does.
    index += Math.max(1, Math.ceil((index + 1.5) * (2 ** 32 / Math.sqrt(Number(p) + 1) - 1)))
  }
  return indices
}

/** Add an id, or take it out, wherever it stands. */
export function toggle(symbols: CodedSymbol[], { id, sign }: Difference): number[] {
  const indices = indicesOf(id, symbols.length)
  const check = mix(id)
  for (const index of indices) {
    const { ids, checks, count } = symbols[index] as CodedSymbol
    symbols[index] = { ids: ids ^ u64(id), checks: checks ^ check, count: (count + sign) & 255 }
  }
  return indices
}

/** Whether the symbol holds one id only, and in which of the sets it is. */
function only({ ids, checks, count }: CodedSymbol): Difference | undefined {
  if (checks !== mix(ids)) return undefined
  if (count === 1) return { id: ids, sign: 1 }
  return count === 255 ? { id: ids, sign: -1 } : undefined
}

/**
 * The differences that a sketch holds, in the order in which peeling finds them; the sketch is used up.
 *
 * @returns undefined when something is left that cannot be told
 */
export function decode(symbols: CodedSymbol[]): Difference[] | undefined {
  const found: Difference[] = []
  const queue = symbols.flatMap((symbol, index) => (only(symbol) ? [index] : []))
  for (const index of queue) {
    const difference = only(symbols[index] as CodedSymbol)
    if (difference === undefined) continue
    if (found.length === symbols.length) return undefined
    found.push(difference)
    const touched = toggle(symbols, { id: difference.id, sign: difference.sign === 1 ? -1 : 1 })
    queue.push(...touched.filter((other) => only(symbols[other] as CodedSymbol)))
  }
  return symbols.some(({ ids, checks, count }) => ids !== 0n || checks !== 0n || count !== 0) ? undefined : found
}

/** Symbols from where they lie in a buffer. */
export function fromBytes(sketch: Uint8Array): CodedSymbol[] {
  const view = new DataView(sketch.buffer, sketch.byteOffset, sketch.byteLength)
  return Array.from({ length: sketch.length / SYMBOL_BYTES }, (_, i) => ({
    ids: view.getBigUint64(i * SYMBOL_BYTES, true),
    checks: view.getBigUint64(i * SYMBOL_BYTES + 8, true),
    count: view.getUint8(i * SYMBOL_BYTES + 16),
  }))
}

/** Symbols back to where they lie. */
export function toBytes(symbols: readonly CodedSymbol[], sketch: Uint8Array): void {
  const view = new DataView(sketch.buffer, sketch.byteOffset, sketch.byteLength)
  symbols.forEach(({ ids, checks, count }, i) => {
    view.setBigUint64(i * SYMBOL_BYTES, ids, true)
    view.setBigUint64(i * SYMBOL_BYTES + 8, checks, true)
    view.setUint8(i * SYMBOL_BYTES + 16, count)
  })
}
