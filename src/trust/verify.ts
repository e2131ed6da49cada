// Records that came with an answer and are not (yet) kept: checked by the same rule as admission, in memory.
import { toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { admit, type ShelfState } from '../model/admission.ts'
import { type PublisherDocument, readPublisherDocument } from '../model/publisher.ts'
import { type CatalogRecord, decodeRecord } from '../model/record.ts'
import { type Release, readRelease } from '../model/release.ts'
import { type Addressee, addressed } from './addressed.ts'

/** A release with all that proves it. */
export interface Proven {
  readonly release: Release
  /** Documents first, in the order given. */
  readonly records: readonly CatalogRecord[]
}

/**
 * Check a bundle: publisher documents, one release signed by a key they name, the share that shows it to this node, and
 * what that share names.
 *
 * @throws CatalogError `RECORD_INVALID`, `RECORD_SIGNATURE`
 */
export function verifyBundle(envelopes: readonly Uint8Array[], me: Addressee): Proven {
  const records = verifyRecords(envelopes)
  const releases = records.filter(({ statement }) => statement.kind === 'release')
  const [record] = releases
  if (releases.length !== 1 || !record) throw new CatalogError('RECORD_INVALID', 'A bundle holds exactly one release.')
  const release = readRelease(record)
  if (!addressed(records, me).some((submission) => submission.record === record)) {
    throw new CatalogError('RECORD_INVALID', `${release.purl} came without a share that shows it to this node.`)
  }
  return { release, records }
}

/** Check records that come with their signers' documents, documents first. @throws CatalogError as `verifyBundle` */
export function verifyRecords(envelopes: readonly Uint8Array[]): CatalogRecord[] {
  const shelf = new PassingShelf()
  const records = envelopes.map(decodeRecord)
  for (const record of records) shelf.add(record)
  return records
}

/** A shelf for the length of one check. */
class PassingShelf implements ShelfState {
  readonly #documents = new Map<string, PublisherDocument[]>()

  add(record: CatalogRecord): void {
    const { outcome } = admit(record, this)
    if (outcome === 'unknown-signer') {
      throw new CatalogError('RECORD_SIGNATURE', `Record ${toHex(record.id)} came without its signer's documents.`)
    }
    if (record.statement.kind !== 'publisher') return
    this.#documents.set(record.signer, [...this.documents(record.signer), readPublisherDocument(record)])
  }

  documents(signer: string): readonly PublisherDocument[] {
    return this.#documents.get(signer) ?? []
  }

  slot(): readonly [] {
    return []
  }
}
