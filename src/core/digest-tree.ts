// From a blob's size and chunk ids to its root: the arithmetic of 64 KiB chunks.
import { CatalogError } from '../base/errors.ts'
import { BLOB_BYTES_MAX, CHUNK_BYTES } from '../base/limits.ts'
import { type Core, DIGEST_BYTES, PROFILE_FIXED_64K } from './surface.ts'

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
