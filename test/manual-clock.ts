// Time under a test's control: it stands still until it is told to pass.
import type { Clock } from '../src/base/clock.ts'

interface Timer {
  readonly at: number
  readonly callback: () => void
}

/**
 * Timers fire in the order of their times, equal ones in the order they were set. Between two timers everything that
 * the first one set in motion is carried out, so that what it schedules takes its place in the order.
 */
export class ManualClock implements Clock {
  #now: number
  #timers: Timer[] = []

  /** @param start - milliseconds since the Unix epoch; whole by default, and the same in every run */
  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#now = start
  }

  /** Whole milliseconds, as the system's clock tells them, though timers may be set to parts of one. */
  now(): number {
    return Math.floor(this.#now)
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, delayMs), callback }
    const next = this.#timers.findIndex((other) => other.at > timer.at)
    this.#timers.splice(next < 0 ? this.#timers.length : next, 0, timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  /** Timers set and not yet fired. */
  get waiting(): number {
    return this.#timers.length
  }

  /** Let `ms` pass. Await it: work that timers set in motion goes on in between. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms
    await settled()
    while ((this.#timers[0]?.at ?? Number.POSITIVE_INFINITY) <= until) {
      this.fire()
      await settled()
    }
    this.#now = until
  }

  /**
   * Let as much time pass as `work` needs.
   *
   * @throws Error when it is not done and no timer is left to wait for
   */
  async until<T>(work: Promise<T>): Promise<T> {
    let done = false
    const finish = () => {
      done = true
    }
    work.then(finish, finish)
    await settled()
    while (!done) {
      if (this.#timers.length === 0) throw new Error('Nothing is left to wait for, and the work is not done.')
      this.fire()
      await settled()
    }
    return work
  }

  /** Let time pass to the earliest timer and fire it. @returns false when there is none */
  fire(): boolean {
    const timer = this.#timers.shift()
    if (!timer) return false
    this.#now = Math.max(this.#now, timer.at)
    timer.callback()
    return true
  }
}

/** Resolves when all promises that can go on have gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
