// What a compute core does: the one definition that the native and the WebAssembly core both satisfy. Both read
// the same vectors and give the same bytes; which one runs is a matter of speed (`load.ts`).

/** Length of a SHA-256 digest, of a chunk id and of a root, in bytes. */
export const DIGEST_BYTES = 32

/** How a blob is cut into chunks, as it stands in its root: every 64 KiB, the last chunk shorter. */
export const PROFILE_FIXED_64K = 0
/** Cut by content, into chunks of 4 to 64 KiB, 16 KiB on average. */
export const PROFILE_CONTENT_16K = 1
/** Cut by content, into chunks of 16 to 256 KiB, 64 KiB on average. */
export const PROFILE_CONTENT_64K = 2

/** Length of the state that `sha256Update` keeps between calls. */
export const SHA256_STATE_BYTES = 112

/** One step of an inclusion proof, and one node of a tree: u64be bytes below ‖ 32 bytes of hash. */
export const MERKLE_NODE_BYTES = 40

/** One symbol of a sketch: u64le XOR of ids ‖ u64le XOR of their checks ‖ u8 count, modulo 256. */
export const SYMBOL_BYTES = 17

/** What `sketchDecode` returns when the symbols do not suffice. */
export const NEED_MORE = -1

/** Data and parity shards of one stripe, together: what a byte can number, less one. */
export const SHARDS_MAX = 255

/** Version of this surface. A core that answers otherwise is not used. */
export const CORE_ABI = 2

/** The two implementations. */
export type Backend = 'native' | 'wasm'

/**
 * Pure functions over byte views; numbers in them are little-endian unless it says otherwise. The caller owns every
 * buffer; nothing is kept after a call returns (except a bounded cache of decode matrices), and when a call throws
 * nothing has been written. An output must not overlap another argument. Views may lie in shared memory as long as
 * nobody else writes to them during the call.
 *
 * Every function throws CatalogError `CORE_LENGTH` when the shapes of its arguments disagree and `CORE_RANGE` when a
 * number is out of bounds.
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
   * @param buffer - any length
   * @param ranges - 2n numbers: offset into `buffer` and length, in bytes; both may be 0, ranges may overlap
   * @param out - 32n bytes, receives the digests in the order of `ranges`
   * @returns n
   * @throws CatalogError `CORE_LENGTH` when `ranges` is odd or `out` is not 32n bytes,
   *   `CORE_RANGE` when a range ends beyond `buffer`
   * @see FIPS 180-4
   */
  sha256Many(buffer: Uint8Array, ranges: Uint32Array, out: Uint8Array): number

  /**
   * SHA-256 of a message that comes in pieces.
   *
   * @param state - 112 bytes, all zero before the first piece: 8 × u32 chaining words ‖ u64 bytes so far ‖ 64 bytes
   *   not yet compressed, zeros behind them ‖ u32 phase (0 fresh, 1 begun, 2 finished) ‖ u32 zero
   * @param buffer - where the piece lies
   * @param offset - its first byte
   * @param length - its length in bytes; may be 0
   * @param final - whether it is the last one: the first 32 bytes of `state` are then the digest
   * @returns bytes of digest in `state`: 32 when final, else 0
   * @throws CatalogError `CORE_LENGTH` when `state` is not 112 bytes, `CORE_RANGE` when the piece ends beyond `buffer`,
   *   or the state is finished or none of ours
   * @see FIPS 180-4
   */
  sha256Update(state: Uint8Array, buffer: Uint8Array, offset: number, length: number, final: boolean): number

  /**
   * Cuts bytes into chunks by their content, so that an insertion changes the chunks around it and no others.
   *
   * Chunks have min to max bytes, avg = 4 min, max = 4 avg; only the last of all may be shorter. A chunk ends after
   * the least L ≥ min bytes for which L = max, or the gear hash of the 64 bytes before that point has its highest
   * log2(avg) + 2 bits zero while L ≤ avg, log2(avg) − 2 bits beyond. The gear hash of b₀…b₆₃ is Σ G(bⱼ) << (63 − j)
   * modulo 2⁶⁴, G(b) the output number b (from 0) of splitmix64 seeded with 0x436174616c6f6731. Since the window never
   * reaches back before the chunk, a cut depends on nothing before it.
   *
   * @param offset - first byte of a chunk, in `buffer`
   * @param length - bytes to cut
   * @param profile - `PROFILE_CONTENT_16K` or `PROFILE_CONTENT_64K`
   * @param final - whether the data ends here. If not, what follows the last cut is to be handed in again, with more
   * @param cuts - receives the ends of the chunks, in bytes from `offset`, ascending; at least one element. When it is
   *   full, call again from the last cut
   * @returns number of chunks found; 0 means that more data is needed, or `length` is 0
   * @throws CatalogError `CORE_LENGTH` when `cuts` is empty, `CORE_RANGE` when the bytes end beyond `buffer` or
   *   `profile` is not one of the two
   * @see Xia et al., FastCDC, USENIX ATC 2016, for gear hash and the two masks
   */
  chunk(buffer: Uint8Array, offset: number, length: number, profile: number, final: boolean, cuts: Uint32Array): number

  /**
   * Merkle root over the ids of a blob's chunks.
   *
   * leaf = H(0x00 ‖ u64be bytes ‖ id), node = H(0x01 ‖ u64be bytes below ‖ left ‖ right), root = H(0x02 ‖ version 1 ‖
   * algorithm 1 ‖ profile ‖ u64be total bytes ‖ u32be n ‖ top); for n = 0 top is SHA-256 of nothing.
   *
   * @param ids - n × 32 bytes, SHA-256 of each chunk, in order; n ≥ 0
   * @param lengths - n chunk lengths in bytes, each 1 to the largest chunk of the profile: 262,144 for
   *   `PROFILE_CONTENT_64K`, else 65,536
   * @param profile - how the blob was cut, one byte
   * @param out - 32 bytes, receives the root
   * @param nodes - if given, (2n − 1) × 40 bytes (none for n = 0), receives every leaf and node as u64be bytes below ‖
   *   hash: the leaves, then level by level upwards, each from left to right. A node without a right neighbour moves
   *   up as it is and stands on its lowest level only; the last one is the top
   * @returns 1
   * @throws CatalogError `CORE_LENGTH` when `ids` is not 32n bytes, `out` not 32 or `nodes` not (2n − 1) × 40,
   *   `CORE_RANGE` when a length or `profile` is out of bounds
   * @see RFC 9162 §2.1.1 for the shape of the tree
   */
  merkleRoot(ids: Uint8Array, lengths: Uint32Array, profile: number, out: Uint8Array, nodes?: Uint8Array): number

  /**
   * Whether a chunk is part of the blob with a given root, and where the root says.
   *
   * @param root - 32 bytes
   * @param profile - as in the root
   * @param total - bytes of the blob, at most 2⁵³ − 1
   * @param count - its chunks, below 2³²
   * @param index - which of them, from 0
   * @param id - 32 bytes, SHA-256 of the chunk
   * @param length - bytes of the chunk
   * @param proof - the sibling at each level from the leaf upwards, 40 bytes each: u64be bytes below ‖ hash
   * @returns false for anything that does not lead to `root`, shapes of `proof`, `index` and `length` included
   * @throws CatalogError `CORE_LENGTH` when `root` or `id` is not 32 bytes, `CORE_RANGE` when a number is no integer
   *   or beyond the bounds of its type
   * @see RFC 9162 §2.1.3.2
   */
  merkleVerify(
    root: Uint8Array,
    profile: number,
    total: number,
    count: number,
    index: number,
    id: Uint8Array,
    length: number,
    proof: Uint8Array,
  ): boolean

  /**
   * Parity of one stripe: any k of its k + m shards give back the rest.
   *
   * Parity j is Σ dataᵢ / ((k + j) ⊕ i) over GF(2⁸) with x⁸ + x⁴ + x³ + x² + 1 (0x11d), byte by byte.
   *
   * @param k - data shards, ≥ 1
   * @param m - parity shards, ≥ 1; k + m ≤ 255
   * @param shardBytes - bytes of each, ≥ 1
   * @param data - k × shardBytes
   * @param parity - m × shardBytes, receives the parity shards
   * @returns m
   * @throws CatalogError `CORE_LENGTH` when a buffer has another length, `CORE_RANGE` when k, m or shardBytes is out
   *   of bounds
   * @see Blömer et al., An XOR-Based Erasure-Resilient Coding Scheme, ICSI TR-95-048, for Cauchy matrices
   */
  rsEncode(k: number, m: number, shardBytes: number, data: Uint8Array, parity: Uint8Array): number

  /**
   * Rebuilds lost shards of a stripe from any k of it.
   *
   * @param shards - (k + m) × shardBytes: data, then parity; those that are absent and wanted are written
   * @param present - k + m bytes, not 0 where the shard is there
   * @param want - k + m bytes, not 0 where the shard shall be; it may be there already
   * @returns number of shards written
   * @throws CatalogError `CORE_LENGTH` when a buffer has another length, `CORE_RANGE` when k, m or shardBytes is out of
   *   bounds or fewer than k shards are present while one is to be rebuilt
   */
  rsReconstruct(
    k: number,
    m: number,
    shardBytes: number,
    shards: Uint8Array,
    present: Uint8Array,
    want: Uint8Array,
  ): number

  /**
   * Adds ids to a sketch of a set, or takes them out: a rateless invertible Bloom look-up table, any prefix of which
   * is a sketch too. The difference of two sketches, symbol by symbol (XOR, XOR, minus), is that of the sets.
   *
   * An id has check c = mix(id): z = id ⊕ 0xa0761d6478bd642f, twice z = (z ⊕ z >> 33) × 0xff51afd7ed558ccd and then
   * 0xc4ceb9fe1a85ec53, at last z ⊕ z >> 33. It stands in symbol i₀ = 0 and, with p₀ = c and pₙ₊₁ = pₙ ×
   * 0xda942042e4dd58b5 modulo 2⁶⁴, in iₙ₊₁ = iₙ + max(1, ⌈(iₙ + 1.5) × (2³² / √(pₙ₊₁ + 1) − 1)⌉), computed in 64-bit
   * floats: with density about 1 / (1 + i / 2).
   *
   * @param sketch - symbols × 17 bytes
   * @param symbols - ≥ 1, below 2³²
   * @param ids - any number of ids
   * @param sign - 1 adds, −1 takes out
   * @returns number of ids
   * @throws CatalogError `CORE_LENGTH` when `sketch` has another length, `CORE_RANGE` for another sign or no symbol
   * @see Yang, Gilad, Alizadeh, Practical Rateless Set Reconciliation, SIGCOMM 2024
   */
  sketchUpdate(sketch: Uint8Array, symbols: number, ids: BigUint64Array, sign: 1 | -1): number

  /**
   * The ids in a difference of two sketches.
   *
   * Peels breadth first: symbols in ascending order that hold one id only, then those that this makes so, in the order
   * in which they become so. At most `symbols` ids are taken out, so a forged sketch ends too; what it yields may hold
   * an id twice, or ids of no record.
   *
   * @param diff - symbols × 17 bytes; used up: what is left in it afterwards has no meaning
   * @param symbols - ≥ 1
   * @param outIds - receives the ids; room for `symbols` of them is always enough
   * @param outSigns - as many: 1 for an id that the first set has, −1 for one that the second has
   * @returns how many ids there are; `NEED_MORE` when the symbols, or the room, do not suffice to tell all of them.
   *   What was written to the outputs has no meaning then
   * @throws CatalogError `CORE_LENGTH` when shapes disagree, `CORE_RANGE` for no symbol
   */
  sketchDecode(diff: Uint8Array, symbols: number, outIds: BigUint64Array, outSigns: Int8Array): number
}
