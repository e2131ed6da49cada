// The sets that sessions compare: whole shelves, and parts of them that a filter means. A part is gathered once for
// each state of its shelf, and kept for a while.
import { LRUCache } from 'lru-cache'
import { toHex } from '../base/bytes.ts'
import { turn } from '../base/clock.ts'
import type { Core } from '../core/surface.ts'
import type { CatalogRecord } from '../model/record.ts'
import type { Records } from '../store/records.ts'
import type { Sketches } from '../store/sketches.ts'
import type { SyncFilter } from '../wire/sync-messages.ts'
import { byImportance } from './order.ts'
import type { ShelfName } from './session.ts'
import { IdSet, ShelfSet, type SyncSet } from './sets.ts'
import { filterKey, subsetOf } from './subset.ts'

interface Components {
  records: Records
  sketches: Sketches
  core: Core
}

/** Ids in parts kept at hand, 100 bytes each. */
const PART_IDS_KEPT = 300_000
/** Records looked at before others have their turn. */
const RECORDS_PER_TURN = 200

export class Parts {
  readonly #components: Components
  readonly #parts = new LRUCache<string, IdSet>({
    maxSize: PART_IDS_KEPT,
    sizeCalculation: ({ count }) => count + 1,
  })

  constructor(components: Components) {
    this.#components = components
  }

  /** A shelf as it is now, or the part of it that a filter means: at once where that was prepared. */
  of(shelf: ShelfName, filter: SyncFilter | undefined): SyncSet {
    const { audience, signer } = shelf
    if (!filter) return new ShelfSet(this.#components, audience, signer)
    const known = this.#parts.get(this.#nameOf(shelf, filter))
    return known ?? this.#keep(shelf, filter, this.#recordsOf(this.#components.records.shelves.ids(audience, signer)))
  }

  /** Gather a part while others have their turns. @throws CatalogError `ABORTED` */
  async prepare(shelf: ShelfName, filter: SyncFilter, signal?: AbortSignal): Promise<void> {
    if (this.#parts.has(this.#nameOf(shelf, filter))) return
    const { shelves } = this.#components.records
    const before = this.#nameOf(shelf, filter)
    const found: CatalogRecord[] = []
    for (const record of this.#recordsOf(shelves.ids(shelf.audience, shelf.signer))) {
      found.push(record)
      if (found.length % RECORDS_PER_TURN === 0) await turn(signal)
    }
    // What came or went meanwhile has it gathered again.
    if (this.#nameOf(shelf, filter) === before) this.#keep(shelf, filter, found)
  }

  #keep(shelf: ShelfName, filter: SyncFilter, records: Iterable<CatalogRecord>): IdSet {
    const name = this.#nameOf(shelf, filter)
    const part = new IdSet(this.#components.core, subsetOf(filter, records))
    this.#parts.set(name, part)
    return part
  }

  #nameOf({ audience, signer, key }: ShelfName, filter: SyncFilter): string {
    const { root } = this.#components.records.shelves.get(audience, signer)
    return `${toHex(key)}${toHex(root)}${filterKey(filter)}`
  }

  /** Ids of a shelf's publisher documents, oldest first. */
  documents({ audience, signer }: ShelfName): Uint8Array[] {
    return this.#components.records.documents(audience, signer).map(({ record }) => record.id)
  }

  /** Ids in the order in which they are to be sent. */
  ordered(shelf: ShelfName, ids: readonly Uint8Array[], first: 'important' | undefined): readonly Uint8Array[] {
    if (first) return byImportance([...this.#recordsOf(ids)]).map(({ id }) => id)
    const documents = this.documents(shelf)
    const isDocument = new Set(documents.map(toHex))
    const wanted = new Set(ids.map(toHex))
    return [...documents.filter((id) => wanted.has(toHex(id))), ...ids.filter((id) => !isDocument.has(toHex(id)))]
  }

  *#recordsOf(ids: readonly Uint8Array[]): Generator<CatalogRecord> {
    for (const id of ids) {
      const record = this.#components.records.get(id)
      if (record) yield record
    }
  }
}
