// In which order records are sent: publisher documents first, as nothing counts without them; and, when a
// synchronization may be cut off, what matters most before the rest.
import { compareBytes } from '../base/bytes.ts'
import type { CatalogRecord } from '../model/record.ts'
import { isRelease, readRelease } from '../model/release.ts'

const DOCUMENT = 4
const DECIDING = 3
const OTHER = 2

/** Higher goes first: documents, what says who may have what, then releases by their priority, 0 to 1. */
function weight(record: CatalogRecord): number {
  const { kind } = record.statement
  if (kind === 'publisher') return DOCUMENT
  if (kind === 'share' || kind === 'group' || kind === 'device') return DECIDING
  return isRelease(record) ? readRelease(record).body.priority : OTHER
}

/** By importance, then the newest first. */
export function byImportance(records: readonly CatalogRecord[]): CatalogRecord[] {
  return records
    .map((record) => ({ record, weight: weight(record) }))
    .sort(
      (a, b) =>
        b.weight - a.weight ||
        // Documents are a chain.
        (a.weight === DOCUMENT
          ? a.record.statement.signerVersion - b.record.statement.signerVersion
          : b.record.statement.at - a.record.statement.at) ||
        compareBytes(a.record.id, b.record.id),
    )
    .map(({ record }) => record)
}
