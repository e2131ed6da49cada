// Asking again: what is known of a package may have grown old, as who was away has not heard what was announced. Who
// uses one is answered at once with what is here, and a few peers are asked beside it, at most every few minutes.
import { LRUCache } from 'lru-cache'
import type { Clock } from '../base/clock.ts'
import { tellFailure } from '../base/failure.ts'
import { REVALIDATED_NAMES_MAX, REVALIDATION_MS } from '../base/limits.ts'
import type { UnderWay } from '../base/under-way.ts'
import { nameKey, type PackageName } from '../model/purl.ts'

interface Components {
  clock: Clock
  underWay: UnderWay
  ask: (names: readonly PackageName[], signal: AbortSignal) => Promise<unknown>
}

export class Revalidation {
  readonly #components: Components
  readonly #askedAt = new LRUCache<string, number>({ max: REVALIDATED_NAMES_MAX })
  readonly #waiting = new Map<string, PackageName>()
  #isAsking = false

  constructor(components: Components) {
    this.#components = components
  }

  /** Peers have just been asked for these. */
  asked(names: readonly PackageName[]): void {
    for (const name of names) this.#askedAt.set(nameKey(name), this.#components.clock.now())
  }

  /** Whether peers were asked for it of late. */
  isFresh(name: PackageName): boolean {
    const at = this.#askedAt.get(nameKey(name))
    return at !== undefined && this.#components.clock.now() - at < REVALIDATION_MS
  }

  /** A package is used: have peers asked for it, unless they were of late. */
  used(name: PackageName): void {
    if (this.isFresh(name) || this.#waiting.size >= REVALIDATED_NAMES_MAX) return
    this.asked([name])
    this.#waiting.set(nameKey(name), name)
    if (!this.#isAsking) void this.#ask()
  }

  /** One question after another, each for all that is waiting. */
  async #ask(): Promise<void> {
    this.#isAsking = true
    try {
      // What is used in the same breath goes into the same question.
      await Promise.resolve()
      while (this.#waiting.size > 0) {
        const names = [...this.#waiting.values()]
        this.#waiting.clear()
        await this.#components.underWay.run((signal) => this.#components.ask(names, signal))
      }
    } catch (thrown) {
      tellFailure('ask for packages again', thrown, 'CLOSED')
    } finally {
      this.#isAsking = false
    }
  }
}
