// The LMDB environment: one database, whose writes share commits. One process opens it (store/data-directory.ts sees to
// that).
//
// Settings that were measured to matter: `overlappingSync: false`, so that a resolved promise means the bytes are on
// the disk and no snapshot of the folder is ever torn; never `useWritemap` or `noSync`. All writes go
// through `transaction`.
import { open, type RootDatabase } from 'lmdb'
import { afterRealTime, systemClock } from '../base/clock.ts'
import type { Effects } from '../base/effects.ts'
import { CatalogError } from '../base/errors.ts'
import { KiB, MiB } from '../base/units.ts'
import { Tables } from './tables.ts'

/** Version of the store as a whole: a store of another one is refused rather than misread. */
const STORE_VERSION = 3

/** What a small transaction makes the database write: a page on each level of a few trees, and what it stores. */
const TRANSACTION_BYTES = 256 * KiB
/** Turns of the event loop, a fraction of a millisecond each, that a commit may wait while more come. */
const GATHERING_TURNS_MAX = 16
/** How long a commit may wait at the most for works that are announced. */
const PATIENCE_MS_MAX = 20
/** Works share a commit up to so much; a larger one alone has its own. */
const COMMIT_BYTES_MAX = 24 * MiB

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
  /** What was written is there to stay. */
  committed?(): void
  /** The transaction was undone, and with it all that its works wrote. */
  rolledBack(): void
}

export class Environment extends Tables {
  readonly #effects: Effects
  readonly #root: RootDatabase
  readonly #queue: QueuedWork[] = []
  readonly #guard: (bytes: number) => void
  readonly #onFailure: (error: CatalogError) => void
  readonly #hooks: CommitHook[] = []
  #failure: CatalogError | undefined
  /** Works that are announced and have not come yet. */
  #expected = 0
  /** How long the last commit took. */
  #commitMs = 1
  #isClosed = false
  /** Whether there was none before. */
  readonly isNew: boolean

  /** @throws CatalogError `STORE_FAILED`, `STORE_FORMAT` */
  constructor({ effects }: { effects: Effects }, { path, guard, onFailure }: Options) {
    const root = openRoot(path)
    super(root)
    this.#root = root
    this.#effects = effects
    this.#guard = guard ?? (() => undefined)
    this.#onFailure = onFailure ?? (() => undefined)
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
   * @throws CatalogError `DISK_FULL` before anything is written when there is no room for it; `CLOSED`; `STORE_FAILED`
   *   when the commit fails, and from then on: reads go on, writes need the store to be opened anew
   */
  transaction<T>(work: () => T, bytes = TRANSACTION_BYTES): Promise<T> {
    return this.#effects.run(() => {
      const { promise, resolve, reject } = Promise.withResolvers<T>()
      if (this.#isClosed) return Promise.reject(new CatalogError('CLOSED', 'The store has been closed.'))
      if (this.#queue.length === 0) this.#gather(0)
      const settling = () => {
        const result = work()
        return () => resolve(result)
      }
      this.#queue.push({ bytes, work: settling, reject })
      return promise
    })
  }

  /**
   * Announce a work that comes soon, so that a commit may wait for it: one for many costs much less than many.
   * Dispose of it when the work comes, or will not after all.
   */
  expect(): Disposable {
    this.#expected++
    let announced = true
    const withdraw = () => {
      if (announced) this.#expected--
      announced = false
    }
    return { [Symbol.dispose]: withdraw }
  }

  /** Commit once a turn has brought no further work: those under way are likely to come while others do. */
  #gather(turns: number, until?: number): void {
    const before = this.#queue.length
    setImmediate(() => {
      const now = systemClock.now()
      if (this.#queue.length > before && turns < GATHERING_TURNS_MAX) this.#gather(turns + 1, until)
      else if (this.#expected > 0 && now < (until ?? Number.POSITIVE_INFINITY)) {
        afterRealTime(1, () => this.#gather(0, until ?? now + this.#patience()))
      } else this.#commitAll()
    })
  }

  /** As long as commits of their own would take those that are expected. */
  #patience(): number {
    return Math.min(PATIENCE_MS_MAX, this.#expected * this.#commitMs)
  }

  #commitAll(): void {
    const began = systemClock.now()
    while (this.#queue.length > 0) {
      let [count, bytes] = [0, 0]
      do bytes += this.#queue[count++]?.bytes ?? 0
      while (count < this.#queue.length && bytes + (this.#queue[count]?.bytes ?? 0) <= COMMIT_BYTES_MAX)
      this.#commit(this.#queue.splice(0, count))
    }
    this.#commitMs = Math.max(1, systemClock.now() - began)
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
    for (const hook of this.#hooks) hook.committed?.()
    for (const conclude of settle) conclude()
  }

  /** @param failed - the work that threw, if it was not the commit itself */
  #settleFailure(group: readonly QueuedWork[], failed: QueuedWork | undefined, error: CatalogError): void {
    // Those that there is room for, and those that do not throw, are no worse for having come with others.
    if (group.length > 1 && (failed || error.code === 'DISK_FULL')) {
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
    this.#isClosed = true
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

function openRoot(path: string): RootDatabase {
  try {
    return open({ path, noSubdir: false, maxDbs: 64, overlappingSync: false })
  } catch (cause) {
    throw new CatalogError('STORE_FAILED', `The database in ${path} cannot be opened.`, { cause })
  }
}
