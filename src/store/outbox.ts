// What was asked for while nobody was connected, in order, until a peer appears. What was published meanwhile is in the
// change feed already: of that only the place is kept up to which peers were told.
import type { Clock } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { OUTBOX_MAX } from '../base/sync-limits.ts'
import type { Environment } from './environment.ts'
import type { OutboxRow } from './tables.ts'

const TOLD = 'told'

export interface Waiting extends OutboxRow {
  readonly number: number
}

export class OutboxRows {
  readonly #environment: Environment
  readonly #clock: Clock
  /** Not written yet: it goes with whatever commits next, for to be told twice hurts nobody. */
  #told: number | undefined

  constructor({ environment, clock }: { environment: Environment; clock: Clock }) {
    this.#environment = environment
    this.#clock = clock
    environment.addHook({
      beforeCommit: () => this.#write(),
      rolledBack: () => undefined,
    })
  }

  /** The number of the last change that peers were told of. */
  get told(): number {
    return this.#told ?? this.#environment.meta.get(TOLD) ?? 0
  }

  set told(sequence: number) {
    this.#told = sequence
  }

  /** The oldest first. */
  list(): Waiting[] {
    return [...this.#environment.outbox.getRange({})].map(({ key, value }) => ({ number: key, ...value }))
  }

  /** The same twice waits once. @throws CatalogError `LIMIT_EXCEEDED` */
  add(row: Omit<OutboxRow, 'at'>): Promise<void> {
    return this.#environment.transaction(() => {
      const rows = this.list()
      if (rows.some(({ kind, subject }) => kind === row.kind && subject === row.subject)) return
      if (rows.length >= OUTBOX_MAX) {
        throw new CatalogError('LIMIT_EXCEEDED', `No more than ${OUTBOX_MAX} things can wait for a peer.`)
      }
      this.#environment.outbox.put((rows.at(-1)?.number ?? 0) + 1, { ...row, at: this.#clock.now() })
    })
  }

  remove(number: number): Promise<void> {
    return this.#environment.transaction(() => this.#environment.outbox.remove(number))
  }

  /** Write what is not written yet. */
  async flush(): Promise<void> {
    if (this.#told !== undefined) await this.#environment.transaction(() => this.#write())
  }

  #write(): void {
    if (this.#told === undefined || this.#told === this.#environment.meta.get(TOLD)) return
    this.#environment.meta.put(TOLD, this.#told)
  }
}
