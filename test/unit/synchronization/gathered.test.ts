import { test } from 'tap'
import { SYNC_ADMITTED_AT_ONCE_MAX, SYNC_GATHERED_BYTES } from '../../../src/base/sync-limits.ts'
import { gathered } from '../../../src/synchronization/gathered.ts'
import type { SyncReply } from '../../../src/wire/sync-messages.ts'

const records = (count: number, bytes = 1): SyncReply => ({
  is: 'records',
  records: Array.from({ length: count }, () => new Uint8Array(bytes)),
})
const unknown: SyncReply = { is: 'unknown', keys: [] }

async function* saying(...replies: (SyncReply | Error)[]): AsyncGenerator<SyncReply> {
  for (const reply of replies) {
    if (reply instanceof Error) throw reply
    yield reply
  }
}

/** What comes of replies: how many records each has, or what else it is. */
async function told(...replies: (SyncReply | Error)[]): Promise<(number | string)[]> {
  const out: (number | string)[] = []
  try {
    for await (const reply of gathered(saying(...replies))) {
      out.push(reply.is === 'records' ? reply.records.length : reply.is)
    }
  } catch (thrown) {
    out.push((thrown as Error).message)
  }
  return out
}

test('records that follow each other come together, and nothing changes its place', async (t) => {
  t.strictSame(await told(records(3), records(4), unknown, unknown, records(2)), [7, 'unknown', 'unknown', 2])
  t.strictSame(await told(), [])
  t.strictSame(await told(records(0), unknown), ['unknown'])
})

test('no more wait than are admitted at once, in number and in bytes', async (t) => {
  const half = SYNC_ADMITTED_AT_ONCE_MAX / 2
  t.strictSame(await told(records(half), records(half), records(half)), [2 * half, half])
  t.strictSame(await told(records(1, SYNC_GATHERED_BYTES), records(1)), [1, 1])
})

test('what came before a peer went away is not lost', async (t) => {
  t.strictSame(await told(records(3), new Error('gone')), [3, 'gone'])
})
