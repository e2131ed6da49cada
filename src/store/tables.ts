// The tables of the store: what is in each, by which key, and how it is turned into bytes. FORMAT.md shows the bytes.
import type { DatabaseOptions, RootDatabase } from 'lmdb'
import { feedCodec, type RowCodec, slotCodec, usageCodec } from './row-codecs.ts'

/** Every table, with the version of its format in its name. */
const TABLES = {
  meta: 'meta/1',
  records: 'records/1',
  slots: 'slots/2',
  shelves: 'shelves/1',
  trie: 'trie/2',
  feed: 'feed/2',
  names: 'names/1',
  derivations: 'derivations/1',
  blobs: 'blobs/2',
  inline: 'inline/1',
  packs: 'packs/1',
  extents: 'extents/1',
  blobReleases: 'blob-releases/2',
  downloads: 'downloads/2',
  uses: 'uses/1',
  idle: 'idle/1',
  kept: 'kept/2',
  ledger: 'ledger/1',
  heard: 'heard/1',
  outbox: 'outbox/1',
  tokens: 'tokens/1',
  limits: 'limits/1',
  pins: 'pins/1',
  peers: 'peers/1',
  sketches: 'sketches/1',
  follows: 'follows/1',
  syncs: 'syncs/1',
  usage: 'usage/1',
  usageDays: 'usage-days/1',
  usageFolders: 'usage-folders/1',
} as const

export type Key = string | number | Uint8Array | (string | number)[]

export interface ShelfRow {
  count: number
  bytes: number
  root: Uint8Array
}
export interface SlotEntry {
  id: Uint8Array
  seq?: number | undefined
}
export interface FeedRow {
  op: 'add' | 'remove'
  id: Uint8Array
  audience: string
  signer: string
  kind: string
  subject: string
}
export interface DerivationRow {
  /** Canonical CBOR. */
  readonly bytes: Uint8Array
  /** The peer whose word it is; absent where it was derived here. */
  readonly from?: string
}
export interface BlobRow {
  size: number
  sha256: Uint8Array
  sha512?: Uint8Array | undefined
  /** When it became complete. */
  at: number
  /** Of its extent; neither for a blob that lies in `inline`. */
  pack?: number | undefined
  offset?: number | undefined
}
export interface PackRow {
  /** Bytes of the file that count; what lies behind them was never acknowledged. */
  end: number
  /** Bytes of its extents that are still known. */
  live: number
  /** Whether one extent has the pack to itself. */
  alone: boolean
}
export interface ExtentRow {
  root: Uint8Array
  bytes: number
  /** False while its blob is being fetched, or mended. */
  sealed: boolean
}
export interface DownloadRow {
  size: number
  release: Uint8Array
  /** How it came under which releases, when it was here before and was found damaged. */
  links?: BlobLink[] | undefined
  /** One bit a chunk, least significant first: verified and on the disk. */
  bitmap: Uint8Array
  at: number
  pack: number
  offset: number
}
/** How a blob came here under a release. */
export type BlobOrigin = 'published' | 'fetched'
export interface BlobLink {
  release: Uint8Array
  origin: BlobOrigin
}
export interface KeptRow {
  /** Since when. */
  at: number
  /** What it is, should its record go. */
  purl: string
}
export interface LedgerRow {
  /** Bytes to the peer, and from it. */
  sent: number
  received: number
  /** When the first and the last of them moved. */
  since: number
  until: number
}
export interface HeardRow {
  /** When the first peer named the publisher. */
  readonly since: number
  /** The first peers that did. */
  readonly from: readonly string[]
}
/** Something that waits for a peer. */
export interface OutboxRow {
  readonly kind: 'sync' | 'pin'
  /** A purl, or the address of a peer. */
  readonly subject: string
  readonly options?: Record<string, unknown>
  readonly at: number
}
export interface TokenRow {
  /** SHA-256 of the token: the token itself is nowhere. */
  readonly hash: Uint8Array
  readonly at: number
  /** What the user calls it. */
  readonly note: string
}
/** Rates the user has changed, in bytes a second; infinity for no limit. */
export interface LimitsRow {
  readonly up?: number
  readonly down?: number
  readonly perPeer?: number
  /** As the user wrote it. */
  readonly schedule?: string
}

export interface PinRow {
  signer: string
  reason: 'published' | 'trusted' | 'installed'
  at: number
}
export interface PeerRow {
  addresses: string[]
  seenAt: number
}
export interface FollowRow {
  /** Since when. */
  at: number
}
/** How far this node has come with a peer. */
export interface SyncRow {
  /** When a synchronization last ended well. */
  at: number
  /** The peer's last change that is here, and how the peer marks it. */
  cursor?: { sequence: number; mark: Uint8Array } | undefined
}

/** How often a package was fetched and installed here. */
export interface UsageRow {
  /** Times, each counting for less and less: after an hour, a day or thirty of them, for 1/e of itself. */
  hour: number
  day: number
  month: number
  /** When the last of them was, and what the sums are as of. */
  at: number
  /** Ever. */
  fetches: number
  installs: number
}

export interface Range<K> {
  /** Inclusive, unless it is said to be exclusive. */
  readonly start?: K
  readonly exclusiveStart?: boolean
  /** Exclusive. */
  readonly end?: K
  readonly limit?: number
  readonly reverse?: boolean
}

/** A table as the rooms use it: reads at any time, writes only inside `Environment.transaction`. */
export interface Table<V, K extends Key> {
  get(key: K): V | undefined
  doesExist(key: K): boolean
  put(key: K, value: V): void
  remove(key: K): void
  getRange(range: Range<K>): Iterable<{ key: K; value: V }>
  getKeys(range: Range<K>): Iterable<K>
  getCount(): number
}

/** MessagePack as everyone reads it. By default each row would define a shape of its own and then use it once. */
const PLAIN_MAPS = { useRecords: false }

/** lmdb takes an `encoder`, of which its types say nothing. */
function coded<V>(name: string, encoder: RowCodec<V> | typeof PLAIN_MAPS): DatabaseOptions & { name: string } {
  return Object.assign({ name }, { encoder })
}

export class Tables {
  readonly meta: Table<number, string>
  readonly records: Table<Uint8Array, Uint8Array>
  readonly slots: Table<SlotEntry[], string[]>
  readonly shelves: Table<ShelfRow, string[]>
  readonly trie: Table<Uint8Array, Uint8Array>
  readonly feed: Table<FeedRow, number>
  readonly names: Table<Uint8Array, string[]>
  /** Of origin statements, by record id. */
  readonly derivations: Table<DerivationRow, Uint8Array>
  readonly blobs: Table<BlobRow, Uint8Array>
  readonly inline: Table<Uint8Array, Uint8Array>
  readonly packs: Table<PackRow, number>
  /** By pack and offset. */
  readonly extents: Table<ExtentRow, number[]>
  readonly blobReleases: Table<BlobOrigin, Uint8Array>
  readonly downloads: Table<DownloadRow, Uint8Array>
  /** When a blob was last read, by root; written now and then. */
  readonly uses: Table<number, Uint8Array>
  /** Sizes of mirrored blobs that may go, by when they were last read, and root (idle.ts). */
  readonly idle: Table<number, Uint8Array>
  /** Releases that the user keeps whatever happens, by record id. */
  readonly kept: Table<KeptRow, Uint8Array>
  /** By peer id. */
  readonly ledger: Table<LedgerRow, string>
  /** In the order in which it was asked for. */
  readonly outbox: Table<OutboxRow, number>
  /** By publisher. */
  readonly heard: Table<HeardRow, string>
  /** By the id that stands in the token. */
  readonly tokens: Table<TokenRow, string>
  readonly limits: Table<LimitsRow, string>
  readonly pins: Table<PinRow, string[]>
  readonly peers: Table<PeerRow, string>
  /** By shelf, as its trie: see sketches.ts. */
  readonly sketches: Table<Uint8Array, Uint8Array>
  /** By signer. */
  readonly follows: Table<FollowRow, string>
  /** By peer id. */
  readonly syncs: Table<SyncRow, string>
  /** By type and name. */
  readonly usage: Table<UsageRow, string[]>
  /** Times in one day, by the number of the day since 1970, type and name. */
  readonly usageDays: Table<number, (string | number)[]>
  /** When a package was last installed into a folder, by digest of the folder, type and name. */
  readonly usageFolders: Table<number, string[]>

  constructor(root: RootDatabase) {
    const table = <V, K extends Key>(name: string): Table<V, K> => root.openDB<V, K>(coded(name, PLAIN_MAPS))
    const binary = (name: string): Table<Uint8Array, Uint8Array> =>
      root.openDB<Uint8Array, Uint8Array>({ name, encoding: 'binary', keyEncoding: 'binary' })
    this.meta = table(TABLES.meta)
    this.records = binary(TABLES.records)
    this.slots = root.openDB(coded(TABLES.slots, slotCodec))
    this.shelves = table(TABLES.shelves)
    this.trie = binary(TABLES.trie)
    this.feed = root.openDB(coded(TABLES.feed, feedCodec))
    this.names = root.openDB({ name: TABLES.names, encoding: 'binary' })
    const byBytes = <V>(name: string): Table<V, Uint8Array> =>
      root.openDB({ ...coded(name, PLAIN_MAPS), keyEncoding: 'binary' })
    this.derivations = byBytes(TABLES.derivations)
    this.blobs = byBytes(TABLES.blobs)
    this.inline = binary(TABLES.inline)
    this.packs = table(TABLES.packs)
    this.extents = table(TABLES.extents)
    this.blobReleases = byBytes(TABLES.blobReleases)
    this.downloads = byBytes(TABLES.downloads)
    this.uses = byBytes(TABLES.uses)
    this.idle = byBytes(TABLES.idle)
    this.kept = byBytes(TABLES.kept)
    this.ledger = table(TABLES.ledger)
    this.outbox = table(TABLES.outbox)
    this.heard = table(TABLES.heard)
    this.tokens = table(TABLES.tokens)
    this.limits = table(TABLES.limits)
    this.pins = table(TABLES.pins)
    this.peers = table(TABLES.peers)
    this.sketches = binary(TABLES.sketches)
    this.follows = table(TABLES.follows)
    this.syncs = table(TABLES.syncs)
    this.usage = root.openDB(coded(TABLES.usage, usageCodec))
    this.usageDays = table(TABLES.usageDays)
    this.usageFolders = table(TABLES.usageFolders)
  }
}

/** End of the range of keys that start with `prefix`, for binary keys whose next byte is below 0xff. */
export function endOf(prefix: Uint8Array): Buffer {
  return Buffer.concat([prefix, Buffer.alloc(33, 0xff)])
}

/** End of the range of array keys that start with the parts of a prefix: no string sorts after it. */
export const LAST_PART = '\u{10ffff}'
