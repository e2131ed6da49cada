// Records that were decoded lately, by id, which says all of a record: decoding one takes longer than finding it.
import { LRUCache } from 'lru-cache'
import { toHex } from '../base/bytes.ts'
import { KiB, MiB } from '../base/units.ts'
import { ORIGIN_KIND } from '../model/origin.ts'
import type { CatalogRecord } from '../model/record.ts'

/** Of records kept at hand, and beside the bytes of each: 4,200 small ones, of 13 MB in all once they are decoded. */
const DECODED_BYTES_MAX = 6 * MiB
const DECODED_RECORD_BYTES = KiB

export class Decoded {
  readonly #records = new LRUCache<string, CatalogRecord>({
    maxSize: DECODED_BYTES_MAX,
    sizeCalculation: ({ envelope }) => envelope.length + DECODED_RECORD_BYTES,
  })

  get(id: Uint8Array): CatalogRecord | undefined {
    return this.#records.get(toHex(id))
  }

  set(record: CatalogRecord): void {
    this.#records.set(toHex(record.id), record)
  }

  /** One that came once more: who sent it is likely to be asked about it next. */
  came(record: CatalogRecord): void {
    // What an origin's statement stands for is kept with the record that is at hand already, or is yet to be read.
    if (record.statement.kind !== ORIGIN_KIND && !this.#records.has(toHex(record.id))) this.set(record)
  }
}
