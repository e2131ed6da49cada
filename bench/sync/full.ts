// A whole synchronization of signed records into an empty store, both ends in this process, and what it is held
// against: the same records decoded, verified and put, each under its id.
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { directEffects } from '../../src/base/effects.ts'
import { SYNC_ADMITTED_AT_ONCE_MAX } from '../../src/base/sync-limits.ts'
import type { Core } from '../../src/core/surface.ts'
import { decodeRecord, signingKeys } from '../../src/model/record.ts'
import { Environment } from '../../src/store/environment.ts'
import { Heard } from '../../src/store/heard.ts'
import { Records } from '../../src/store/records.ts'
import { Sketches } from '../../src/store/sketches.ts'
import type { Answering } from '../../src/synchronization/answers.ts'
import { shelfName } from '../../src/synchronization/catalogue.ts'
import { Intake } from '../../src/synchronization/intake.ts'
import { Parts } from '../../src/synchronization/parts.ts'
import type { Replica, ShelfName } from '../../src/synchronization/session.ts'
import { publisherOf, recordsOf } from '../mesh/records.ts'
import { runSession } from './session.ts'

const PUBLISHER = publisherOf('sync')
const NAME = shelfName('public', PUBLISHER.signer)
const EVERYBODY = { addressee: { is: () => false, belongs: () => true } }

/** Envelopes of a publisher's document and of so many releases and shares together. */
export function signedRecords(count: number): Uint8Array[] {
  const envelopes = [PUBLISHER.document.envelope]
  for (let number = 0; envelopes.length < count; number++) {
    const made = recordsOf(PUBLISHER, { name: `package-${number}`, description: 'One of very many, for a bench.' })
    envelopes.push(...made.slice(1).map(({ envelope }) => envelope))
  }
  return envelopes.slice(0, count)
}

/** A store of its own that can be both ends of a session. */
export class FullStore implements Replica, AsyncDisposable {
  readonly core: Core
  readonly #folder = mkdtempSync(join(tmpdir(), 'catalog-bench-'))
  readonly #environment = new Environment({ effects: directEffects }, { path: join(this.#folder, 'database') })
  readonly #records = new Records({ environment: this.#environment })
  readonly #parts: Parts
  readonly #intake: Intake

  constructor(core: Core) {
    this.core = core
    const [environment, records] = [this.#environment, this.#records]
    const heard = new Heard({ environment, clock: systemClock })
    this.#parts = new Parts({ records, core, sketches: new Sketches({ environment, records, core }) })
    this.#intake = new Intake({ records, heard, exchange: EVERYBODY })
  }

  take(_shelf: ShelfName, envelopes: readonly Uint8Array[]) {
    return this.#intake.take(NAME, envelopes, 'a peer')
  }

  /** Have all that another one has. @throws Error when it has not */
  async syncFrom(other: FullStore): Promise<void> {
    const { unequal } = await runSession(this, other.answering())
    if (unequal.length > 0) throw new Error('the stores are not equal')
  }

  /** What the same records take that are only verified and put. */
  async putPlainly(envelopes: readonly Uint8Array[]): Promise<void> {
    for (let at = 0; at < envelopes.length; at += SYNC_ADMITTED_AT_ONCE_MAX) {
      const some = envelopes.slice(at, at + SYNC_ADMITTED_AT_ONCE_MAX)
      await this.#environment.transaction(() => {
        for (const envelope of some) {
          const record = decodeRecord(envelope)
          if (signingKeys(record).size !== 1) throw new Error('a signature does not hold')
          this.#environment.records.put(record.id, envelope)
        }
      })
    }
  }

  shelves(): ShelfName[] {
    return [NAME]
  }

  set(shelf: ShelfName) {
    return this.#parts.of(shelf, undefined)
  }

  envelope(id: Uint8Array): Uint8Array | undefined {
    return this.#records.envelope(id)
  }

  wanted(): undefined {
    return undefined
  }

  answering(): Answering {
    return {
      core: this.core,
      shelves: () => this.shelves(),
      find: () => NAME,
      set: (shelf) => this.set(shelf),
      envelope: (id) => this.envelope(id),
      documents: (shelf) => this.#parts.documents(shelf),
      ordered: (shelf, ids, first) => this.#parts.ordered(shelf, ids, first),
      take: (shelf, envelopes) => this.take(shelf, envelopes),
      changes: () => [],
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#environment.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}
