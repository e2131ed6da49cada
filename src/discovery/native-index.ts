// The Tantivy index behind an interface: the only file here that loads the native addon.

import type { Effects } from '../base/effects.ts'
import { CatalogError } from '../base/errors.ts'
import type { Audience } from '../model/audience.ts'
import { HeldIndex } from './held-index.ts'

/** What of a package is searched, filtered and ranked by, whoever offers it. */
export interface Scored {
  readonly name: string
  readonly description: string
  readonly keywords: string[]
  /** What filters compare, `field:value` each. */
  readonly labels: string[]
  /** How often it is fetched; 0 when unknown. */
  readonly popularity: number
  /** When, in milliseconds since the epoch; 0 when unknown. */
  readonly published: number
}

/** One package of one publisher, as one audience may see it. */
export interface IndexDocument {
  /** Replaces the document of the same key. */
  readonly key: string
  /** Record id of the release the text is from, 32 bytes. */
  readonly payload: Uint8Array
  readonly audience: Audience
  readonly scored: Scored
}

/** A query as the index reads it. */
export interface QueryTerms {
  /** The same for queries that find the same. */
  readonly normal: string
  /** Terms, one of which a document has that the query finds as it is written. */
  readonly terms: readonly string[]
  /** What a name, or a word of one, may begin with instead. */
  readonly beginnings: readonly string[]
  /** Labels that a document must have, all of them. */
  readonly filters: readonly string[]
}

/** A document as the index reads it. */
export interface DocumentTerms {
  readonly terms: readonly string[]
  /** Its name run together, with and without its scope, and the words of it. */
  readonly names: readonly string[]
  readonly labels: readonly string[]
}

/** Whose name begins as was asked. */
export interface Completed {
  /** Record id of the release. */
  readonly id: Uint8Array
  /** Only its order means something. */
  readonly popularity: number
}

/** From and to, in UTF-16 units. */
export type Place = readonly [start: number, end: number]

export type Match =
  | 'exact-name'
  | 'name-begins'
  | 'all-words'
  | 'near-name'
  | 'near-words'
  | 'any-word'
  | 'filters'
  | 'nothing'

/** Why a candidate is worth what it is. */
export interface Explanation {
  readonly found: Match
  /** Words of the query that it has, and those that it has a letter off. */
  readonly words: readonly string[]
  readonly near: readonly string[]
  /** What the match is worth, and what being fetched often adds to that: their sum is the score. */
  readonly matched: number
  readonly popularity: number
  readonly score: number
  /** Where the query is in its texts, in order and apart. */
  readonly name: readonly Place[]
  readonly description: readonly Place[]
}

export interface TextIndex {
  /** One commit, tagged with the sequence number of the last change it covers. */
  apply(upserts: IndexDocument[], deletes: string[], sequence: number): Promise<void>
  /** @returns record ids of matching releases, best first by the index's own order */
  search(query: string, audience: Audience | undefined, limit: number): Promise<Uint8Array[]>
  /**
   * What each candidate is worth for a query, whether the index or a peer proposed it: the one scoring function.
   *
   * @returns in their order; 0 for what has nothing of the query; only the order of scores means something
   */
  score(query: string, candidates: Scored[]): Promise<number[]>
  /** The same, taken apart. */
  explain(query: string, candidates: Scored[]): Promise<Explanation[]>
  /**
   * For each the most popular document with a name a typing error away at most, if it is a thousand times as popular.
   *
   * @returns record ids, in their order; nothing where there is none
   */
  outshone(candidates: Scored[], audience: Audience | undefined): Promise<(Uint8Array | undefined)[]>
  /** @returns a query that finds something where this one does not, made of words that the audience may see */
  suggest(query: string, audience: Audience | undefined): Promise<string | undefined>
  /**
   * Names that begin so, letter for letter but for case: the most popular first, then the shortest.
   *
   * @param filters - words of a query that are all filters
   * @param limit - at most 100
   */
  complete(beginning: string, filters: string, audience: Audience | undefined, limit: number): Promise<Completed[]>
  /** The most popular documents that have a label, `field:value`. @returns record ids, at most 100 */
  labelled(label: string, audience: Audience | undefined, limit: number): Promise<Uint8Array[]>
  /** @throws CatalogError `SEARCH_QUERY` */
  queryTerms(query: string): QueryTerms
  /** @returns in their order */
  documentTerms(documents: Scored[]): Promise<DocumentTerms[]>
  /** Make searches quick again after many changes. */
  compact(): Promise<void>
  /** The index was damaged, and has nothing any more: `committedSequence` tells from where on to replay. */
  onEmptied(listener: () => void): void
  committedSequence(): number
  count(): number
  close(): Promise<void>
}

/** @throws CatalogError `SEARCH_LOCKED`, `SEARCH_INDEX` also when this platform has no native addon */
export async function openNativeIndex({ effects }: { effects: Effects }, folder: string): Promise<TextIndex> {
  const { SearchIndex } = await effects
    .run(() => import('../../artifacts/native/index.js'))
    .catch((cause) => {
      throw new CatalogError('SEARCH_INDEX', 'Search needs the native module, which cannot be loaded here.', {
        hint: 'Build it with: npm run setup',
        cause,
      })
    })
  const held = await HeldIndex.open({ effects }, () => SearchIndex.open(folder))
  return {
    apply: (upserts, deletes, sequence) => held.run((index) => index.apply(upserts, deletes, sequence)),
    search: async (query, audience, limit) => idsOf(await held.run((index) => index.search(query, audience, limit))),
    score: async (query, candidates) => unpackScores(await held.run((index) => index.score(query, candidates))),
    explain: (query, candidates) => held.run((index) => index.explain(query, candidates)) as Promise<Explanation[]>,
    suggest: async (query, audience) => (await held.run((index) => index.suggest(query, audience))) ?? undefined,
    async complete(beginning, filters, audience, limit) {
      const hits = unpack(await held.run((index) => index.complete(beginning, filters, audience, limit)))
      return hits.map(({ id, score: popularity }) => ({ id, popularity }))
    },
    labelled: async (label, audience, limit) =>
      idsOf(await held.run((index) => index.labelled(label, audience, limit))),
    outshone: async (candidates, audience) => {
      const ids = idsOf(await held.run((index) => index.outshone(candidates, audience)))
      return ids.map((id) => (id.length > 0 ? id : undefined))
    },
    queryTerms(query) {
      try {
        return held.index.queryTerms(query)
      } catch (thrown) {
        throw CatalogError.from(thrown, 'SEARCH_INDEX')
      }
    },
    documentTerms: (documents) => held.run((index) => index.documentTerms(documents)),
    compact: () => held.run((index) => index.compact()),
    onEmptied: (listener) => held.onEmptied(listener),
    committedSequence: () => held.index.committedSequence(),
    count: () => held.index.count(),
    close: () => held.close(),
  }
}

/** The score by which the index orders its hits stays behind: it says little beside peers'. */
function idsOf(packed: Buffer): Uint8Array[] {
  return unpack(packed).map(({ id }) => id)
}

/** u32le count, then per hit: u8 length ‖ payload ‖ f32le score. */
function unpack(packed: Buffer): { id: Uint8Array; score: number }[] {
  const hits: { id: Uint8Array; score: number }[] = []
  const count = packed.readUInt32LE(0)
  let at = 4
  for (let hit = 0; hit < count; hit++) {
    const end = at + 1 + packed.readUInt8(at)
    hits.push({ id: new Uint8Array(packed.subarray(at + 1, end)), score: packed.readFloatLE(end) })
    at = end + 4
  }
  return hits
}

function unpackScores(packed: Buffer): number[] {
  return Array.from({ length: packed.length / 4 }, (_, i) => packed.readFloatLE(i * 4))
}
