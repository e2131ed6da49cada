// Records of a reply come in small frames, so that a slow link shows that it is alive; they are admitted in larger
// groups, as a transaction costs much the same for few of them.
import { SYNC_ADMITTED_AT_ONCE_MAX, SYNC_GATHERED_BYTES } from '../base/sync-limits.ts'
import type { SyncReply } from '../wire/sync-messages.ts'

/** The same replies in the same order, with records that follow each other together. */
export async function* gathered(replies: AsyncIterable<SyncReply>): AsyncGenerator<SyncReply> {
  let [records, bytes]: [Uint8Array[], number] = [[], 0]
  const together = (): SyncReply[] => {
    const group = records
    ;[records, bytes] = [[], 0]
    return group.length > 0 ? [{ is: 'records', records: group }] : []
  }
  try {
    for await (const reply of replies) {
      if (reply.is !== 'records') {
        yield* together()
        yield reply
        continue
      }
      records.push(...reply.records)
      bytes += reply.records.reduce((sum, { length }) => sum + length, 0)
      if (records.length >= SYNC_ADMITTED_AT_ONCE_MAX || bytes >= SYNC_GATHERED_BYTES) yield* together()
    }
  } catch (thrown) {
    // What came before a peer went away is as good as the rest.
    yield* together()
    throw thrown
  }
  yield* together()
}
