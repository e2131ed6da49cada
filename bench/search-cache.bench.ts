// How many queries are answered from those that are kept. The traffic is a model, and the figures are worth as much as
// it is: bench/README.md states it beside them. Keeping, dropping and the index are the product's own; time is virtual.
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { directEffects } from '../src/base/effects.ts'
import { listen } from '../src/base/events.ts'
import { type Random, seededRandom } from '../src/base/random.ts'
import { SECOND_MS } from '../src/base/units.ts'
import { type Answer, QueryCache, type Question } from '../src/discovery/cache.ts'
import { type IndexDocument, openNativeIndex, type TextIndex } from '../src/discovery/native-index.ts'
import { once, quantile } from './harness.ts'
import { documentOf, type Package, readCorpus } from './search-corpus.ts'
import type { Suite } from './suite.ts'

const QUERIES = 200_000
const QUERIES_PER_SECOND = 100
const QUERIES_PER_COMMIT = 2_000
/** One is what comes within the 50 ms that a commit waits for others; ten are a crowd. */
const [ONE, CROWD] = [1, 10]
/** Of ten queries in a mix: the beginning of a name, two words of a summary; the others are whole names. */
const [BEGINNINGS, WORDS] = [1, 1]
/** The index takes no longer words. */
const WORD_CHARS_MAX = 64
const LIMIT = 20
const BATCH = 5_000
const SEED = 11

interface Traffic {
  /** Whom a query is after: by downloads to this power. */
  power: number
  /** Not whole names alone. */
  mixed?: boolean
  /** Packages that get a new version with each commit, drawn evenly: the most fetched are hardly the most published. */
  published?: number
  /** Drop everything at each commit, as a cache does that does not know what is in it. */
  dropAll?: boolean
}
interface Outcome {
  hits: number
  fresh: number
  hitMicros: number
  commitMs: number
}

const searchCache: Suite = async (compare) => {
  const folder = mkdtempSync(join(tmpdir(), 'catalog-bench-'))
  await using ends = new AsyncDisposableStack()
  ends.defer(() => rm(folder, { recursive: true, force: true }))
  const { packages } = readCorpus()
  const index = once(async () => {
    const opened = await openNativeIndex({ effects: directEffects }, folder)
    ends.defer(() => opened.close())
    for (let at = 0; at < packages.length; at += BATCH) {
      const batch = packages.slice(at, at + BATCH).map((each, i) => documentOf(each, at + i))
      await opened.apply(batch, [], at + BATCH)
    }
    await opened.compact()
    return opened
  })
  const played = (traffic: Traffic) => once(async () => play(await index(), packages, traffic))
  const usual = played({ power: 1 })
  const flushed = played({ power: 1, dropAll: true })
  const flat = played({ power: 0.5 })
  const mixed = played({ power: 1, mixed: true })
  const crowded = played({ power: 1, published: CROWD })
  const share = async (of: Promise<Outcome>, which: 'hits' | 'fresh' = 'hits') => {
    return { figure: (await of)[which] / QUERIES, least: 0.8 }
  }
  await compare({ name: 'hits, by downloads', open: () => share(usual()) })
  await compare({ name: 'hits, by downloads, fresh ones alone', open: () => share(usual(), 'fresh') })
  await compare({ name: 'hits, all dropped at each commit', open: () => share(flushed()) })
  await compare({ name: 'hits, ten packages a commit', open: () => share(crowded()) })
  await compare({ name: 'hits, by the root of downloads', open: () => share(flat()) })
  await compare({ name: 'hits, one in five no whole name', open: () => share(mixed()) })
  await compare({ name: 'a hit', open: async () => ({ figure: (await usual()).hitMicros, most: 100 }) })
  await compare({ name: 'a commit told', open: async () => ({ figure: (await usual()).commitMs, most: 10 }) })
}
export default searchCache

async function play(index: TextIndex, packages: readonly Package[], traffic: Traffic): Promise<Outcome> {
  const random = seededRandom(SEED)
  const asked = drawing(random, packages, traffic.power)
  let now = 0
  const clock = { now: () => now, after: () => () => undefined }
  const background = (work: (signal: AbortSignal) => Promise<void>) => work(new AbortController().signal)
  const make = () => new QueryCache<Answer>({ index, clock, background })
  let cache = make()
  const counts = { hit: 0, stale: 0, miss: 0 }
  const stop = listen('catalog:search-cache', ({ outcome }) => counts[outcome]++)
  const [hits, commits]: [number[], number[]] = [[], []]
  for (let i = 1; i <= QUERIES; i++) {
    now += SECOND_MS / QUERIES_PER_SECOND
    const query = queryFor(random, packages[asked()] as Package, traffic)
    const before = counts.hit
    const start = performance.now()
    await cache.answer(questionOf(query), () => find(index, packages, query))
    if (counts.hit > before) hits.push((performance.now() - start) * 1000)
    if (i % QUERIES_PER_COMMIT > 0) continue
    const changed = Array.from({ length: traffic.published ?? ONE }, () => {
      const at = Math.floor(random.fraction() * packages.length)
      return documentOf(packages[at] as Package, at)
    })
    await index.apply(changed, [], index.committedSequence() + 1)
    if (traffic.dropAll) cache = make()
    else commits.push(await told(cache, changed))
  }
  stop()
  const [hitMicros, commitMs] = [quantile(hits, 0.5), quantile(commits, 0.5)]
  return { hits: counts.hit + counts.stale, fresh: counts.hit, hitMicros, commitMs }
}

/** @returns milliseconds until the cache has dropped what it must */
async function told(cache: QueryCache<Answer>, documents: readonly IndexDocument[]): Promise<number> {
  const start = performance.now()
  await cache.changed({ packages: documents.map(({ key }) => key), documents })
  return performance.now() - start
}

/** What a query finds, in the order of the index: which packages, not their order, decides what is dropped. */
async function find(index: TextIndex, packages: readonly Package[], query: string): Promise<Answer> {
  const ids = await index.search(query, 'public', LIMIT)
  return { packages: ids.map((id) => (packages[Buffer.from(id).readUInt32LE()] as Package).name), bytes: 0 }
}

function questionOf(query: string): Question {
  return { query, audiences: ['public'], scope: `${LIMIT}` }
}

function queryFor(random: Random, { name, summary }: Package, { mixed }: Traffic): string {
  const below = (most: number) => Math.floor(random.fraction() * most)
  const kind = mixed ? below(10) : 10
  const words = summary.split(/[^\p{L}\p{N}]+/u).filter((word) => word.length > 3 && word.length <= 64)
  if (kind < BEGINNINGS && name.length > 3) return name.slice(0, Math.min(WORD_CHARS_MAX, 3 + below(name.length - 3)))
  if (kind < BEGINNINGS + WORDS && words.length > 1)
    return `${words[below(words.length)]} ${words[below(words.length)]}`
  return name.slice(0, WORD_CHARS_MAX)
}

/** Places of packages, drawn by downloads to some power. */
function drawing(random: Random, packages: readonly Package[], power: number): () => number {
  let sum = 0
  const sums = packages.map(({ downloads }) => (sum += downloads ** power))
  return () => {
    const wanted = random.fraction() * sum
    let [from, to] = [0, sums.length - 1]
    while (from < to) {
      const middle = (from + to) >> 1
      if ((sums[middle] as number) > wanted) to = middle
      else from = middle + 1
    }
    return from
  }
}
