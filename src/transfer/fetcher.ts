// Fetching a blob. A small one comes in one round trip, outline and all. Of a larger one the outline comes first and is
// checked against the signed root; then segments from several providers at once, every chunk checked before it is kept.
// A provider that fails, stalls or lies is left and the others go on.
import { equalBytes, toHex } from '../base/bytes.ts'
import { deadline, sleep, untilAborted } from '../base/clock.ts'
import { CatalogError, hasCode } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { BLOB_AT_HAND_BYTES_MAX, FETCH_DEADLINE_MS, FETCH_RATE_MIN, PROVIDER_RETRY_MS } from '../base/limits.ts'
import { SECOND_MS } from '../base/units.ts'
import { rootOf } from '../core/digest-tree.ts'
import type { Core } from '../core/surface.ts'
import type { Artifact } from '../model/release.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Download } from '../store/download.ts'
import type { Quota } from '../store/quota.ts'
import { Candidates } from './candidates.ts'
import type { Priority } from './gate.ts'
import type { Hopeless } from './planner.ts'
import { FetchAccounts, type FetchSource, type ProviderFailure } from './report.ts'
import { isPassing, SegmentFetch, type SegmentFetchComponents, throwOwnFault } from './segment-fetch.ts'
import type { BlobSource, BlobWanted } from './sources.ts'
import type { Transfer, Transfers } from './transfers.ts'

export interface FetchReport {
  /** Bytes of the blob. */
  readonly bytes: number
  /** Who sent how much; empty when it was here already. */
  readonly sources: readonly FetchSource[]
  /** Who was asked and failed, and why. */
  readonly failures: readonly ProviderFailure[]
}

export interface FetchProgress {
  readonly bytes: number
  readonly total: number
  /** Bytes a second, over the last seconds. */
  readonly rate: number
  /** Peers that have delivered. */
  readonly sources: number
}

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: FetchProgress) => void) | undefined
  /** What it is fetched for, in the list of transfers. */
  readonly purl?: string | undefined
  readonly priority?: Priority | undefined
  /** By default, what the size takes at the slowest rate that is worth waiting for. */
  readonly deadlineMs?: number | undefined
}

interface Components extends SegmentFetchComponents {
  readonly blobs: Blobs
  readonly quota: Quota
  readonly core: Core
  readonly transfers: Transfers
}

export class Fetcher {
  readonly #components: Components
  /** By root: a blob is fetched once, however many ask for it. */
  readonly #underWay = new Map<string, Promise<unknown>>()

  constructor(components: Components) {
    this.#components = components
  }

  /**
   * Make an artifact's blob a complete, verified one here. It ends within its deadline.
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
    const running = new BlobFetch(this.#components, { artifact, release, providers, options }).run()
    const settled = running.then(
      () => this.#underWay.delete(name),
      () => this.#underWay.delete(name),
    )
    this.#underWay.set(name, settled)
    return running
  }
}

interface FetchTask {
  readonly artifact: Artifact
  readonly release: Uint8Array
  readonly providers: AsyncIterable<string>
  readonly options: FetchOptions
}

/** One blob on its way. */
class BlobFetch {
  readonly #components: Components
  readonly #task: FetchTask
  readonly #blob: BlobWanted
  readonly #accounts: FetchAccounts
  readonly #transfer: Transfer
  readonly #deadlineMs: number
  readonly #deadlineAt: number
  /** Whoever failed in passing, in case nobody else delivers a small blob. */
  readonly #retry: string[] = []
  #held = 0

  constructor(components: Components, task: FetchTask) {
    const { artifact, release, options } = task
    this.#components = components
    this.#task = task
    this.#blob = { root: artifact.root, size: artifact.size, release }
    this.#accounts = new FetchAccounts(components)
    this.#deadlineMs = options.deadlineMs ?? FETCH_DEADLINE_MS + (artifact.size / FETCH_RATE_MIN) * SECOND_MS
    this.#deadlineAt = components.clock.now() + this.#deadlineMs
    const { purl, priority } = options
    this.#transfer = components.transfers.fetches({ root: artifact.root, total: artifact.size, purl, priority })
  }

  async run(): Promise<FetchReport> {
    const { clock } = this.#components
    using candidates = new Candidates(this.#task.providers)
    using limit = deadline(clock, this.#deadlineMs, 'anybody', this.#task.options.signal)
    try {
      if (this.#blob.size <= BLOB_AT_HAND_BYTES_MAX) await this.#fetchSmall(candidates, limit.signal)
      else await this.#fetchLarge(candidates, limit.signal)
    } catch (thrown) {
      const error = this.#endingOf(thrown, limit.signal)
      this.#transfer.ended(error)
      throw error
    }
    this.#transfer.ended()
    return { bytes: this.#blob.size, sources: this.#accounts.sources(), failures: this.#accounts.failures() }
  }

  /** The time being up is told like any other failure to find it. */
  #endingOf(thrown: unknown, signal: AbortSignal): CatalogError {
    if (this.#task.options.signal?.aborted) return CatalogError.from(this.#task.options.signal.reason, 'ABORTED')
    return signal.aborted ? this.#nobodyLeft('deadline') : CatalogError.from(thrown)
  }

  async #fetchSmall(candidates: Candidates, signal: AbortSignal): Promise<void> {
    const { root, size, release } = this.#blob
    const { blobs, quota } = this.#components
    using announced = blobs.expect()
    const { peer, outline, bytes } = await this.#firstOf(candidates, signal, (source, from) =>
      source.blob(from, this.#blob, signal),
    )
    this.#accounts.came(peer, size)
    using _room = await quota.makeRoom(size)
    const download = await blobs.download(root, size, release, outline)
    await this.#whileOpen(download, async () => {
      this.#progress()
      if (size > 0) await download.write(0, bytes)
      this.#came(peer, size)
      await this.#finish(download, signal, announced)
    })
  }

  async #fetchLarge(candidates: Candidates, signal: AbortSignal): Promise<void> {
    const { root, size, release } = this.#blob
    const { blobs, quota } = this.#components
    const { peer, outline } = await this.#firstOf(candidates, signal, async (source, from) => {
      return { outline: await source.outline(from, this.#blob, signal) }
    })
    using _room = await quota.makeRoom(size)
    const download = await blobs.download(root, size, release, outline)
    await this.#whileOpen(download, async () => {
      this.#held = download.heldBytes()
      this.#transfer.had(this.#held)
      this.#progress()
      const onBytes = (from: string, bytes: number) => this.#came(from, bytes)
      const of = { accounts: this.#accounts, deadlineAt: this.#deadlineAt, signal, onBytes }
      const task = { blob: this.#blob, download, first: peer, candidates, ...of }
      const hopeless = await new SegmentFetch(this.#components, task).run()
      if (hopeless) throw this.#nobodyLeft(hopeless)
      await this.#finish(download, signal)
    })
  }

  /** What is not finished in the end is kept for a later try. */
  async #whileOpen(download: Download, work: () => Promise<void>): Promise<void> {
    let done = false
    try {
      await work()
      done = true
    } finally {
      if (!done) await download.suspend()
    }
  }

  /** The answer of the first candidate whose outline is true. */
  async #firstOf<T extends { outline: Uint8Array }>(
    candidates: Candidates,
    signal: AbortSignal,
    ask: (source: BlobSource, peer: string) => Promise<T>,
  ): Promise<T & { peer: string }> {
    for (let peer = await candidates.next(signal); peer !== undefined; peer = await candidates.next(signal)) {
      const answer = await this.#answerOf(peer, signal, ask)
      if (answer) return { ...answer, peer }
    }
    // Once more those that were only out of reach, or busy.
    if (this.#retry.length > 0) await sleep(this.#components.clock, PROVIDER_RETRY_MS, signal)
    for (const peer of this.#retry.splice(0)) {
      const answer = await this.#answerOf(peer, signal, ask)
      if (answer) return { ...answer, peer }
    }
    throw this.#nobodyLeft('nobody')
  }

  async #answerOf<T extends { outline: Uint8Array }>(
    peer: string,
    signal: AbortSignal,
    ask: (source: BlobSource, peer: string) => Promise<T>,
  ): Promise<T | undefined> {
    const { core, sources } = this.#components
    this.#accounts.asks(peer)
    try {
      const answer = await sources.ask<T & { error?: undefined }>(
        peer,
        (source) => ask(source, peer),
        (plane) => this.#accounts.over(peer, plane),
      )
      if (equalBytes(rootOf(core, answer.outline, this.#blob.size), this.#blob.root)) return answer
      throw new CatalogError('BLOB_CORRUPT', 'It sent an outline that does not match the signed root.')
    } catch (thrown) {
      if (signal.aborted) throw CatalogError.from(signal.reason, 'ABORTED')
      const error = CatalogError.from(thrown, 'PEER_UNREACHABLE')
      throwOwnFault(error)
      this.#noteLie(peer, error)
      this.#accounts.failed(peer, error)
      if (isPassing(error)) this.#retry.push(peer)
      return undefined
    } finally {
      this.#accounts.answered(peer)
    }
  }

  #noteLie(peer: string, error: CatalogError): void {
    const chunk = error.details['chunk']
    if (!hasCode(error, 'BLOB_CORRUPT')) return
    emit('catalog:corrupt', { peer, root: toHex(this.#blob.root), chunk: typeof chunk === 'number' ? chunk : 0 })
  }

  /** The release's own aliases are claims too: hash the whole before anything becomes visible. */
  async #finish(download: Download, signal: AbortSignal, announced?: Disposable): Promise<void> {
    const { sha256, sha512 } = this.#task.artifact
    await download.commit()
    const digest = await download.digest(sha512 !== undefined, signal)
    if (!equalBytes(digest.root, this.#blob.root)) {
      download.forget()
      throw new CatalogError('BLOB_CORRUPT', 'The file being fetched has changed on this disk since it was verified.', {
        hint: 'Run the same command again: it starts from the beginning. If it recurs, check the disk.',
      })
    }
    const holds = equalBytes(digest.sha256, sha256) && (!sha512 || equalBytes(digest.sha512 ?? sha256, sha512))
    if (!holds) throw new CatalogError('BLOB_CORRUPT', 'The release names other hashes than its own bytes have.')
    await download.finish({ sha256, sha512 }, announced)
  }

  #nobodyLeft(why: Hopeless): CatalogError {
    const [failures, sources] = [this.#accounts.failures(), this.#accounts.sources()]
    const said = failures.map(({ peer, message }) => `${peer}: ${message}`)
    const whats = {
      nobody: said.length === 0 ? 'No peer that may have it is connected.' : '',
      nothing: 'Who is left has none of what is missing.',
      deadline: 'The time for it is up.',
    }
    const asked = said.length > 0 ? `Asked ${said.length}: ${said.join(' ')}` : ''
    const what = [whats[why], asked].filter(Boolean).join(' ')
    return new CatalogError('NO_PROVIDERS', `Nobody delivered ${this.#task.artifact.path}. ${what}`, {
      hint: 'See who is connected with: catalog peers. What was verified is kept; the same command resumes from it.',
      details: {
        ...{ failures, sources, heldBytes: this.#held, bytes: this.#blob.size },
        missingBytes: this.#blob.size - this.#held,
      },
    })
  }

  #came(peer: string, bytes: number): void {
    this.#held += bytes
    this.#transfer.moved(peer, this.#accounts.planeOf(peer), bytes, Math.min(this.#held, this.#blob.size))
    this.#progress()
  }

  #progress(): void {
    const { rate } = this.#transfer
    const sources = this.#accounts.sources().length
    const total = this.#blob.size
    this.#task.options.onProgress?.({ bytes: Math.min(this.#held, total), total, rate, sources })
  }
}
