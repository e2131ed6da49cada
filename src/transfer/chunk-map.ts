// Which chunks of a blob are held, which have been asked for and which are free, and where the next segment is best
// begun: at the chunks that the fewest peers have. Counts are kept by block, so that a choice among a million chunks
// looks at each block once.
import { hasBit } from '../base/bitmap.ts'

/** Chunks [first, first + count). */
export interface Segment {
  readonly first: number
  readonly count: number
}

/** What a peer has of a blob: all of it, or the chunks whose bits are set. */
export type Holding = 'whole' | Uint8Array

/** Blocks of a blob at least; a block is one chunk of a small blob and 1 MiB of a large one. */
const BLOCKS_MIN = 64
const BLOCK_CHUNKS_MAX = 16

const HELD = 255

export function holds(holding: Holding, chunk: number): boolean {
  return holding === 'whole' || hasBit(holding, chunk)
}

export class ChunkMap {
  /** Of the blob. */
  readonly count: number
  readonly #blockChunks: number
  /** By chunk: how many have been asked for it, or that it is held. */
  readonly #state: Uint8Array
  /** By block: chunks neither held nor asked for. */
  readonly #free: Uint16Array
  /** By block: peers that have some of the blob and of this block all, or are about to. */
  readonly #copies: Uint16Array
  #freeCount: number
  #heldCount = 0

  /** @param held - one bit a chunk, least significant first */
  constructor(count: number, held: Uint8Array) {
    this.count = count
    this.#blockChunks = Math.max(1, Math.min(BLOCK_CHUNKS_MAX, Math.floor(count / BLOCKS_MIN)))
    const blocks = Math.ceil(count / this.#blockChunks)
    this.#state = new Uint8Array(count)
    this.#free = new Uint16Array(blocks)
    this.#copies = new Uint16Array(blocks)
    this.#freeCount = count
    for (let chunk = 0; chunk < count; chunk++) add(this.#free, this.#blockOf(chunk), 1)
    for (let chunk = 0; chunk < count; chunk++) if (hasBit(held, chunk)) this.hold(chunk)
  }

  get blocks(): number {
    return this.#free.length
  }

  /** Chunks that nobody has been asked for. */
  get free(): number {
    return this.#freeCount
  }

  get missing(): number {
    return this.count - this.#heldCount
  }

  isHeld(chunk: number): boolean {
    return this.#state[chunk] === HELD
  }

  /** A chunk has come. @returns false when it was here before */
  hold(chunk: number): boolean {
    if (this.isHeld(chunk)) return false
    if (this.#state[chunk] === 0) this.#count(chunk, -1)
    this.#state[chunk] = HELD
    this.#heldCount++
    return true
  }

  /** Somebody, or somebody else as well, is asked for these. */
  ask(first: number, end: number): void {
    for (let chunk = first; chunk < end; chunk++) {
      if (this.isHeld(chunk)) continue
      if (this.#state[chunk] === 0) this.#count(chunk, -1)
      add(this.#state, chunk, 1)
    }
  }

  /** Who was asked for these brings them no more. */
  giveBack(first: number, end: number): void {
    for (let chunk = first; chunk < end; chunk++) {
      if (this.isHeld(chunk)) continue
      add(this.#state, chunk, -1)
      if (this.#state[chunk] === 0) this.#count(chunk, 1)
    }
  }

  /** Whether all of these are held. */
  hasAll(first: number, end: number): boolean {
    for (let chunk = first; chunk < end; chunk++) if (!this.isHeld(chunk)) return false
    return true
  }

  /** Whether a peer has something that is missing here. */
  isServedBy(holding: Holding): boolean {
    if (holding === 'whole') return this.missing > 0
    for (let chunk = 0; chunk < this.count; chunk++) if (!this.isHeld(chunk) && hasBit(holding, chunk)) return true
    return false
  }

  /** Count a peer's chunks, or with `by` −1 no longer. Who has the whole makes no block rarer than another. */
  countCopies(holding: Holding, by: 1 | -1): void {
    if (holding === 'whole') return
    for (let block = 0; block < this.blocks; block++) {
      const end = Math.min(this.count, (block + 1) * this.#blockChunks)
      let chunk = block * this.#blockChunks
      while (chunk < end && hasBit(holding, chunk)) chunk++
      if (chunk === end) add(this.#copies, block, by)
    }
  }

  /**
   * Where a provider's next segment is best begun, and how far it goes.
   *
   * @param usable - whether the provider is to be asked for a chunk
   * @param most - chunks at most
   * @param from - block at which to begin looking, so that two fetchers do not both begin at the first
   */
  pick(usable: (chunk: number) => boolean, most: number, from: number): Segment | undefined {
    let [best, fewest] = [-1, Number.POSITIVE_INFINITY]
    for (let n = 0; n < this.blocks && fewest > 0; n++) {
      const block = (from + n) % this.blocks
      const copies = this.#copies[block] as number
      if (this.#free[block] === 0 || copies >= fewest) continue
      const first = this.#firstFree(block, usable)
      if (first >= 0) [best, fewest] = [first, copies]
    }
    if (best < 0) return undefined
    let end = best + 1
    while (end - best < most && end < this.count && this.#state[end] === 0 && usable(end)) {
      if ((this.#copies[this.#blockOf(end)] as number) > fewest) break
      end++
    }
    return { first: best, count: end - best }
  }

  #firstFree(block: number, usable: (chunk: number) => boolean): number {
    const end = Math.min(this.count, (block + 1) * this.#blockChunks)
    for (let chunk = block * this.#blockChunks; chunk < end; chunk++) {
      if (this.#state[chunk] === 0 && usable(chunk)) return chunk
    }
    return -1
  }

  #count(chunk: number, by: 1 | -1): void {
    add(this.#free, this.#blockOf(chunk), by)
    this.#freeCount += by
  }

  #blockOf(chunk: number): number {
    return Math.floor(chunk / this.#blockChunks)
  }
}

function add(counts: Uint8Array | Uint16Array, index: number, by: number): void {
  counts[index] = (counts[index] as number) + by
}
