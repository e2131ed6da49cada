// The sets that sessions compare: whole shelves, and parts of them that a filter means. A part is gathered once for
// each state of its shelf, and kept for a while.
import { LRUCache } from 'lru-cache'
import { toHex } from '../base/bytes.ts'
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

/** Parts of shelves kept at hand. */
const PARTS_KEPT = 64

export class Parts {
  readonly #components: Components
  readonly #parts = new LRUCache<string, IdSet>({ max: PARTS_KEPT })

  constructor(components: Components) {
    this.#components = components
  }

  /** A shelf as it is now, or the part of it that a filter means. */
  of({ audience, signer, key }: ShelfName, filter: SyncFilter | undefined): SyncSet {
    const { records, core } = this.#components
    if (!filter) return new ShelfSet(this.#components, audience, signer)
    const { root } = records.shelves.get(audience, signer)
    const name = `${toHex(key)}${toHex(root)}${filterKey(filter)}`
    const known = this.#parts.get(name)
    if (known) return known
    const part = new IdSet(core, subsetOf(filter, this.#recordsOf(records.shelves.ids(audience, signer))))
    this.#parts.set(name, part)
    return part
  }

  /** Ids in the order in which they are to be sent. */
  ordered(
    { audience, signer }: ShelfName,
    ids: readonly Uint8Array[],
    first: 'important' | undefined,
  ): readonly Uint8Array[] {
    const { records } = this.#components
    if (first) return byImportance([...this.#recordsOf(ids)]).map(({ id }) => id)
    const documents = records.documents(audience, signer).map(({ record }) => record.id)
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
