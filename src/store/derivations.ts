// What follows from the archives that origin statements name (`model/origin.ts`): derived here from bytes that were
// checked, or as a peer says, until the bytes are here. No part of any shelf.
import { copyOf } from '../base/bytes.ts'
import { tellFailure } from '../base/failure.ts'
import {
  type Derivation,
  decodeDerivation,
  derive,
  encodeDerivation,
  NPM_ORIGIN,
  ORIGIN_KIND,
} from '../model/origin.ts'
import type { CatalogRecord } from '../model/record.ts'
import { type Release, standForNothing } from '../model/release.ts'
import type { Environment } from './environment.ts'

interface Components {
  environment: Environment
  /** The record object that everybody is given, of which a caller may have a twin. */
  get(id: Uint8Array): CatalogRecord | undefined
}

export class Derivations {
  readonly #environment: Environment
  readonly #get: Components['get']
  /** Moved whenever something else is known. */
  revision = 0

  constructor({ environment, get }: Components) {
    this.#environment = environment
    this.#get = get
  }

  /** Have an origin statement read as a release, where what follows from it is known. */
  attach(record: CatalogRecord): void {
    if (record.statement.kind !== ORIGIN_KIND) return
    const bytes = this.bytesOf(record.id)
    if (!bytes) return
    try {
      derive(record, decodeDerivation(bytes))
    } catch (thrown) {
      // Written by a version that knew other fields: it is derived anew, or heard anew.
      tellFailure('derivation', thrown)
    }
  }

  /** The peer whose word it is; undefined where it was derived here, and where nothing is known. */
  heardFrom(id: Uint8Array): string | undefined {
    return this.#environment.derivations.get(id)?.from
  }

  bytesOf(id: Uint8Array): Uint8Array | undefined {
    const row = this.#environment.derivations.get(id)
    // The database gives its own memory, for a moment.
    return row && copyOf(row.bytes)
  }

  /** What may be passed on: what this node has derived itself. */
  verified(id: Uint8Array): Uint8Array | undefined {
    return this.heardFrom(id) === undefined ? this.bytesOf(id) : undefined
  }

  /** Inside a transaction of the caller. @param from - the peer whose word it is */
  put(record: CatalogRecord, derivation: Derivation, from?: string): Release {
    const bytes = encodeDerivation(derivation)
    this.revision++
    this.#environment.derivations.put(record.id, from === undefined ? { bytes } : { bytes, from })
    return derive(this.#get(record.id) ?? record, derivation)
  }

  /** The same for a peer's word, which is taken only of a registry's own statement, and where nothing is known. */
  hear(record: CatalogRecord | undefined, derivation: Derivation, from: string): void {
    if (record?.signer !== NPM_ORIGIN || this.#environment.derivations.doesExist(record.id)) return
    this.put(record, derivation, from)
  }

  /** Inside a transaction of the caller: what was said is not so. */
  remove(record: CatalogRecord): void {
    this.revision++
    this.#environment.derivations.remove(record.id)
    standForNothing(this.#get(record.id) ?? record)
  }
}
