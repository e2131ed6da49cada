// Peers that may have a blob, as they become known: from a list that somebody else looks up, and from peers that name
// each other. Each is given out once, and no more than a bounded number.
import { untilAborted } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { PROVIDERS_MAX } from '../base/limits.ts'

export class Candidates implements Disposable {
  readonly #listed: AsyncIterator<string>
  readonly #seen = new Set<string>()
  #listing: Promise<IteratorResult<string>> | undefined
  #listEnded = false

  constructor(listed: AsyncIterable<string>) {
    this.#listed = listed[Symbol.asyncIterator]()
  }

  /** A peer was named by another one. @returns whether it may be asked: it was not given out before */
  name(peer: string): boolean {
    if (this.#seen.has(peer) || this.#seen.size >= PROVIDERS_MAX) return false
    this.#seen.add(peer)
    return true
  }

  /** The next one; undefined when there is none left. @throws CatalogError `ABORTED`, or what the signal says */
  async next(signal: AbortSignal): Promise<string | undefined> {
    while (this.#seen.size < PROVIDERS_MAX && !this.#listEnded) {
      if (signal.aborted) throw CatalogError.from(signal.reason, 'ABORTED')
      // Kept when the wait for it is given up: who asks next gets it.
      this.#listing ??= Promise.resolve(this.#listed.next())
      const { done, value } = await untilAborted(this.#listing, signal)
      this.#listing = undefined
      if (done) this.#listEnded = true
      else if (!this.#seen.has(value)) {
        this.#seen.add(value)
        return value
      }
    }
    return undefined
  }

  [Symbol.dispose](): void {
    // Not awaited: it ends when the look-up it may be in does, and who made it sees to that.
    Promise.resolve(this.#listed.return?.()).catch(() => undefined)
    this.#listing?.catch(() => undefined)
  }
}
