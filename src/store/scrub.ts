// Scrubbing: every blob hashed again, at a rate that leaves the disk to others. What is damaged goes out of sight, with
// what is still good of it counting as fetched; whoever can fetch the rest listens.
import { bitmapFor, setBit } from '../base/bitmap.ts'
import { equalBytes, sha256, toHex } from '../base/bytes.ts'
import { type Clock, sleep } from '../base/clock.ts'
import { isLost } from '../base/disk.ts'
import { CatalogError, hasCode } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { CHUNK_BYTES } from '../base/limits.ts'
import { MiB, SECOND_MS } from '../base/units.ts'
import { rootOf } from '../core/digest-tree.ts'
import type { Core } from '../core/surface.ts'
import type { WorkerPool } from '../core/workers/pool.ts'
import { type Blobs, type Lease, rootsOf } from './blobs.ts'

/** Hashed between two looks at rate and signal. */
const PIECE_BYTES = 16 * MiB

export interface Scrubbed {
  readonly root: Uint8Array
  readonly bytes: number
  /** Chunks that are not what was written; 0 for a sound blob. */
  readonly damaged: number
  readonly chunks: number
  /** What was found, for people; only of a damaged one. */
  readonly reason?: string
}

export interface ScrubOptions {
  /** Bytes a second, at most. */
  readonly rate?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Told how much has been hashed so far, now and then. */
  readonly onBytes?: ((bytes: number) => void) | undefined
}

/** A damaged blob, and the release it can be fetched under again. */
export interface Damage {
  readonly root: Uint8Array
  readonly releases: readonly Uint8Array[]
}

interface Components {
  blobs: Blobs
  workers: WorkerPool
  core: Core
  clock: Clock
}

export class Scrubber {
  readonly #components: Components
  readonly #listeners = new Set<(damage: Damage) => void>()

  constructor(components: Components) {
    this.#components = components
  }

  /** Called once a damaged blob has been set aside. */
  onDamage(listener: (damage: Damage) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Hash blobs again, in turn.
   *
   * @param roots - all by default
   * @throws CatalogError `ABORTED`; what was told of is settled
   */
  async *run(roots: Iterable<Uint8Array> | undefined, options: ScrubOptions = {}): AsyncGenerator<Scrubbed> {
    const { blobs } = this.#components
    let done = 0
    for (const root of roots ?? rootsOf(blobs)) {
      const before = done
      const onBytes = (bytes: number) => options.onBytes?.(before + bytes)
      const scrubbed = await this.#check(root, { ...options, onBytes }).catch((thrown) => {
        const { signal } = options
        throw signal?.aborted ? new CatalogError('ABORTED', 'Cancelled.', { cause: signal.reason }) : thrown
      })
      if (!scrubbed) continue
      done += scrubbed.bytes
      options.onBytes?.(done)
      yield scrubbed
    }
  }

  /** @returns nothing for a blob that is gone */
  async #check(root: Uint8Array, options: ScrubOptions): Promise<Scrubbed | undefined> {
    const { blobs } = this.#components
    using lease = blobs.lease(root, { quietly: true })
    if (!lease) return undefined
    const chunks = Math.ceil(lease.length / CHUNK_BYTES)
    const { good, reason } = await this.#goodChunks(root, lease, options)
    const damaged = good ? chunks - good.count : 0
    if (!good || reason === undefined) return { root, bytes: lease.length, damaged: 0, chunks }
    const releases = blobs.releasesOf(root).map(({ release }) => release)
    await blobs.quarantine(root, good.bitmap)
    emit('catalog:damaged', { root: toHex(root), bytes: lease.length, chunks: damaged })
    for (const listener of this.#listeners) listener({ root, releases })
    return { root, bytes: lease.length, damaged, chunks, reason }
  }

  async #goodChunks(root: Uint8Array, lease: Lease, options: ScrubOptions): Promise<Finding> {
    const { core } = this.#components
    const chunks = Math.ceil(lease.length / CHUNK_BYTES)
    if (lease.path === undefined) {
      const bytes = lease.bytes ?? new Uint8Array(0)
      const outline = chunks === 0 ? new Uint8Array(0) : sha256(bytes)
      const sound = bytes.length === lease.length && equalBytes(rootOf(core, outline, lease.length), root)
      return sound ? {} : { good: none(chunks), reason: 'Its bytes in the database are not what was written.' }
    }
    try {
      const outline =
        (await this.#outline(root, lease.length)) ?? (await this.#mendedOutline(root, lease, lease.path, options))
      if (!outline) return { good: none(chunks), reason: 'Its list of chunks is not what was written.' }
      return await this.#compare(lease.path, lease, outline, options)
    } catch (thrown) {
      if (!isLost(thrown)) throw thrown
      return { good: none(chunks), reason: CatalogError.from(thrown).message }
    }
  }

  /** @returns nothing when it is not the root's */
  async #outline(root: Uint8Array, size: number): Promise<Uint8Array | undefined> {
    const { blobs, core } = this.#components
    try {
      const outline = await blobs.outline(root)
      return outline && equalBytes(rootOf(core, outline, size), root) ? outline : undefined
    } catch (thrown) {
      if (hasCode(thrown, 'BLOB_CORRUPT') || isLost(thrown)) return undefined
      throw thrown
    }
  }

  /** All that is damaged may be the list itself: it follows from the bytes, which then need not come from elsewhere. */
  async #mendedOutline(root: Uint8Array, { offset, length }: Lease, path: string, { signal }: ScrubOptions) {
    const { blobs, workers } = this.#components
    const actual = await workers.digest({ path, offset, length }, signal).catch((thrown) => {
      if (!hasCode(thrown, 'FILE_UNREADABLE')) throw thrown
      return undefined
    })
    if (!actual || !equalBytes(actual.root, root)) return undefined
    const isMended = await blobs.reseal(root, actual.outline)
    if (isMended) emit('catalog:damaged', { root: toHex(root), bytes: length, chunks: 0 })
    return actual.outline
  }

  /** Piece by piece against the outline. */
  async #compare(path: string, lease: Lease, outline: Uint8Array, options: ScrubOptions): Promise<Finding> {
    const { rate, signal, onBytes } = options
    const { workers, clock } = this.#components
    const good = none(outline.length / 32)
    for (let at = 0; at < lease.length; at += PIECE_BYTES) {
      if (signal?.aborted) throw new CatalogError('ABORTED', 'Cancelled.', { cause: signal.reason })
      const began = clock.now()
      const size = Math.min(PIECE_BYTES, lease.length - at)
      const first = at / CHUNK_BYTES
      const ids = outline.slice(first * 32, (first + Math.ceil(size / CHUNK_BYTES)) * 32)
      const wrong = await workers
        .verify({ path, offset: lease.offset + at, size, outline: ids }, signal)
        .then(({ bad }) => new Set(bad))
        .catch((thrown) => {
          if (!hasCode(thrown, 'FILE_UNREADABLE')) throw thrown
          return this.#wrongChunks(lease, at, ids)
        })
      for (let chunk = 0; chunk < ids.length / 32; chunk++) {
        if (wrong.has(chunk)) continue
        setBit(good.bitmap, first + chunk)
        good.count++
      }
      onBytes?.(at + size)
      if (rate !== undefined) await sleep(clock, Math.max(0, (size / rate) * SECOND_MS - (clock.now() - began)), signal)
    }
    const damaged = outline.length / 32 - good.count
    return damaged === 0 ? {} : { good, reason: `${damaged} of its chunks are not what was written.` }
  }

  /** Chunk by chunk, where not all can be read: one that cannot costs no other. */
  async #wrongChunks(lease: Lease, at: number, ids: Uint8Array): Promise<Set<number>> {
    const { blobs } = this.#components
    const wrong = new Set<number>()
    const buffer = new Uint8Array(CHUNK_BYTES)
    for (let chunk = 0; chunk < ids.length / 32; chunk++) {
      const from = at + chunk * CHUNK_BYTES
      const wanted = buffer.subarray(0, Math.min(CHUNK_BYTES, lease.length - from))
      const read = await blobs.readFrom(lease, from, wanted).catch((thrown) => {
        if (!isLost(thrown)) throw thrown
        return -1
      })
      const sound = read === wanted.length && equalBytes(sha256(wanted), ids.subarray(chunk * 32, chunk * 32 + 32))
      if (!sound) wrong.add(chunk)
    }
    return wrong
  }
}

/** Nothing when all is well. */
interface Finding {
  good?: { bitmap: Uint8Array; count: number }
  reason?: string
}

function none(chunks: number): { bitmap: Uint8Array; count: number } {
  return { bitmap: bitmapFor(chunks), count: 0 }
}
