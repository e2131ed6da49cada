// What a compute core does: the one definition that the native and the WebAssembly core both satisfy. Both read
// the same vectors and give the same bytes; which one runs is a matter of speed (`load.ts`).

/** Length of a SHA-256 digest, of a chunk id and of a root, in bytes. */
export const DIGEST_BYTES = 32

/** How a blob is cut into chunks, as it stands in its root: every 64 KiB, the last chunk shorter. */
export const PROFILE_FIXED_64K = 0

/** Version of this surface. A core that answers otherwise is not used. */
export const CORE_ABI = 1

/** The two implementations. */
export type Backend = 'native' | 'wasm'

/**
 * Pure functions over byte views. The caller owns every buffer; nothing is kept after a call returns, and when a
 * call throws nothing has been written. An output must not overlap an input.
 */
export interface Core {
  readonly backend: Backend

  /** Version of the surface: `CORE_ABI`. */
  abi(): number

  /** The kernels in use, one `function:variant` each, for status and bug reports. */
  features(): readonly string[]

  /**
   * SHA-256 of many ranges of one buffer.
   *
   * @param buffer - any length; may be backed by shared memory
   * @param ranges - 2n numbers: offset into `buffer` and length, in bytes; both may be 0, ranges may overlap
   * @param out - 32n bytes, receives the digests in the order of `ranges`
   * @returns n
   * @throws CatalogError `CORE_LENGTH` when `ranges` is odd or `out` is not 32n bytes,
   *   `CORE_RANGE` when a range ends beyond `buffer`
   * @see FIPS 180-4
   */
  sha256Many(buffer: Uint8Array, ranges: Uint32Array, out: Uint8Array): number

  /**
   * Merkle root over the ids of a blob's chunks.
   *
   * leaf = H(0x00 ‖ u64be bytes ‖ id), node = H(0x01 ‖ u64be bytes below ‖ left ‖ right), root = H(0x02 ‖ version 1 ‖
   * algorithm 1 ‖ profile ‖ u64be total bytes ‖ u32be n ‖ top); for n = 0 top is SHA-256 of nothing.
   *
   * @param ids - n × 32 bytes, SHA-256 of each chunk, in order; n ≥ 0
   * @param lengths - n chunk lengths in bytes, each 1…65,536
   * @param profile - one byte, `PROFILE_FIXED_64K`
   * @param out - 32 bytes, receives the root
   * @returns 1
   * @throws CatalogError `CORE_LENGTH` when `ids` is not 32n bytes or `out` not 32,
   *   `CORE_RANGE` when a length or `profile` is out of bounds
   * @see RFC 9162 §2.1.1 for the shape of the tree; DESIGN.md §5 for the prefixes
   */
  merkleRoot(ids: Uint8Array, lengths: Uint32Array, profile: number, out: Uint8Array): number
}
