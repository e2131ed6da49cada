// Search: the local index and the peers at once, every candidate scored here by one function. What was found is kept
// for a while (cache.ts): whether it may still be shown, whom it is from and who has it is looked up for each answer.
import { toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { tellFailure } from '../base/failure.ts'
import {
  SEARCH_AUDIENCES_MAX,
  SEARCH_FRAME_BYTES,
  SEARCH_QUERY_LENGTH_MAX,
  SEARCH_RESULTS_MAX,
  SEARCHERS_TRACKED_MAX,
  SEARCHES_BURST,
  SEARCHES_PER_SECOND,
} from '../base/limits.ts'
import type { UnderWay } from '../base/under-way.ts'
import { MINUTE_MS, SECOND_MS } from '../base/units.ts'
import type { Audience } from '../model/audience.ts'
import { NPM_ORIGIN } from '../model/origin.ts'
import { packageKey } from '../model/purl.ts'
import { contentOf, type Release } from '../model/release.ts'
import { RateLimiter } from '../network/gate.ts'
import type { Rpc } from '../network/rpc.ts'
import type { PackageType } from '../package-types/package-type.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Pins } from '../store/pins.ts'
import type { Records } from '../store/records.ts'
import type { Access } from '../trust/access.ts'
import type { RecordExchange } from '../trust/exchange.ts'
import type { Notices } from '../trust/notices.ts'
import type { Shares } from '../trust/shares.ts'
import { type TrustState, trustState } from '../trust/view.ts'
import { SEARCH, type SearchReply } from '../wire/messages.ts'
import { type Answer, QueryCache, type Question } from './cache.ts'
import { type Found, merged, type Ranked, type RankOptions, rankedFound } from './candidates.ts'
import type { Candidate, FederatedAnswer, Federation, IndexFreshness, Inquiry } from './federation.ts'
import { type Completion, completions, type Highlights, highlighted, suggestion, type Why, whyOf } from './hints.ts'
import type { TextIndex } from './native-index.ts'
import type { Popularity } from './popularity.ts'
import { candidatesFor } from './score.ts'
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
  /** Say where in its texts each result has the query. */
  readonly highlight?: boolean | undefined
  /** Find anew, and say why each result ranks where it does. */
  readonly explain?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

export type CompletionOptions = Pick<SearchOptions, 'limit' | 'publicOnly'>

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
  /** Whether all its bytes are on this node. */
  readonly local: boolean
  /** Nodes known to offer it, this one included. */
  readonly providers: number
  /** A name a typing error away that is a thousand times as popular. */
  readonly lookalikeOf?: string
  /** Whether its publisher was first heard of within a day, and by few: ranked behind all others. */
  readonly newcomer: boolean
  readonly highlights?: Highlights
  readonly why?: Why
}

export interface SearchAnswer {
  readonly results: readonly SearchResult[]
  /** What was probably meant, when there are no results. */
  readonly suggestion?: string
  /** Left out: what only peers offer, of publishers nobody knew before, as there is better known. */
  readonly withheld: number
  readonly peersAsked: number
  readonly peersAnswered: number
  /** What came of asking each peer. */
  readonly peers: readonly Inquiry[]
  readonly ms: number
  /** How long ago it was found; 0 when it was found just now. */
  readonly ageMs: number
}

const DEFAULT_LIMIT = 20
/** About what one result takes in memory beside the record that came with it. */
const RANKED_BYTES = 256
const NOBODY: FederatedAnswer = { candidates: [], inquiries: [] }

interface Components {
  index: TextIndex
  records: Records
  shares: Shares
  notices: Notices
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
  underWay: UnderWay
  popularity: Pick<Popularity, 'of'>
  packageType: (type: string) => PackageType | undefined
}

/** A result as it is kept: the release itself only where no record here is it. */
interface KeptResult extends Omit<Ranked, 'release'> {
  readonly id: Uint8Array
  readonly release?: Release
}

/** What is kept of an answer. */
interface Kept extends Answer {
  readonly results: readonly KeptResult[]
  readonly withheld: number
  readonly inquiries: readonly Inquiry[]
}

export class Search {
  /** What was found for queries, of this node's user and of peers. */
  readonly cache: QueryCache<Kept>
  readonly #components: Components
  readonly #limiter: RateLimiter

  constructor(components: Components) {
    this.#components = components
    const { index, clock, underWay } = components
    this.cache = new QueryCache({ index, clock, background: (work) => underWay.run(work) })
    this.#limiter = new RateLimiter(clock, {
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

  /** @throws CatalogError `SEARCH_QUERY`, `ABORTED` */
  async search(query: string, options: SearchOptions = {}): Promise<SearchAnswer> {
    const { clock, federation } = this.#components
    const limit = options.limit ?? DEFAULT_LIMIT
    checkQuery(query, limit)
    const startedAt = clock.now()
    const holds = ({ results, inquiries }: Kept) =>
      options.local === true || (results.length > 0 && !federation.hasOthers(inquiries.map(({ peer }) => peer)))
    const question = questionOf(query, limit, options)
    const ask = (signal?: AbortSignal) => this.#ask(question, options, limit, signal)
    const { answer: found, at } = options.explain
      ? { answer: await ask(options.signal), at: startedAt }
      : await this.cache.answer(question, ask, { holds, signal: options.signal })
    const told = this.#told(found.results, options.publicOnly === true)
    const answer = {
      results: options.highlight ? await highlighted(this.#components, query, told) : told.map(([result]) => result),
      ...(told.length === 0 && (await suggestion(this.#components, query, question.audiences))),
      withheld: found.withheld,
      peersAsked: found.inquiries.length,
      peersAnswered: found.inquiries.filter(({ state }) => state === 'answered').length,
      peers: found.inquiries,
      ms: clock.now() - startedAt,
      ageMs: Math.max(0, startedAt - at),
    }
    const { results, peersAsked, peersAnswered, ms, ageMs } = answer
    emit('catalog:search', { ms, results: results.length, peersAsked, peersAnswered, ageMs })
    return answer
  }

  /**
   * Names of packages known here that begin so, the most popular first, then the shortest.
   *
   * @param prefix - of a name, or of a package URL
   * @throws CatalogError `SEARCH_QUERY`
   */
  async complete(prefix: string, options: CompletionOptions = {}): Promise<readonly Completion[]> {
    const limit = options.limit ?? DEFAULT_LIMIT
    if (prefix !== '') checkQuery(prefix, limit)
    return completions(this.#components, prefix, limit, audiencesFor(options))
  }

  async #ask(question: Question, options: SearchOptions, limit: number, signal?: AbortSignal): Promise<Kept> {
    const { query } = question
    const rank = { limit, newcomers: options.newcomers === true, explain: options.explain === true }
    const onLate = (candidates: readonly Candidate[]) => void this.#takeLate(question, rank, candidates)
    const [here, remote] = await Promise.all([
      this.#local(query, limit, options.publicOnly === true),
      options.local ? NOBODY : this.#components.federation.ask(query, limit, onLate, signal),
    ])
    const found = [...here.map(local), ...remote.candidates.map(offered)]
    const kept = await this.#kept(query, found, rank, remote.inquiries)
    void this.#learn(remote.candidates, kept)
    return kept
  }

  /** What a peer said too late betters the answer that is kept, for the next who asks. */
  async #takeLate(question: Question, rank: RankOptions, candidates: readonly Candidate[]): Promise<void> {
    if (candidates.length === 0) return
    await this.cache.amend(question, async ({ results, inquiries }) => {
      const before = results.flatMap((result) => {
        const release = this.#releaseOf(result)
        return release ? { ...result, release } : []
      })
      const kept = await this.#kept(question.query, [...before, ...candidates.map(offered)], rank, inquiries)
      void this.#learn(candidates, kept)
      return kept
    })
  }

  #local(query: string, limit: number, publicOnly: boolean): Promise<Release[]> {
    const { shares } = this.#components
    if (publicOnly) return this.#find(query, limit, ['public'], (release) => shares.isKnown(release))
    return this.#find(query, limit, ['public', 'private'], () => true)
  }

  async *#answer(query: string, limit: number, peer: string): AsyncGenerator<SearchReply> {
    if (!this.#limiter.take(peer)) {
      throw new CatalogError('PEER_BUSY', `More than ${SEARCHES_PER_SECOND} queries a second are not answered.`)
    }
    const { exchange, freshness } = this.#components
    const releases = await this.#forPeer(query, limit, peer)
    const bundles = releases.map((release) => exchange.proof(release, peer, 1).map(({ envelope }) => envelope))
    // Together, as each frame costs more than what it carries; but no frame is longer than one may be.
    const frames = framed(bundles)
    yield { index: freshness(), candidates: frames[0] ?? [] }
    for (const candidates of frames.slice(1)) yield { candidates }
  }

  /** Each audience is a search of its own: what a peer may not see must not take the place of what it may. */
  async #forPeer(query: string, limit: number, peer: string): Promise<Release[]> {
    const { access } = this.#components
    const others = [...new Set(access.shelvesOf(peer).map(({ audience }) => audience))].slice(0, SEARCH_AUDIENCES_MAX)
    const audiences: Audience[] = ['public', ...others]
    const { answer } = await this.cache.answer({ query, audiences, scope: `peer ${limit}` }, async () => {
      const found = await this.#find(query, limit, audiences, () => true)
      const unranked = found.map((release) => ({ ...local(release), score: 0, claimants: 1 }))
      return this.#toKeep(unranked, 0, [])
    })
    const releases = answer.results.flatMap((result) => this.#releaseOf(result) ?? [])
    // What registries have signed is theirs to be searched.
    const shown = (release: Release) => release.record.signer !== NPM_ORIGIN && access.maySee(peer, release)
    return releases.filter(shown).slice(0, limit)
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
      const release = records.release(id)
      if (!release) return [] // the index is a little behind the records
      return shows(release) ? [release] : []
    })
  }

  async #kept(query: string, found: readonly Found[], rank: RankOptions, inquiries: readonly Inquiry[]): Promise<Kept> {
    const { notices, packageType } = this.#components
    const packages = merged(
      found.filter(({ release }) => !notices.isWithdrawn(release)),
      packageType,
    )
    const { ranked, withheld } = await rankedFound(this.#components, query, packages, rank)
    return this.#toKeep(ranked, withheld, inquiries)
  }

  #toKeep(ranked: readonly Ranked[], withheld: number, inquiries: readonly Inquiry[]): Kept {
    const results = ranked.map(({ release, ...result }): KeptResult => {
      const { id } = release.record
      return { id, ...result, ...(this.#components.records.get(id) === undefined && { release }) }
    })
    const bytes = results.reduce((sum, { release }) => sum + RANKED_BYTES + (release?.record.envelope.length ?? 0), 0)
    const packages = ranked.map(({ release: { body, record } }) => packageKey(body, record.signer))
    return { results, withheld, inquiries, packages, bytes }
  }

  /** Nothing for one whose record has gone meanwhile. */
  #releaseOf({ id, release }: KeptResult): Release | undefined {
    return this.#components.records.release(id) ?? release
  }

  /** What is to be told of them now. */
  #told(kept: readonly KeptResult[], publicOnly: boolean): [SearchResult, Release][] {
    const { blobs, pins, shares, standing } = this.#components
    return kept.flatMap((result) => {
      const release = this.#releaseOf(result)
      if (!release || (publicOnly && !result.release && !shares.isKnown(release))) return []
      const { record, purl, body } = release
      const here = contentOf(release).every(({ root }) => blobs.isUnder(root, record.id))
      const trust = trustState(record.signer, pins.get(body), result.claimants)
      const told: SearchResult = {
        purl,
        name: body.name,
        version: body.version,
        description: body.description,
        publisher: record.signer,
        score: result.score,
        verified: trust === 'pinned' || trust === 'unpinned' || trust === 'origin',
        trust,
        local: here,
        providers: result.peers.length + (here ? 1 : 0),
        ...this.#lookalike(result),
        newcomer: !standing.isKnown(release),
        ...(result.explanation && { why: whyOf(result.explanation) }),
      }
      return [[told, release]]
    })
  }

  #lookalike({ lookalikeOf }: KeptResult): { lookalikeOf?: string } {
    const release = lookalikeOf && this.#components.records.release(lookalikeOf)
    return release ? { lookalikeOf: release.body.name } : {}
  }

  async #learn(candidates: readonly Candidate[], { results }: Kept): Promise<void> {
    const shown = new Set(results.map(({ id }) => toHex(id)))
    try {
      await this.#components.standing.learn(candidates, ({ release }) => shown.has(toHex(release.record.id)))
    } catch (thrown) {
      // That the disk is full, or the store closed, is told to those who want to write more than this.
      tellFailure('note publishers', thrown, 'CLOSED', 'DISK_FULL')
    }
  }
}

/** In their order, as many in a frame as its bound allows. */
function framed(bundles: readonly Uint8Array[][]): Uint8Array[][][] {
  const frames: Uint8Array[][][] = []
  let bytes = SEARCH_FRAME_BYTES
  for (const bundle of bundles) {
    const size = bundle.reduce((sum, { length }) => sum + length, 0)
    if (bytes + size > SEARCH_FRAME_BYTES) {
      frames.push([])
      bytes = 0
    }
    frames.at(-1)?.push(bundle)
    bytes += size
  }
  return frames
}

function local(release: Release): Found {
  return { release, isHere: true, peers: [] }
}

function offered({ release, peer }: Candidate): Found {
  return { release, isHere: false, peers: [peer] }
}

/** Whose documents this node's user, or everybody, may see. */
function audiencesFor({ publicOnly }: CompletionOptions): Audience[] {
  return publicOnly ? ['public'] : ['public', 'private']
}

function questionOf(query: string, limit: number, options: SearchOptions): Question {
  const { local, newcomers } = options
  const audiences = audiencesFor(options)
  return { query, audiences, scope: [local ? 'local' : 'all', ...(newcomers ? ['newcomers'] : []), limit].join(' ') }
}

function checkQuery(query: string, limit: number): void {
  if (query.trim() === '' || query.length > SEARCH_QUERY_LENGTH_MAX) {
    throw new CatalogError('SEARCH_QUERY', `A query is 1 to ${SEARCH_QUERY_LENGTH_MAX} characters.`)
  }
  if (!Number.isInteger(limit) || limit < 1 || limit > SEARCH_RESULTS_MAX) {
    throw new CatalogError('SEARCH_QUERY', `The limit is a whole number from 1 to ${SEARCH_RESULTS_MAX}.`)
  }
}
