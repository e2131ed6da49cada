// Carries out what the planner decides for one blob: asks providers for segments, tells the planner what comes of it,
// and keeps asking them what they have. Every part of it has ended when `run` does.
import { bitmapFor, setBit } from '../base/bitmap.ts'
import { toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { CatalogError, type ErrorCode, hasCode } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { CHUNK_BYTES, HAVE_INTERVAL_MS, PROVIDER_RETRY_MS } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import type { Download } from '../store/download.ts'
import { type Run, runsOf } from '../wire/runs.ts'
import type { Candidates } from './candidates.ts'
import type { HaveExchange, PeerHolding } from './have.ts'
import { type Decision, type Hopeless, Planner } from './planner.ts'
import type { FetchAccounts } from './report.ts'
import type { BlobWanted, SegmentEnd, Sources } from './sources.ts'

/** Faults that are this node's own: no other provider could help. */
const OWN_FAULTS: readonly ErrorCode[] = ['DISK_FULL', 'FILE_UNREADABLE', 'STORE_FAILED']
/** Asking again may help. After a silence it is not tried: that has cost its time already. */
const PASSING: readonly ErrorCode[] = ['PEER_UNREACHABLE', 'PEER_BUSY']

/** @throws what `thrown` is, when it is no peer's fault */
export function throwOwnFault(thrown: CatalogError): void {
  if (OWN_FAULTS.includes(thrown.code)) throw thrown
}

export function isPassing(error: CatalogError): boolean {
  return PASSING.includes(error.code)
}

export interface SegmentFetchComponents {
  readonly sources: Sources
  /** Absent where peers are not asked what they have: each is taken to have everything. */
  readonly have?: HaveExchange | undefined
  readonly clock: Clock
  readonly random: Random
}

export interface SegmentFetchTask {
  readonly blob: BlobWanted
  readonly download: Download
  /** Whose outline was true. */
  readonly first: string
  readonly candidates: Candidates
  readonly accounts: FetchAccounts
  readonly deadlineAt: number
  readonly signal: AbortSignal
  /** Bytes of this blob came from a peer. */
  readonly onBytes: (peer: string, bytes: number) => void
}

export class SegmentFetch {
  readonly #components: SegmentFetchComponents
  readonly #task: SegmentFetchTask
  readonly #planner: Planner
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly #ended = Promise.withResolvers<Hopeless | undefined>()
  /** Requests for segments, by the planner's id. */
  readonly #asked = new Map<number, AbortController>()
  /** Everything that has to end before `run` does. */
  readonly #works = new Set<Promise<void>>()
  /** Who may still join: peers that were asked what they have, and the list of them as long as it goes on. */
  #awaited = 0
  #cancelLook: () => void = () => undefined

  constructor(components: SegmentFetchComponents, task: SegmentFetchTask) {
    this.#components = components
    this.#task = task
    this.#signal = AbortSignal.any([task.signal, this.#stop.signal])
    this.#planner = new Planner({
      chunks: task.download.chunks,
      held: task.download.bitmap,
      now: components.clock.now(),
      deadlineAt: task.deadlineAt,
      random: () => components.random.fraction(),
    })
  }

  /**
   * Fetch every missing chunk.
   *
   * @returns nothing when all is there, else why there is no hope of it
   * @throws CatalogError `ABORTED`; a fault of this node's own
   */
  async run(): Promise<Hopeless | undefined> {
    const abort = () => this.#ended.reject(CatalogError.from(this.#task.signal.reason, 'ABORTED'))
    this.#task.signal.addEventListener('abort', abort, { once: true })
    if (this.#task.signal.aborted) abort()
    using _open = this.#components.have?.opens({
      blob: this.#task.blob,
      held: () => this.#task.download.bitmap,
      coming: () => this.#coming(),
      heard: (peer, holding) => this.#heard(peer, holding),
    })
    this.#start(this.#greet(this.#task.first))
    this.#start(this.#joinAll())
    try {
      return await this.#ended.promise
    } finally {
      this.#task.signal.removeEventListener('abort', abort)
      this.#stop.abort(new CatalogError('ABORTED', 'No more of it is wanted.'))
      this.#cancelLook()
      // Also what these start in turn: the download's file must outlive every writer.
      while (this.#works.size > 0) await Promise.allSettled(this.#works)
    }
  }

  #start(work: Promise<void>): void {
    const kept: Promise<void> = work
      .catch((thrown) => this.#ended.reject(thrown))
      .finally(() => this.#works.delete(kept))
    this.#works.add(kept)
  }

  /** Whoever becomes known joins, without holding up who is there. */
  async #joinAll(): Promise<void> {
    this.#awaited++
    try {
      for (let peer = await this.#task.candidates.next(this.#signal); peer !== undefined; ) {
        this.#start(this.#greet(peer))
        peer = await this.#task.candidates.next(this.#signal)
      }
    } catch (thrown) {
      if (!this.#signal.aborted) throw thrown
    }
    this.#noLongerAwaited()
  }

  #noLongerAwaited(): void {
    this.#awaited--
    if (this.#awaited === 0) this.#planner.noMore()
    this.#look()
  }

  /** Ask a provider what it has, let it join, and ask again now and then. */
  async #greet(peer: string): Promise<void> {
    this.#awaited++
    const holding = await this.#introduced(peer)
    if (holding) this.#planner.join(peer, holding.has, this.#components.clock.now())
    this.#noLongerAwaited()
    if (!holding?.tells) return
    while ((await this.#pause(HAVE_INTERVAL_MS)) && this.#planner.knows(peer)) {
      const { has, coming } = (await this.#holdingOf(peer).catch(() => undefined)) ?? {}
      // Who does not answer now is judged by the segments asked of it.
      if (has) this.#planner.hasNow(peer, has, this.#components.clock.now(), coming)
      this.#look()
    }
  }

  /** @returns what a provider has when it is first asked, and whether it can tell; nothing when it cannot be asked */
  async #introduced(peer: string): Promise<(PeerHolding & { tells: boolean }) | undefined> {
    const whole = { has: 'whole', coming: undefined, tells: false } as const
    if (!this.#components.have) return whole
    for (let again = true; ; again = false) {
      try {
        return { ...(await this.#holdingOf(peer)), tells: true }
      } catch (thrown) {
        if (this.#signal.aborted) return undefined
        // It does not speak of what it has, so it is asked for all, and will say what it lacks.
        if (hasCode(thrown, 'PEER_PROTOCOL')) return whole
        const error = CatalogError.from(thrown, 'PEER_UNREACHABLE')
        this.#task.accounts.failed(peer, error)
        if (!again || !isPassing(error) || !(await this.#pause(PROVIDER_RETRY_MS))) return undefined
      }
    }
  }

  async #holdingOf(peer: string): Promise<PeerHolding> {
    const { have } = this.#components
    const { blob, download, candidates } = this.#task
    const mine = { blob, held: () => download.bitmap, coming: () => this.#coming() }
    if (!have) return { has: 'whole', coming: undefined }
    const { alsoFetching, ...holding } = await have.ask(peer, mine, this.#signal)
    for (const other of alsoFetching) if (candidates.name(other)) this.#start(this.#greet(other))
    return holding
  }

  #heard(peer: string, { has, coming }: PeerHolding): void {
    if (this.#planner.knows(peer)) this.#planner.hasNow(peer, has, this.#components.clock.now(), coming)
    else if (this.#task.candidates.name(peer)) this.#start(this.#greet(peer))
    this.#look()
  }

  /** @returns false when everything has ended meanwhile */
  async #pause(ms: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const cancel = this.#components.clock.after(ms, () => resolve(true))
    const stop = () => resolve(false)
    this.#signal.addEventListener('abort', stop, { once: true })
    if (this.#signal.aborted) stop()
    try {
      return await promise
    } finally {
      cancel()
      this.#signal.removeEventListener('abort', stop)
    }
  }

  #coming(): Iterable<Run> {
    const { chunks } = this.#task.download
    const bitmap = bitmapFor(chunks)
    for (const [first, end] of this.#planner.coming())
      for (let chunk = first; chunk < end; chunk++) setBit(bitmap, chunk)
    return runsOf(bitmap, chunks)
  }

  /** Have the planner look at how things stand, and do what it says. */
  #look(): void {
    if (this.#signal.aborted) return
    this.#cancelLook()
    for (const decision of this.#planner.decide(this.#components.clock.now())) this.#carryOut(decision)
  }

  #carryOut(decision: Decision): void {
    const { clock } = this.#components
    if (decision.kind === 'ask') this.#start(this.#ask(decision))
    else if (decision.kind === 'cancel') this.#asked.get(decision.id)?.abort(called(decision.why))
    else if (decision.kind === 'wait') this.#cancelLook = clock.after(decision.until - clock.now(), () => this.#look())
    else if (decision.kind === 'done') this.#ended.resolve(undefined)
    else if (decision.kind === 'hopeless') this.#ended.resolve(decision.why)
    // Of one that is dropped it was written down why when its segment ended.
  }

  async #ask({ id, peer, first, count }: Decision & { kind: 'ask' }): Promise<void> {
    const { sources, clock } = this.#components
    const { blob, download, accounts, onBytes } = this.#task
    const call = new AbortController()
    this.#asked.set(id, call)
    accounts.asks(peer)
    let done = 0
    const onProgress = (chunks: number) => {
      if (chunks <= done) return
      const upTo = (chunk: number) => Math.min(blob.size, (first + chunk) * CHUNK_BYTES)
      const bytes = upTo(chunks) - upTo(done)
      done = chunks
      accounts.came(peer, bytes)
      onBytes(peer, bytes)
      this.#planner.progress(id, chunks, clock.now())
      this.#look()
    }
    const options = { signal: AbortSignal.any([this.#signal, call.signal]), onProgress }
    const ask = () =>
      sources.ask(
        peer,
        (source) => source.segment(peer, blob, { first, count }, download, options),
        (plane) => accounts.over(peer, plane),
      )
    try {
      const end = await ask()
      onProgress(end.chunks)
      this.#settle(id, peer, end, call.signal)
    } finally {
      accounts.answered(peer)
      this.#asked.delete(id)
    }
    this.#look()
  }

  #settle(id: number, peer: string, { chunks, error, lie }: SegmentEnd, called: AbortSignal): void {
    const now = this.#components.clock.now()
    const { accounts, blob } = this.#task
    if (error) throwOwnFault(error)
    if (!error) this.#planner.finished(id, now)
    else if (lie !== undefined) {
      emit('catalog:corrupt', { peer, root: toHex(blob.root), chunk: lie })
      accounts.failed(peer, error)
      this.#planner.lied(id, chunks, now)
    } else {
      const stalled = called.aborted && hasCode(called.reason, 'PEER_TIMEOUT')
      const wanted = !this.#signal.aborted && !called.aborted
      if (wanted || stalled) accounts.failed(peer, stalled ? CatalogError.from(called.reason) : error)
      this.#planner.failed(id, chunks, isPassing(error), now)
    }
  }
}

function called(why: 'stalled' | 'taken-over' | 'left' | 'over'): CatalogError {
  if (why === 'stalled') return new CatalogError('PEER_TIMEOUT', 'It fell silent while it was sending.')
  return new CatalogError('ABORTED', 'The rest is not wanted of this peer.')
}
