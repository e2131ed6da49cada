// The arithmetic of stripes: k chunks of a blob and m shards of parity each. In the last stripe the last chunk may be
// shorter and chunks may be absent; both count as zeros there. Parity is always 64 KiB.
import { CatalogError } from '../../base/errors.ts'
import { BLOB_BYTES_MAX, CHUNK_BYTES, SHARD_IDS_MAX, STRIPE_SHARDS_MAX } from '../../base/limits.ts'
import type { StripeShape } from './tasks.ts'

export class Stripes {
  readonly k: number
  readonly m: number
  /** Shards of a stripe. */
  readonly width: number
  /** Bytes of the blob. */
  readonly size: number
  /** Stripes. */
  readonly count: number
  /** Shards that have an id, of all stripes. */
  readonly ids: number

  /** @throws CatalogError `CORE_RANGE` for an impossible shape, `LIMIT_EXCEEDED` for more shards than are handled */
  constructor({ size, k, m }: StripeShape) {
    const whole = [size, k, m].every(Number.isSafeInteger)
    if (!whole || k < 1 || m < 1 || size < 0) throw new CatalogError('CORE_RANGE', `no stripes: ${k} + ${m}, ${size} B`)
    const chunks = Math.ceil(size / CHUNK_BYTES)
    this.k = k
    this.m = m
    this.width = k + m
    this.size = size
    this.count = Math.ceil(chunks / k)
    this.ids = chunks + this.count * m
    if (this.width > STRIPE_SHARDS_MAX || size > BLOB_BYTES_MAX || this.ids > SHARD_IDS_MAX) {
      throw new CatalogError('LIMIT_EXCEEDED', `${size} bytes in stripes of ${k} + ${m} are too many shards.`)
    }
  }

  /** Bytes of a shard's piece in one stripe; 0 for a chunk that the blob does not have. */
  pieceBytes(stripe: number, shard: number): number {
    if (shard >= this.k) return CHUNK_BYTES
    const rest = this.size - (stripe * this.k + shard) * CHUNK_BYTES
    return Math.max(0, Math.min(CHUNK_BYTES, rest))
  }

  /** Where the id of a piece stands among all, counted in ids; the piece must not be empty. */
  idIndex(stripe: number, shard: number): number {
    const before = stripe * this.width
    if (shard < this.k) return before + shard
    const chunks = Math.min(this.k, Math.ceil(this.size / CHUNK_BYTES) - stripe * this.k)
    return before + chunks + (shard - this.k)
  }

  /** Bytes behind each id, in order. */
  lengths(): Uint32Array {
    const lengths = new Uint32Array(this.ids).fill(CHUNK_BYTES)
    const rest = this.size % CHUNK_BYTES
    if (rest > 0) lengths[this.ids - this.m - 1] = rest
    return lengths
  }

  /** How many stripes to work on at a time: at least `bytes` of data, but no more than `room` bytes of shards. */
  batch(bytes: number, room: number): number {
    const wanted = Math.ceil(bytes / (this.k * CHUNK_BYTES))
    return Math.max(1, Math.min(wanted, Math.floor(room / (this.width * CHUNK_BYTES))))
  }
}
