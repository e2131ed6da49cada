// Records that came with an answer and are not (yet) kept: checked by the same rule as admission, in memory.
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { VERIFIED_BUNDLES_BYTES } from '../base/limits.ts'
import { admit, type ShelfState } from '../model/admission.ts'
import { type PublisherDocument, readPublisherDocument } from '../model/publisher.ts'
import { type CatalogRecord, decodeRecord } from '../model/record.ts'
import { type Release, readRelease } from '../model/release.ts'
import { type Addressee, addressed } from './addressed.ts'

/** About what a record takes decoded, beside its bytes. */
const VERIFIED_RECORD_BYTES = 2_048

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
  return provenBy(verifyRecords(envelopes), me)
}

/**
 * The same for bundles that come again and again: several peers show the same release, and queries like each other find
 * the same ones. What is remembered is that the signatures hold; whom a bundle is for is looked at each time.
 */
export class BundleVerifier {
  readonly #verified = new LRUCache<string, readonly CatalogRecord[]>({
    maxSize: VERIFIED_BUNDLES_BYTES,
    sizeCalculation: (records) =>
      records.reduce((sum, { envelope }) => sum + VERIFIED_RECORD_BYTES + envelope.length, 0),
  })

  /** @throws CatalogError as `verifyBundle` */
  verify(envelopes: readonly Uint8Array[], me: Addressee): Proven {
    const key = nameOf(envelopes)
    const known = this.#verified.get(key)
    const records = known ?? verifyRecords(envelopes)
    if (!known) this.#verified.set(key, records)
    return provenBy(records, me)
  }
}

function nameOf(envelopes: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  // With their lengths: the same bytes cut otherwise are other records.
  hash.update(Uint32Array.from(envelopes, ({ length }) => length))
  for (const envelope of envelopes) hash.update(envelope)
  return hash.digest('base64')
}

function provenBy(records: readonly CatalogRecord[], me: Addressee): Proven {
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
