// From candidates to a list: what this node and peers found, one entry a package and publisher, ranked by the one
// scoring function. Publishers that nobody knew before stand behind all others.
import { toHex } from '../base/bytes.ts'
import { SEARCH_PUBLISHER_RESULTS_MAX } from '../base/limits.ts'
import { nameKey, packageKey } from '../model/purl.ts'
import type { Release } from '../model/release.ts'
import type { PackageType } from '../package-types/package-type.ts'
import { newest } from '../trust/view.ts'
import { textOfRelease } from './indexer.ts'
import type { Explanation, TextIndex } from './native-index.ts'
import type { Popularity } from './popularity.ts'
import { ranked } from './score.ts'
import type { Standing } from './standing.ts'

/** A release found, and by whom. */
export interface Found {
  readonly release: Release
  /** Whether this node's own index has it. */
  readonly isHere: boolean
  /** Peers that offered it. */
  readonly peers: readonly string[]
}

export interface Ranked extends Found {
  readonly score: number
  /** Publishers found of the name. */
  readonly claimants: number
  /** A far more popular name that it looks like, by the record of its release. */
  readonly lookalikeOf?: Uint8Array
  /** Why, where that was asked. */
  readonly explanation?: Explanation
}

export interface RankOptions {
  readonly limit: number
  /** List what only peers offer of publishers nobody knew before, even beside better known. */
  readonly newcomers: boolean
  /** Say why each ranks where it does. */
  readonly explain?: boolean
}

/** @returns one entry a package and publisher: its newest release among those found */
export function merged(found: readonly Found[], packageType: (type: string) => PackageType | undefined): Found[] {
  const byRelease = new Map<string, Found>()
  for (const each of found) {
    const id = toHex(each.release.record.id)
    const known = byRelease.get(id) ?? { ...each, isHere: false, peers: [] }
    const peers = [...new Set([...known.peers, ...each.peers])]
    byRelease.set(id, { ...known, isHere: known.isHere || each.isHere, peers })
  }
  const byPackage = Map.groupBy(byRelease.values(), ({ release }) => packageKey(release.body, release.record.signer))
  return [...byPackage.values()].flatMap((all) => {
    const type = packageType(all[0]?.release.body.type ?? '')
    if (!type) return [] // of a later version's type: nothing here could install it
    const releases = all.map(({ release }) => release)
    const best = newest(releases, type)
    return all.filter(({ release }) => release === best)
  })
}

interface Components {
  index: Pick<TextIndex, 'score' | 'explain' | 'outshone'>
  standing: Pick<Standing, 'isKnown'>
  popularity: Pick<Popularity, 'of'>
}

/** @returns best first, and how many were left out for being of publishers nobody knew before */
export async function rankedFound(
  { index, standing, popularity }: Components,
  query: string,
  found: readonly Found[],
  { limit, newcomers, explain }: RankOptions,
): Promise<{ ranked: Ranked[]; withheld: number }> {
  const textOf = ({ release }: Found) => textOfRelease(release, popularity.of(release.body))
  const best = await ranked({ index }, query, found, textOf, ({ release }) => release.purl, explain)
  const claims = claimsOf(found)
  // Peers may offer what has nothing to do with the query, or what its filters exclude.
  const matching = best
    .filter(({ score }) => score > 0)
    .map(({ candidate, ...worth }) => ({
      ...candidate,
      ...worth,
      claimants: claims.get(nameKey(candidate.release.body)) ?? 1,
    }))
  const { known = [], fresh = [] } = Object.groupBy(matching, ({ release }) =>
    standing.isKnown(release) ? 'known' : 'fresh',
  )
  const { here = [], offered = [] } = Object.groupBy(capped(fresh), ({ isHere }) => (isHere ? 'here' : 'offered'))
  const withheld = known.length > 0 && !newcomers ? offered.length : 0
  const listed = [...known, ...here, ...(withheld > 0 ? [] : offered)].slice(0, limit)
  const alike = await index.outshone(listed.map(textOf), 'public')
  const marked = listed.map((each, i) => ({ ...each, ...(alike[i] && { lookalikeOf: alike[i] }) }))
  return { ranked: marked, withheld }
}

/** How many publishers offer each name. */
function claimsOf(found: readonly Found[]): Map<string, number> {
  const claims = new Map<string, number>()
  for (const each of found) claims.set(nameKey(each.release.body), (claims.get(nameKey(each.release.body)) ?? 0) + 1)
  return claims
}

/** The first few of each publisher. */
function capped<T extends Found>(entries: readonly T[]): T[] {
  const placed = new Map<string, number>()
  return entries.filter(({ release: { record } }) => {
    const count = (placed.get(record.signer) ?? 0) + 1
    placed.set(record.signer, count)
    return count <= SEARCH_PUBLISHER_RESULTS_MAX
  })
}
