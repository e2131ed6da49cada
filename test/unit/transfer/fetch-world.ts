// Providers under virtual time, for tests of the planner: each with a rate, a delay and a fate. It carries out what the
// planner decides and tells it what comes of that.
import { bitmapFor, setBit } from '../../../src/base/bitmap.ts'
import { CHUNK_BYTES } from '../../../src/base/limits.ts'
import { type Holding, holds } from '../../../src/transfer/chunk-map.ts'
import { type Decision, Planner } from '../../../src/transfer/planner.ts'

export interface Character {
  readonly peer: string
  /** Chunks a second. */
  readonly rate: number
  /** From a request to its first chunk, and from a cancel to the end of what comes. */
  readonly delayMs: number
  readonly has?: Holding
  readonly joinsAt?: number
  readonly leavesAt?: number
  /** From then on nothing comes any more. */
  readonly stallsAt?: number
  /** Requests break off after so many chunks, each time. */
  readonly breaksAfter?: number
  /** The first chunk from then on is a lie. */
  readonly liesAt?: number
}

interface Request {
  readonly id: number
  readonly first: number
  readonly count: number
  readonly by: Character
  readonly startsAt: number
  endsAt: number
  sent: number
  cancelled: boolean
}

const STEP_MS = 10

export class FetchWorld {
  readonly planner: Planner
  now = 0
  outcome: Decision | undefined
  /** Chunks that left each provider. */
  readonly sent = new Map<string, number>()
  /** Chunks asked for, in order. */
  readonly asks: { peer: string; first: number; count: number; at: number }[] = []
  readonly #cast: readonly Character[]
  readonly #requests = new Map<number, Request>()
  readonly #credit = new Map<string, number>()
  readonly #joined = new Set<string>()
  readonly held: Uint8Array

  constructor(chunks: number, cast: readonly Character[], options: { held?: Uint8Array; deadlineMs?: number } = {}) {
    this.held = (options.held ?? bitmapFor(chunks)).slice()
    this.#cast = cast
    const { held } = this
    this.planner = new Planner({ chunks, held, now: 0, deadlineAt: options.deadlineMs ?? 600_000 })
  }

  get sentInAll(): number {
    return [...this.sent.values()].reduce((sum, each) => sum + each, 0)
  }

  /** Peers that are there, may be asked and are not. */
  idle(): string[] {
    const busy = new Set([...this.#requests.values()].filter(({ cancelled }) => !cancelled).map(({ by }) => by.peer))
    return this.#cast.map(({ peer }) => peer).filter((peer) => this.planner.knows(peer) && !busy.has(peer))
  }

  /** Chunks asked for of providers that are still at it. */
  get underWay(): number {
    let chunks = 0
    for (const [first, end] of this.planner.coming()) chunks += end - first
    return chunks
  }

  /** Run to the end. @param each - called after every step */
  run(each?: () => void): Decision {
    for (this.#plan(); !this.outcome; this.#plan()) {
      this.step()
      each?.()
    }
    return this.outcome
  }

  step(): void {
    this.now += STEP_MS
    for (const character of this.#cast) this.#comeAndGo(character)
    for (const character of this.#cast) this.#deliver(character)
    this.#plan()
  }

  #plan(): void {
    for (const decision of this.planner.decide(this.now)) this.#carryOut(decision)
  }

  #carryOut(decision: Decision): void {
    if (decision.kind === 'done' || decision.kind === 'hopeless') this.outcome = decision
    else if (decision.kind === 'cancel') {
      const request = this.#requests.get(decision.id)
      if (!request || request.cancelled) return
      request.cancelled = true
      request.endsAt = this.now + request.by.delayMs
      this.planner.failed(request.id, request.sent, true, this.now)
    } else if (decision.kind === 'ask') {
      const { id, first, count, peer } = decision
      const by = this.#cast.find((each) => each.peer === peer)
      if (!by) throw new Error(`${peer} is unknown.`)
      for (let chunk = first; chunk < first + count; chunk++) {
        if (!holds(by.has ?? 'whole', chunk)) throw new Error(`${peer} was asked for what it has not.`)
      }
      this.asks.push({ peer, first, count, at: this.now })
      const times = { startsAt: this.now + by.delayMs, endsAt: Number.POSITIVE_INFINITY }
      this.#requests.set(id, { id, first, count, by, ...times, sent: 0, cancelled: false })
    }
  }

  #comeAndGo({ peer, joinsAt = 0, leavesAt, has = 'whole' }: Character): void {
    if (!this.#joined.has(peer) && this.now >= joinsAt) {
      this.#joined.add(peer)
      this.planner.join(peer, has, this.now)
      if (this.#joined.size === this.#cast.length) this.planner.noMore()
    }
    if (leavesAt === undefined || this.now < leavesAt || !this.#joined.has(peer)) return
    this.planner.leave(peer)
    for (const request of this.#requests.values()) if (request.by.peer === peer) this.#fail(request)
  }

  #deliver(by: Character): void {
    for (const request of this.#requests.values()) if (this.now >= request.endsAt) this.#requests.delete(request.id)
    const serving = [...this.#requests.values()].filter((each) => each.by === by && this.now >= each.startsAt)
    if (serving.length === 0 || this.now >= (by.stallsAt ?? Number.POSITIVE_INFINITY)) return
    let credit = Math.min(by.rate, (this.#credit.get(by.peer) ?? 0) + (by.rate * STEP_MS) / 1000)
    for (const request of serving) {
      while (credit >= 1 && request.sent < request.count && this.#requests.has(request.id)) {
        credit--
        this.#send(request)
      }
    }
    this.#credit.set(by.peer, credit)
  }

  #send(request: Request): void {
    const { by, id, first, count } = request
    this.sent.set(by.peer, (this.sent.get(by.peer) ?? 0) + 1)
    if (request.cancelled) return
    if (this.now >= (by.liesAt ?? Number.POSITIVE_INFINITY)) {
      this.#requests.delete(id)
      this.planner.lied(id, request.sent, this.now)
      return
    }
    setBit(this.held, first + request.sent)
    request.sent++
    this.planner.progress(id, request.sent, this.now)
    if (request.sent === count) {
      this.#requests.delete(id)
      this.planner.finished(id, this.now)
    } else if (request.sent >= (by.breaksAfter ?? Number.POSITIVE_INFINITY)) this.#fail(request)
  }

  #fail(request: Request): void {
    this.#requests.delete(request.id)
    if (!request.cancelled) this.planner.failed(request.id, request.sent, true, this.now)
  }
}

/** Seconds that a number of chunks takes at best. */
export function idealMs(chunks: number, cast: readonly Character[]): number {
  return (chunks / cast.reduce((sum, { rate }) => sum + rate, 0)) * 1000
}

export const MIB_CHUNKS = (1024 * 1024) / CHUNK_BYTES
