// How fast a provider delivers, learned while it does: a mean that forgets, over stretches in which something was asked
// of it. Pure.

/** Bytes of one stretch count from this on: shorter ones say more of buffers than of the line. */
const STRETCH_MS = 200
/** Weight of the newest stretch. */
const NEWEST = 0.4

export class ProviderPace {
  #rate = 0
  #since = 0
  #bytes = 0

  /** Bytes a millisecond; 0 when nothing is known yet. */
  get rate(): number {
    return this.#rate
  }

  /** Something has been asked of it after a pause. */
  begins(now: number): void {
    this.#since = now
    this.#bytes = 0
  }

  came(bytes: number, now: number): void {
    this.#bytes += bytes
    if (now - this.#since >= STRETCH_MS) this.#learn(now)
  }

  /** Nothing is asked of it any more for now. */
  ends(now: number): void {
    if (this.#bytes > 0) this.#learn(now)
  }

  #learn(now: number): void {
    const seen = this.#bytes / Math.max(1, now - this.#since)
    this.#rate = this.#rate === 0 ? seen : this.#rate * (1 - NEWEST) + seen * NEWEST
    this.#since = now
    this.#bytes = 0
  }
}
