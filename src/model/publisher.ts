// A publisher: a chain of documents naming root keys (k of n) and release keys. Its id is the id of version 1, so it
// survives key rotation. A new version needs the threshold of the old and of the new roots.
// Source: The Update Framework, root metadata and its rotation.
import { z } from 'zod'
import { toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { bytesOf } from './cbor.ts'
import { type CatalogRecord, signingKeys } from './record.ts'

const key = bytesOf(32)
const documentSchema = z.looseObject({
  version: z.int().min(1),
  threshold: z.int().min(1).max(16),
  roots: z.array(key).min(1).max(16),
  releaseKeys: z.array(key).min(1).max(16),
  expires: z.int().optional(),
})

export interface PublisherDocument {
  readonly record: CatalogRecord
  readonly version: number
  readonly threshold: number
  /** Hexadecimal public keys. */
  readonly roots: ReadonlySet<string>
  readonly releaseKeys: ReadonlySet<string>
}

/** @throws CatalogError `RECORD_INVALID` */
export function readPublisherDocument(record: CatalogRecord): PublisherDocument {
  const refuse = (why: string) => new CatalogError('RECORD_INVALID', `This publisher document ${why}.`)
  const { kind, subject, signer, signerVersion, seq, body } = record.statement
  const parsed = documentSchema.safeParse(body)
  if (kind !== 'publisher' || !parsed.success) throw refuse('has an invalid body')
  const { version, threshold } = parsed.data
  const roots = new Set(parsed.data.roots.map(toHex))
  const releaseKeys = new Set(parsed.data.releaseKeys.map(toHex))
  if (threshold > roots.size) throw refuse('asks for more signatures than it has roots')
  if (subject !== `v${version}` || seq !== undefined) throw refuse('has a wrong subject')
  const first = version === 1 && signer === 'publisher:' && signerVersion === 1
  const later = version > 1 && /^publisher:[0-9a-f]{64}$/.test(signer) && signerVersion === version - 1
  if (!first && !later) throw refuse('names a wrong signer')
  return { record, version, threshold, roots, releaseKeys }
}

/**
 * Whether a document's signatures suffice.
 *
 * @param previous - the documents of the version before; empty for version 1
 */
export function documentHolds(document: PublisherDocument, previous: readonly PublisherDocument[]): boolean {
  const keys = signingKeys(document.record)
  const count = (roots: ReadonlySet<string>) => [...keys].filter((signed) => roots.has(signed)).length
  if (count(document.roots) < document.threshold) return false
  return document.version === 1 || previous.some((old) => count(old.roots) >= old.threshold)
}

/** Body of the 1-of-1 document made on first use. */
export function firstDocumentBody(root: Uint8Array, release: Uint8Array): Record<string, unknown> {
  return { version: 1, threshold: 1, roots: [root], releaseKeys: [release] }
}
