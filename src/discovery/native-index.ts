// The Tantivy index behind an interface: the only file here that loads the native addon.

import type { Effects } from '../base/effects.ts'
import { CatalogError } from '../base/errors.ts'
import type { Audience } from '../model/audience.ts'

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
  /**
   * For each the most popular document with a name a typing error away at most, if it is a thousand times as popular.
   *
   * @returns record ids, in their order; nothing where there is none
   */
  outshone(candidates: Scored[], audience: Audience | undefined): Promise<(Uint8Array | undefined)[]>
  /** The most popular documents that have a label, `field:value`. @returns record ids, at most 100 */
  labelled(label: string, audience: Audience | undefined, limit: number): Promise<Uint8Array[]>
  /** @throws CatalogError `SEARCH_QUERY` */
  queryTerms(query: string): QueryTerms
  /** @returns in their order */
  documentTerms(documents: Scored[]): Promise<DocumentTerms[]>
  /** Make searches quick again after many changes. */
  compact(): Promise<void>
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
  const coded = <T>(work: () => Promise<T>): Promise<T> =>
    effects.run(work).catch((thrown) => {
      throw CatalogError.from(thrown, 'SEARCH_INDEX')
    })
  const index = await coded(() => SearchIndex.open(folder))
  return {
    apply: (upserts, deletes, sequence) => coded(() => index.apply(upserts, deletes, sequence)),
    search: async (query, audience, limit) => unpack(await coded(() => index.search(query, audience, limit))),
    score: async (query, candidates) => unpackScores(await coded(() => index.score(query, candidates))),
    outshone: async (candidates, audience) => {
      const ids = unpack(await coded(() => index.outshone(candidates, audience)))
      return ids.map((id) => (id.length > 0 ? id : undefined))
    },
    labelled: async (label, audience, limit) => unpack(await coded(() => index.labelled(label, audience, limit))),
    queryTerms(query) {
      try {
        return index.queryTerms(query)
      } catch (thrown) {
        throw CatalogError.from(thrown, 'SEARCH_INDEX')
      }
    },
    documentTerms: (documents) => coded(() => index.documentTerms(documents)),
    compact: () => coded(() => index.compact()),
    committedSequence: () => index.committedSequence(),
    count: () => index.count(),
    close: () => coded(() => index.close()),
  }
}

/**
 * u32le count, then per hit: u8 length ‖ payload ‖ f32le score. That score stays behind: it says little beside peers'.
 */
function unpack(packed: Buffer): Uint8Array[] {
  const ids: Uint8Array[] = []
  const count = packed.readUInt32LE(0)
  let at = 4
  for (let hit = 0; hit < count; hit++) {
    const length = packed.readUInt8(at)
    ids.push(new Uint8Array(packed.subarray(at + 1, at + 1 + length)))
    at += 1 + length + 4
  }
  return ids
}

function unpackScores(packed: Buffer): number[] {
  return Array.from({ length: packed.length / 4 }, (_, i) => packed.readFloatLE(i * 4))
}
