// Holds the native index, and opens it anew when something has shown that a file of it is not what was written. It is
// empty then: whoever listens replays the records.
import type { SearchIndex } from '../../artifacts/native/index.js'
import type { Effects } from '../base/effects.ts'
import { CatalogError } from '../base/errors.ts'
import { tellFailure } from '../base/failure.ts'

export class HeldIndex {
  readonly #effects: Effects
  readonly #open: () => Promise<SearchIndex>
  readonly #listeners: (() => void)[] = []
  #index: SearchIndex
  #mending: Promise<void> | undefined
  #closed = false

  private constructor(effects: Effects, open: () => Promise<SearchIndex>, index: SearchIndex) {
    this.#effects = effects
    this.#open = open
    this.#index = index
  }

  /** @throws CatalogError `SEARCH_LOCKED`, `SEARCH_INDEX` */
  static async open({ effects }: { effects: Effects }, open: () => Promise<SearchIndex>): Promise<HeldIndex> {
    return new HeldIndex(effects, open, await coded(() => effects.run(open)))
  }

  /** As it is now; another after it was opened anew. */
  get index(): SearchIndex {
    return this.#index
  }

  /** @throws CatalogError */
  async run<T>(work: (index: SearchIndex) => Promise<T>): Promise<T> {
    try {
      return await coded(() => this.#effects.run(() => work(this.#index)))
    } catch (thrown) {
      if (!this.#closed && this.#index.isDamaged()) this.#mending ??= this.#mend()
      throw thrown
    }
  }

  onEmptied(listener: () => void): void {
    this.#listeners.push(listener)
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#mending
    await this.run((index) => index.close())
  }

  async #mend(): Promise<void> {
    tellFailure(
      'search',
      new CatalogError('SEARCH_INDEX', 'The search index is damaged, and made anew from the records.'),
    )
    await this.run((index) => index.close()).catch((thrown) => tellFailure('close the damaged index', thrown))
    try {
      this.#index = await coded(() => this.#effects.run(this.#open))
    } catch (thrown) {
      tellFailure('mend the search index', thrown)
      return
    } finally {
      this.#mending = undefined
    }
    for (const tell of this.#listeners) tell()
  }
}

async function coded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    throw CatalogError.from(thrown, 'SEARCH_INDEX')
  }
}
