// Search: the local index and the peers at once, every candidate scored here by one function.
import { toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import {
  SEARCH_AUDIENCES_MAX,
  SEARCH_PUBLISHER_RESULTS_MAX,
  SEARCH_QUERY_LENGTH_MAX,
  SEARCH_RESULTS_MAX,
  SEARCHERS_TRACKED_MAX,
  SEARCHES_BURST,
  SEARCHES_PER_SECOND,
} from '../base/limits.ts'
import { MINUTE_MS, SECOND_MS } from '../base/units.ts'
import type { Audience } from '../model/audience.ts'
import type { Release } from '../model/release.ts'
import { readRelease } from '../model/release.ts'
import { RateLimiter } from '../network/gate.ts'
import type { Rpc } from '../network/rpc.ts'
import type { PackageType } from '../package-types/package-type.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Pins } from '../store/pins.ts'
import type { Records } from '../store/records.ts'
import type { Access } from '../trust/access.ts'
import type { RecordExchange } from '../trust/exchange.ts'
import type { Shares } from '../trust/shares.ts'
import { type TrustState, trustState } from '../trust/view.ts'
import { SEARCH, type SearchReply } from '../wire/messages.ts'
import type { Candidate, FederatedAnswer, Federation, IndexFreshness, Inquiry } from './federation.ts'
import { newest, textOfRelease } from './indexer.ts'
import type { TextIndex } from './native-index.ts'
import { candidatesFor, ranked } from './score.ts'
import type { Standing } from './standing.ts'

export interface SearchOptions {
  /** 1–100; 20 by default. */
  readonly limit?: number | undefined
  /** Ask nobody else. */
  readonly local?: boolean | undefined
  /** Leave out what only this node may see. */
  readonly publicOnly?: boolean | undefined
  /** List what only peers offer, of publishers nobody knew before, even when there is better known. */
  readonly newcomers?: boolean | undefined
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
  /** Whether its publisher was first heard of within a day, and by few: ranked behind all others. */
  readonly newcomer: boolean
}

export interface SearchAnswer {
  readonly results: readonly SearchResult[]
  /** Left out: what only peers offer, of publishers nobody knew before, as there is better known. */
  readonly withheld: number
  readonly peersAsked: number
  readonly peersAnswered: number
  /** What came of asking each peer. */
  readonly peers: readonly Inquiry[]
  readonly ms: number
}

const DEFAULT_LIMIT = 20
const NOBODY: FederatedAnswer = { candidates: [], inquiries: [] }

interface Components {
  index: TextIndex
  records: Records
  shares: Shares
  access: Access
  blobs: Blobs
  pins: Pins
  exchange: RecordExchange
  federation: Federation
  standing: Standing
  /** How far the index is behind the records. */
  freshness: () => IndexFreshness
  rpc: Rpc
  clock: Clock
  packageType: (type: string) => PackageType | undefined
}

/** A release found, and the peers that offered it. */
interface Found {
  readonly release: Release
  /** Whether this node found it in its own index. */
  isHere: boolean
  readonly peers: Set<string>
}

export class Search {
  readonly #components: Components
  readonly #limiter: RateLimiter

  constructor(components: Components) {
    this.#components = components
    this.#limiter = new RateLimiter(components.clock, {
      perMinute: (SEARCHES_PER_SECOND * MINUTE_MS) / SECOND_MS,
      burst: SEARCHES_BURST,
      tracked: SEARCHERS_TRACKED_MAX,
    })
  }

  /** Answer peers from now on, each with what it may see. */
  async start(): Promise<void> {
    const answer = (query: string, limit: number, peer: string) => this.#answer(query, limit, peer)
    await this.#components.rpc.serve(SEARCH, ({ query, limit }, { peer }) => answer(query, limit, peer))
  }

  async *#answer(query: string, limit: number, peer: string): AsyncGenerator<SearchReply> {
    if (!this.#limiter.take(peer)) {
      throw new CatalogError('PEER_BUSY', `More than ${SEARCHES_PER_SECOND} queries a second are not answered.`)
    }
    const { exchange, freshness } = this.#components
    yield { index: freshness() }
    for (const release of await this.#forPeer(query, limit, peer)) {
      yield { records: exchange.bundle(release, peer, 1).map(({ envelope }) => envelope) }
    }
  }

  /** @throws CatalogError `SEARCH_QUERY`, `ABORTED` */
  async search(query: string, options: SearchOptions = {}): Promise<SearchAnswer> {
    const { clock, federation } = this.#components
    const limit = options.limit ?? DEFAULT_LIMIT
    checkQuery(query, limit)
    const startedAt = clock.now()
    const [local, remote] = await Promise.all([
      this.#local(query, limit, options.publicOnly === true),
      options.local ? NOBODY : federation.ask(query, limit, () => undefined, options.signal),
    ])
    const found = this.#merge(local, remote)
    const { shown, withheld } = await this.#rank(query, found, limit, options.newcomers === true)
    void this.#learn(remote.candidates, shown)
    const answer = {
      results: shown.map(({ result }) => result),
      withheld,
      peersAsked: remote.inquiries.length,
      peersAnswered: remote.inquiries.filter(({ state }) => state === 'answered').length,
      peers: remote.inquiries,
      ms: clock.now() - startedAt,
    }
    const { results, peersAsked, peersAnswered, ms } = answer
    emit('catalog:search', { ms, results: results.length, peersAsked, peersAnswered })
    return answer
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
    const found = await this.#find(query, limit, ['public', ...others], (release) => access.maySee(peer, release))
    return found.slice(0, limit)
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
      const key = `${type}\n${name}\n${release.record.signer}`
      const releases = byPackage.get(key) ?? new Map<string, Found>()
      const id = toHex(release.record.id)
      const found = releases.get(id) ?? { release, isHere: false, peers: new Set<string>() }
      if (peer === undefined) found.isHere = true
      else found.peers.add(peer)
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

  /** Best first: publishers that are known, then those that are not. */
  async #rank(
    query: string,
    found: readonly Found[],
    limit: number,
    newcomers: boolean,
  ): Promise<{ shown: Shown[]; withheld: number }> {
    const { standing } = this.#components
    const textOf = ({ release }: Found) => textOfRelease(release)
    const best = await ranked(this.#components, query, found, textOf, ({ release }) => release.purl)
    // Peers may offer what has nothing to do with the query, or what its filters exclude.
    const matching = best.filter(({ score }) => score > 0)
    const known = matching.filter(({ candidate }) => standing.isKnown(candidate.release))
    const fresh = capped(matching.filter((entry) => !known.includes(entry)))
    const here = fresh.filter(({ candidate }) => candidate.isHere)
    const offered = fresh.filter(({ candidate }) => !candidate.isHere)
    const withheld = known.length > 0 && !newcomers ? offered.length : 0
    const listed = [...known, ...here, ...(withheld > 0 ? [] : offered)].slice(0, limit)
    const claims = claimsOf(found)
    const shown = listed.map(({ candidate, score }) => ({
      found: candidate,
      result: this.#describe(candidate, score, claims.get(nameOf(candidate)) ?? 1),
    }))
    return { shown, withheld }
  }

  #describe(entry: Found, score: number, claimants: number): SearchResult {
    const { blobs, pins, standing } = this.#components
    const { record, purl, body } = entry.release
    const here = body.artifacts.every(({ root }) => blobs.isUnder(root, record.id))
    const trust = trustState(record.signer, pins.get(body), claimants)
    return {
      purl,
      name: body.name,
      version: body.version,
      description: body.description,
      publisher: record.signer,
      score,
      verified: trust === 'pinned' || trust === 'unpinned',
      trust,
      providers: entry.peers.size + (here ? 1 : 0),
      newcomer: !standing.isKnown(entry.release),
    }
  }

  async #learn(candidates: readonly Candidate[], shown: readonly Shown[]): Promise<void> {
    const ids = new Set(shown.map(({ found }) => toHex(found.release.record.id)))
    try {
      await this.#components.standing.learn(candidates, ({ release }) => ids.has(toHex(release.record.id)))
    } catch (thrown) {
      const { code, message } = CatalogError.from(thrown)
      // That the disk is full, or the store closed, is told to those who want to write more than this.
      if (code !== 'CLOSED' && code !== 'DISK_FULL') emit('catalog:failure', { task: 'note publishers', code, message })
    }
  }
}

/** What is listed, and of what. */
interface Shown {
  readonly found: Found
  readonly result: SearchResult
}

function nameOf({ release: { body } }: Found): string {
  return `${body.type}\n${body.name}`
}

/** How many publishers offer each name. */
function claimsOf(found: readonly Found[]): Map<string, number> {
  const claims = new Map<string, number>()
  for (const entry of found) claims.set(nameOf(entry), (claims.get(nameOf(entry)) ?? 0) + 1)
  return claims
}

/** The first few of each publisher. */
function capped<T extends { candidate: Found }>(entries: readonly T[]): T[] {
  const placed = new Map<string, number>()
  return entries.filter(({ candidate: { release } }) => {
    const count = (placed.get(release.record.signer) ?? 0) + 1
    placed.set(release.record.signer, count)
    return count <= SEARCH_PUBLISHER_RESULTS_MAX
  })
}

function checkQuery(query: string, limit: number): void {
  if (query.trim() === '' || query.length > SEARCH_QUERY_LENGTH_MAX) {
    throw new CatalogError('SEARCH_QUERY', `A query is 1 to ${SEARCH_QUERY_LENGTH_MAX} characters.`)
  }
  if (!Number.isInteger(limit) || limit < 1 || limit > SEARCH_RESULTS_MAX) {
    throw new CatalogError('SEARCH_QUERY', `The limit is a whole number from 1 to ${SEARCH_RESULTS_MAX}.`)
  }
}
