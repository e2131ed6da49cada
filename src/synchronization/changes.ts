// The change feed as a peer hears of it: records that came to shelves it may see, after the change that it heard of
// last. A change is known by its number and by a mark, so that a store that was restored or made anew is noticed.
import { equalBytes, sha256 } from '../base/bytes.ts'
import { RECORDS_FRAME_BYTES, RECORDS_PER_FRAME_MAX } from '../base/limits.ts'
import { SYNC_CHANGES_MAX } from '../base/sync-limits.ts'
import type { Change, Records } from '../store/records.ts'
import type { SyncReply } from '../wire/sync-messages.ts'
import { shelfName } from './catalogue.ts'
import type { Cursor, ShelfName } from './session.ts'

const MARK_BYTES = 16

/** @param isFor - whether the peer may see a shelf */
export function* changesFor(
  records: Records,
  after: Cursor | undefined,
  isFor: (shelf: ShelfName) => boolean,
): Generator<SyncReply> {
  const last = records.lastSequence()
  if (!after || !isMarked(records, after)) {
    yield { is: 'cursor', ...cursorAt(records, last), isWhole: false, more: false }
    return
  }
  const changes = records.changesAfter(after.sequence, SYNC_CHANGES_MAX)
  yield* framed(records, changes, isFor)
  const sequence = changes.at(-1)?.sequence ?? after.sequence
  yield { is: 'cursor', ...cursorAt(records, sequence), isWhole: true, more: sequence < last }
}

function* framed(
  records: Records,
  changes: readonly Change[],
  isFor: (shelf: ShelfName) => boolean,
): Generator<SyncReply> {
  const added = changes.filter(({ op }) => op === 'add')
  for (const [first, ...others] of Map.groupBy(added, ({ audience, signer }) => `${audience}\n${signer}`).values()) {
    if (!first) continue
    const shelf = shelfName(first.audience as ShelfName['audience'], first.signer)
    if (!isFor(shelf)) continue
    const { key } = shelf
    let [frame, bytes]: [Uint8Array[], number] = [[], 0]
    for (const { id } of [first, ...others]) {
      const envelope = records.envelope(id)
      if (!envelope) continue
      frame.push(envelope)
      bytes += envelope.length
      if (frame.length < RECORDS_PER_FRAME_MAX && bytes < RECORDS_FRAME_BYTES) continue
      yield { is: 'changed', key, records: frame }
      frame = []
      bytes = 0
    }
    if (frame.length > 0) yield { is: 'changed', key, records: frame }
  }
}

function isMarked(records: Records, { sequence, mark }: Cursor): boolean {
  return sequence <= records.lastSequence() && equalBytes(cursorAt(records, sequence).mark, mark)
}

/** The mark says nothing of a record to who does not have it. */
function cursorAt(records: Records, sequence: number): Cursor {
  const [change] = sequence === 0 ? [] : records.changesAfter(sequence - 1, 1)
  if (change?.sequence !== sequence) return { sequence, mark: new Uint8Array(MARK_BYTES) }
  const { audience, signer, op, id } = change
  const text = Buffer.from(`catalog/cursor/1\n${sequence}\n${op}\n${audience}\n${signer}\n`)
  return { sequence, mark: sha256(Buffer.concat([text, id])).slice(0, MARK_BYTES) }
}
