// What may stand on a shelf: a pure rule, the same on every node and for every kind, known or not. It never looks at
// time, revocation, trust or policy, so shelves converge whatever order records arrive in.
import { compareBytes, equalBytes, toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { isDecisionKind, readDecision } from './decision.ts'
import { readDevices, readGroup } from './group.ts'
import { isNoticeKind, readNotice } from './notice.ts'
import { ORIGIN_KIND, type OriginKeys, originSigned, readOrigin } from './origin.ts'
import { keyOfPeer } from './peer-id.ts'
import { readShare } from './permission.ts'
import { documentHolds, type PublisherDocument, readPublisherDocument } from './publisher.ts'
import { type CatalogRecord, signingKeys } from './record.ts'
import { readRelease } from './release.ts'

/** A record already standing in the same slot: same shelf, signer, kind and subject. */
export interface Standing {
  readonly id: Uint8Array
  readonly seq?: number | undefined
}

/** What the rule needs to know of the shelf. */
export interface ShelfState {
  /** Keys of the outside registry that a signer stands for, as far as the node knows them by itself. */
  originKeys?(signer: string): OriginKeys | undefined
  /** Documents of a publisher on this shelf, all versions. */
  documents(signer: string): readonly PublisherDocument[]
  slot(record: CatalogRecord): readonly Standing[]
}

export type Admission =
  /** `removed` are the ids that leave the shelf for it. */
  | { outcome: 'admit'; removed: readonly Uint8Array[] }
  | { outcome: 'known' }
  /** Valid, but its slot is held by newer or smaller ones. */
  | { outcome: 'superseded' }
  /** Its signer's document is not here (yet): wait in the pen. */
  | { outcome: 'unknown-signer' }

/** Ids kept for one write-once subject, or for one seq: two are proof of equivocation, more are noise. */
const SLOT_IDS_MAX = 2

/**
 * @returns what to do with `record`
 * @throws CatalogError `RECORD_INVALID`, `RECORD_SIGNATURE`
 */
export function admit(record: CatalogRecord, shelf: ShelfState): Admission {
  const standing = shelf.slot(record)
  if (standing.some(({ id }) => equalBytes(id, record.id))) return { outcome: 'known' }
  checkBody(record)
  if (!signerKnown(record, shelf)) return { outcome: 'unknown-signer' }
  return isOwnWord(record) ? { outcome: 'admit', removed: standing.map(({ id }) => id) } : place(record, standing)
}

/** Bodies of the kinds this build reads must be well formed; other kinds pass as they are. */
function checkBody(record: CatalogRecord): void {
  if (record.statement.kind === 'release') readRelease(record)
  if (record.statement.kind === 'share') readShare(record)
  if (record.statement.kind === 'group') readGroup(record)
  if (record.statement.kind === 'device') readDevices(record)
  if (isNoticeKind(record.statement.kind)) readNotice(record)
  if (isDecisionKind(record.statement.kind)) readDecision(record)
  if (record.statement.kind !== ORIGIN_KIND) return
  readOrigin(record)
  // A node keeps for itself what no registry has signed. No publisher speaks for a registry.
  if (!/^(origin|node):/.test(record.signer)) throw badSignature(record)
}

/** Check the signatures. @returns false when the signer's keys are not known here */
function signerKnown(record: CatalogRecord, shelf: ShelfState): boolean {
  if (record.statement.kind === 'publisher') return documentKnown(record, shelf)
  if (record.signer.startsWith('node:')) {
    const key = keyOfPeer(record.signer.slice('node:'.length))
    if (!signingKeys(record).has(toHex(key))) throw badSignature(record)
    return true
  }
  if (record.signer.startsWith('origin:')) return originKnown(record, shelf)
  if (!record.signer.startsWith('publisher:')) return false
  // The version it names decides, and no other: which ones happen to be here already must not matter.
  const documents = shelf.documents(record.signer).filter(({ version }) => version === record.statement.signerVersion)
  if (documents.length === 0) return false
  const keys = signingKeys(record)
  const named = documents.some(({ releaseKeys, roots }) => [...keys].some((k) => releaseKeys.has(k) || roots.has(k)))
  if (!named) throw badSignature(record)
  return true
}

/** An outside registry says which versions there are, and nothing else. */
function originKnown(record: CatalogRecord, shelf: ShelfState): boolean {
  if (record.statement.kind !== ORIGIN_KIND) return false
  const isSigned = originSigned(record, shelf.originKeys?.(record.signer) ?? new Map())
  if (isSigned === false) throw badSignature(record)
  return isSigned === true
}

function documentKnown(record: CatalogRecord, shelf: ShelfState): boolean {
  const document = readPublisherDocument(record)
  const previous = shelf.documents(record.signer).filter(({ version }) => version === document.version - 1)
  if (document.version > 1 && previous.length === 0) return false
  if (!documentHolds(document, previous)) throw badSignature(record)
  return true
}

/** A registry that signs nothing may send other bytes later; what a node keeps of it for itself contradicts nobody. */
function isOwnWord({ signer, statement: { kind } }: CatalogRecord): boolean {
  return kind === ORIGIN_KIND && signer.startsWith('node:')
}

function place(record: CatalogRecord, standing: readonly Standing[]): Admission {
  const { seq } = record.statement
  if (seq !== undefined) {
    const highest = Math.max(-1, ...standing.map((other) => other.seq ?? -1))
    if (seq < highest) return { outcome: 'superseded' }
    if (seq > highest) return { outcome: 'admit', removed: standing.map(({ id }) => id) }
  }
  const ids = [...standing.map(({ id }) => id), record.id].sort(compareBytes)
  const removed = ids.slice(SLOT_IDS_MAX)
  if (removed.some((id) => equalBytes(id, record.id))) return { outcome: 'superseded' }
  return { outcome: 'admit', removed }
}

function badSignature(record: CatalogRecord): CatalogError {
  return new CatalogError('RECORD_SIGNATURE', `The signature of this ${record.statement.kind} record does not hold.`, {
    details: { signer: record.signer, id: toHex(record.id) },
  })
}
