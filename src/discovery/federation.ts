// Asking peers: a few of them, a short deadline, whatever came by then. Every candidate proves itself before it may be
// ranked; how many one peer may place is capped. What comes too late is still of use to the next who asks the same.
import { type Clock, untilAborted } from '../base/clock.ts'
import { CatalogError, hasCode } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { SEARCH_DEADLINE_MS, SEARCH_FAN_OUT_MAX, SEARCH_PEER_RESULTS_MAX } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import { connectedTo, type HelloService } from '../network/hello.ts'
import type { Rpc } from '../network/rpc.ts'
import type { RecordExchange } from '../trust/exchange.ts'
import { BundleVerifier, type Proven } from '../trust/verify.ts'
import { SEARCH, type SearchReply } from '../wire/messages.ts'
import { type AnswerState, Merits } from './merits.ts'

interface Components {
  rpc: Rpc
  hello: Pick<HelloService, 'peers'>
  exchange: Pick<RecordExchange, 'addressee'>
  clock: Clock
  random: Random
}

/** A candidate and who offered it. */
export interface Candidate extends Proven {
  readonly peer: string
}

/** What a peer says of its index: changes it has yet to take in, and when it last took in some. */
export interface IndexFreshness {
  readonly behind: number
  readonly at?: number | undefined
}

/** What came of asking one peer. */
export interface Inquiry {
  readonly peer: string
  readonly state: AnswerState
  /** Until it ended, or until its time was over. */
  readonly ms: number
  readonly candidates: number
  readonly index?: IndexFreshness
}

export interface FederatedAnswer {
  readonly candidates: readonly Candidate[]
  readonly inquiries: readonly Inquiry[]
}

export class Federation {
  readonly merits: Merits
  readonly #components: Components
  readonly #verifier = new BundleVerifier()
  readonly #underWay = new Set<Asking>()

  constructor(components: Components) {
    this.#components = components
    this.merits = new Merits(components)
  }

  /** Whether somebody can be asked who was not. */
  hasOthers(asked: readonly string[]): boolean {
    if (asked.length >= SEARCH_FAN_OUT_MAX) return false
    return connectedTo(this.#components.hello).some((peer) => !asked.includes(peer))
  }

  /**
   * @param onLate - hears of what comes after the deadline, once of each peer
   * @throws CatalogError `ABORTED`
   */
  async ask(
    query: string,
    limit: number,
    onLate: (candidates: readonly Candidate[]) => void,
    signal?: AbortSignal,
  ): Promise<FederatedAnswer> {
    const peers = this.merits.choose(connectedTo(this.#components.hello), SEARCH_FAN_OUT_MAX)
    const asked = peers.map((peer) => this.#begin(peer, query, limit))
    try {
      await untilAborted(this.#inTime(asked), signal)
    } catch (thrown) {
      for (const asking of asked) asking.stop(thrown)
      throw thrown
    }
    const inquiries = asked.map((asking) => asking.inquiry())
    const candidates = asked.flatMap((asking) => asking.candidates())
    for (const { peer, state } of inquiries) this.merits.ended(peer, state)
    for (const asking of asked.filter(({ isOver }) => !isOver)) void asking.over.then(() => onLate(asking.candidates()))
    return { candidates, inquiries }
  }

  /** Ends what is still waited for. */
  async stop(): Promise<void> {
    for (const asking of this.#underWay) asking.stop(new CatalogError('CLOSED', 'The node is being closed.'))
    await Promise.all([...this.#underWay].map(({ over }) => over))
  }

  #begin(peer: string, query: string, limit: number): Asking {
    const asking = new Asking({ ...this.#components, verifier: this.#verifier }, peer, { query, limit })
    this.#underWay.add(asking)
    void asking.over.then(() => this.#underWay.delete(asking))
    return asking
  }

  /** Resolves when all have ended, or when their time is over. */
  async #inTime(asked: readonly Asking[]): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const cancel = this.#components.clock.after(SEARCH_DEADLINE_MS, resolve)
    await Promise.race([Promise.all(asked.map(({ over }) => over)), late])
    cancel()
  }
}

/** One peer being asked. */
class Asking {
  readonly peer: string
  /** Resolves when it has ended, however it ended. */
  readonly over: Promise<void>
  readonly #components: Components & { verifier: BundleVerifier }
  readonly #stop = new AbortController()
  readonly #startedAt: number
  readonly #candidates: Candidate[] = []
  #index: IndexFreshness | undefined
  #end: { state: AnswerState; ms: number } | undefined

  constructor(
    components: Components & { verifier: BundleVerifier },
    peer: string,
    { query, limit }: { query: string; limit: number },
  ) {
    this.#components = components
    this.peer = peer
    this.#startedAt = components.clock.now()
    this.over = this.#run({ query, limit: Math.min(limit, SEARCH_PEER_RESULTS_MAX) })
  }

  get isOver(): boolean {
    return this.#end !== undefined
  }

  /** So far; nothing of who lied. */
  candidates(): readonly Candidate[] {
    return this.#end?.state === 'lied' ? [] : [...this.#candidates]
  }

  inquiry(): Inquiry {
    const { state, ms } = this.#end ?? { state: 'timed-out' as const, ms: this.#elapsed() }
    const candidates = this.candidates().length
    return { peer: this.peer, state, ms, candidates, ...(this.#index ? { index: this.#index } : {}) }
  }

  stop(reason: unknown): void {
    this.#stop.abort(reason)
  }

  async #run(request: { query: string; limit: number }): Promise<void> {
    const { rpc } = this.#components
    let state: AnswerState = 'answered'
    try {
      for await (const reply of rpc.call(SEARCH, this.peer, request, { signal: this.#stop.signal })) {
        this.#take(reply, request.limit)
        if (this.#candidates.length >= request.limit) break
      }
    } catch (thrown) {
      state = stateOf(thrown)
      if (!this.#stop.signal.aborted) this.#tell(state, thrown)
    }
    this.#end = { state, ms: this.#elapsed() }
  }

  #take({ index, candidates }: SearchReply, most: number): void {
    if (index) this.#index = index
    const { exchange, verifier } = this.#components
    for (const records of candidates.slice(0, most - this.#candidates.length)) {
      this.#candidates.push({ ...verifier.verify(records, exchange.addressee), peer: this.peer })
    }
  }

  #tell(state: AnswerState, thrown: unknown): void {
    const { code, message } = CatalogError.from(thrown)
    if (state === 'lied') emit('catalog:peer', { peer: this.peer, state: 'refused', reason: message })
    else emit('catalog:failure', { task: `search at ${this.peer}`, code, message })
  }

  #elapsed(): number {
    return this.#components.clock.now() - this.#startedAt
  }
}

function stateOf(thrown: unknown): AnswerState {
  if (hasCode(thrown, 'RECORD_INVALID', 'RECORD_SIGNATURE', 'PEER_PROTOCOL')) return 'lied'
  if (hasCode(thrown, 'PEER_BUSY', 'REFUSED', 'LIMIT_EXCEEDED')) return 'refused'
  return hasCode(thrown, 'PEER_TIMEOUT') ? 'timed-out' : 'failed'
}
