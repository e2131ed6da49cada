// Rewriting packs of which little is still live: their extents are copied to the end of the current pack, and one
// transaction says that they are there now. Killed before it, the copies are a tail that nobody knows; after it, the
// old pack is a file that nobody knows. Readers who hold the old pack go on reading it.
import { type Clock, sleep, untilAborted } from '../base/clock.ts'
import { CatalogError, hasCode } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { PACK_LIVE_SHARE_MIN } from '../base/limits.ts'
import { MiB } from '../base/units.ts'
import type { Blobs } from './blobs.ts'
import type { Environment } from './environment.ts'
import type { Packs, Place } from './packs.ts'
import type { Space } from './space.ts'

/** Read and written at once; between two of them others get the disk for as long. */
const PIECE_BYTES = MiB
/** Copied before the transaction that counts it. */
const BATCH_BYTES = 64 * MiB

export interface Repacked {
  readonly pack: number
  /** Copied, and given back to the file system. */
  readonly movedBytes: number
  readonly freedBytes: number
}

interface Components {
  environment: Environment
  blobs: Blobs
  packs: Packs
  space: Space
  clock: Clock
}

interface RepackOptions {
  /** Leave the disk to others half of the time. */
  readonly gently?: boolean
  readonly signal?: AbortSignal | undefined
}

interface Move {
  readonly root: Uint8Array
  readonly from: Place
  readonly to: Place
}

export class Repacker {
  readonly #components: Components
  #paused: PromiseWithResolvers<void> | undefined
  /** Ends when the last of those who rewrite has: two at once would copy the same twice. */
  #turn: Promise<void> = Promise.resolve()

  constructor(components: Components) {
    this.#components = components
  }

  /** Hold the copying where it is, until `resume`. */
  pause(): void {
    this.#paused ??= Promise.withResolvers<void>()
  }

  resume(): void {
    this.#paused?.resolve()
    this.#paused = undefined
  }

  get isPaused(): boolean {
    return this.#paused !== undefined
  }

  /** Packs worth rewriting, the emptiest first: none that some blob is being fetched into now. */
  candidates(): { pack: number; live: number; end: number }[] {
    const { packs } = this.#components.environment
    return [...packs.getRange({})]
      .map(({ key, value }) => ({ pack: key, live: value.live, end: value.end }))
      .filter(({ live, end }) => end > 0 && live / end < PACK_LIVE_SHARE_MIN)
      .filter(({ pack }) => !this.#isFilled(pack))
      .sort((a, b) => a.live / a.end - b.live / b.end)
  }

  /**
   * Rewrite what is worth it. A pack that cannot be read is told and left as it is.
   *
   * @throws CatalogError `ABORTED`, `DISK_FULL`; whatever was told of is done
   */
  async *run(options: RepackOptions = {}): AsyncGenerator<Repacked> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const before = this.#turn
    this.#turn = before.then(() => promise)
    try {
      await untilAborted(before, options.signal).catch((cause) => {
        throw new CatalogError('ABORTED', 'Cancelled.', { cause })
      })
      yield* this.#rewriteAll(options)
    } finally {
      resolve()
    }
  }

  async *#rewriteAll(options: RepackOptions): AsyncGenerator<Repacked> {
    const candidates = this.candidates()
    // All of them at once: what is copied must not go where it has to be copied from again.
    for (const { pack } of candidates) this.#components.packs.retire(pack)
    for (const { pack, end } of candidates) {
      const movedBytes = await this.#rewrite(pack, options).catch((thrown) => {
        // It must not keep the others from their turn, for good.
        if (!hasCode(thrown, 'FILE_UNREADABLE')) throw thrown
        const { code, message } = thrown
        emit('catalog:failure', { task: `rewrite pack ${pack}`, code, message })
        return undefined
      })
      this.#components.blobs.copied()
      // Held until now: what is told to be freed is free.
      await this.#components.packs.collect()
      if (movedBytes !== undefined) yield { pack, movedBytes, freedBytes: end - movedBytes }
    }
  }

  /** @returns bytes copied; nothing when a fetch has begun in the pack meanwhile */
  async #rewrite(pack: number, options: RepackOptions) {
    const { packs } = this.#components
    using _ = packs.hold(pack)
    if (this.#isFilled(pack)) return undefined
    const extents = this.#extents(pack)
    let moved = 0
    for (let at = 0; at < extents.length; ) {
      const batch: Move[] = []
      try {
        for (let bytes = 0; at < extents.length && bytes < BATCH_BYTES; at++) {
          const { root, place } = extents[at] as (typeof extents)[number]
          using room = this.#components.space.reserveToRewrite(place.bytes)
          const move = { root, from: place, to: room.place }
          batch.push(move)
          this.#components.blobs.copies(root)
          await this.#copy(move, options)
          bytes += place.bytes
        }
      } catch (thrown) {
        // From the last one: each then gives its space back to the tail.
        for (const { to } of batch.reverse()) await packs.abandon(to)
        const { signal } = options
        throw signal?.aborted ? new CatalogError('ABORTED', 'Cancelled.', { cause: signal.reason }) : thrown
      }
      moved += await this.#commit(batch)
    }
    await this.#forgetEmpty(pack)
    return moved
  }

  /** A fetch that was interrupted is moved as blobs are: it must not keep the space of others for a week. */
  #isFilled(pack: number): boolean {
    return this.#extents(pack).some(({ root, sealed }) => !sealed && this.#components.blobs.isDownloading(root))
  }

  #extents(pack: number): { root: Uint8Array; place: Place; sealed: boolean }[] {
    const rows = this.#components.environment.extents.getRange({ start: [pack, 0], end: [pack + 1, 0] })
    return [...rows].map(({ key, value }) => {
      const place = { pack, offset: key[1] ?? 0, bytes: value.bytes }
      return { root: new Uint8Array(value.root), place, sealed: value.sealed }
    })
  }

  async #copy({ from, to }: Move, { gently = false, signal }: RepackOptions) {
    const { packs, clock } = this.#components
    const buffer = new Uint8Array(Math.min(PIECE_BYTES, from.bytes))
    for (let at = 0; at < from.bytes; at += buffer.length) {
      if (this.#paused) await untilAborted(this.#paused.promise, signal)
      if (signal?.aborted) throw new CatalogError('ABORTED', 'Cancelled.', { cause: signal.reason })
      const began = clock.now()
      const piece = buffer.subarray(0, Math.min(buffer.length, from.bytes - at))
      // What is missing at the end of a damaged pack is left as zeros: the blob is as damaged as it was.
      piece.fill(0, await packs.read(from, at, piece))
      await packs.write(to, at, piece)
      if (gently) await sleep(clock, clock.now() - began, signal)
    }
  }

  async #commit(batch: readonly Move[]): Promise<number> {
    const { environment, blobs, packs } = this.#components
    const moved = new Set<Move>()
    try {
      await Promise.all([...new Set(batch.map(({ to }) => to.pack))].map((target) => packs.sync(target)))
      await environment.transaction(() => {
        moved.clear() // it may run twice
        for (const move of batch) if (blobs.move(move.root, move.from, move.to)) moved.add(move)
      })
    } catch (thrown) {
      for (const { to } of batch.toReversed()) await packs.abandon(to)
      throw thrown
    }
    for (const move of batch.toReversed()) {
      if (moved.has(move)) packs.settled(move.to)
      else await packs.abandon(move.to)
    }
    return [...moved].reduce((sum, { to }) => sum + to.bytes, 0)
  }

  /** A pack that was the current one keeps its row when it empties; it is no longer current. `collect` removes it. */
  async #forgetEmpty(pack: number): Promise<void> {
    const { environment, packs } = this.#components
    await environment.transaction(() => {
      if (environment.packs.get(pack)?.live === 0) environment.packs.remove(pack)
    })
    packs.emptied(pack)
  }
}
