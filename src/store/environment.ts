// The LMDB environment and its tables. One process opens it (store/data-directory.ts sees to that).
//
// Settings that were measured to matter: `overlappingSync: false`, so that a resolved promise means the bytes are on
// the disk and no snapshot of the folder is ever torn; never `useWritemap` or `noSync`. All writes go
// through `transaction`.
import { open, type RootDatabase } from 'lmdb'
import type { Effects } from '../base/effects.ts'
import { CatalogError } from '../base/errors.ts'
import { KiB, MiB } from '../base/units.ts'

/** Every table, with the version of its format in its name; FORMAT.md says what is in each. */
const TABLES = {
  meta: 'meta/1',
  records: 'records/1',
  slots: 'slots/1',
  shelves: 'shelves/1',
  trie: 'trie/2',
  feed: 'feed/1',
  names: 'names/1',
  blobs: 'blobs/2',
  inline: 'inline/1',
  packs: 'packs/1',
  extents: 'extents/1',
  blobReleases: 'blob-releases/2',
  downloads: 'downloads/2',
  uses: 'uses/1',
  kept: 'kept/1',
  limits: 'limits/1',
  pins: 'pins/1',
  peers: 'peers/1',
} as const

/** Version of the store as a whole: a store of another one is refused rather than misread. */
const STORE_VERSION = 2

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

/** What a small transaction makes the database write: a page on each level of a few trees, and what it stores. */
const TRANSACTION_BYTES = 256 * KiB
/** Turns of the event loop, a fraction of a millisecond each, that a commit may wait for more to come. */
const GATHERING_TURNS_MAX = 16
/** Works share a commit up to so much; a larger one alone has its own. */
const COMMIT_BYTES_MAX = 16 * MiB

interface Options {
  path: string
  /** Throws when so many bytes should not be written now. */
  guard?: (bytes: number) => void
  /** Told once, when a commit has failed: the process should end, and open the store anew. */
  onFailure?: (error: CatalogError) => void
}

interface QueuedWork {
  /** About how much it writes. */
  readonly bytes: number
  /** Runs inside the transaction; returns what to do once it is committed. */
  readonly work: () => () => void
  readonly reject: (error: CatalogError) => void
}

/** What takes part in every commit. */
export interface CommitHook {
  /** Runs inside the transaction after its last work: for what is cheaper to write once. */
  beforeCommit(): void
  /** The transaction was undone, and with it all that its works wrote. */
  rolledBack(): void
}

export class Environment {
  readonly #effects: Effects
  readonly #root: RootDatabase
  readonly #queue: QueuedWork[] = []
  readonly #guard: (bytes: number) => void
  readonly #onFailure: (error: CatalogError) => void
  readonly #hooks: CommitHook[] = []
  #failure: CatalogError | undefined
  /** Whether there was none before. */
  readonly isNew: boolean
  readonly meta: Table<number, string>
  readonly records: Table<Uint8Array, Uint8Array>
  readonly slots: Table<SlotEntry[], string[]>
  readonly shelves: Table<ShelfRow, string[]>
  readonly trie: Table<Uint8Array, Uint8Array>
  readonly feed: Table<FeedRow, number>
  readonly names: Table<Uint8Array, string[]>
  readonly blobs: Table<BlobRow, Uint8Array>
  readonly inline: Table<Uint8Array, Uint8Array>
  readonly packs: Table<PackRow, number>
  /** By pack and offset. */
  readonly extents: Table<ExtentRow, number[]>
  readonly blobReleases: Table<BlobOrigin, Uint8Array>
  readonly downloads: Table<DownloadRow, Uint8Array>
  /** When a blob was last read, by root; written now and then. */
  readonly uses: Table<number, Uint8Array>
  /** Releases that the user keeps whatever happens, by record id; the time since when. */
  readonly kept: Table<number, Uint8Array>
  readonly limits: Table<LimitsRow, string>
  readonly pins: Table<PinRow, string[]>
  readonly peers: Table<PeerRow, string>

  /** @throws CatalogError `STORE_FAILED`, `STORE_FORMAT` */
  constructor({ effects }: { effects: Effects }, { path, guard, onFailure }: Options) {
    this.#effects = effects
    this.#guard = guard ?? (() => undefined)
    this.#onFailure = onFailure ?? (() => undefined)
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
    this.trie = binary(TABLES.trie)
    this.feed = table(TABLES.feed)
    this.names = this.#root.openDB({ name: TABLES.names, encoding: 'binary' })
    const byBytes = <V>(name: string): Table<V, Uint8Array> => this.#root.openDB({ name, keyEncoding: 'binary' })
    this.blobs = byBytes(TABLES.blobs)
    this.inline = binary(TABLES.inline)
    this.packs = table(TABLES.packs)
    this.extents = table(TABLES.extents)
    this.blobReleases = byBytes(TABLES.blobReleases)
    this.downloads = byBytes(TABLES.downloads)
    this.uses = byBytes(TABLES.uses)
    this.kept = byBytes(TABLES.kept)
    this.limits = table(TABLES.limits)
    this.pins = table(TABLES.pins)
    this.peers = table(TABLES.peers)
    const version = this.meta.get('version')
    if (version !== undefined && version !== STORE_VERSION) {
      const which =
        version > STORE_VERSION ? 'a later version of Catalog' : 'a version of Catalog before its first release'
      void this.#root.close()
      throw new CatalogError('STORE_FORMAT', `The store in ${path} was written by ${which}.`, {
        hint: 'Run that version, or choose another --data-dir.',
      })
    }
    this.isNew = version === undefined
    if (this.isNew) this.#inOne(() => this.meta.put('version', STORE_VERSION))
  }

  /** Whether a commit has failed: what it wrote may be there after the next start, or not. */
  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  /** Have a part in every commit from now on. */
  addHook(hook: CommitHook): void {
    this.#hooks.push(hook)
  }

  /**
   * Run `work` in one write transaction: all of it becomes visible and durable, or none. Reads inside see its writes.
   * Works that are queued while others come share a commit. When one of them throws, all are undone and run again,
   * each in a transaction of its own: so `work` may run twice, and must not mind.
   *
   * @param work - synchronous; what it throws undoes its writes and rejects
   * @param bytes - about how much it makes the database write
   * @throws CatalogError `DISK_FULL` before anything is written when there is no room for it; `STORE_FAILED` when the
   *   commit fails, and from then on: reads go on, writes need the store to be opened anew
   */
  transaction<T>(work: () => T, bytes = TRANSACTION_BYTES): Promise<T> {
    return this.#effects.run(() => {
      const { promise, resolve, reject } = Promise.withResolvers<T>()
      if (this.#queue.length === 0) this.#gather(0)
      const settling = () => {
        const result = work()
        return () => resolve(result)
      }
      this.#queue.push({ bytes, work: settling, reject })
      return promise
    })
  }

  /** Commit once a turn has brought no further work: those under way are likely to come while others do. */
  #gather(turns: number): void {
    const before = this.#queue.length
    setImmediate(() => {
      if (this.#queue.length > before && turns < GATHERING_TURNS_MAX) this.#gather(turns + 1)
      else this.#commitAll()
    })
  }

  #commitAll(): void {
    while (this.#queue.length > 0) {
      let [count, bytes] = [0, 0]
      do bytes += this.#queue[count++]?.bytes ?? 0
      while (count < this.#queue.length && bytes + (this.#queue[count]?.bytes ?? 0) <= COMMIT_BYTES_MAX)
      this.#commit(this.#queue.splice(0, count))
    }
  }

  /**
   * One commit for a group. Synchronous because the asynchronous transaction callbacks of lmdb 3.5.6 are never called
   * under Node 24 (its N-API build); the cost is one fdatasync on this thread, shared by the group.
   */
  #commit(group: readonly QueuedWork[]): void {
    const settle: (() => void)[] = []
    let failed: QueuedWork | undefined
    try {
      this.#mayWrite(group.reduce((sum, { bytes }) => sum + bytes, 0))
      this.#inOne(() => {
        for (const queued of group) {
          failed = queued
          settle.push(queued.work())
        }
        failed = undefined
        for (const hook of this.#hooks) hook.beforeCommit()
      })
    } catch (thrown) {
      for (const hook of this.#hooks) hook.rolledBack()
      this.#settleFailure(group, failed, CatalogError.from(thrown, 'STORE_FAILED'))
      return
    }
    for (const conclude of settle) conclude()
  }

  /** @param failed - the work that threw, if it was not the commit itself */
  #settleFailure(group: readonly QueuedWork[], failed: QueuedWork | undefined, error: CatalogError): void {
    if (failed && group.length > 1) {
      for (const queued of group) this.#commit([queued])
      return
    }
    // What the guard refuses was never begun; after a commit that failed, LMDB's state in memory is not to be trusted.
    const told = !failed && error.code === 'STORE_FAILED' ? this.#fail(error) : error
    for (const { reject } of group) reject(told)
  }

  #mayWrite(bytes: number): void {
    if (this.#failure) throw this.#failure
    this.#guard(bytes)
  }

  #fail(cause: CatalogError): CatalogError {
    if (this.#failure) return this.#failure
    this.#failure = new CatalogError('STORE_FAILED', `The database could not write: ${cause.message}`, {
      hint: 'See that the disk has room and can be written to, then start the node again.',
      cause,
    })
    this.#onFailure(this.#failure)
    return this.#failure
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
    this.#commitAll()
    await this.#effects.run(() => this.#root.close())
  }

  /**
   * Copy the database, as it is now, into a folder of its own; writes go on meanwhile.
   *
   * @throws CatalogError `DISK_FULL`, `STORE_FAILED`
   */
  async copyTo(folder: string): Promise<void> {
    await this.#effects.run(() =>
      this.#root.backup(folder, true).catch((cause: Error) => {
        // lmdb says what the system did, in words alone.
        const isFull = /no space left|quota/i.test(cause.message)
        const message = `The database cannot be copied to ${folder}: ${cause.message}.`
        throw new CatalogError(isFull ? 'DISK_FULL' : 'STORE_FAILED', message, { cause })
      }),
    )
  }
}

/** End of the range of keys that start with `prefix`, for binary keys whose next byte is below 0xff. */
export function endOf(prefix: Uint8Array): Buffer {
  return Buffer.concat([prefix, Buffer.alloc(33, 0xff)])
}

/** End of the range of array keys that start with the parts of a prefix: no string sorts after it. */
export const LAST_PART = '\u{10ffff}'
