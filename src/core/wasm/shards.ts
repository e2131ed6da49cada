// Shards of one length side by side in a buffer, as the module sees them: where they lie, or, when that is elsewhere,
// some of their columns at a time. Bytes at the same place of every shard depend on each other and on nothing else.
import { KiB } from '../../base/units.ts'
import { type Frame, type LinearMemory, WORD_BYTES } from './memory.ts'

/** Copies of all the shards together have about this size, so that they stay in the processor's cache … */
const PORTION_BYTES = 512 * KiB
/** … unless there are very many: each portion costs a set of tables, one for each pair of shards. */
const COLUMNS_MIN = 16 * KiB
/** Shards a power of two apart would compete for the same lines of the cache. */
const GAP_BYTES = 64

/** How many columns of so many shards are to be copied at a time; a multiple of 64. */
export function portionColumns(shards: number): number {
  return Math.max(COLUMNS_MIN, Math.floor(PORTION_BYTES / shards / 64) * 64)
}

export class Shards {
  /** Bytes from one shard to the next, in the memory. */
  readonly stride: number
  readonly #memory: LinearMemory
  readonly #view: Uint8Array
  readonly #shardBytes: number
  readonly #columns: number
  /** Where the columns are copied to; undefined when the shards are used where they lie. */
  readonly #copies: number | undefined

  /** @param columns - most that will be asked for at a time */
  constructor(memory: LinearMemory, frame: Frame, view: Uint8Array, shardBytes: number, columns: number) {
    const inside = memory.holds(view)
    this.#memory = memory
    this.#view = view
    this.#shardBytes = shardBytes
    this.#columns = columns
    this.stride = inside ? shardBytes : strideOf(shardBytes, columns)
    this.#copies = inside ? undefined : frame.room((view.length / shardBytes) * this.stride, view.byteOffset)
  }

  /** Address of column `from` of the first shard. */
  at(from: number): number {
    return this.#copies ?? this.#view.byteOffset + from
  }

  /** Make columns of a shard, from `from` on, readable. */
  fetch(shard: number, from: number): void {
    if (this.#copies === undefined) return
    this.#copy(shard, this.#copies).set(this.#columnsOf(shard, from))
  }

  /** Bring columns of a shard that were written to where they belong. */
  collect(shard: number, from: number): void {
    if (this.#copies === undefined) return
    const columns = this.#columnsOf(shard, from)
    columns.set(this.#copy(shard, this.#copies).subarray(0, columns.length))
  }

  #columnsOf(shard: number, from: number): Uint8Array {
    const start = shard * this.#shardBytes
    return this.#view.subarray(start + from, start + Math.min(from + this.#columns, this.#shardBytes))
  }

  #copy(shard: number, copies: number): Uint8Array {
    return this.#memory.bytes(copies + shard * this.stride, this.stride)
  }
}

/** Room for the columns, and every shard as far from a word as it is where it lies. */
function strideOf(shardBytes: number, columns: number): number {
  const words = Math.ceil(Math.min(shardBytes, columns) / WORD_BYTES)
  return words * WORD_BYTES + GAP_BYTES + (shardBytes % WORD_BYTES)
}
