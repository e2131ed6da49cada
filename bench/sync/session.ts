// A session between two replicas in one process, each message by its bytes as in a frame.
import { decodeCbor, encodeCbor } from '../../src/model/cbor.ts'
import { type Answering, answer } from '../../src/synchronization/answers.ts'
import { gathered } from '../../src/synchronization/gathered.ts'
import { type Outcome, type Replica, type ShelfName, synchronize } from '../../src/synchronization/session.ts'
import { encodeFrame } from '../../src/wire/frame.ts'
import type { SyncReply, SyncRequest } from '../../src/wire/sync-messages.ts'

export interface Ran extends Outcome {
  rounds: number
  /** Of all frames, both ways, without the records in them. */
  bytes: number
}

type Taking = { take(shelf: ShelfName, records: readonly Uint8Array[]): Promise<unknown> }

export async function runSession(asker: Replica & Taking, answerer: Answering): Promise<Ran> {
  const [session, ran] = [synchronize(asker, {}), { rounds: 0, bytes: 0 }]
  const passed = <T>(message: T, records: readonly Uint8Array[] = []): T => {
    const bytes = encodeCbor(message)
    ran.bytes += encodeFrame(bytes).length - records.reduce((sum, { length }) => sum + length, 0)
    return decodeCbor(bytes) as T
  }
  let next = session.next()
  while (!next.done) {
    const { request, shelf } = next.value
    const replies: SyncReply[] = []
    const heard: SyncRequest = passed(request, request.op === 'exchange' ? request.records : [])
    const told = async function* () {
      for await (const said of answer(answerer, heard)) {
        yield passed({ item: said }, said.is === 'records' ? said.records : []).item
      }
    }
    for await (const reply of gathered(told())) {
      if (reply.is === 'records' && shelf) await asker.take(shelf, reply.records)
      else replies.push(reply)
    }
    passed({ end: true })
    ran.rounds++
    next = session.next(replies)
  }
  return { ...next.value, ...ran }
}
