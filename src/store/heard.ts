// Which publishers this node has heard of, since when and from whom: what nobody else knows of, or has known for long,
// ranks behind the rest. A cache of what was seen; without it everybody is new once more.
import type { Clock } from '../base/clock.ts'
import { HEARD_PUBLISHERS_MAX } from '../base/limits.ts'
import type { Environment } from './environment.ts'
import type { HeardRow } from './tables.ts'

/** More do not make a publisher any better known. */
export const WITNESSES_MAX = 3

interface Components {
  environment: Environment
  clock: Clock
}

export class Heard {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  get(publisher: string): HeardRow | undefined {
    return this.#components.environment.heard.get(publisher)
  }

  /** Note that a peer has named publishers; what is known already costs no commit. */
  async note(publishers: readonly string[], witness: string): Promise<void> {
    const { environment } = this.#components
    const news = [...new Set(publishers)].filter((publisher) => this.#isNews(publisher, witness))
    if (news.length === 0) return
    await environment.transaction(() => {
      for (const publisher of news) this.#put(publisher, witness)
    })
  }

  #isNews(publisher: string, witness: string): boolean {
    const { heard } = this.#components.environment
    const row = heard.get(publisher)
    // Beyond the bound nobody new is remembered, and stays new.
    if (!row) return heard.getCount() < HEARD_PUBLISHERS_MAX
    return row.from.length < WITNESSES_MAX && !row.from.includes(witness)
  }

  #put(publisher: string, witness: string): void {
    if (!this.#isNews(publisher, witness)) return // the same was noted while this one waited for its turn
    const { environment, clock } = this.#components
    const { since, from } = environment.heard.get(publisher) ?? { since: clock.now(), from: [] }
    environment.heard.put(publisher, { since, from: [...from, witness] })
  }
}
