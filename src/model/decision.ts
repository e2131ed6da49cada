// What publishers say of releases that compete: an attestation, that a release of somebody else is what it says it is;
// a resolution, which of several the signer takes. The latter is for the signer's own devices alone.
import { z } from 'zod'
import { CatalogError } from '../base/errors.ts'
import { bytesOf } from './cbor.ts'
import { parseVersionedPurl } from './purl.ts'
import type { CatalogRecord } from './record.ts'

export const DECISION_KINDS = ['attestation', 'resolution'] as const
export type DecisionKind = (typeof DECISION_KINDS)[number]

const decisionSchema = z.looseObject({ release: bytesOf(32).optional() })

export function isDecisionKind(kind: string): kind is DecisionKind {
  return (DECISION_KINDS as readonly string[]).includes(kind)
}

/**
 * The record id of the release that is meant; none where it is taken back.
 *
 * @throws CatalogError `RECORD_INVALID`
 */
export function readDecision({ statement: { kind, subject, seq, body } }: CatalogRecord): Uint8Array | undefined {
  const read = decisionSchema.safeParse(body)
  if (!isDecisionKind(kind) || !read.success || seq === undefined) {
    throw new CatalogError('RECORD_INVALID', `This ${kind} is malformed.`, { cause: read.error })
  }
  try {
    parseVersionedPurl(subject)
  } catch (cause) {
    throw new CatalogError('RECORD_INVALID', `This ${kind} is about no release.`, { cause })
  }
  return read.data.release
}
