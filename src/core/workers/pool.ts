// Hashing and ingesting files on worker threads. Piscina runs the threads; nothing of it shows outside this file.
import { open, rm } from 'node:fs/promises'
import { Piscina } from 'piscina'
import type { Effects } from '../../base/effects.ts'
import { CatalogError } from '../../base/errors.ts'
import { emit } from '../../base/events.ts'
import { INSTALL_PACKAGES_MAX } from '../../base/limits.ts'
import { SECOND_MS } from '../../base/units.ts'
import type { CoreChoice } from '../load.ts'
import { workerFile } from '../paths.ts'
import type { DigestTask, FileDigest, IngestTask, Reply, WorkerSetup } from './tasks.ts'

/** A task is a few hundred bytes; two of the largest installs may wait side by side. */
const QUEUE_MAX = 2 * INSTALL_PACKAGES_MAX
/** An idle thread costs some MiB; all but one end after this, and the next task starts another in about 0.1 s. */
const IDLE_MS = 10 * SECOND_MS
/** What `close` grants to tasks under way. */
const CLOSE_TIMEOUT_MS = 5 * SECOND_MS

export interface WorkerPoolComponents {
  effects: Effects
}

export interface WorkerPoolOptions {
  /** Most threads at work at once, ≥ 1; they start when needed. */
  threads: number
  /** Which core each of them loads. */
  core: CoreChoice
}

export class WorkerPool implements AsyncDisposable {
  readonly #effects: Effects
  readonly #options: WorkerPoolOptions
  #piscina: Piscina | undefined
  #closing: Promise<void> | undefined

  constructor({ effects }: WorkerPoolComponents, options: WorkerPoolOptions) {
    this.#effects = effects
    this.#options = options
  }

  /**
   * Root, outline and whole-file digests of a range of a file.
   *
   * @param signal - ends the thread that is at work on it
   * @throws CatalogError `FILE_UNREADABLE` when the range cannot be read or the file shrinks meanwhile,
   *   `LIMIT_EXCEEDED` for more than a blob may have or a full queue, `CORE_UNAVAILABLE`, `ABORTED`, `CLOSED`
   */
  digest(task: DigestTask, signal?: AbortSignal): Promise<FileDigest> {
    return this.#effects.run(() => this.#run('digest', task, signal))
  }

  /**
   * The same, and in the same pass the very bytes hashed are written to `task.target`, a new file that has reached
   * the disk when the promise resolves; its directory entry has not. On failure and on abort the target is removed.
   *
   * @throws CatalogError as `digest`, and `TARGET_EXISTS`, `DISK_FULL`, `STORE_FAILED`
   */
  ingest(task: IngestTask, signal?: AbortSignal): Promise<FileDigest> {
    return this.#effects.run(async () => {
      this.#mustBeOpen(signal)
      // Made here rather than by the worker: a worker ended by the signal cannot clean up, and only who made the
      // file may remove it.
      await makeFile(task.target)
      try {
        return await this.#run('ingest', task, signal)
      } catch (error) {
        await rm(task.target, { force: true, maxRetries: 5 })
        throw error
      }
    })
  }

  /** Wait for the tasks under way, for 5 s at most, and end the threads. Later calls are refused with `CLOSED`. */
  close(): Promise<void> {
    this.#closing ??= this.#effects.run(async () => this.#piscina?.close())
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run(name: 'digest' | 'ingest', task: DigestTask, signal: AbortSignal | undefined): Promise<FileDigest> {
    this.#mustBeOpen(signal)
    this.#piscina ??= startThreads(this.#options)
    let reply: Reply
    try {
      reply = await this.#piscina.run(task, { name, ...(signal && { signal }) })
    } catch (error) {
      const translated = this.#translated(error, signal)
      this.#replaceThread(this.#piscina)
      throw translated
    }
    if ('error' in reply) throw CatalogError.fromJSON(reply.error)
    return reply.digest
  }

  #mustBeOpen(signal: AbortSignal | undefined): void {
    if (this.#closing) throw closed()
    if (signal?.aborted) throw new CatalogError('ABORTED', 'Cancelled.', { cause: signal.reason })
  }

  /** Piscina's own errors have no codes; what it says is told apart by what this pool has done. */
  #translated(error: unknown, signal: AbortSignal | undefined): CatalogError {
    if (signal?.aborted) return new CatalogError('ABORTED', 'Cancelled.', { cause: error })
    if (this.#closing) return closed(error)
    if (error instanceof Error && error.message === 'Task queue is at limit') {
      return new CatalogError('LIMIT_EXCEEDED', `${QUEUE_MAX} files are waiting to be hashed already.`, {
        cause: error,
      })
    }
    return CatalogError.from(error)
  }

  /**
   * Piscina 5.3 starts threads when tasks arrive, and after the end of one only up to `minThreads`. What is queued
   * would wait for the threads left, so an empty task is queued behind it.
   */
  #replaceThread(piscina: Piscina): void {
    if (this.#closing || piscina.queueSize === 0 || piscina.queueSize >= QUEUE_MAX) return
    piscina.run(undefined, { name: 'wake' }).catch(report)
  }
}

function startThreads({ threads, core }: WorkerPoolOptions): Piscina {
  const setup: WorkerSetup = { core }
  const piscina = new Piscina({
    filename: workerFile(import.meta.url, './entry'),
    workerData: setup,
    // One always, or a queue would stand still once the only thread has been ended by a signal.
    minThreads: 1,
    maxThreads: threads,
    idleTimeout: IDLE_MS,
    maxQueue: QUEUE_MAX,
    // A task is one synchronous pass: a second one on the same thread would only wait there.
    concurrentTasksPerWorker: 1,
    atomics: 'disabled',
    closeTimeout: CLOSE_TIMEOUT_MS,
  })
  piscina.on('error', report)
  return piscina
}

function report(error: unknown): void {
  const { code, message } = CatalogError.from(error)
  emit('catalog:failure', { task: 'workers', code, message })
}

function closed(cause?: unknown): CatalogError {
  return new CatalogError('CLOSED', 'The worker threads have been closed.', { cause })
}

async function makeFile(path: string): Promise<void> {
  try {
    const file = await open(path, 'wx')
    await file.close()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new CatalogError('TARGET_EXISTS', `${path} exists already.`, { cause })
    }
    throw CatalogError.from(cause, 'STORE_FAILED')
  }
}
