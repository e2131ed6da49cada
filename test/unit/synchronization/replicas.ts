// Replicas that hold ids in memory, and sessions between two of them: every message passes through its bytes and its
// schema, as on a wire. A record here is its own id.
import { sha256, toHex } from '../../../src/base/bytes.ts'
import { loadCore } from '../../../src/core/load.ts'
import { decodeCbor, encodeCbor } from '../../../src/model/cbor.ts'
import { type Answering, answer } from '../../../src/synchronization/answers.ts'
import { shelfName } from '../../../src/synchronization/catalogue.ts'
import {
  type Outcome,
  type Plan,
  type Replica,
  type ShelfName,
  synchronize,
} from '../../../src/synchronization/session.ts'
import { IdSet } from '../../../src/synchronization/sets.ts'
import { encodeFrame } from '../../../src/wire/frame.ts'
import { SYNC, type SyncReply, type SyncRequest } from '../../../src/wire/sync-messages.ts'

export const core = await loadCore('auto')

export const idOf = (number: number): Uint8Array => sha256(Buffer.from(`record ${number}`))

/** A node's shelves, each a set of ids by signer. */
export class Memory implements Replica, Answering {
  readonly core = core
  readonly #shelves = new Map<string, { name: ShelfName; ids: Map<string, Uint8Array>; set?: IdSet }>()

  constructor(shelves: Record<string, Iterable<Uint8Array>>) {
    for (const [signer, ids] of Object.entries(shelves)) this.put(signer, ids)
  }

  put(signer: string, ids: Iterable<Uint8Array>): void {
    const name = shelfName('public', signer)
    const there = this.#shelves.get(toHex(name.key))?.ids ?? new Map<string, Uint8Array>()
    for (const id of ids) there.set(toHex(id), id)
    this.#shelves.set(toHex(name.key), { name, ids: there })
  }

  shelves(): ShelfName[] {
    return [...this.#shelves].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { name }]) => name)
  }

  find(key: Uint8Array): ShelfName | undefined {
    return this.#shelves.get(toHex(key))?.name
  }

  set({ key }: ShelfName): IdSet {
    const shelf = this.#shelves.get(toHex(key))
    if (!shelf) return new IdSet(core, [])
    shelf.set ??= new IdSet(core, shelf.ids.values())
    return shelf.set
  }

  envelope(id: Uint8Array): Uint8Array | undefined {
    return id
  }

  documents(): readonly Uint8Array[] {
    return []
  }

  ordered(_shelf: ShelfName, ids: readonly Uint8Array[]): readonly Uint8Array[] {
    return ids
  }

  wanted({ signer }: { signer: string }): ShelfName | undefined {
    return shelfName('public', signer)
  }

  async take({ signer }: ShelfName, records: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
    this.put(signer, records)
    return records
  }

  *changes(): Generator<SyncReply> {}
}

export interface Ran extends Outcome {
  /** Requests that were answered. */
  rounds: number
  /** On the wire, in frames, both ways; and those of them that are records. */
  bytes: number
  recordBytes: number
}

/** What a dishonest peer makes of each reply. */
export type Bend = (reply: SyncReply, request: SyncRequest) => SyncReply[]

/** Run a session between two replicas. */
export async function run(asker: Memory, answerer: Answering, plan: Plan = {}, bend?: Bend): Promise<Ran> {
  const [session, ran] = [synchronize(asker, plan), { rounds: 0, bytes: 0, recordBytes: 0 }]
  let next = session.next()
  while (!next.done) {
    const { request, shelf } = next.value
    const replies: SyncReply[] = []
    const heard = SYNC.request.parse(decodeCbor(counted(request, ran)))
    for await (const honest of answer(answerer, heard)) {
      for (const said of bend ? bend(honest, request) : [honest]) {
        const { item } = decodeCbor(counted({ item: said }, ran)) as { item: unknown }
        const reply = SYNC.reply.parse(item)
        if (reply.is === 'records' && shelf) await asker.take(shelf, reply.records)
        else replies.push(reply)
        if (reply.is === 'records') ran.recordBytes += sizeOf(reply.records)
      }
    }
    counted({ end: true }, ran)
    if (request.op === 'exchange') ran.recordBytes += sizeOf(request.records)
    ran.rounds++
    next = session.next(replies)
  }
  return { ...next.value, ...ran }
}

function counted(message: unknown, ran: { bytes: number }): Uint8Array {
  const bytes = encodeCbor(message)
  ran.bytes += encodeFrame(bytes).length
  return bytes
}

function sizeOf(records: readonly Uint8Array[]): number {
  return records.reduce((sum, { length }) => sum + length, 0)
}
