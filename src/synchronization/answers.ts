// The answerer's side of synchronization. Nothing is kept from one request to the next: each names the shelf it is
// about, and is answered from what stands there now.
import { equalBytes, toHex } from '../base/bytes.ts'
import { turn } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { RECORDS_FRAME_BYTES, RECORDS_PER_FRAME_MAX } from '../base/limits.ts'
import { SYNC_REPLY_RECORDS_BYTES, SYNC_SHELVES_PER_MESSAGE_MAX } from '../base/sync-limits.ts'
import { type Core, SYMBOL_BYTES } from '../core/surface.ts'
import type { TrieNode } from '../model/trie.ts'
import { ID_BYTES, pathOf } from '../store/trie-rows.ts'
import { SHORT_ID_BYTES, type SyncReply, type SyncRequest, type WireNode } from '../wire/sync-messages.ts'
import { countsOf, estimate, SYMBOLS_WITH_COUNTS, symbolsFor } from './difference.ts'
import type { ShelfName } from './session.ts'
import { entryOf, IdSet, idsWith, ROOT_PATH, type SyncSet } from './sets.ts'

/** What requests of one peer are answered from. */
export interface Answering {
  readonly core: Core
  shelves(): readonly ShelfName[]
  find(key: Uint8Array): ShelfName | undefined
  /** The part of a shelf that the request means. */
  set(shelf: ShelfName): SyncSet
  envelope(id: Uint8Array): Uint8Array | undefined
  /** Ids of a shelf's publisher documents, each before what it proves. */
  documents(shelf: ShelfName): readonly Uint8Array[]
  /** Ids in the order in which they are to be sent, publisher documents first. */
  ordered(shelf: ShelfName, ids: readonly Uint8Array[], first: 'important' | undefined): readonly Uint8Array[]
  /** @returns those that were new */
  take(shelf: ShelfName, envelopes: readonly Uint8Array[]): Promise<readonly unknown[]>
  changes(after: RequestOf<'changes'>['after']): Iterable<SyncReply>
}

/** Ids of a set looked up before their records are sent. */
const IDS_AT_ONCE = 1_024

type RequestOf<Op extends SyncRequest['op']> = Extract<SyncRequest, { op: Op }>

/** @throws CatalogError `NOT_FOUND` for a shelf that is not here, or not for the peer */
export async function* answer(here: Answering, request: SyncRequest, signal?: AbortSignal): AsyncGenerator<SyncReply> {
  if (request.op === 'open') {
    yield* opened(here, request)
    return
  }
  if (request.op === 'list') {
    yield* listed(here, request)
    return
  }
  if (request.op === 'changes') {
    yield* here.changes(request.after)
    return
  }
  const shelf = here.find(request.key)
  if (!shelf) throw new CatalogError('NOT_FOUND', 'There is no such shelf here.')
  const set = here.set(shelf)
  if (request.op === 'symbols') {
    const { from, to } = request
    if (from >= to) throw new CatalogError('PEER_PROTOCOL', 'No symbols were asked for.')
    yield { is: 'symbols', symbols: set.sketch(to).slice(from * SYMBOL_BYTES, to * SYMBOL_BYTES) }
  } else if (request.op === 'nodes') {
    yield { is: 'nodes', nodes: request.paths.map((path) => writeNode(set.node(checkedPath(path)))) }
  } else if (request.op === 'exchange') yield* exchanged(here, shelf, request, signal)
  else yield* streamed(here, shelf, request, signal)
}

function* opened(here: Answering, { shelves, others }: RequestOf<'open'>): Generator<SyncReply> {
  const unknown: Uint8Array[] = []
  for (const asked of shelves) {
    const shelf = here.find(asked.key)
    if (!shelf) {
      unknown.push(asked.key)
      continue
    }
    const set = here.set(shelf)
    const { root, count } = set
    if (equalBytes(root, asked.root)) continue
    const told = { is: 'shelf', key: shelf.key, count } as const
    // All that one side has, and nothing of the other's, needs no sketch.
    if (count === 0 || asked.count === 0) yield { ...told, symbols: new Uint8Array(0) }
    else yield { ...told, symbols: sketchFor(set, asked) }
  }
  if (unknown.length > 0) yield { is: 'unknown', keys: unknown }
  if (others) yield named(here, others)
}

/** The list of all shelves that are not empty, compared as a shelf is. */
function* listed(here: Answering, asked: RequestOf<'list'>): Generator<SyncReply> {
  const sets = here.shelves().map((shelf) => ({ key: shelf.key, set: here.set(shelf) }))
  const entries = sets.filter(({ set }) => set.count > 0).map(({ key, set }) => entryOf(key, set))
  const list = new IdSet(here.core, entries)
  if (equalBytes(list.root, asked.root)) return
  yield { is: 'list', count: list.count, symbols: sketchFor(list, asked) }
}

/** As much of a sketch as should tell how a set differs from the asker's; none where it would take too much. */
function sketchFor(set: SyncSet, asked: { count: number; counts: Uint8Array }): Uint8Array {
  const apart = estimate(countsOf(set.sketch(SYMBOLS_WITH_COUNTS)), asked.counts, set.count - asked.count)
  const symbols = symbolsFor(Math.min(apart, set.count + asked.count))
  return symbols === 0 ? new Uint8Array(0) : set.sketch(symbols).slice()
}

/** Shelves by name, in the order of their keys, as many as a message takes. */
function named(here: Answering, others: true | { after: Uint8Array }): SyncReply {
  const from = others === true ? '' : toHex(others.after)
  const rest = here.shelves().filter(({ key }) => toHex(key) > from)
  const page = rest.slice(0, SYNC_SHELVES_PER_MESSAGE_MAX)
  const shelves = page.flatMap((shelf) => {
    const { root, count } = here.set(shelf)
    return count === 0 ? [] : [{ audience: shelf.audience, signer: shelf.signer, root, count }]
  })
  const next = page.at(-1)?.key
  return { is: 'others', shelves, ...(rest.length > page.length && next ? { next } : {}) }
}

async function* exchanged(
  here: Answering,
  shelf: ShelfName,
  { wants, records, first }: RequestOf<'exchange'>,
  signal: AbortSignal | undefined,
): AsyncGenerator<SyncReply> {
  if (wants.length % SHORT_ID_BYTES !== 0) throw new CatalogError('PEER_PROTOCOL', 'An id is not whole.')
  const taken = records.length > 0 ? (await here.take(shelf, records)).length : 0
  const set = here.set(shelf)
  const ids: Uint8Array[] = []
  for (let at = 0; at < wants.length; at += SHORT_ID_BYTES) {
    ids.push(...idsWith(set, wants.subarray(at, at + SHORT_ID_BYTES)))
    if (at % 2_048 === 0) await turn(signal)
  }
  const left = yield* sending(here, here.ordered(shelf, ids, first), signal)
  yield { is: 'state', ...stateOf(here, shelf), taken, ...(left && { cut: true }) }
}

async function* streamed(
  here: Answering,
  shelf: ShelfName,
  { after, first }: RequestOf<'stream'>,
  signal: AbortSignal | undefined,
): AsyncGenerator<SyncReply> {
  const set = here.set(shelf)
  const ids = first
    ? behind(here.ordered(shelf, set.idsBelow(ROOT_PATH), first), after)
    : inTurn(set, here.documents(shelf), after)
  const next = yield* sending(here, ids, signal)
  yield { is: 'state', ...stateOf(here, shelf), ...(next && { next }) }
}

/** A record that has gone since has none behind it: what the asker lacks still will show when it compares roots. */
function behind(ids: readonly Uint8Array[], after: Uint8Array | undefined): readonly Uint8Array[] {
  if (!after) return ids
  const at = ids.findIndex((id) => equalBytes(id, after))
  return at < 0 ? [] : ids.slice(at + 1)
}

/** All ids of a set, publisher documents before the others; these as they stand, so that none is listed twice. */
function* inTurn(set: SyncSet, documents: readonly Uint8Array[], after: Uint8Array | undefined): Generator<Uint8Array> {
  const isDocument = new Set(documents.map(toHex))
  const isIn = (id: Uint8Array) => set.idsBelow(pathOf(id, 2 * ID_BYTES)).length > 0
  const isOther = (id: Uint8Array) => !isDocument.has(toHex(id))
  if (!after || !isOther(after)) yield* behind(documents, after).filter(isIn)
  let ids = set.idsAfter(after && isOther(after) ? after : undefined, IDS_AT_ONCE)
  while (ids.length > 0) {
    yield* ids.filter(isOther)
    ids = set.idsAfter(ids.at(-1), IDS_AT_ONCE)
  }
}

/** @returns the last of the ids that is dealt with, when not all are */
async function* sending(
  here: Answering,
  ids: Iterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<SyncReply, Uint8Array | undefined> {
  let [frame, frameBytes, bytes]: [Uint8Array[], number, number] = [[], 0, 0]
  let last: Uint8Array | undefined
  let isCut = false
  for (const id of ids) {
    isCut = bytes >= SYNC_REPLY_RECORDS_BYTES
    if (isCut) break
    last = id
    const envelope = here.envelope(id)
    if (!envelope) continue
    frame.push(envelope)
    frameBytes += envelope.length
    bytes += envelope.length
    if (frame.length < RECORDS_PER_FRAME_MAX && frameBytes < RECORDS_FRAME_BYTES) continue
    yield { is: 'records', records: frame }
    await turn(signal)
    frame = []
    frameBytes = 0
  }
  if (frame.length > 0) yield { is: 'records', records: frame }
  return isCut ? last : undefined
}

function stateOf(here: Answering, shelf: ShelfName) {
  const { root, count } = here.set(shelf)
  return { root, count }
}

function writeNode(node: TrieNode): WireNode {
  if ('ids' in node) return { ids: Buffer.concat(node.ids) }
  const bitmap = node.children.reduce((bits, child, nibble) => bits | (child ? 1 << nibble : 0), 0)
  return { bitmap, children: Buffer.concat(node.children.filter((child) => child !== undefined)) }
}

function checkedPath(path: Uint8Array): Uint8Array {
  if (path.some((nibble) => nibble > 15)) throw new CatalogError('PEER_PROTOCOL', 'A path has what is no nibble.')
  return path
}
