// The progress of several fetches as that of one: what has come of all that is known to be wanted.
import type { FetchProgress } from '../transfer/fetcher.ts'

type Listener = (progress: FetchProgress) => void

export class ProgressSum {
  readonly #listener: Listener | undefined
  readonly #underWay = new Set<FetchProgress>()
  #bytes = 0
  #total = 0

  constructor(listener: Listener | undefined) {
    this.#listener = listener
  }

  /** A listener for one more fetch. */
  part(): Listener | undefined {
    const listener = this.#listener
    if (!listener) return undefined
    let before: FetchProgress = { bytes: 0, total: 0, rate: 0, sources: 0 }
    return (progress) => {
      this.#bytes += progress.bytes - before.bytes
      this.#total += progress.total - before.total
      this.#underWay.delete(before)
      this.#underWay.add(progress)
      const rate = [...this.#underWay].reduce((sum, each) => sum + each.rate, 0)
      const sources = Math.max(...[...this.#underWay].map((each) => each.sources))
      before = progress
      // What is whole comes no more.
      if (progress.bytes === progress.total) this.#underWay.delete(progress)
      listener({ bytes: this.#bytes, total: this.#total, rate, sources })
    }
  }
}
