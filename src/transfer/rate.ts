// Bytes a second over the last few seconds. Pure.
import { SECOND_MS } from '../base/units.ts'

const SLICE_MS = SECOND_MS / 2
const SLICES = 10

export class RateMeter {
  /** Bytes of each slice of time, by its number modulo their count. */
  readonly #slices = new Float64Array(SLICES)
  #newest: number
  readonly #since: number

  constructor(now: number) {
    this.#since = now
    this.#newest = Math.floor(now / SLICE_MS)
  }

  add(bytes: number, now: number): void {
    this.#turnTo(now)
    const at = this.#newest % SLICES
    this.#slices[at] = (this.#slices[at] ?? 0) + bytes
  }

  /** Bytes a second. */
  rate(now: number): number {
    this.#turnTo(now)
    const sum = this.#slices.reduce((total, bytes) => total + bytes, 0)
    const oldest = Math.max(this.#since, (this.#newest - SLICES + 1) * SLICE_MS)
    return (sum * SECOND_MS) / Math.max(SLICE_MS, now - oldest)
  }

  #turnTo(now: number): void {
    const current = Math.floor(now / SLICE_MS)
    const forgotten = Math.min(SLICES, current - this.#newest)
    for (let n = 1; n <= forgotten; n++) this.#slices[(this.#newest + n) % SLICES] = 0
    this.#newest = Math.max(this.#newest, current)
  }
}
