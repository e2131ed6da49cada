// What is left to fetch, handed out in segments. Pure: a provider takes a segment, and gives back what it did not do.
import { CHUNK_BYTES } from '../base/limits.ts'
import { MiB } from '../base/units.ts'

/** Chunks [first, first + count). */
export interface Segment {
  readonly first: number
  readonly count: number
}

/** Long enough to hide a round trip, short enough that a slow provider holds little. */
const SEGMENT_CHUNKS_MAX = (8 * MiB) / CHUNK_BYTES

export class SegmentQueue {
  readonly #waiting: Segment[]
  readonly #segmentChunks: number

  /**
   * @param missing - runs of chunks not held
   * @param providers - how many are expected to share: each gets several turns even on a small blob
   */
  constructor(missing: readonly Segment[], providers: number) {
    const chunks = missing.reduce((sum, { count }) => sum + count, 0)
    this.#waiting = [...missing]
    this.#segmentChunks = Math.max(1, Math.min(SEGMENT_CHUNKS_MAX, Math.ceil(chunks / (2 * Math.max(1, providers)))))
  }

  take(): Segment | undefined {
    const next = this.#waiting.shift()
    if (!next || next.count <= this.#segmentChunks) return next
    const count = this.#segmentChunks
    this.#waiting.unshift({ first: next.first + count, count: next.count - count })
    return { first: next.first, count }
  }

  /** Put back the part of a segment from chunk `from` on. */
  giveBack({ first, count }: Segment, from = first): void {
    const left = first + count - from
    if (left > 0) this.#waiting.unshift({ first: from, count: left })
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }
}
