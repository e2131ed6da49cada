// How popular a package is: by what this node has seen itself, else by the median of what at least two peers tell. What
// has become twice as popular, or half as much, is ranked anew in the index, a few packages at a time.
import { LRUCache } from 'lru-cache'
import type { Clock } from '../base/clock.ts'
import {
  POPULARITY_BATCH_MAX,
  POPULARITY_HEARD_MAX,
  POPULARITY_WITNESSES_MIN,
  USAGE_PACKAGES_PER_PEER_MAX,
  USAGE_PEERS_MAX,
} from '../base/limits.ts'
import { DAY_MS } from '../base/units.ts'
import { nameKey, type PackageName } from '../model/purl.ts'
import { USAGE_WINDOWS, type Usage } from '../store/usage.ts'

/** Below that, what was used here was used so long ago that others know better: one use, after some two months. */
const SEEN_MIN = 0.125

/** A sum that fades, and as of when it is. */
interface FadingSum {
  readonly sum: number
  readonly at: number
}

interface Components {
  usage: Pick<Usage, 'of' | 'list' | 'onUse'>
  clock: Clock
}

export class Popularity {
  readonly #components: Components
  /** What each peer told, by package. Not kept over a restart: whoever is asked anew tells all its days again. */
  readonly #heard = new LRUCache<string, Map<string, FadingSum>>({ max: USAGE_PEERS_MAX })
  /** What the index goes by, in doublings; packages that nobody uses are not in it. */
  readonly #given = new Map<string, { name: PackageName; doublings: number }>()
  readonly #maybeChanged = new Map<string, PackageName>()
  #looking: Iterator<{ name: PackageName }> = this.#given.values()

  constructor(components: Components) {
    this.#components = components
    // The index has these as they were when it was last told: what fades from now on is seen.
    for (const { type, name } of components.usage.list()) this.given({ type, name })
    components.usage.onUse((name) => this.#maybeChanged.set(nameKey(name), name))
  }

  /** Uses in thirty days, more or less; 0 when nothing is known. */
  of(name: PackageName): number {
    const own = this.#components.usage.of(name)?.month ?? 0
    if (own >= SEEN_MIN) return own
    const key = nameKey(name)
    const told = [...this.#heard.values()].flatMap((packages) => this.#now(packages.get(key)) ?? [])
    if (told.length < POPULARITY_WITNESSES_MIN) return 0
    // Of two in the middle the lower: half of the witnesses cannot make it more than the others say.
    const median = told.sort((a, b) => a - b)[Math.floor((told.length - 1) / 2)] ?? 0
    return Math.min(POPULARITY_HEARD_MAX, median)
  }

  /** The same, for the index, which is told again when it has changed. */
  given(name: PackageName): number {
    const popularity = this.of(name)
    const doublings = doublingsOf(popularity)
    if (doublings > 0) this.#given.set(nameKey(name), { name, doublings })
    else this.#given.delete(nameKey(name))
    return popularity
  }

  /** Take what a peer tells of one day. */
  hear(peer: string, day: number, counts: ReadonlyMap<string, { name: PackageName; count: number }>): void {
    const packages = this.#heard.get(peer) ?? new Map<string, FadingSum>()
    const now = this.#components.clock.now()
    const age = Math.max(0, now - (day + 0.5) * DAY_MS)
    for (const { name, count } of counts.values()) {
      const key = nameKey(name)
      const before = packages.get(key)
      if (!before && packages.size >= USAGE_PACKAGES_PER_PEER_MAX) continue
      packages.set(key, { sum: (this.#now(before) ?? 0) + faded(count, age), at: now })
      this.#maybeChanged.set(key, name)
    }
    this.#heard.set(peer, packages)
  }

  /** Packages that the index ranks by a number which is wrong by a factor of two; each is told once. */
  changed(): PackageName[] {
    const looked = [...this.#maybeChanged.values()].slice(0, POPULARITY_BATCH_MAX)
    for (const name of looked) this.#maybeChanged.delete(nameKey(name))
    const among = [...looked, ...this.#nextGiven(POPULARITY_BATCH_MAX - looked.length)]
    const once = new Map(among.map((name) => [nameKey(name), name]))
    return [...once.values()].filter(
      (name) => doublingsOf(this.of(name)) !== (this.#given.get(nameKey(name))?.doublings ?? 0),
    )
  }

  /** Popularity fades without anything happening: go through all again and again. */
  *#nextGiven(most: number): Generator<PackageName> {
    for (let left = Math.min(most, this.#given.size); left > 0; left--) {
      let next = this.#looking.next()
      if (next.done) {
        this.#looking = this.#given.values()
        next = this.#looking.next()
      }
      if (!next.done) yield next.value.name
    }
  }

  #now(heard: FadingSum | undefined): number | undefined {
    return heard && faded(heard.sum, this.#components.clock.now() - heard.at)
  }
}

function faded(sum: number, ageMs: number): number {
  return sum * Math.exp(-Math.max(0, ageMs) / USAGE_WINDOWS.month)
}

function doublingsOf(popularity: number): number {
  return Math.floor(Math.log2(1 + popularity))
}
