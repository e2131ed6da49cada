// Fetching a blob: outline first, checked against the signed root; then segments from several providers at once, every
// chunk checked before it is kept. A provider that fails, stalls or lies is dropped and the others go on.

import { equalBytes, toHex } from '../base/bytes.ts'
import { untilAborted } from '../base/clock.ts'
import { CatalogError, type ErrorCode } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { CHUNK_BYTES, PROVIDERS_MAX } from '../base/limits.ts'
import { rootOf } from '../core/digest-tree.ts'
import type { Core } from '../core/surface.ts'
import type { Artifact } from '../model/release.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Download } from '../store/download.ts'
import type { Quota } from '../store/quota.ts'
import { SegmentQueue } from './segments.ts'
import type { BlobSource, BlobWanted } from './sources.ts'

/** Providers asked at once for one blob. */
const PARALLEL_PROVIDERS = 4

export interface ProviderFailure {
  readonly peer: string
  readonly code: ErrorCode
  readonly message: string
}

export interface FetchReport {
  /** Bytes of the blob. */
  readonly bytes: number
  /** Who sent how much; empty when it was here already. */
  readonly sources: readonly { peer: string; bytes: number }[]
  /** Who was asked and did not deliver, and why. */
  readonly failures: readonly ProviderFailure[]
}

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: { bytes: number; total: number }) => void) | undefined
}

interface Components {
  blobs: Blobs
  quota: Quota
  core: Core
  source: BlobSource
}

export class Fetcher {
  readonly #components: Components
  /** By root: a blob is fetched once, however many ask for it. */
  readonly #underWay = new Map<string, Promise<unknown>>()

  constructor(components: Components) {
    this.#components = components
  }

  /**
   * Make an artifact's blob a complete, verified one here.
   *
   * @param release - record id of the release that names it
   * @param providers - peers that may have it, the likeliest first; taken as they come
   * @throws CatalogError `NO_PROVIDERS` with everyone asked and what each said, `BLOB_CORRUPT` when the release itself
   *   contradicts the bytes, `DISK_FULL`, `ABORTED`
   */
  async fetch(
    artifact: Artifact,
    release: Uint8Array,
    providers: AsyncIterable<string>,
    options: FetchOptions = {},
  ): Promise<FetchReport> {
    const { blobs } = this.#components
    const name = toHex(artifact.root)
    for (;;) {
      const other = this.#underWay.get(name)
      if (other) {
        await untilAborted(other, options.signal).catch((reason) => {
          throw CatalogError.from(reason, 'ABORTED')
        })
      } else if (!blobs.get(artifact.root)) break
      else if (await blobs.fetchedAgain(artifact.root, release)) {
        return { bytes: artifact.size, sources: [], failures: [] }
      }
    }
    const transfer = new Transfer(this.#components, { artifact, release, providers, options })
    const running = transfer.run()
    const settled = running.then(
      () => this.#underWay.delete(name),
      () => this.#underWay.delete(name),
    )
    this.#underWay.set(name, settled)
    return running
  }
}

interface TransferTask {
  readonly artifact: Artifact
  readonly release: Uint8Array
  readonly providers: AsyncIterable<string>
  readonly options: FetchOptions
}

/** One blob on its way. */
class Transfer {
  readonly #components: Components
  readonly #task: TransferTask
  readonly #blob: BlobWanted
  /** Aborts when the caller gives up, or one line of work met a fault that is nobody's but ours. */
  readonly #signal: AbortSignal
  readonly #stop = new AbortController()
  readonly #failures: ProviderFailure[] = []
  readonly #delivered = new Map<string, number>()
  readonly #asked = new Set<string>()
  #held = 0

  constructor(components: Components, task: TransferTask) {
    this.#components = components
    this.#task = task
    this.#blob = { root: task.artifact.root, size: task.artifact.size, release: task.release }
    const { signal } = task.options
    this.#signal = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal
  }

  async run(): Promise<FetchReport> {
    const providers = this.#task.providers[Symbol.asyncIterator]()
    try {
      const outlined = await this.#outline(providers)
      const { root, size, release } = this.#blob
      using _room = await this.#components.quota.makeRoom(size)
      const download = await this.#components.blobs.download(root, size, release, outlined.outline)
      let done = false
      try {
        this.#held = download.heldBytes()
        this.#progress()
        await this.#fill(download, outlined.peer, providers)
        await this.#finish(download)
        done = true
      } finally {
        if (!done) await download.suspend()
      }
    } finally {
      // Not awaited: it ends when the look-up it may be in does, and who made it sees to that.
      Promise.resolve(providers.return?.()).catch(() => undefined)
    }
    const sources = [...this.#delivered].map(([peer, bytes]) => ({ peer, bytes }))
    return { bytes: this.#blob.size, sources, failures: this.#failures }
  }

  /** The outline from the first provider that has a true one. */
  async #outline(providers: AsyncIterator<string>): Promise<{ outline: Uint8Array; peer: string }> {
    const { core, source } = this.#components
    for (let peer = await this.#next(providers); peer !== undefined; peer = await this.#next(providers)) {
      try {
        const outline = await source.outline(peer, this.#blob, this.#signal)
        if (equalBytes(rootOf(core, outline, this.#blob.size), this.#blob.root)) return { outline, peer }
        throw new CatalogError('BLOB_CORRUPT', 'It sent an outline that does not match the signed root.')
      } catch (thrown) {
        this.#fail(peer, thrown)
      }
    }
    throw this.#nobodyLeft()
  }

  /** Fetch every missing chunk: a line of work for each of several providers over one queue of segments. */
  async #fill(download: Download, first: string, providers: AsyncIterator<string>): Promise<void> {
    const queue = new SegmentQueue(download.missing(), PARALLEL_PROVIDERS)
    const finished = Promise.withResolvers<undefined>()
    let working = 0
    const work = async (peer: string) => {
      working++
      try {
        await this.#work(peer, download, queue)
      } finally {
        working--
        if (working === 0 && queue.isEmpty) finished.resolve(undefined)
      }
    }
    // Others join as they become known: looking for them must not hold up who is there.
    const join = async () => {
      const peer = await untilAborted(Promise.race([this.#next(providers), finished.promise]), this.#signal)
      if (peer !== undefined) await work(peer)
    }
    const lines = [work(first), ...Array.from({ length: PARALLEL_PROVIDERS - 1 }, join)]
    // All of them end before this does: the download's file must outlive every writer.
    for (const line of await Promise.allSettled(lines)) {
      if (line.status === 'rejected') throw CatalogError.from(line.reason, 'ABORTED')
    }
    // What dropped providers left behind, when the others had already ended.
    while (!queue.isEmpty) {
      const reserve = this.#reliable() ?? (await this.#next(providers))
      if (reserve === undefined) throw this.#nobodyLeft()
      await this.#work(reserve, download, queue)
    }
  }

  /** One provider's share: segments until none is left or it fails. */
  async #work(peer: string, download: Download, queue: SegmentQueue): Promise<void> {
    for (let segment = queue.take(); segment; segment = queue.take()) {
      let next = segment.first
      try {
        const pieces = this.#components.source.chunks(peer, this.#blob, segment.first, segment.count, this.#signal)
        for await (const bytes of pieces) {
          const lie = download.firstLie(next, bytes)
          if (lie >= 0) throw this.#lie(peer, lie)
          await download.write(next, bytes)
          next += Math.ceil(bytes.length / CHUNK_BYTES)
          this.#held += bytes.length
          this.#delivered.set(peer, (this.#delivered.get(peer) ?? 0) + bytes.length)
          this.#progress()
        }
      } catch (thrown) {
        queue.giveBack(segment, next)
        this.#fail(peer, thrown)
        return
      }
    }
  }

  /** The release's own aliases are claims too: hash the whole before anything becomes visible. */
  async #finish(download: Download): Promise<void> {
    const { sha256, sha512 } = this.#task.artifact
    await download.commit()
    const digest = await download.digest(sha512 !== undefined, this.#signal)
    if (!equalBytes(digest.root, this.#blob.root)) {
      download.forget()
      throw new CatalogError('BLOB_CORRUPT', 'The file being fetched has changed on this disk since it was verified.', {
        hint: 'Run the same command again: it starts from the beginning. If it recurs, check the disk.',
      })
    }
    const holds = equalBytes(digest.sha256, sha256) && (!sha512 || equalBytes(digest.sha512 ?? sha256, sha512))
    if (!holds) throw new CatalogError('BLOB_CORRUPT', 'The release names other hashes than its own bytes have.')
    await download.finish({ sha256, sha512 })
  }

  /** A provider that delivered and has not failed: it can take what others left. */
  #reliable(): string | undefined {
    return [...this.#delivered.keys()].find((peer) => !this.#failures.some((failure) => failure.peer === peer))
  }

  async #next(providers: AsyncIterator<string>): Promise<string | undefined> {
    while (this.#asked.size < PROVIDERS_MAX) {
      if (this.#signal.aborted) throw CatalogError.from(this.#signal.reason, 'ABORTED')
      const { done, value } = await providers.next()
      if (done) return undefined
      if (this.#asked.has(value)) continue
      this.#asked.add(value)
      return value
    }
    return undefined
  }

  #fail(peer: string, thrown: unknown): void {
    if (this.#signal.aborted) throw CatalogError.from(this.#signal.reason, 'ABORTED')
    const { code, message } = CatalogError.from(thrown, 'PEER_UNREACHABLE')
    // Our own disk's fault is not the peer's.
    if (code === 'DISK_FULL' || code === 'FILE_UNREADABLE' || code === 'STORE_FAILED') {
      this.#stop.abort(thrown)
      throw thrown
    }
    this.#failures.push({ peer, code, message })
  }

  #lie(peer: string, chunk: number): CatalogError {
    emit('catalog:corrupt', { peer, root: toHex(this.#blob.root), chunk })
    return new CatalogError('BLOB_CORRUPT', `It sent chunk ${chunk} with other bytes than were signed.`)
  }

  #nobodyLeft(): CatalogError {
    const said = this.#failures.map(({ peer, message }) => `${peer}: ${message}`)
    const what =
      said.length === 0 ? 'No peer that may have it is connected.' : `Asked ${said.length}: ${said.join(' ')}`
    return new CatalogError('NO_PROVIDERS', `Nobody delivered ${this.#task.artifact.path}. ${what}`, {
      hint: 'See who is connected with: catalog peers. What was verified is kept; the same command resumes from it.',
      details: { failures: this.#failures, heldBytes: this.#held, bytes: this.#blob.size },
    })
  }

  #progress(): void {
    this.#task.options.onProgress?.({ bytes: this.#held, total: this.#blob.size })
  }
}
