// Hashing, ingesting, checking and erasure-coding of files on worker threads. Piscina runs the threads; nothing of it
// shows outside this file. Tasks take turns at the slots of an arena, one slot for each thread, so Piscina never has
// more of them than threads, and a task that waits can be withdrawn without a thread having heard of it.
import { Piscina } from 'piscina'
import { systemClock } from '../../base/clock.ts'
import type { Effects } from '../../base/effects.ts'
import { CatalogError } from '../../base/errors.ts'
import { emit } from '../../base/events.ts'
import {
  CHUNK_BYTES,
  SLOT_BYTES,
  UPLOAD_SLOTS,
  UPLOADS_WAITING_MAX,
  WORKER_TASKS_WAITING_MAX,
} from '../../base/limits.ts'
import { SECOND_MS } from '../../base/units.ts'
import { Arena, type Slot, shareSlots } from '../arena.ts'
import { rootOf } from '../digest-tree.ts'
import { type CoreChoice, loadCore } from '../load.ts'
import { workerFile } from '../paths.ts'
import { DIGEST_BYTES, SHA256_STATE_BYTES } from '../surface.ts'
import { goOn, outlineBytes } from './bench.ts'
import { withNewFiles } from './new-files.ts'
import type {
  DigestTask,
  EncodeTask,
  FileDigest,
  FileTarget,
  IngestTask,
  Kind,
  Order,
  PortionDigest,
  PortionTask,
  RepairReport,
  RepairTask,
  Reply,
  ShardDigest,
  SmallFiles,
  Verification,
  VerifyTask,
  Work,
  WorkerSetup,
} from './tasks.ts'

/** An idle thread costs some MiB; all but one end after this, and the next task starts another in about 0.1 s. */
const IDLE_MS = 10 * SECOND_MS
/** What `close` grants to tasks under way to notice; they look once a MiB. */
const CLOSE_GRACE_MS = 100

export interface WorkerPoolComponents {
  effects: Effects
}

export interface WorkerPoolOptions {
  /** Most threads at work at once, ≥ 1; they start when needed. */
  threads: number
  /** Which core each of them loads. */
  core: CoreChoice
}

/** What exists from the first task on. */
interface Threads {
  readonly piscina: Piscina
  /** Its slots are the tasks' own: who has one may run. */
  readonly turns: Arena
  readonly uploads: Arena
}

/**
 * Every call takes a signal. When it fires, the promise rejects with `ABORTED` as soon as no thread works on the task
 * any more, which is within a few milliseconds unless the disk keeps it waiting; the threads live on. Common to all
 * that use threads are `LIMIT_EXCEEDED` when too many tasks are waiting, `CORE_UNAVAILABLE`, `ABORTED` and `CLOSED`.
 */
export class WorkerPool implements AsyncDisposable {
  readonly #effects: Effects
  readonly #options: WorkerPoolOptions
  readonly #stop = new AbortController()
  readonly #running = new Set<Promise<unknown>>()
  #threads: Threads | undefined
  #closing: Promise<void> | undefined

  constructor({ effects }: WorkerPoolComponents, options: WorkerPoolOptions) {
    this.#effects = effects
    this.#options = options
  }

  /**
   * Root, outline and whole-file digests of a range of a file.
   *
   * @throws CatalogError `FILE_UNREADABLE` when the range cannot be read or the file shrinks meanwhile,
   *   `LIMIT_EXCEEDED` for more than a blob may have
   */
  digest(task: DigestTask, signal?: AbortSignal): Promise<FileDigest> {
    return this.#effects.run(() => this.#run('digest', task, [], signal))
  }

  /**
   * The same for bytes at hand. A single chunk is hashed on this thread at once, for a worker would take longer to hear
   * of it; more are copied to a worker slot by slot. The bytes must not change meanwhile.
   */
  digestBytes(bytes: Uint8Array, signal?: AbortSignal): Promise<FileDigest> {
    return this.#effects.run(() =>
      bytes.length <= CHUNK_BYTES ? this.#digestChunk(bytes) : this.#digestPortions(bytes, signal),
    )
  }

  /**
   * Read files of one chunk at most, and name them; of larger ones only the size is told. One that cannot be read does
   * not keep the others from being read.
   *
   * @throws CatalogError none of a file's own: these are data
   */
  smallFiles(paths: readonly string[], signal?: AbortSignal): Promise<SmallFiles> {
    return this.#effects.run(() => this.#run('smallFiles', { paths }, [], signal))
  }

  /**
   * As `digest`, and in the same pass the very bytes hashed are written to the target.
   *
   * @throws CatalogError as `digest`, and `TARGET_EXISTS`, `DISK_FULL`, `STORE_FAILED`
   */
  ingest(task: IngestTask, signal?: AbortSignal): Promise<FileDigest> {
    return this.#effects.run(() => this.#run('digest', task, [task.target], signal))
  }

  /**
   * A slot to be filled on this thread, for `ingestSlot`; who asks while all are taken waits. Release it in the end.
   *
   * @throws CatalogError `LIMIT_EXCEEDED` when too many are waiting
   */
  slot(signal?: AbortSignal): Promise<Slot> {
    return this.#whileOpen(signal, ({ uploads }, either) => uploads.acquire(either))
  }

  /**
   * Name, and given a target write, the next portion of a blob. The slot is the worker's meanwhile and the caller's
   * again when the promise settles.
   *
   * @throws CatalogError `TARGET_EXISTS`, `DISK_FULL`, `STORE_FAILED`; `INTERNAL` when the slot is not the caller's;
   *   `CORE_RANGE` for more bytes than it has
   */
  ingestSlot(slot: Slot, task: PortionTask, signal?: AbortSignal): Promise<PortionDigest> {
    return this.#effects.run(() => this.#ingestSlot(slot, task, signal))
  }

  /**
   * Check a blob against its root and, given its outline, find the chunks that are damaged.
   *
   * @throws CatalogError `FILE_UNREADABLE`, also when the file is too short; `CORE_LENGTH` for an outline of another
   *   length
   */
  verify({ path, offset, size, root, outline }: VerifyTask, signal?: AbortSignal): Promise<Verification> {
    return this.#effects.run(async () => {
      if (outline && outline.length !== outlineBytes(size)) {
        throw new CatalogError('CORE_LENGTH', `an outline of ${outline.length} bytes for a blob of ${size}`)
      }
      // Compared here: then the outline need not cross to the worker.
      const actual = await this.#run('outline', { path, offset, length: size }, [], signal)
      const bad = outline ? differences(actual.outline, outline) : []
      const ok = bad.length === 0 && (root === undefined || Buffer.compare(actual.root, root) === 0)
      return { ok, bad, bytes: actual.size }
    })
  }

  /**
   * Parity of a blob, and the names of all its shards.
   *
   * @throws CatalogError `FILE_UNREADABLE`, `TARGET_EXISTS`, `DISK_FULL`, `STORE_FAILED`; `CORE_RANGE`, `CORE_LENGTH`
   *   and `LIMIT_EXCEEDED` for impossible stripes
   */
  encodeStripes(task: EncodeTask, signal?: AbortSignal): Promise<ShardDigest> {
    return this.#effects.run(() => this.#run('encodeStripes', task, task.targets, signal))
  }

  /**
   * Shards that are wanted, rebuilt from any k that are there. Every piece of a wanted shard is written, wherever it
   * came from; in stripes that cannot be repaired none is.
   *
   * @throws CatalogError `BLOB_CORRUPT` with `details.stripes` when stripes have fewer than k good pieces; and as
   *   `encodeStripes` does, but a source that cannot be read is a bad one
   */
  repairStripes(task: RepairTask, signal?: AbortSignal): Promise<RepairReport> {
    const targets = task.want.map(({ place }) => place)
    const ids = task.ids && shared(task.ids)
    return this.#effects.run(() => this.#run('repairStripes', { ...task, ids }, targets, signal))
  }

  /**
   * End the tasks, under way and waiting, with `CLOSED`, and then the threads; one that waits for the disk ends when
   * the disk has answered. Later calls are refused with `CLOSED`.
   */
  close(): Promise<void> {
    this.#closing ??= this.#effects.run(() => this.#close())
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#stop.abort()
    const { promise: patience, resolve: giveUp } = Promise.withResolvers<void>()
    // Threads live in real time, whatever clock the node has.
    const cancel = systemClock.after(CLOSE_GRACE_MS, giveUp)
    await Promise.race([Promise.allSettled(this.#running), patience])
    cancel()
    await this.#threads?.piscina.destroy()
  }

  async #digestChunk(bytes: Uint8Array): Promise<FileDigest> {
    this.#mustBeOpen()
    const core = await loadCore(this.#options.core)
    const sha256 = new Uint8Array(DIGEST_BYTES)
    core.sha256Many(bytes, Uint32Array.of(0, bytes.length), sha256)
    const outline = sha256.slice(0, outlineBytes(bytes.length))
    return { size: bytes.length, root: rootOf(core, outline, bytes.length), outline, sha256 }
  }

  async #ingestSlot(slot: Slot, task: PortionTask, signal: AbortSignal | undefined): Promise<PortionDigest> {
    slot.lend()
    try {
      const targets = task.target ? [task.target] : []
      return await this.#run('portion', { ...task, slot: slot.index }, targets, signal)
    } finally {
      slot.reclaim()
    }
  }

  async #digestPortions(bytes: Uint8Array, signal: AbortSignal | undefined): Promise<FileDigest> {
    const outline = new Uint8Array(outlineBytes(bytes.length))
    let state = new Uint8Array(SHA256_STATE_BYTES)
    using slot = await this.slot(signal)
    for (let at = 0; at < bytes.length; at += SLOT_BYTES) {
      const portion = bytes.subarray(at, at + SLOT_BYTES)
      slot.bytes.set(portion)
      const final = at + SLOT_BYTES >= bytes.length
      const named = await this.#ingestSlot(slot, { length: portion.length, state, final }, signal)
      outline.set(named.ids, outlineBytes(at))
      state = named.state
    }
    const core = await loadCore(this.#options.core)
    const root = rootOf(core, outline, bytes.length)
    return { size: bytes.length, root, outline, sha256: state.slice(0, DIGEST_BYTES) }
  }

  #run<K extends Kind>(
    kind: K,
    task: Work[K]['task'],
    targets: readonly FileTarget[],
    signal: AbortSignal | undefined,
  ): Promise<Work[K]['result']> {
    return this.#whileOpen(signal, async ({ turns, piscina }, either) => {
      using slot = await turns.acquire(either)
      return await withNewFiles(targets, () => perform(piscina, slot, kind, task, either))
    })
  }

  async #whileOpen<T>(
    signal: AbortSignal | undefined,
    work: (threads: Threads, either: AbortSignal) => Promise<T>,
  ): Promise<T> {
    this.#mustBeOpen()
    if (signal?.aborted) throw this.#translated(undefined, signal)
    this.#threads ??= startThreads(this.#options)
    const either = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal
    const task = work(this.#threads, either)
    this.#running.add(task)
    try {
      return await task
    } catch (error) {
      throw this.#translated(error, signal)
    } finally {
      this.#running.delete(task)
    }
  }

  #mustBeOpen(): void {
    if (this.#stop.signal.aborted) throw closed()
  }

  /** What a task that was stopped, or whose thread has ended, fails with. */
  #translated(error: unknown, signal: AbortSignal | undefined): CatalogError {
    if (error instanceof CatalogError && error.code !== 'ABORTED') return error
    if (signal?.aborted) return new CatalogError('ABORTED', 'Cancelled.', { cause: signal.reason })
    return this.#stop.signal.aborted ? closed(error) : CatalogError.from(error)
  }
}

/** Have a thread do a task in a slot, and answer when it is done with both. */
async function perform<K extends Kind>(
  piscina: Piscina,
  slot: Slot,
  kind: K,
  task: Work[K]['task'],
  signal: AbortSignal,
): Promise<Work[K]['result']> {
  goOn({ mustStop: signal.aborted })
  slot.lend()
  const stop = () => slot.stop()
  signal.addEventListener('abort', stop)
  try {
    const order: Order<K> = { slot: slot.index, task }
    const reply: Reply<K> = await piscina.run(order, { name: kind })
    if ('error' in reply) throw CatalogError.fromJSON(reply.error)
    return reply.result
  } finally {
    signal.removeEventListener('abort', stop)
    slot.reclaim()
  }
}

function startThreads({ threads, core }: WorkerPoolOptions): Threads {
  const slots = shareSlots(threads + UPLOAD_SLOTS)
  const workerData: WorkerSetup = { core, slots }
  const piscina = new Piscina({
    filename: workerFile(import.meta.url, './entry'),
    workerData,
    minThreads: 1,
    maxThreads: threads,
    idleTimeout: IDLE_MS,
    // A task is one synchronous pass: a second one on the same thread would only wait there.
    concurrentTasksPerWorker: 1,
    atomics: 'disabled',
  })
  piscina.on('error', report)
  return {
    piscina,
    turns: new Arena(slots, { first: 0, count: threads, waitingMax: WORKER_TASKS_WAITING_MAX }),
    uploads: new Arena(slots, { first: threads, count: UPLOAD_SLOTS, waitingMax: UPLOADS_WAITING_MAX }),
  }
}

function report(error: unknown): void {
  const { code, message } = CatalogError.from(error)
  emit('catalog:failure', { task: 'workers', code, message })
}

function closed(cause?: unknown): CatalogError {
  return new CatalogError('CLOSED', 'The worker threads have been closed.', { cause })
}

/** Bytes that another thread can read where they lie. */
function shared(bytes: Uint8Array): Uint8Array {
  if (bytes.buffer instanceof SharedArrayBuffer) return bytes
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length))
  copy.set(bytes)
  return copy
}

/** Numbers of the chunks whose ids differ. */
function differences(actual: Uint8Array, expected: Uint8Array): number[] {
  const bad: number[] = []
  for (let at = 0; at < expected.length; at += DIGEST_BYTES) {
    if (Buffer.compare(actual.subarray(at, at + DIGEST_BYTES), expected.subarray(at, at + DIGEST_BYTES)) !== 0) {
      bad.push(at / DIGEST_BYTES)
    }
  }
  return bad
}
