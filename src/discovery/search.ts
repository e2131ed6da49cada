// Search: the local index and the peers at once, every candidate scored here by one function. What was found is kept
// for a while (cache.ts): whether it may still be shown, whom it is from and who has it is looked up for each answer.
import { toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { SEARCH_AUDIENCES_MAX, SEARCH_QUERY_LENGTH_MAX, SEARCH_RESULTS_MAX } from '../base/limits.ts'
import type { UnderWay } from '../base/under-way.ts'
import type { Audience } from '../model/audience.ts'
import type { Release } from '../model/release.ts'
import { readRelease } from '../model/release.ts'
import type { Rpc } from '../network/rpc.ts'
import type { PackageType } from '../package-types/package-type.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Pins } from '../store/pins.ts'
import type { Records } from '../store/records.ts'
import type { Access } from '../trust/access.ts'
import type { RecordExchange } from '../trust/exchange.ts'
import type { Shares } from '../trust/shares.ts'
import { type TrustState, trustState } from '../trust/view.ts'
import { SEARCH } from '../wire/messages.ts'
import { type Answer, QueryCache, type Question } from './cache.ts'
import type { FederatedAnswer, Federation } from './federation.ts'
import { newest, packageKey, textOfRelease } from './indexer.ts'
import type { TextIndex } from './native-index.ts'
import type { Popularity } from './popularity.ts'
import { candidatesFor, ranked } from './score.ts'

export interface SearchOptions {
  /** 1–100; 20 by default. */
  readonly limit?: number | undefined
  /** Ask nobody else. */
  readonly local?: boolean | undefined
  /** Leave out what only this node may see. */
  readonly publicOnly?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

export interface SearchResult {
  readonly purl: string
  readonly name: string
  readonly version: string
  readonly description: string
  readonly publisher: string
  readonly score: number
  /**
   * The release's signature holds (nothing else is ever listed) and no other publisher claims the name here.
   */
  readonly verified: boolean
  /** Whether this node's user has decided who owns the name, and for whom. */
  readonly trust: TrustState
  /** Nodes known to offer it, this one included. */
  readonly providers: number
}

export interface SearchAnswer {
  readonly results: readonly SearchResult[]
  readonly peersAsked: number
  readonly peersAnswered: number
  /** Peer ids of those that answered in time. */
  readonly answeredBy: readonly string[]
  readonly ms: number
  /** How long ago it was found; 0 when it was found just now. */
  readonly ageMs: number
}

const DEFAULT_LIMIT = 20
/** About what one result takes in memory beside the record that came with it. */
const RANKED_BYTES = 256
const NOBODY: FederatedAnswer = { candidates: [], asked: [], answered: [] }

interface Components {
  index: TextIndex
  records: Records
  shares: Shares
  access: Access
  blobs: Blobs
  pins: Pins
  exchange: RecordExchange
  federation: Federation
  rpc: Rpc
  clock: Clock
  underWay: UnderWay
  popularity: Pick<Popularity, 'of'>
  packageType: (type: string) => PackageType | undefined
}

/** A release found, and the peers that offered it. */
interface Found {
  readonly release: Release
  readonly peers: Set<string>
}

/** One of them, and where it ranks. */
interface Ranked {
  readonly id: Uint8Array
  /** Its package, as `packageKey` has it. */
  readonly name: string
  /** The release itself where no record here is it. */
  readonly release?: Release | undefined
  readonly peers: readonly string[]
  readonly score: number
  /** Publishers found of the name. */
  readonly claimants: number
}

/** What is kept of an answer. */
interface Kept extends Answer {
  readonly ranked: readonly Ranked[]
  readonly asked: readonly string[]
  readonly answered: readonly string[]
}

export class Search {
  readonly #components: Components
  /** What was found for queries, of this node's user and of peers. */
  readonly cache: QueryCache<Kept>

  constructor(components: Components) {
    this.#components = components
    const { index, clock, underWay } = components
    this.cache = new QueryCache({ index, clock, background: (work) => underWay.run(work) })
  }

  /** Answer peers from now on, each with what it may see. */
  async start(): Promise<void> {
    const find = (query: string, limit: number, peer: string) => this.#forPeer(query, limit, peer)
    const bundle = (release: Release, peer: string) => this.#components.exchange.bundle(release, peer, 1)
    await this.#components.rpc.serve(SEARCH, async function* ({ query, limit }, { peer }) {
      for (const release of await find(query, limit, peer)) {
        yield { records: bundle(release, peer).map(({ envelope }) => envelope) }
      }
    })
  }

  /** @throws CatalogError `SEARCH_QUERY`, `ABORTED` */
  async search(query: string, options: SearchOptions = {}): Promise<SearchAnswer> {
    const { clock, federation } = this.#components
    const limit = options.limit ?? DEFAULT_LIMIT
    checkQuery(query, limit)
    const startedAt = clock.now()
    const question = questionOf(query, limit, options)
    const { answer: found, at } = await this.cache.answer(
      question,
      (signal) => this.#ask(query, limit, options, signal),
      {
        holds: ({ ranked, asked }) => options.local === true || (ranked.length > 0 && !federation.hasOthers(asked)),
        signal: options.signal,
      },
    )
    const results = this.#told(found.ranked, options.publicOnly === true)
    const answer = {
      results,
      peersAsked: found.asked.length,
      peersAnswered: found.answered.length,
      answeredBy: found.answered,
      ms: clock.now() - startedAt,
      ageMs: Math.max(0, startedAt - at),
    }
    const { peersAsked, peersAnswered, ms, ageMs } = answer
    emit('catalog:search', { ms, results: results.length, peersAsked, peersAnswered, ageMs })
    return answer
  }

  async #ask(query: string, limit: number, { publicOnly, local }: SearchOptions, signal?: AbortSignal): Promise<Kept> {
    const [here, remote] = await Promise.all([
      this.#local(query, limit, publicOnly === true),
      local ? NOBODY : this.#components.federation.ask(query, limit, signal),
    ])
    const ranked = await this.#rank(query, this.#merge(here, remote), limit)
    return kept(ranked, remote)
  }

  #local(query: string, limit: number, publicOnly: boolean): Promise<Release[]> {
    const { shares } = this.#components
    if (publicOnly) return this.#find(query, limit, ['public'], (release) => shares.isKnown(release))
    return this.#find(query, limit, ['public', 'private'], () => true)
  }

  /** Each audience is a search of its own: what a peer may not see must not take the place of what it may. */
  async #forPeer(query: string, limit: number, peer: string): Promise<Release[]> {
    const { access } = this.#components
    const others = [...new Set(access.shelvesOf(peer).map(({ audience }) => audience))].slice(0, SEARCH_AUDIENCES_MAX)
    const audiences: Audience[] = ['public', ...others]
    const { answer } = await this.cache.answer({ query, audiences, scope: `peer ${limit}` }, async () => {
      const found = await this.#find(query, limit, audiences, () => true)
      return kept(
        found.map((release) => this.#ranked({ release, peers: new Set() }, 0, 1)),
        NOBODY,
      )
    })
    const releases = answer.ranked.flatMap((entry) => this.#releaseOf(entry) ?? [])
    return releases.filter((release) => access.maySee(peer, release)).slice(0, limit)
  }

  /** The best of each audience in turn. */
  async #find(
    query: string,
    limit: number,
    audiences: readonly Audience[],
    shows: (release: Release) => boolean,
  ): Promise<Release[]> {
    const { index, records } = this.#components
    const wanted = candidatesFor(limit)
    const lists = await Promise.all(audiences.map((audience) => index.search(query, audience, wanted)))
    const ids = new Map<string, Uint8Array>()
    for (let rank = 0; rank < wanted; rank++) {
      for (const id of lists.flatMap((list) => list[rank] ?? [])) ids.set(toHex(id), id)
    }
    return [...ids.values()].flatMap((id) => {
      const record = records.get(id)
      if (!record) return [] // the index is a little behind the records
      const release = readRelease(record)
      return shows(release) ? [release] : []
    })
  }

  /** One entry a package and publisher: its newest release among those found. */
  #merge(local: readonly Release[], remote: FederatedAnswer): Found[] {
    const byPackage = new Map<string, Map<string, Found>>()
    const add = (release: Release, peer?: string) => {
      const { type, name } = release.body
      if (!this.#components.packageType(type)) return // of a later version's type: nothing here could install it
      const key = packageKey({ type, name }, release.record.signer)
      const releases = byPackage.get(key) ?? new Map<string, Found>()
      const id = toHex(release.record.id)
      const found = releases.get(id) ?? { release, peers: new Set<string>() }
      if (peer !== undefined) found.peers.add(peer)
      byPackage.set(key, releases.set(id, found))
    }
    for (const release of local) add(release)
    for (const { release, peer } of remote.candidates) add(release, peer)
    return [...byPackage.values()].flatMap((releases) => {
      const all = [...releases.values()]
      const type = this.#components.packageType(all[0]?.release.body.type ?? '')
      const best =
        type &&
        newest(
          all.map(({ release }) => release),
          type,
        )
      return all.filter(({ release }) => release === best)
    })
  }

  async #rank(query: string, found: readonly Found[], limit: number): Promise<Ranked[]> {
    const claims = new Map<string, number>()
    const nameOf = ({ release: { body } }: Found) => `${body.type}\n${body.name}`
    for (const entry of found) claims.set(nameOf(entry), (claims.get(nameOf(entry)) ?? 0) + 1)
    const { popularity } = this.#components
    const textOf = ({ release }: Found) => textOfRelease(release, popularity.of(release.body))
    const best = await ranked(this.#components, query, found, textOf, ({ release }) => release.purl)
    // Peers may offer what has nothing to do with the query, or what its filters exclude.
    const matching = best.filter(({ score }) => score > 0).slice(0, limit)
    return matching.map(({ candidate, score }) => this.#ranked(candidate, score, claims.get(nameOf(candidate)) ?? 1))
  }

  #ranked({ release, peers }: Found, score: number, claimants: number): Ranked {
    const { body, record } = release
    const isHere = this.#components.records.get(record.id) !== undefined
    return {
      ...{ id: record.id, name: packageKey(body, record.signer), peers: [...peers], score, claimants },
      ...(!isHere && { release }),
    }
  }

  /** Nothing for one whose record has gone meanwhile. */
  #releaseOf({ id, release }: Ranked): Release | undefined {
    const record = this.#components.records.get(id)
    return record ? readRelease(record) : release
  }

  /** What is to be told of them now. */
  #told(found: readonly Ranked[], publicOnly: boolean): SearchResult[] {
    const { blobs, pins, shares } = this.#components
    return found.flatMap((entry) => {
      const release = this.#releaseOf(entry)
      if (!release || (publicOnly && !entry.release && !shares.isKnown(release))) return []
      const { record, purl, body } = release
      const here = body.artifacts.every(({ root }) => blobs.isUnder(root, record.id))
      const trust = trustState(record.signer, pins.get(body), entry.claimants)
      return {
        purl,
        name: body.name,
        version: body.version,
        description: body.description,
        publisher: record.signer,
        score: entry.score,
        verified: trust === 'pinned' || trust === 'unpinned',
        trust,
        providers: entry.peers.length + (here ? 1 : 0),
      }
    })
  }
}

function questionOf(query: string, limit: number, { publicOnly, local }: SearchOptions): Question {
  const audiences: Audience[] = publicOnly ? ['public'] : ['public', 'private']
  return { query, audiences, scope: `${local === true ? 'local' : 'all'} ${limit}` }
}

function kept(ranked: readonly Ranked[], { asked, answered }: FederatedAnswer): Kept {
  const packages = ranked.map(({ name }) => name)
  const bytes = ranked.reduce((sum, { release }) => sum + RANKED_BYTES + (release?.record.envelope.length ?? 0), 0)
  return { ranked, asked, answered, packages, bytes }
}

function checkQuery(query: string, limit: number): void {
  if (query.trim() === '' || query.length > SEARCH_QUERY_LENGTH_MAX) {
    throw new CatalogError('SEARCH_QUERY', `A query is 1 to ${SEARCH_QUERY_LENGTH_MAX} characters.`)
  }
  if (!Number.isInteger(limit) || limit < 1 || limit > SEARCH_RESULTS_MAX) {
    throw new CatalogError('SEARCH_QUERY', `The limit is a whole number from 1 to ${SEARCH_RESULTS_MAX}.`)
  }
}
