// Asking peers: a few of them, a short deadline, whatever came by then. Every candidate proves itself before it may be
// ranked; how many one peer or one publisher may place is capped.
import { type Clock, deadline } from '../base/clock.ts'
import { CatalogError, hasCode } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import {
  SEARCH_DEADLINE_MS,
  SEARCH_FAN_OUT_MAX,
  SEARCH_PEER_RESULTS_MAX,
  SEARCH_PUBLISHER_RESULTS_MAX,
} from '../base/limits.ts'
import { type Random, shuffled } from '../base/random.ts'
import { connectedTo, type HelloService } from '../network/hello.ts'
import type { Rpc } from '../network/rpc.ts'
import type { RecordExchange } from '../trust/exchange.ts'
import { type Proven, verifyBundle } from '../trust/verify.ts'
import { SEARCH } from '../wire/messages.ts'

interface Components {
  rpc: Rpc
  hello: HelloService
  exchange: RecordExchange
  clock: Clock
  random: Random
}

/** A candidate and who offered it. */
export interface Candidate extends Proven {
  readonly peer: string
}

export interface FederatedAnswer {
  readonly candidates: readonly Candidate[]
  readonly asked: readonly string[]
  readonly answered: readonly string[]
}

export class Federation {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  /** Whether somebody can be asked who was not. */
  hasOthers(asked: readonly string[]): boolean {
    if (asked.length >= SEARCH_FAN_OUT_MAX) return false
    return connectedTo(this.#components.hello).some((peer) => !asked.includes(peer))
  }

  async ask(query: string, limit: number, signal?: AbortSignal): Promise<FederatedAnswer> {
    const { hello, clock, random } = this.#components
    const peers = connectedTo(hello)
    const asked = shuffled(random, peers).slice(0, SEARCH_FAN_OUT_MAX)
    if (asked.length === 0) return { candidates: [], asked, answered: [] }
    using time = deadline(clock, SEARCH_DEADLINE_MS, 'the peers asked', signal)
    const answers = await Promise.all(asked.map((peer) => this.#askOne(peer, query, limit, time.signal)))
    signal?.throwIfAborted()
    return {
      candidates: answers.flatMap(({ candidates }) => candidates),
      asked,
      answered: answers.filter(({ answered }) => answered).map(({ peer }) => peer),
    }
  }

  /** What one peer said by the deadline; a peer that lies or breaks is as good as one that did not answer. */
  async #askOne(
    peer: string,
    query: string,
    limit: number,
    signal: AbortSignal,
  ): Promise<{ peer: string; candidates: Candidate[]; answered: boolean }> {
    const candidates: Candidate[] = []
    const perPublisher = new Map<string, number>()
    const me = this.#components.exchange.addressee
    try {
      const request = { query, limit: Math.min(limit, SEARCH_PEER_RESULTS_MAX) }
      for await (const { records } of this.#components.rpc.call(SEARCH, peer, request, { signal })) {
        const proven = verifyBundle(records, me)
        const { signer } = proven.release.record
        const placed = (perPublisher.get(signer) ?? 0) + 1
        perPublisher.set(signer, placed)
        if (placed <= SEARCH_PUBLISHER_RESULTS_MAX) candidates.push({ ...proven, peer })
        if (candidates.length >= SEARCH_PEER_RESULTS_MAX) break
      }
      return { peer, candidates, answered: true }
    } catch (thrown) {
      if (hasCode(thrown, 'RECORD_INVALID', 'RECORD_SIGNATURE', 'PEER_PROTOCOL')) {
        emit('catalog:peer', { peer, state: 'refused', reason: thrown.message })
        return { peer, candidates: [], answered: false }
      }
      const { code, message } = CatalogError.from(thrown)
      if (!signal.aborted) emit('catalog:failure', { task: `search at ${peer}`, code, message })
      return { peer, candidates, answered: false }
    }
  }
}
