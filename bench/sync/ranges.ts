// What range-based set reconciliation (Meyer, arXiv 2212.13567) takes for the same difference, counted as negentropy
// does it: a fingerprint of 16 bytes for each range, sixteen parts of one that differs, ids once there are few.
import { compareBytes } from '../../src/base/bytes.ts'

const PARTS = 16
const FINGERPRINT_BYTES = 16
const ID_BYTES = 32
/** A range's end, as short as tells it from its neighbour, and how it goes on. */
const RANGE_BYTES = 6
const LISTED_MAX = 32

/** Bytes both ways, records excluded. @param a, b - sorted */
export function rangeBytes(a: readonly Uint8Array[], b: readonly Uint8Array[]): number {
  // The first range is the whole; a range that is equal is answered by being skipped.
  return RANGE_BYTES + FINGERPRINT_BYTES + within(a, b)
}

function within(a: readonly Uint8Array[], b: readonly Uint8Array[]): number {
  if (isSame(a, b)) return 0
  // One side lists what it has, the other answers with what of its own is not among it.
  if (b.length <= LISTED_MAX) return 2 * RANGE_BYTES + ID_BYTES * (b.length + a.length)
  let bytes = 0
  let from = 0
  for (let part = 1; part <= PARTS; part++) {
    const end = Math.floor((b.length * part) / PARTS)
    const bound = b[end]
    const own = b.slice(Math.floor((b.length * (part - 1)) / PARTS), end)
    let to = from
    while (to < a.length && (bound === undefined || compareBytes(a[to] as Uint8Array, bound) < 0)) to++
    bytes += RANGE_BYTES + FINGERPRINT_BYTES + within(own, a.slice(from, to))
    from = to
  }
  return bytes
}

function isSame(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((id, at) => compareBytes(id, b[at] as Uint8Array) === 0)
}
