// Admission: how much one peer may ask at once, and how often one signer may announce.
import { LRUCache } from 'lru-cache'
import type { Clock } from '../base/clock.ts'
import { MINUTE_MS } from '../base/units.ts'

/** Counts what each peer has going on at once. */
export class RequestGate {
  readonly #limit: number
  readonly #open = new Map<string, number>()

  constructor(limit: number) {
    this.#limit = limit
  }

  /** @returns a function that gives the place back, or undefined when `peer` has all of its places taken */
  enter(peer: string): (() => void) | undefined {
    const open = this.#open.get(peer) ?? 0
    if (open >= this.#limit) return undefined
    this.#open.set(peer, open + 1)
    let entered = true
    return () => {
      if (!entered) return
      entered = false
      const left = (this.#open.get(peer) ?? 1) - 1
      // Peers come and go for as long as a node runs, so none is remembered while it asks nothing.
      if (left === 0) this.#open.delete(peer)
      else this.#open.set(peer, left)
    }
  }
}

export interface RateLimits {
  /** Sustained rate. */
  readonly perMinute: number
  /** What may come at once after a quiet time. */
  readonly burst: number
  /** Keys remembered; beyond it the longest unseen is forgotten, and starts anew with a full burst. */
  readonly tracked: number
}

/** A token bucket per key. */
export class RateLimiter {
  readonly #clock: Clock
  readonly #limits: RateLimits
  readonly #buckets: LRUCache<string, { tokens: number; at: number }>

  constructor(clock: Clock, limits: RateLimits) {
    this.#clock = clock
    this.#limits = limits
    this.#buckets = new LRUCache({ max: limits.tracked })
  }

  /** @returns whether `key` may do one more thing now; what is refused costs nothing */
  take(key: string): boolean {
    const now = this.#clock.now()
    const bucket = this.#buckets.get(key) ?? { tokens: this.#limits.burst, at: now }
    const earned = (Math.max(0, now - bucket.at) * this.#limits.perMinute) / MINUTE_MS
    const tokens = Math.min(this.#limits.burst, bucket.tokens + earned)
    const allowed = tokens >= 1
    this.#buckets.set(key, { tokens: allowed ? tokens - 1 : tokens, at: now })
    return allowed
  }
}
