// What goes well with a package, or with what is used here: each with its reasons. All of it comes from what this node
// knows and has counted; nobody is asked, and nobody is told what was asked for.
import { CatalogError } from '../base/errors.ts'
import { SEARCH_RESULTS_MAX } from '../base/limits.ts'
import { formatPurl, nameKey, type PackageName, parsePurl } from '../model/purl.ts'
import type { Release } from '../model/release.ts'
import type { PackageType } from '../package-types/package-type.ts'
import type { Pins } from '../store/pins.ts'
import type { Records } from '../store/records.ts'
import { type PackageUsage, USAGE_WINDOWS, type Usage } from '../store/usage.ts'
import type { Notices } from '../trust/notices.ts'
import { newest, signersOf, type TrustState, trustState } from '../trust/view.ts'
import { dependencyLabel, textOfRelease } from './indexer.ts'
import type { TextIndex } from './native-index.ts'
import type { Popularity } from './popularity.ts'
import { wordsOf } from './similar.ts'

export interface RecommendOptions {
  /** 1–100; 10 by default. */
  readonly limit?: number | undefined
}

export type ReasonKind = 'depends-together' | 'installed-together' | 'similar-text' | 'trending' | 'same-publisher'

export interface Reason {
  readonly kind: ReasonKind
  /** In words, such as "8 of 12 packages that need react need it too". */
  readonly text: string
}

export interface Recommendation {
  readonly purl: string
  readonly name: string
  /** Null, as are the next two, for what others need and nobody has shown yet. */
  readonly version: string | null
  readonly description: string | null
  readonly publisher: string | null
  readonly trust: TrustState | null
  readonly score: number
  /** The strongest first. */
  readonly reasons: readonly Reason[]
}

/** What speaks for a package, and how much: 1 is all that its kind can say. */
interface Point extends Reason {
  readonly name: PackageName
  readonly strength: number
}

const DEFAULT_LIMIT = 10
/** What each kind of reason counts for. What was done here says more than what others wrote. */
const WEIGHTS: Readonly<Record<ReasonKind, number>> = {
  'installed-together': 1.2,
  'depends-together': 1,
  'similar-text': 0.8,
  trending: 0.5,
  'same-publisher': 0.3,
}
/** For each doubling of how often it is used: decides between what is alike. */
const POPULARITY_WEIGHT = 0.01
/** One dependent alone shows nothing about what is needed together. */
const DEPENDENTS_MIN = 2
/** A package is trending from so many uses in a day on, when that is so many times what its month would have it be. */
const TRENDING_USES_MIN = 3
const TRENDING_TIMES_MIN = 2
const TRENDING_TIMES_MAX = USAGE_WINDOWS.month / USAGE_WINDOWS.day
/** Packages of one's own that are looked at when none is named: those used most. */
const SEEDS_MAX = 5
const SHOWN_WORDS_MAX = 4

interface Components {
  index: TextIndex
  records: Records
  notices: Pick<Notices, 'isWithdrawn'>
  pins: Pins
  usage: Pick<Usage, 'list' | 'folders' | 'flush'>
  popularity: Pick<Popularity, 'of'>
  packageType: (type: string) => PackageType | undefined
}

export class Recommendations {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  /**
   * What goes well with a package; without one, with those used most here, and what is used more and more.
   *
   * @throws CatalogError `NOT_FOUND` for a package that nobody has shown to this node; `PURL_INVALID`, `USAGE`
   */
  async recommend(
    purl: string | undefined,
    { limit = DEFAULT_LIMIT }: RecommendOptions = {},
  ): Promise<Recommendation[]> {
    if (!Number.isInteger(limit) || limit < 1 || limit > SEARCH_RESULTS_MAX) {
      throw new CatalogError('USAGE', `The limit is a whole number from 1 to ${SEARCH_RESULTS_MAX}.`)
    }
    const { usage } = this.#components
    await usage.flush()
    const used = [...usage.list()]
    const trending = used.flatMap(trendOf)
    if (purl !== undefined) {
      const { type, name } = parsePurl(purl)
      const points = await this.#around({ type, name })
      const found = new Set(points.map((point) => nameKey(point.name)))
      return this.#best(
        [...points, ...trending.filter(({ name }) => found.has(nameKey(name)))],
        [{ type, name }],
        limit,
      )
    }
    const seeds = used.sort((a, b) => b.month - a.month).slice(0, SEEDS_MAX)
    const points = await Promise.all(seeds.map((seed) => this.#together(seed)))
    return this.#best([...points.flat(), ...trending], seeds, limit)
  }

  async #around(name: PackageName): Promise<Point[]> {
    const known = this.#known(name)
    if (!known) {
      const text = formatPurl(name)
      throw new CatalogError('NOT_FOUND', `${text} is not known here, and recommending asks nobody.`, {
        hint: `Have it looked up first: catalog info ${text}`,
      })
    }
    const [together, similar, published] = await Promise.all([
      this.#together(name),
      this.#similar(known.release),
      this.#samePublisher(known.release),
    ])
    return [...together, ...similar, ...published]
  }

  async #together(name: PackageName): Promise<Point[]> {
    return [...(await this.#neededTogether(name)), ...this.#installedTogether(name)]
  }

  /** By the packages that depend on it, those used most. */
  async #neededTogether(name: PackageName): Promise<Point[]> {
    const dependents = await this.#labelled(dependencyLabel(name))
    const needs = dependents.map(({ body }) => body.dependencies)
    return counted(needs, name).flatMap(({ name: other, count }) => {
      if (count < DEPENDENTS_MIN) return []
      const text = `${count} of ${dependents.length} packages that need ${name.name} need it too`
      return { kind: 'depends-together' as const, name: other, strength: count / dependents.length, text }
    })
  }

  /** By the folders here that it was installed into. */
  #installedTogether(name: PackageName): Point[] {
    const folders = this.#components.usage.folders().filter((all) => all.some((one) => nameKey(one) === nameKey(name)))
    return counted(folders, name).map(({ name: other, count }) => {
      const text = `installed beside ${name.name} in ${count} of ${folders.length} folders here`
      return { kind: 'installed-together' as const, name: other, strength: count / folders.length, text }
    })
  }

  /** By the words of its name, keywords and description. */
  async #similar({ body, record }: Release): Promise<Point[]> {
    const { index } = this.#components
    const query = wordsOf(body)
    if (query === '') return []
    const found = await this.#releasesOf((audience) => index.search(query, audience, SEARCH_RESULTS_MAX))
    const others = found.filter((release) => release.record.id !== record.id && nameKey(release.body) !== nameKey(body))
    const words = new Set(index.queryTerms(query).terms)
    const read = await index.documentTerms(others.map((release) => textOfRelease(release, 0)))
    return others.flatMap((release, at) => {
      const shared = (read[at]?.terms ?? []).filter((term) => words.has(term))
      if (shared.length < Math.min(2, words.size)) return []
      const shown = shared.sort((a, b) => b.length - a.length).slice(0, SHOWN_WORDS_MAX)
      const text = `says ${shown.join(', ')}, as ${body.name} does`
      return { kind: 'similar-text' as const, name: release.body, strength: shared.length / words.size, text }
    })
  }

  async #samePublisher({ body, record }: Release): Promise<Point[]> {
    const published = await this.#labelled(record.signer)
    return published.map((release) => ({
      ...{ kind: 'same-publisher' as const, name: release.body, strength: 1 },
      text: `from the publisher of ${body.name}`,
    }))
  }

  /** Each package once. */
  async #labelled(label: string): Promise<Release[]> {
    const found = await this.#releasesOf((audience) =>
      this.#components.index.labelled(label, audience, SEARCH_RESULTS_MAX),
    )
    return [...new Map(found.map((release) => [nameKey(release.body), release])).values()]
  }

  /** Of what everybody may see, and what is this user's own to see. */
  async #releasesOf(find: (audience: 'public' | 'private') => Promise<Uint8Array[]>): Promise<Release[]> {
    const ids = (await Promise.all([find('public'), find('private')])).flat()
    return ids.flatMap((id) => this.#components.records.release(id) ?? [])
  }

  #best(points: readonly Point[], except: readonly PackageName[], limit: number): Recommendation[] {
    const left = new Set(except.map(nameKey))
    const byName = Map.groupBy(
      points.filter(({ name }) => !left.has(nameKey(name))),
      ({ name }) => nameKey(name),
    )
    const scored = [...byName.values()].map((all) => {
      const strongest = all.sort((a, b) => worth(b) - worth(a)) as [Point, ...Point[]]
      const { type, name } = strongest[0].name
      // Of one kind the strongest counts: there may be a point for each seed.
      const kinds = new Map(strongest.toReversed().map((point) => [point.kind, worth(point)]))
      const popularity = POPULARITY_WEIGHT * Math.log2(1 + this.#components.popularity.of({ type, name }))
      const score = [...kinds.values()].reduce((sum, one) => sum + one, popularity)
      return { name: { type, name }, score, reasons: strongest.map(({ kind, text }) => ({ kind, text })) }
    })
    scored.sort((a, b) => b.score - a.score || (nameKey(a.name) < nameKey(b.name) ? -1 : 1))
    return scored.slice(0, limit).map(({ name, score, reasons }) => {
      const known = this.#known(name)
      return {
        ...{ purl: formatPurl(name), name: name.name, score, reasons },
        version: known?.release.body.version ?? null,
        description: known?.release.body.description ?? null,
        publisher: known?.release.record.signer ?? null,
        trust: known?.trust ?? null,
      }
    })
  }

  /** Its newest release, of the publisher whom the user trusts with the name if there is one. */
  #known(name: PackageName): { release: Release; trust: TrustState } | undefined {
    const { records, notices, pins, packageType } = this.#components
    const pin = pins.get(name)
    const type = packageType(name.type)
    const all = records.releases(name).filter((release) => !notices.isWithdrawn(release))
    const trusted = all.filter(({ record }) => record.signer === pin?.signer)
    const release = type && newest(trusted.length > 0 ? trusted : all, type)
    const claimants = signersOf(all).length
    return release && { release, trust: trustState(release.record.signer, pin, claimants) }
  }
}

/** Nothing for a package that is used as ever. */
function trendOf({ type, name, hour, day, month }: PackageUsage): Point[] {
  const { day: dayMs, month: monthMs, hour: hourMs } = USAGE_WINDOWS
  const ofDay = { uses: day, times: (day * monthMs) / (month * dayMs), window: 'day' }
  const ofHour = { uses: hour, times: (hour * monthMs) / (month * hourMs), window: 'hour' }
  const best = [ofHour, ofDay]
    .filter(({ uses, times }) => uses >= TRENDING_USES_MIN && times >= TRENDING_TIMES_MIN)
    .sort((a, b) => b.times - a.times)[0]
  if (!best) return []
  const [uses, times] = [Math.round(best.uses), Math.round(best.times)]
  const text = `used about ${uses} times in the last ${best.window}, ${times} times as often as in the month`
  const strength = Math.min(1, Math.log(best.times) / Math.log(TRENDING_TIMES_MAX))
  return [{ kind: 'trending', name: { type, name }, strength, text }]
}

/** In how many lists each package is, but for one; the most frequent first. */
function counted(
  lists: readonly (readonly PackageName[])[],
  except: PackageName,
): { name: PackageName; count: number }[] {
  const counts = new Map<string, { name: PackageName; count: number }>()
  for (const list of lists) {
    for (const [key, { type, name }] of new Map(list.map((one) => [nameKey(one), one]))) {
      if (key === nameKey(except)) continue
      counts.set(key, { name: { type, name }, count: (counts.get(key)?.count ?? 0) + 1 })
    }
  }
  return [...counts.values()].sort((a, b) => b.count - a.count)
}

function worth({ kind, strength }: Point): number {
  return WEIGHTS[kind] * strength
}
