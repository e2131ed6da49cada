// What helps who searches beside the results: where the query is in them and why they rank, what was probably meant
// when there are none, and how names go on. All of it from the index, and only of what the asker may see.
import { SEARCH_RESULTS_MAX } from '../base/limits.ts'
import type { Audience } from '../model/audience.ts'
import { formatPurl } from '../model/purl.ts'
import type { Release } from '../model/release.ts'
import type { Records } from '../store/records.ts'
import type { Shares } from '../trust/shares.ts'
import { textOfRelease } from './indexer.ts'
import type { Explanation, Place, TextIndex } from './native-index.ts'

/** Where in its texts a result has the query. */
export interface Highlights {
  readonly name: readonly Place[]
  readonly description: readonly Place[]
}

/** Why a result ranks where it does; `matched` and `popularity` add up to its score. */
export type Why = Omit<Explanation, 'name' | 'description'>

/** How what was typed goes on. */
export interface Completion {
  /** Begins with what was typed but for case: a name, or a package URL where one was begun. */
  readonly completion: string
  readonly name: string
  readonly purl: string
}

/** Names are asked for beyond the limit, as several publishers may have the same. */
const PUBLISHERS_OF_NAME = 2
const PURL_BEGUN = /^pkg:([a-z][a-z0-9.-]*)\/(.*)$/

export function whyOf({ name: _, description: __, ...why }: Explanation): Why {
  return why
}

/** Results with where the query is in them. */
export async function highlighted<T>(
  { index }: { index: Pick<TextIndex, 'explain'> },
  query: string,
  results: readonly (readonly [result: T, release: Release])[],
): Promise<(T & { highlights: Highlights })[]> {
  const texts = results.map(([, release]) => textOfRelease(release, 0))
  const explained = await index.explain(query, texts)
  return results.map(([result], i) => {
    const { name = [], description = [] } = explained[i] ?? {}
    return { ...result, highlights: { name, description } }
  })
}

/** What was probably meant by a query that found nothing here, if that finds something. */
export async function suggestion(
  { index }: { index: Pick<TextIndex, 'suggest'> },
  query: string,
  audiences: readonly Audience[],
): Promise<{ suggestion?: string }> {
  for (const audience of audiences) {
    const suggestion = await index.suggest(query, audience)
    if (suggestion !== undefined) return { suggestion }
  }
  return {}
}

interface Completing {
  index: Pick<TextIndex, 'complete'>
  records: Pick<Records, 'release'>
  shares: Pick<Shares, 'isKnown'>
}

/** @param prefix - of a name, or of a package URL */
export async function completions(
  { index, records, shares }: Completing,
  prefix: string,
  limit: number,
  audiences: readonly Audience[],
): Promise<Completion[]> {
  const [, type, begun = ''] = PURL_BEGUN.exec(prefix) ?? []
  const beginning = type === undefined ? prefix : begun.replaceAll('%40', '@')
  const filters = type === undefined ? '' : `type:${type}`
  const wanted = Math.min(limit * PUBLISHERS_OF_NAME, SEARCH_RESULTS_MAX)
  const lists = await Promise.all(audiences.map((audience) => index.complete(beginning, filters, audience, wanted)))
  const found = lists.flat().flatMap(({ id, popularity }) => {
    const release = records.release(id)
    if (!release) return [] // the index is a little behind the records
    if (!audiences.includes('private') && !shares.isKnown(release)) return []
    const { type, name } = release.body
    return [{ name, purl: formatPurl({ type, name }), popularity }]
  })
  const ordered = found.sort(
    (a, b) => b.popularity - a.popularity || a.name.length - b.name.length || (a.purl < b.purl ? -1 : 1),
  )
  const byPurl = new Map(
    ordered.map(({ name, purl }) => [purl, { completion: asTyped(name, purl, prefix), name, purl }]),
  )
  return [...byPurl.values()].slice(0, limit)
}

/** A shell goes on only with what begins as it was typed. */
function asTyped(name: string, purl: string, prefix: string): string {
  if (!PURL_BEGUN.test(prefix)) return name
  return prefix.includes('%40') ? purl : purl.replaceAll('%40', '@')
}
