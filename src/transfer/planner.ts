// Who is asked for which chunks of a blob, and when. Pure: events come in with the time they happened at, decisions go
// out, and whoever does the asking (fetcher.ts) carries them out. The shape of it: each provider gets segments of a
// size it needs about a second for; when nothing is left to ask for, who is idle takes over the far end of the
// segment that would last longest.
import {
  CHUNK_BYTES,
  FETCH_PATIENCE_MS,
  FETCHED_TWICE_SHARE_MAX,
  PROVIDER_RETRY_MS,
  PROVIDERS_AT_ONCE_MAX,
  PROVIDERS_MAX,
  SEGMENT_BYTES_MAX,
  SEGMENT_BYTES_MIN,
  STALL_TIMEOUT_MS,
} from '../base/limits.ts'
import { SECOND_MS } from '../base/units.ts'
import { type Asked, DIVIDE_MS, msLeft, type Provider, promised } from './asked.ts'
import { ChunkMap, type Holding, holds, type Segment } from './chunk-map.ts'
import { ProviderPace } from './pace.ts'

const SEGMENT_MIN = SEGMENT_BYTES_MIN / CHUNK_BYTES
const SEGMENT_MAX = SEGMENT_BYTES_MAX / CHUNK_BYTES
/** The time a segment is to take: its provider can be judged anew that often. */
const SEGMENT_MS = SECOND_MS
/** With so much left of its segment a provider is asked for the next one, and a round trip is not spent waiting. */
const AHEAD_MS = 300
/** What its provider sends on before it hears that the rest is another's now. */
const OVERSHOOT_MS = 250
/** How often it is looked whether it has become so, while somebody is idle. */
const LOOK_MS = 250
/** Delivering so much makes good for an earlier failure. */
const REDEEMED_CHUNKS = SEGMENT_MAX

export type Decision =
  | { readonly kind: 'ask'; readonly id: number; readonly peer: string; readonly first: number; readonly count: number }
  /** Its answer is no longer wanted; `failed` or `finished` is still to be told. */
  | { readonly kind: 'cancel'; readonly id: number; readonly why: 'stalled' | 'taken-over' | 'left' | 'over' }
  /** Nothing more is asked of this provider. */
  | { readonly kind: 'drop'; readonly peer: string; readonly why: 'lied' | 'failed' | 'stalled' }
  /** Nothing more to decide before something happens, or it is `until`. */
  | { readonly kind: 'wait'; readonly until: number }
  | { readonly kind: 'done' }
  | { readonly kind: 'hopeless'; readonly why: Hopeless }

/** Nobody is left to ask; who is left has nothing that is missing; the time is up. */
export type Hopeless = 'nobody' | 'nothing' | 'deadline'

export interface PlannerOptions {
  /** Chunks of the blob. */
  readonly chunks: number
  /** What is held already, one bit a chunk. */
  readonly held: Uint8Array
  readonly now: number
  readonly deadlineAt: number
  /** Fractions in [0, 1): where to begin among chunks equally rare. */
  readonly random?: () => number
}

export class Planner {
  readonly #map: ChunkMap
  readonly #deadlineAt: number
  readonly #random: () => number
  /** Where all is equally rare as long as nobody has only a part: one place after the other. */
  readonly #begin: number
  /** Chunks that may still be sent twice: asked of two providers, or on their way when they were given to another. */
  #spare: number
  #twice = 0
  readonly #providers = new Map<string, Provider>()
  readonly #dropped = new Set<string>()
  readonly #asked = new Map<number, Asked>()
  #decisions: Decision[] = []
  #nextId = 0
  #moreMayCome = true
  /** When anything last gave hope: a chunk, a provider, news of what one has. */
  #hopeAt: number
  #over = false

  constructor({ chunks, held, now, deadlineAt, random = () => 0 }: PlannerOptions) {
    this.#map = new ChunkMap(chunks, held)
    this.#deadlineAt = deadlineAt
    this.#random = random
    this.#begin = Math.floor(random() * this.#map.blocks)
    this.#spare = Math.floor(chunks * FETCHED_TWICE_SHARE_MAX)
    this.#hopeAt = now
  }

  /** Chunks that came from two providers. */
  get fetchedTwice(): number {
    return this.#twice
  }

  get missing(): number {
    return this.#map.missing
  }

  /** Chunks that somebody has been asked for, as [first, end) each. */
  *coming(): Generator<readonly [number, number]> {
    for (const { over, next, wantedEnd } of this.#asked.values()) if (!over && next < wantedEnd) yield [next, wantedEnd]
  }

  /** Whether a provider may be asked: it has joined and was not dropped. */
  knows(peer: string): boolean {
    return this.#providers.has(peer)
  }

  /** A provider that may be asked. @returns false when it is dropped, known, or one too many */
  join(peer: string, has: Holding, now: number): boolean {
    if (this.knows(peer) || this.#dropped.has(peer) || this.#providers.size + this.#dropped.size >= PROVIDERS_MAX) {
      return false
    }
    const state = { strikes: 0, delivered: 0, last: false, restsUntil: now }
    this.#providers.set(peer, { peer, has, coming: undefined, pace: new ProviderPace(), asked: new Set(), ...state })
    this.#map.countCopies(has, 1)
    this.#hopeAt = now
    return true
  }

  /** Nobody else will join. */
  noMore(): void {
    this.#moreMayCome = false
  }

  /** A provider has gone for good, though it may join again. */
  leave(peer: string): void {
    const provider = this.#providers.get(peer)
    if (provider) this.#remove(provider, 'left')
  }

  /** News of what a provider has, and is about to have. */
  hasNow(peer: string, has: Holding, now: number, coming?: Uint8Array): void {
    const provider = this.#providers.get(peer)
    if (!provider) return
    const gained = has !== provider.has && this.#map.isServedBy(has)
    for (const by of [-1, 1] as const) {
      // What is both had and coming is one copy.
      this.#map.countCopies(promised(provider.has, provider.coming), by)
      provider.has = has
      provider.coming = coming
    }
    if (gained) this.#hopeAt = now
  }

  /** Of what was asked for by `id`, `chunks` have been verified and written, from the first on. */
  progress(id: number, chunks: number, now: number): void {
    const asked = this.#asked.get(id)
    if (!asked) return
    const { provider } = asked
    const next = Math.min(asked.end, asked.first + chunks)
    if (next <= asked.next) return
    for (let chunk = asked.next; chunk < next; chunk++) if (!this.#map.hold(chunk)) this.#twice++
    provider.pace.came((next - asked.next) * CHUNK_BYTES, now)
    provider.delivered += next - asked.next
    if (provider.delivered >= REDEEMED_CHUNKS) provider.strikes = 0
    asked.next = next
    asked.progressAt = now
    this.#hopeAt = now
    if (!asked.over && next >= asked.wantedEnd && next < asked.end) this.#cancel(asked, 'taken-over')
  }

  finished(id: number, now: number): void {
    const asked = this.#asked.get(id)
    if (!asked) return
    this.progress(id, asked.end - asked.first, now)
    this.#end(asked, now)
  }

  /** It ended early. @param again - whether asking the provider again may help; not after a `cancel` */
  failed(id: number, chunks: number, again: boolean, now: number): void {
    const asked = this.#asked.get(id)
    if (!asked) return
    this.progress(id, chunks, now)
    const wanted = !asked.over
    this.#end(asked, now)
    if (wanted) this.#strike(asked.provider, again, 'failed', now)
  }

  /** It sent a chunk that is not what was signed. */
  lied(id: number, chunks: number, now: number): void {
    const asked = this.#asked.get(id)
    if (!asked) return
    this.progress(id, chunks, now)
    this.#end(asked, now)
    this.#drop(asked.provider, 'lied')
  }

  /** What is to be done now, the last one `wait`, `done` or `hopeless`. Carry them out in order. */
  decide(now: number): Decision[] {
    if (!this.#over) {
      if (this.#map.missing === 0) this.#finish({ kind: 'done' })
      else if (now >= this.#deadlineAt) this.#finish({ kind: 'hopeless', why: 'deadline' })
      else this.#plan(now)
    }
    const decisions = this.#decisions
    this.#decisions = []
    return decisions
  }

  #plan(now: number): void {
    for (const asked of this.#asked.values()) this.#check(asked, now)
    // The fastest first: who is asked last gets what is left.
    const providers = [...this.#providers.values()].sort((a, b) => b.pace.rate - a.pace.rate)
    for (const provider of providers) if (provider.asked.size === 0) this.#employ(provider, now)
    for (const provider of providers) if (provider.asked.size === 1) this.#lookAhead(provider, now)
    const why = this.#hopeless(now)
    if (why) this.#finish({ kind: 'hopeless', why })
    else this.#decisions.push({ kind: 'wait', until: this.#nextLook(providers, now) })
  }

  #finish(last: Decision): void {
    this.#over = true
    for (const asked of this.#asked.values()) if (!asked.over) this.#cancel(asked, 'over')
    this.#decisions.push(last)
  }

  #check(asked: Asked, now: number): void {
    if (asked.over) return
    if (asked.twice && this.#map.hasAll(asked.next, asked.wantedEnd)) this.#cancel(asked, 'taken-over')
    else if (now - asked.progressAt >= STALL_TIMEOUT_MS) {
      this.#cancel(asked, 'stalled')
      asked.provider.last = true
      this.#strike(asked.provider, true, 'stalled', now)
    }
  }

  /** Give an idle provider something to do. */
  #employ(provider: Provider, now: number): void {
    if (now < provider.restsUntil || this.#busy() >= PROVIDERS_AT_ONCE_MAX) return
    const segment = this.#pick(provider)
    if (segment) this.#ask(provider, segment.first, segment.first + segment.count, now)
    else if (!provider.last) this.#takeOver(provider, now)
  }

  #lookAhead(provider: Provider, now: number): void {
    const [asked] = provider.asked
    if (!asked || asked.over || provider.last || provider.pace.rate === 0 || this.#map.free === 0) return
    if (now < provider.restsUntil) return
    if ((asked.wantedEnd - asked.next) * CHUNK_BYTES > provider.pace.rate * AHEAD_MS) return
    const segment = this.#pick(provider)
    if (segment) this.#ask(provider, segment.first, segment.first + segment.count, now)
  }

  #pick(provider: Provider): Segment | undefined {
    if (this.#map.free === 0) return undefined
    const others = provider.last ? this.#others(provider) : []
    const usable = (chunk: number) => holds(provider.has, chunk) && !others.some(({ has }) => holds(has, chunk))
    // In a swarm all see the same chunks to be rare: who began at the same place each time would ask for the same.
    const inSwarm = [...this.#providers.values()].some(({ has }) => has !== 'whole')
    const from = inSwarm ? Math.floor(this.#random() * this.#map.blocks) : this.#begin
    return this.#map.pick(usable, this.#sizeFor(provider), from)
  }

  /** Providers that did not stall. */
  #others(provider: Provider): Provider[] {
    return [...this.#providers.values()].filter((other) => other !== provider && !other.last)
  }

  /**
   * Chunks of a segment: a second's worth, and no more than the provider's share of what is left by its speed. Until
   * it is known who there is, somebody else is counted on.
   */
  #sizeFor(provider: Provider): number {
    const all = [...this.#providers.values()]
    const expected = all.length + (this.#moreMayCome && all.length === 1 ? 1 : 0)
    const known = all.filter(({ pace }) => pace.rate > 0)
    const total = known.reduce((sum, { pace }) => sum + pace.rate, 0)
    const mean = total / Math.max(1, known.length)
    const share =
      provider.pace.rate > 0 ? provider.pace.rate / (total + mean * (expected - known.length)) : 1 / expected
    const fair = Math.ceil(this.#map.free * share)
    const least = Math.min(SEGMENT_MIN, Math.ceil(this.#map.missing / expected))
    const worth = Math.round((provider.pace.rate * SEGMENT_MS) / CHUNK_BYTES)
    return Math.max(1, least, Math.min(fair, worth, SEGMENT_MAX))
  }

  /** Nothing is free that it has: take the far end of the segment that will last longest, or the same once more. */
  #takeOver(provider: Provider, now: number): void {
    let slowest: { asked: Asked; ms: number } | undefined
    for (const asked of this.#asked.values()) {
      if (asked.over || asked.twice || asked.provider === provider) continue
      if (asked.wantedEnd <= asked.next || !holds(provider.has, asked.wantedEnd - 1)) continue
      const ms = msLeft(asked, now)
      if (ms >= DIVIDE_MS && ms > (slowest?.ms ?? 0)) slowest = { asked, ms }
    }
    if (!slowest) return
    const { asked, ms } = slowest
    const left = asked.wantedEnd - asked.next
    // Both are done at the same time when each has its share by speed.
    const theirs = (left * CHUNK_BYTES) / ms
    const ours = provider.pace.rate || theirs
    const count = Math.min(left - 1, Math.max(1, Math.round((left * ours) / (ours + theirs))))
    const overshoot = Math.min(count, Math.ceil((theirs * OVERSHOOT_MS) / CHUNK_BYTES))
    if (count > 0 && this.#spare >= overshoot) {
      this.#spare -= overshoot
      const end = asked.wantedEnd
      let first = end - 1
      while (first > end - count && holds(provider.has, first - 1)) first--
      asked.wantedEnd = first
      this.#map.giveBack(first, end)
      this.#ask(provider, first, end, now)
    } else if (count === 0 && this.#spare >= left) {
      this.#spare -= left
      asked.twice = true
      this.#ask(provider, asked.next, asked.wantedEnd, now)
    }
  }

  #ask(provider: Provider, first: number, end: number, now: number): void {
    const id = this.#nextId++
    const state = { wantedEnd: end, next: first, progressAt: now, over: false, twice: false }
    const asked = { id, provider, first, end, ...state }
    this.#map.ask(first, end)
    this.#asked.set(id, asked)
    if (provider.asked.size === 0) provider.pace.begins(now)
    provider.asked.add(asked)
    this.#decisions.push({ kind: 'ask', id, peer: provider.peer, first, count: end - first })
  }

  #cancel(asked: Asked, why: 'stalled' | 'taken-over' | 'left' | 'over'): void {
    this.#release(asked)
    this.#decisions.push({ kind: 'cancel', id: asked.id, why })
  }

  /** Nothing of it is awaited any more: others may be asked for what did not come. */
  #release(asked: Asked): void {
    if (asked.over) return
    asked.over = true
    this.#map.giveBack(asked.next, asked.wantedEnd)
    asked.provider.asked.delete(asked)
  }

  #end(asked: Asked, now: number): void {
    this.#release(asked)
    this.#asked.delete(asked.id)
    if (asked.provider.asked.size === 0) asked.provider.pace.ends(now)
  }

  #strike(provider: Provider, again: boolean, why: 'failed' | 'stalled', now: number): void {
    // Two segments that were under way when a connection broke failed for one reason.
    if (again && now < provider.restsUntil) return
    provider.strikes++
    provider.delivered = 0
    if (!again || provider.strikes > 1) this.#drop(provider, why)
    else provider.restsUntil = now + PROVIDER_RETRY_MS
  }

  #drop(provider: Provider, why: 'lied' | 'failed' | 'stalled'): void {
    if (!this.#providers.has(provider.peer)) return
    this.#dropped.add(provider.peer)
    this.#decisions.push({ kind: 'drop', peer: provider.peer, why })
    this.#remove(provider, 'left')
  }

  #remove(provider: Provider, why: 'left'): void {
    for (const asked of provider.asked) this.#cancel(asked, why)
    this.#map.countCopies(promised(provider.has, provider.coming), -1)
    this.#providers.delete(provider.peer)
  }

  #busy(): number {
    let busy = 0
    for (const { asked } of this.#providers.values()) if (asked.size > 0) busy++
    return busy
  }

  #hopeless(now: number): Hopeless | undefined {
    if (this.#busy() > 0) return undefined
    if (this.#providers.size === 0 && !this.#moreMayCome) return 'nobody'
    for (const { restsUntil } of this.#providers.values()) if (restsUntil > now) return undefined
    if (now - this.#hopeAt < FETCH_PATIENCE_MS) return undefined
    return this.#providers.size === 0 ? 'nobody' : 'nothing'
  }

  #nextLook(providers: readonly Provider[], now: number): number {
    let until = Math.min(this.#deadlineAt, this.#busy() > 0 ? this.#deadlineAt : this.#hopeAt + FETCH_PATIENCE_MS)
    for (const { over, progressAt } of this.#asked.values()) {
      if (!over) until = Math.min(until, progressAt + STALL_TIMEOUT_MS)
    }
    for (const { asked, restsUntil } of providers) {
      if (restsUntil > now) until = Math.min(until, restsUntil)
      else if (asked.size === 0 && this.#busy() > 0) until = Math.min(until, now + LOOK_MS)
    }
    return Math.max(until, now + 1)
  }
}
