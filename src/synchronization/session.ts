// How two nodes make their shelves equal, without IO: the asker's side is a generator that says what to ask next and is
// given the replies; the answerer's (`answers.ts`) keeps nothing from one request to the next. Records in replies have
// been admitted, as far as they hold, before the generator goes on, so that it only ever looks at what is here.
//
//   open: roots and counts of shelves            → for each that differs its symbols, as many as the counts ask for
//   symbols, until the difference can be told    → or nodes: down both tries, which always ends
//   exchange: what is wanted, what the peer lacks → records, and the root that came of it
import { equalBytes, toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import {
  SYNC_NODES_MAX,
  SYNC_NODES_PER_REQUEST_MAX,
  SYNC_PUSH_BYTES_MAX,
  SYNC_PUSH_RECORDS_MAX,
  SYNC_ROUNDS_MAX,
  SYNC_SHELVES_PER_MESSAGE_MAX,
  SYNC_SYMBOLS_MAX,
  SYNC_WANTS_MAX,
} from '../base/sync-limits.ts'
import { type Core, SYMBOL_BYTES } from '../core/surface.ts'
import type { Audience } from '../model/audience.ts'
import type { TrieNode } from '../model/trie.ts'
import { splitIds } from '../store/trie-rows.ts'
import {
  SHORT_ID_BYTES,
  type SyncFilter,
  type SyncReply,
  type SyncReplyOf,
  type SyncRequest,
  type WireNode,
} from '../wire/sync-messages.ts'
import { countsOf, type Difference, differenceOf, SYMBOLS_WITH_COUNTS } from './difference.ts'
import { childHashes, entryOf, IdSet, idsWith, ROOT_PATH, type SyncSet } from './sets.ts'

export interface ShelfName {
  readonly audience: Audience
  readonly signer: string
  /** What the shelf is called in messages. */
  readonly key: Uint8Array
}

/** What the session sees of this node. */
export interface Replica {
  readonly core: Core
  /** Shelves to be made equal, those first that matter most. */
  shelves(): readonly ShelfName[]
  set(shelf: ShelfName): SyncSet
  /** A record's bytes. */
  envelope(id: Uint8Array): Uint8Array | undefined
  /** What becomes of a shelf that the peer names: undefined when it is not wanted here. */
  wanted(named: { audience: string; signer: string }): ShelfName | undefined
}

export interface Plan {
  /** Have all of the peer's records sent before anything is compared. */
  readonly everything?: boolean
  /** Have the important ones sent first. */
  readonly importantFirst?: boolean
  readonly filter?: SyncFilter | undefined
  /** Take up shelves that only the peer keeps, as far as they are wanted. */
  readonly others?: boolean
  /** Find out what is missing, and change nothing. */
  readonly dryRun?: boolean
  /** First have told what changed there after this one; `none` when nothing is known yet. */
  readonly since?: Cursor | 'none'
}

/** A change of the peer's, by its number and the peer's mark for it: a store made anew marks others. */
export interface Cursor {
  readonly sequence: number
  readonly mark: Uint8Array
}

/** What is asked, and which shelf the records of the replies are of. */
export interface Step {
  readonly request: SyncRequest
  readonly shelf?: ShelfName
}

export interface Outcome {
  /** Shelves that were compared, and those that differ still. */
  shelves: number
  unequal: ShelfName[]
  /** Records that were found to be missing here and there. */
  lacking: number
  surplus: number
  /** Records that the peer took. */
  sent: number
  /** What to ask after the next time, once all is equal. */
  cursor?: Cursor
}

type Session<T> = Generator<Step, T, readonly SyncReply[]>

/** What the peer said of a shelf. */
interface Told {
  /** Known unless it was only said to differ. */
  readonly root?: Uint8Array
  readonly count: number
  readonly symbols?: Uint8Array
}

/** @throws CatalogError `PEER_PROTOCOL` */
export function* synchronize(replica: Replica, plan: Plan): Session<Outcome> {
  const outcome: Outcome = { shelves: 0, unequal: [], lacking: 0, surplus: 0, sent: 0 }
  if (plan.since) outcome.cursor = yield* catchUp(plan.since)
  const known = [...replica.shelves()]
  const { shelves: here, isMore } = yield* differing(replica, known, plan)
  for (let at = 0; at < here.length; at += SYNC_SHELVES_PER_MESSAGE_MAX) {
    const page = here.slice(at, at + SYNC_SHELVES_PER_MESSAGE_MAX)
    const replies = yield { request: openRequest(replica, page, plan) }
    for (const told of replies.filter((reply) => reply.is === 'shelf')) {
      const shelf = page.find(({ key }) => equalBytes(key, told.key))
      if (!shelf) throw unasked('a shelf')
      yield* new Shelf(replica, shelf, plan, outcome).settle(told)
    }
  }
  outcome.shelves = known.length
  if (plan.others && isMore) yield* takeUp(replica, known, plan, outcome)
  return outcome
}

/** Which shelves may differ, and whether the peer has others. The list of many is itself compared first. */
function* differing(
  replica: Replica,
  known: readonly ShelfName[],
  plan: Plan,
): Session<{ shelves: readonly ShelfName[]; isMore: boolean }> {
  if (known.length <= SYNC_SHELVES_PER_MESSAGE_MAX) return { shelves: known, isMore: true }
  const [full, empty]: [Map<string, ShelfName>, ShelfName[]] = [new Map(), []]
  const entries: Uint8Array[] = []
  for (const shelf of known) {
    const set = replica.set(shelf)
    if (set.count === 0) {
      empty.push(shelf)
      continue
    }
    const entry = entryOf(shelf.key, set)
    full.set(toHex(entry.subarray(0, SHORT_ID_BYTES)), shelf)
    entries.push(entry)
  }
  const list = new IdSet(replica.core, entries)
  const replies = yield { request: { op: 'list', ...stateOf(list), ...filtered(plan) } }
  const told = replies.find((reply) => reply.is === 'list')
  if (!told) return { shelves: [], isMore: false }
  const symbols = Math.floor(told.symbols.length / SYMBOL_BYTES)
  const found = symbols > 0 ? differenceOf(replica.core, list.sketch(symbols), told.symbols) : undefined
  if (!found) return { shelves: known, isMore: true }
  const shelves = found.mine.flatMap((short) => full.get(toHex(short)) ?? [])
  // What only the peer has may be of shelves that are followed here, and have nothing yet.
  return found.theirs.length > 0 ? { shelves: [...shelves, ...empty], isMore: true } : { shelves, isMore: false }
}

/** What changed since the last time comes without comparing anything; that all came shows afterwards. */
function* catchUp(since: Cursor | 'none'): Session<Cursor> {
  let after = since === 'none' ? undefined : since
  for (;;) {
    const request: SyncRequest = { op: 'changes', ...(after && { after }) }
    const told: SyncReplyOf<'cursor'> = only(yield { request }, 'cursor')
    const isBehind = told.more && told.isWhole && told.sequence > (after?.sequence ?? 0)
    after = { sequence: told.sequence, mark: told.mark }
    if (!isBehind) return after
  }
}

/** Take up shelves that the peer keeps and this node does not. */
function* takeUp(replica: Replica, here: readonly ShelfName[], plan: Plan, outcome: Outcome): Session<void> {
  const known = new Set(here.map(({ key }) => toHex(key)))
  let others: true | { after: Uint8Array } = true
  for (;;) {
    const request: SyncRequest = { op: 'open', shelves: [], others, ...filtered(plan) }
    const reply: SyncReplyOf<'others'> = only(yield { request }, 'others')
    for (const told of reply.shelves) {
      const shelf = replica.wanted(told)
      if (!shelf || known.has(toHex(shelf.key))) continue
      known.add(toHex(shelf.key))
      outcome.shelves++
      yield* new Shelf(replica, shelf, plan, outcome).settle(told)
    }
    if (!reply.next) return
    others = { after: reply.next }
  }
}

function openRequest(replica: Replica, shelves: readonly ShelfName[], plan: Plan): SyncRequest {
  const states = shelves.map((shelf) => ({ key: shelf.key, ...stateOf(replica.set(shelf)) }))
  return { op: 'open', shelves: states, ...filtered(plan) }
}

/** What a set is told by, to who has one like it. */
function stateOf(set: SyncSet) {
  const { root, count } = set
  return { root, count, counts: countsOf(set.sketch(SYMBOLS_WITH_COUNTS)) }
}

/** One shelf being made equal. */
class Shelf {
  readonly #replica: Replica
  readonly #shelf: ShelfName
  readonly #plan: Plan
  readonly #outcome: Outcome

  constructor(replica: Replica, shelf: ShelfName, plan: Plan, outcome: Outcome) {
    this.#replica = replica
    this.#shelf = shelf
    this.#plan = plan
    this.#outcome = outcome
  }

  get #set(): SyncSet {
    return this.#replica.set(this.#shelf)
  }

  get #about() {
    return { key: this.#shelf.key, ...filtered(this.#plan) }
  }

  get #first() {
    return this.#plan.importantFirst ? { first: 'important' as const } : {}
  }

  *settle(opened: Told): Session<void> {
    let told: Told | undefined = opened
    for (let round = 0; round < SYNC_ROUNDS_MAX; round++) {
      if (round > 0) told = yield* this.#open()
      if (!told || this.#isEqual(told)) return
      const isStream = round === 0 && (this.#set.count === 0 || this.#plan.everything === true)
      if (isStream && this.#set.count === 0) this.#outcome.lacking += told.count
      else if (this.#plan.dryRun) yield* this.#difference(told, round)
      if (this.#plan.dryRun) return
      const after: Told = isStream ? yield* this.#stream() : yield* this.#exchange(yield* this.#difference(told, round))
      if (this.#isEqual(after)) return
    }
    this.#outcome.unequal.push(this.#shelf)
  }

  #isEqual({ root }: Told): boolean {
    return root !== undefined && equalBytes(root, this.#set.root)
  }

  /** What the peer has by now; undefined when that is the same. */
  *#open(): Session<Told | undefined> {
    const replies = yield { request: openRequest(this.#replica, [this.#shelf], this.#plan) }
    return replies.find((reply) => reply.is === 'shelf')
  }

  /** The sketch is tried twice: whoever makes it fail again is asked for the trie. */
  *#difference(told: Told, round: number): Session<Difference> {
    let found: Difference | undefined
    if (told.count === 0) found = { mine: this.#set.idsBelow(ROOT_PATH), theirs: [] }
    else if (round < 2) found = yield* this.#bySketch(told.symbols ?? new Uint8Array(0))
    found ??= yield* this.#byTrie()
    this.#outcome.lacking += found.theirs.length
    this.#outcome.surplus += found.mine.length
    return found
  }

  *#bySketch(opening: Uint8Array): Session<Difference | undefined> {
    let theirs = opening
    while (theirs.length > 0 && theirs.length % SYMBOL_BYTES === 0) {
      const symbols = theirs.length / SYMBOL_BYTES
      const set = this.#set
      const found = differenceOf(this.#replica.core, set.sketch(symbols), theirs)
      if (found) {
        // Ids of no record here, or of one: such a sketch is none of a set.
        const mine = found.mine.map((short) => idsWith(set, short))
        const isSound = mine.every((ids) => ids.length > 0) && found.theirs.every((id) => idsWith(set, id).length === 0)
        return isSound ? { mine: mine.flat(), theirs: found.theirs } : undefined
      }
      if (symbols >= SYNC_SYMBOLS_MAX) return undefined
      const to = Math.min(2 * symbols, SYNC_SYMBOLS_MAX)
      const more = only(yield { request: { op: 'symbols', ...this.#about, from: symbols, to } }, 'symbols')
      if (more.symbols.length !== (to - symbols) * SYMBOL_BYTES) return undefined
      theirs = Buffer.concat([theirs, more.symbols])
    }
    return undefined
  }

  *#byTrie(): Session<Difference> {
    const [mine, theirs]: [Uint8Array[], Uint8Array[]] = [[], []]
    const open: Uint8Array[] = [ROOT_PATH]
    for (let seen = 0; open.length > 0; ) {
      // Deepest first: what is still to be looked at stays little.
      const paths = open.splice(-SYNC_NODES_PER_REQUEST_MAX)
      const { nodes } = only(yield { request: { op: 'nodes', ...this.#about, paths } }, 'nodes')
      if (nodes.length !== paths.length) throw unasked('other nodes')
      seen += nodes.length
      if (seen > SYNC_NODES_MAX) throw new CatalogError('PEER_PROTOCOL', 'A shelf has more nodes than any can have.')
      for (const [at, path] of paths.entries()) this.#compare(path, readNode(nodes[at] as WireNode), mine, theirs, open)
    }
    return { mine, theirs }
  }

  #compare(path: Uint8Array, node: TrieNode, mine: Uint8Array[], theirs: Uint8Array[], open: Uint8Array[]): void {
    const set = this.#set
    if ('ids' in node) {
      const here = set.idsBelow(path)
      const has = (ids: readonly Uint8Array[], id: Uint8Array) => ids.some((other) => equalBytes(other, id))
      mine.push(...here.filter((id) => !has(node.ids, id)))
      theirs.push(...node.ids.filter((id) => !has(here, id)))
      return
    }
    if (path.length >= 64) throw new CatalogError('PEER_PROTOCOL', 'A trie is deeper than its ids are long.')
    const hashes = childHashes(set.node(path), path.length)
    for (let nibble = 0; nibble < 16; nibble++) {
      const [own, other] = [hashes[nibble], node.children[nibble]]
      const below = Uint8Array.of(...path, nibble)
      if (!other) {
        if (own) mine.push(...set.idsBelow(below))
      } else if (!own || !equalBytes(own, other)) open.push(below)
    }
  }

  /** Send what only this node has, and get what only the other has. */
  *#exchange({ mine, theirs }: Difference): Session<Told> {
    let wanted = theirs
    for (let sent = 0; ; ) {
      const { records, ids } = this.#recordsOf(mine, sent)
      sent += ids
      const asked = wanted.slice(0, SYNC_WANTS_MAX)
      const wants = Buffer.concat(asked.map((id) => id.subarray(0, SHORT_ID_BYTES)))
      const request: SyncRequest = { op: 'exchange', ...this.#about, wants, records, ...this.#first }
      const told: SyncReplyOf<'state'> = only(yield { request, shelf: this.#shelf }, 'state')
      this.#outcome.sent += told.taken ?? 0
      const missing = told.cut ? asked.filter((id) => idsWith(this.#set, id).length === 0) : []
      if (told.cut && missing.length === asked.length) throw unasked('fewer records')
      wanted = [...missing, ...wanted.slice(SYNC_WANTS_MAX)]
      if (wanted.length === 0 && sent >= mine.length) return told
    }
  }

  /** Records of the ids from one on, as many as a message takes; what has gone meanwhile is left out. */
  #recordsOf(mine: readonly Uint8Array[], from: number): { records: Uint8Array[]; ids: number } {
    const records: Uint8Array[] = []
    let [bytes, at] = [0, from]
    while (at < mine.length && records.length < SYNC_PUSH_RECORDS_MAX && bytes < SYNC_PUSH_BYTES_MAX) {
      const record = this.#replica.envelope(mine[at++] as Uint8Array)
      if (record) records.push(record)
      bytes += record?.length ?? 0
    }
    return { records, ids: at - from }
  }

  *#stream(): Session<Told> {
    let after: Uint8Array | undefined
    for (;;) {
      const request: SyncRequest = { op: 'stream', ...this.#about, ...(after && { after }), ...this.#first }
      const told: SyncReplyOf<'state'> = only(yield { request, shelf: this.#shelf }, 'state')
      if (!told.next) return told
      after = told.next
    }
  }
}

function filtered({ filter }: Plan): { filter?: SyncFilter } {
  return filter ? { filter } : {}
}

function readNode(node: WireNode): TrieNode {
  if ('ids' in node) return { ids: splitIds(node.ids) }
  const hashes = splitIds(node.children)
  let at = 0
  return {
    children: Array.from({ length: 16 }, (_, nibble) => (node.bitmap & (1 << nibble) ? hashes[at++] : undefined)),
  }
}

/** The one reply of a kind that has to be there. */
function only<Is extends SyncReply['is']>(replies: readonly SyncReply[], is: Is): SyncReplyOf<Is> {
  const found = replies.filter((reply): reply is SyncReplyOf<Is> => reply.is === is)
  const [reply] = found
  if (!reply || found.length > 1) throw unasked('another reply')
  return reply
}

function unasked(what: string): CatalogError {
  return new CatalogError('PEER_PROTOCOL', `A peer answered with ${what} than it was asked for.`)
}
