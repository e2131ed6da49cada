// The LMDB environment and its tables. One process opens it (store/data-directory.ts sees to that).
//
// Settings that were measured to matter: `overlappingSync: false`, so that a resolved promise means the bytes are on
// the disk and no snapshot of the folder is ever torn; never `useWritemap` or `noSync`. All writes go
// through `transaction`.
import { open, type RootDatabase } from 'lmdb'
import type { Effects } from '../base/effects.ts'
import { CatalogError } from '../base/errors.ts'

/** Every table, with the version of its format in its name; FORMAT.md says what is in each. */
const TABLES = {
  meta: 'meta/1',
  records: 'records/1',
  slots: 'slots/1',
  shelves: 'shelves/1',
  shelfIds: 'shelf-ids/1',
  trie: 'trie/1',
  feed: 'feed/1',
  names: 'names/1',
  blobs: 'blobs/1',
  outlines: 'outlines/1',
  blobReleases: 'blob-releases/1',
  downloads: 'downloads/1',
  pins: 'pins/1',
  peers: 'peers/1',
} as const

/** Version of the store as a whole: a store of a later one is refused rather than misread. */
const STORE_VERSION = 1

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
export interface BlobRow {
  size: number
  sha256: Uint8Array
  sha512?: Uint8Array | undefined
}
export interface DownloadRow {
  size: number
  release: Uint8Array
  /** One bit a chunk, least significant first: verified and on the disk. */
  bitmap: Uint8Array
  at: number
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

export interface Range<K> {
  readonly start?: K
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

interface QueuedWork {
  /** Runs inside the transaction; returns what to do once it is committed. */
  work: () => () => void
  reject: (error: CatalogError) => void
}

export class Environment {
  readonly #effects: Effects
  readonly #root: RootDatabase
  readonly #queue: QueuedWork[] = []
  readonly meta: Table<number, string>
  readonly records: Table<Uint8Array, Uint8Array>
  readonly slots: Table<SlotEntry[], string[]>
  readonly shelves: Table<ShelfRow, string[]>
  readonly shelfIds: Table<Uint8Array, Uint8Array>
  readonly trie: Table<Uint8Array, Uint8Array>
  readonly feed: Table<FeedRow, number>
  readonly names: Table<Uint8Array, string[]>
  readonly blobs: Table<BlobRow, Uint8Array>
  readonly outlines: Table<Uint8Array, Uint8Array>
  readonly blobReleases: Table<Uint8Array, Uint8Array>
  readonly downloads: Table<DownloadRow, Uint8Array>
  readonly pins: Table<PinRow, string[]>
  readonly peers: Table<PeerRow, string>

  /** @throws CatalogError `STORE_FAILED`, `STORE_FORMAT` */
  constructor({ effects }: { effects: Effects }, { path }: { path: string }) {
    this.#effects = effects
    try {
      this.#root = open({ path, noSubdir: false, maxDbs: 64, overlappingSync: false })
    } catch (cause) {
      throw new CatalogError('STORE_FAILED', `The database in ${path} cannot be opened.`, { cause })
    }
    const table = <V, K extends Key>(name: string): Table<V, K> => this.#root.openDB<V, K>({ name })
    const binary = (name: string): Table<Uint8Array, Uint8Array> =>
      this.#root.openDB<Uint8Array, Uint8Array>({ name, encoding: 'binary', keyEncoding: 'binary' })
    this.meta = table(TABLES.meta)
    this.records = binary(TABLES.records)
    this.slots = table(TABLES.slots)
    this.shelves = table(TABLES.shelves)
    this.shelfIds = binary(TABLES.shelfIds)
    this.trie = binary(TABLES.trie)
    this.feed = table(TABLES.feed)
    this.names = this.#root.openDB({ name: TABLES.names, encoding: 'binary' })
    this.blobs = this.#root.openDB({ name: TABLES.blobs, keyEncoding: 'binary' })
    this.outlines = binary(TABLES.outlines)
    this.blobReleases = binary(TABLES.blobReleases)
    this.downloads = this.#root.openDB({ name: TABLES.downloads, keyEncoding: 'binary' })
    this.pins = table(TABLES.pins)
    this.peers = table(TABLES.peers)
    const version = this.meta.get('version')
    if (version !== undefined && version > STORE_VERSION) {
      throw new CatalogError('STORE_FORMAT', `The store in ${path} was written by a later version of Catalog.`, {
        hint: 'Run that version, or choose another --data-dir.',
      })
    }
    if (version === undefined) this.#inOne(() => this.meta.put('version', STORE_VERSION))
  }

  /**
   * Run `work` in one write transaction: all of it becomes visible and durable, or none. Reads inside see its writes.
   * Works queued in one turn of the event loop share a commit, each able to fail alone.
   *
   * @param work - synchronous; what it throws undoes its writes and rejects
   */
  transaction<T>(work: () => T): Promise<T> {
    return this.#effects.run(() => {
      const { promise, resolve, reject } = Promise.withResolvers<T>()
      if (this.#queue.length === 0) setImmediate(() => this.#commit())
      this.#queue.push({
        work: () => {
          const result = this.#inOne(work)
          return () => resolve(result)
        },
        reject,
      })
      return promise
    })
  }

  /**
   * One commit for all that is queued. Synchronous because the asynchronous transaction callbacks of lmdb 3.5.6 are
   * never called under Node 24 (its N-API build); the cost is one fdatasync on this thread, shared by the group.
   */
  #commit(): void {
    const group = this.#queue.splice(0)
    if (group.length === 0) return
    const settle: (() => void)[] = []
    try {
      this.#inOne(() => {
        for (const { work, reject } of group) {
          try {
            settle.push(work())
          } catch (thrown) {
            settle.push(() => reject(CatalogError.from(thrown, 'STORE_FAILED')))
          }
        }
      })
    } catch (thrown) {
      const error = CatalogError.from(thrown, 'STORE_FAILED')
      for (const { reject } of group) reject(error)
      return
    }
    for (const conclude of settle) conclude()
  }

  /**
   * One transaction, or one inside another, committed when this returns. lmdb is not shown what `work` returns: given a
   * promise, which is what its `put` and `remove` return, it would commit after the caller had gone on.
   */
  #inOne<T>(work: () => T): T {
    const returned: T[] = []
    this.#root.transactionSync(() => {
      returned.push(work())
    })
    return returned[0] as T
  }

  /** Commits what is queued, then closes. */
  async close(): Promise<void> {
    this.#commit()
    await this.#effects.run(() => this.#root.close())
  }
}

/** End of the range of keys that start with `prefix`, for binary keys whose next byte is below 0xff. */
export function endOf(prefix: Uint8Array): Buffer {
  return Buffer.concat([prefix, Buffer.alloc(33, 0xff)])
}

/** End of the range of array keys that start with the parts of a prefix: no string sorts after it. */
export const LAST_PART = '\u{10ffff}'
