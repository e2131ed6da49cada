// Peers tell each other how often packages are used, so that a node which has seen little itself can rank by it. Told
// are increments, a day at a time: of packages that are public, and of those only what was used so often that it says
// little of any one user. Who does not want to tell is not told either.
import { LRUCache } from 'lru-cache'
import type { Clock } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { tellFailure } from '../base/failure.ts'
import {
  KNOWN_PEERS_MAX,
  USAGE_DAYS_MAX,
  USAGE_EXCHANGE_MS,
  USAGE_ROUND_MS,
  USAGE_TOLD_MAX,
  USAGE_TOLD_MIN,
  USAGE_TOLD_PER_FRAME_MAX,
} from '../base/limits.ts'
import type { UnderWay } from '../base/under-way.ts'
import { DAY_MS } from '../base/units.ts'
import { formatPurl, type PackageName, parsePurl } from '../model/purl.ts'
import { connectedTo, type HelloService } from '../network/hello.ts'
import type { Rpc } from '../network/rpc.ts'
import type { Records } from '../store/records.ts'
import type { Usage } from '../store/usage.ts'
import type { Shares } from '../trust/shares.ts'
import { USAGE, type UsageReply } from '../wire/messages.ts'
import type { Popularity } from './popularity.ts'

interface Components {
  rpc: Rpc
  hello: Pick<HelloService, 'peers' | 'offers'>
  records: Records
  shares: Shares
  usage: Pick<Usage, 'dayOf'>
  popularity: Popularity
  clock: Clock
  underWay: UnderWay
  /** Has packages ranked anew. */
  refresh: (names: readonly PackageName[]) => Promise<void>
}

type Told = UsageReply['counts'][number]
type Day = ReadonlyMap<string, { name: PackageName; count: number }>

/** What a hello says of a node that tells how often packages are used there. */
export const USAGE_CAPABILITY = 'usage'
const PUBLIC: ReadonlySet<string> = new Set(['public'])

export class UsageExchange {
  readonly #components: Components
  readonly #isShared: boolean
  /** What is told of a day that is over, until a share may have changed what is public. */
  readonly #told = new Map<number, readonly Told[]>()
  /** When a peer was asked last, and the last day it told of. */
  readonly #asked = new LRUCache<string, { at: number; day: number }>({ max: KNOWN_PEERS_MAX })
  #cancel: (() => void) | undefined
  #isStopped = false

  /** @param options - without `shares`, nothing is told and nobody is asked */
  constructor(components: Components, { shares }: { shares: boolean }) {
    this.#components = components
    this.#isShared = shares
    components.records.onChange((changes) => {
      if (changes.some(({ kind }) => kind === 'share' || kind === 'release')) this.#told.clear()
    })
  }

  async start(): Promise<void> {
    this.#next()
    if (!this.#isShared) return
    const tell = (after: number) => this.#tell(after)
    await this.#components.rpc.serve(USAGE, ({ after }) => tell(after))
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
  }

  /** Ask a peer for the days since it was asked last. @throws CatalogError `PEER_PROTOCOL`, and what the call throws */
  async ask(peer: string, signal?: AbortSignal): Promise<void> {
    const { rpc, clock, popularity } = this.#components
    const today = Math.floor(clock.now() / DAY_MS)
    const after = this.#asked.get(peer)?.day ?? 0
    this.#asked.set(peer, { at: clock.now(), day: after })
    const heard = new HeardDays(Math.max(after, today - USAGE_DAYS_MAX - 1), today)
    for await (const reply of rpc.call(USAGE, peer, { after }, { signal })) heard.take(reply)
    // Only now: of a reply that broke off, the same days would come again.
    for (const [day, counts] of heard.days) popularity.hear(peer, day, counts)
    this.#asked.set(peer, { at: clock.now(), day: Math.max(after, ...heard.days.keys()) })
  }

  async *#tell(after: number): AsyncGenerator<UsageReply> {
    const today = Math.floor(this.#components.clock.now() / DAY_MS)
    let told = 0
    for (let day = Math.max(after + 1, today - USAGE_DAYS_MAX); day < today; day++) {
      const counts = this.#countsOf(day)
      if (told > 0 && told + counts.length > USAGE_TOLD_MAX) return
      told += counts.length
      for (let at = 0; at < counts.length; at += USAGE_TOLD_PER_FRAME_MAX) {
        yield { day, counts: counts.slice(at, at + USAGE_TOLD_PER_FRAME_MAX) }
      }
    }
  }

  #countsOf(day: number): readonly Told[] {
    const known = this.#told.get(day)
    if (known) return known
    const often = [...this.#components.usage.dayOf(day)].filter(({ count }) => count >= USAGE_TOLD_MIN)
    const counts = often
      .filter((name) => this.#isPublic(name))
      .sort((a, b) => b.count - a.count)
      .slice(0, USAGE_TOLD_MAX)
      .map(({ type, name, count }) => ({ package: formatPurl({ type, name }), count }))
    this.#told.set(day, counts)
    const oldest = this.#told.keys().next().value
    if (this.#told.size > USAGE_DAYS_MAX && oldest !== undefined) this.#told.delete(oldest)
    return counts
  }

  #isPublic({ type, name }: PackageName): boolean {
    const { records, shares } = this.#components
    return records.releases({ type, name }, undefined, PUBLIC).some((release) => shares.isPublic(release))
  }

  #next(): void {
    if (this.#isStopped) return
    this.#cancel = this.#components.clock.after(USAGE_ROUND_MS, () => {
      void this.#components.underWay
        .run((signal) => this.#round(signal))
        .catch((thrown) => report('usage', thrown))
        .finally(() => this.#next())
    })
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { hello, clock, popularity, refresh } = this.#components
    const isDue = (peer: string) => (this.#asked.get(peer)?.at ?? 0) + USAGE_EXCHANGE_MS <= clock.now()
    const offering = connectedTo(hello).filter((peer) => hello.offers(peer, USAGE_CAPABILITY))
    for (const peer of this.#isShared ? offering.filter(isDue) : []) {
      await this.ask(peer, signal).catch((thrown) => report(`usage at ${peer}`, thrown))
    }
    const changed = popularity.changed()
    if (changed.length > 0) await refresh(changed)
  }
}

/** The days of one reply, held against the rules of WIRE.md. */
class HeardDays {
  readonly days = new Map<number, Day>()
  readonly #after: number
  readonly #today: number
  #counts = 0

  constructor(after: number, today: number) {
    this.#after = after
    this.#today = today
  }

  /** @throws CatalogError `PEER_PROTOCOL` */
  take({ day, counts }: UsageReply): void {
    // A clock that is ahead of this one may be at its next day.
    if (day <= this.#after || day > this.#today || day < Math.max(0, ...this.days.keys())) {
      throw new CatalogError('PEER_PROTOCOL', `Counts of day ${day} were not asked for.`)
    }
    const heard = new Map(this.days.get(day))
    for (const { package: purl, count } of counts) {
      const name = namedBy(purl)
      if (!name || heard.has(purl) || ++this.#counts > USAGE_TOLD_MAX) {
        throw new CatalogError('PEER_PROTOCOL', `Counts of day ${day} are not as they should be.`)
      }
      heard.set(purl, { name, count })
    }
    this.days.set(day, heard)
  }
}

/** The package that a purl in its one form names; nothing for another form, a version, or no purl. */
function namedBy(purl: string): PackageName | undefined {
  try {
    const { type, name } = parsePurl(purl)
    return formatPurl({ type, name }) === purl ? { type, name } : undefined
  } catch {
    return undefined // no purl at all: the peer is told as much
  }
}

function report(task: string, thrown: unknown): void {
  tellFailure(task, thrown, 'CLOSED')
}
