// Work that is cheaper for many at once: what comes while a batch is at work goes together with the next one.
import { CatalogError } from './errors.ts'

interface Waiting<Item, Result> {
  readonly item: Item
  readonly outcome: PromiseWithResolvers<Result>
}

export class Batches<Item, Result> {
  readonly #work: (items: readonly Item[]) => Promise<readonly PromiseSettledResult<Result>[]>
  readonly #itemsMax: number
  readonly #waiting: Waiting<Item, Result>[] = []
  #working = false

  /**
   * @param work - does a batch, one at a time; returns an outcome for each item, in their order. What it throws is the
   *   outcome of all
   * @param itemsMax - most items of a batch
   */
  constructor(
    work: (items: readonly Item[]) => Promise<readonly PromiseSettledResult<Result>[]>,
    { itemsMax }: { itemsMax: number },
  ) {
    this.#work = work
    this.#itemsMax = itemsMax
  }

  add(item: Item): Promise<Result> {
    const outcome = Promise.withResolvers<Result>()
    this.#waiting.push({ item, outcome })
    if (!this.#working) void this.#workThrough()
    return outcome.promise
  }

  async #workThrough(): Promise<void> {
    this.#working = true
    // Those who come in the same turn go along with the first.
    await null
    while (this.#waiting.length > 0) await this.#doBatch(this.#waiting.splice(0, this.#itemsMax))
    this.#working = false
  }

  /** Settles every item's promise, and never rejects itself. */
  async #doBatch(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const outcomes = await this.#work(batch.map(({ item }) => item))
      for (const [index, { outcome }] of batch.entries()) {
        const settled = outcomes[index]
        if (settled?.status === 'fulfilled') outcome.resolve(settled.value)
        else outcome.reject(settled?.reason ?? new CatalogError('INTERNAL', 'A batch has left out one of its items.'))
      }
    } catch (thrown) {
      for (const { outcome } of batch) outcome.reject(thrown)
    }
  }
}
