// From a blob's size and chunk ids to its root: the arithmetic of 64 KiB chunks.
import { CatalogError } from '../base/errors.ts'
import { BLOB_BYTES_MAX, CHUNK_BYTES } from '../base/limits.ts'
import { type Core, DIGEST_BYTES, MERKLE_NODE_BYTES, PROFILE_FIXED_64K } from './surface.ts'

/**
 * Lengths of the chunks of a blob: all 64 KiB, the last one what is left.
 *
 * @param size - bytes, 0 to 64 GiB; 0 has no chunk
 * @throws CatalogError `CORE_RANGE` when `size` is anything else
 */
export function chunkLengths(size: number): Uint32Array {
  if (!Number.isInteger(size) || size < 0 || size > BLOB_BYTES_MAX) {
    throw new CatalogError('CORE_RANGE', `a blob has 0 to ${BLOB_BYTES_MAX} bytes, not ${size}`)
  }
  const lengths = new Uint32Array(Math.ceil(size / CHUNK_BYTES)).fill(CHUNK_BYTES)
  const rest = size % CHUNK_BYTES
  if (rest > 0) lengths[lengths.length - 1] = rest
  return lengths
}

/**
 * Root of a blob.
 *
 * @param ids - the outline: SHA-256 of each chunk in order, 32 bytes each
 * @param size - bytes of the blob
 * @returns 32 bytes, the caller's
 * @throws CatalogError `CORE_LENGTH` when `ids` does not hold one id per chunk, `CORE_RANGE` for an impossible size
 */
export function rootOf(core: Core, ids: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const root = new Uint8Array(DIGEST_BYTES)
  core.merkleRoot(ids, chunkLengths(size), PROFILE_FIXED_64K, root)
  return root
}

/**
 * Proof that a chunk is part of a blob, for `merkleVerify`.
 *
 * @param nodes - every leaf and node of the tree, as `merkleRoot` wrote them
 * @param count - leaves
 * @param index - the chunk's number, from 0
 * @returns the sibling at each level from the leaf upwards, 40 bytes each; the caller's
 * @throws CatalogError `CORE_LENGTH` when `nodes` is not the tree of `count` leaves, `CORE_RANGE` for no such chunk
 */
export function merkleProof(nodes: Uint8Array, count: number, index: number): Uint8Array<ArrayBuffer> {
  if (nodes.length !== Math.max(0, 2 * count - 1) * MERKLE_NODE_BYTES) {
    throw new CatalogError('CORE_LENGTH', `a tree of ${count} leaves does not have ${nodes.length} bytes`)
  }
  if (!Number.isInteger(index) || index < 0 || index >= count) {
    throw new CatalogError('CORE_RANGE', `there is no chunk ${index} of ${count}`)
  }
  const steps: Uint8Array[] = []
  // The current level: `width` nodes, written one after the other from `start` on. Its last one may have come up from
  // below, where it had no right neighbour, and stands there.
  let [start, width, lifted] = [0, count, -1]
  const placeOf = (at: number) => (lifted >= 0 && at === width - 1 ? lifted : start + at)
  for (let at = index; width > 1; at >>= 1) {
    const sibling = at ^ 1
    if (sibling < width) {
      const from = placeOf(sibling) * MERKLE_NODE_BYTES
      steps.push(nodes.subarray(from, from + MERKLE_NODE_BYTES))
    }
    const alone = width % 2 === 1 ? placeOf(width - 1) : -1
    start += lifted >= 0 ? width - 1 : width
    width = (width + 1) >> 1
    lifted = alone
  }
  return new Uint8Array(Buffer.concat(steps))
}
