// Search as a node does it on its own: candidates from its text index, ranked by its one scoring function. How well
// the package that was meant is found, and how fast, beside MiniSearch over the same packages in the same process.
import { fork } from 'node:child_process'
import { once as emitted } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { directEffects } from '../src/base/effects.ts'
import { hasCode } from '../src/base/errors.ts'
import { MB } from '../src/base/units.ts'
import { openNativeIndex, type TextIndex } from '../src/discovery/native-index.ts'
import { candidatesFor, ranked } from '../src/discovery/score.ts'
import { fuzzedQueries } from '../test/fuzzed-queries.ts'
import { once, quantile } from './harness.ts'
import {
  CLASSES,
  type Corpus,
  documentOf,
  type KnownItem,
  type Package,
  readCorpus,
  scoredOf,
} from './search-corpus.ts'
import type { Memory, Task } from './search-reader.ts'
import { miniSearch } from './search-rival.ts'
import type { Suite } from './suite.ts'

/** As many as a user gets who asks for no other number. */
const LIMIT = 20
const JUDGED = 10
const BATCH = 5_000
/** Passes over all queries that are timed. */
const PASSES = 4
const FUZZED = 10_000
const FUZZ_SEED = 20_260

type Find = (query: string, limit: number) => string[] | Promise<string[]>
interface Engine {
  readonly find: Find
  readonly buildSeconds: number
}
interface Outcome {
  readonly buildSeconds: number
  quality(split: KnownItem['split']): { mrr: number; recall: number }
  /** Milliseconds of one class that a share of its queries stays below. */
  latency(cls: KnownItem['cls'], share: number): number
}

const search: Suite = async (compare) => {
  const folder = mkdtempSync(join(tmpdir(), 'catalog-bench-'))
  await using ends = new AsyncDisposableStack()
  ends.defer(() => rm(folder, { recursive: true, force: true }))
  const corpus = readCorpus()
  const ours = once(async () => {
    await using engine = await buildOurs(corpus.packages, folder)
    return {
      ...(await outcome(corpus, engine)),
      slowestFuzzedMs: await slowest(engine, fuzzedQueries(FUZZ_SEED, FUZZED)),
    }
  })
  const rival = once(async () => outcome(corpus, openRival(corpus.packages)))
  const memory = once(async () => {
    await ours()
    return memoryOfReader({ folder, queries: corpus.queries.map(({ q }) => q), limit: candidatesFor(LIMIT) })
  })
  const features = [corpus.size]
  const read = (
    name: string,
    open: () => Promise<{ figure: number; most: number } | { figure: number; least: number }>,
  ) => compare({ name, features, open })
  for (const split of ['test', 'dev'] as const) {
    const quality = async () => (await ours()).quality(split)
    await read(`MRR@10, ${split} half`, async () => ({ figure: (await quality()).mrr, least: 1 }))
    await read(`recall@10, ${split} half`, async () => ({ figure: (await quality()).recall, least: 1 }))
  }
  await read('MRR@10, test half, against MiniSearch', async () => {
    const [{ mrr: figure }, { mrr }] = [(await ours()).quality('test'), (await rival()).quality('test')]
    return { figure, least: mrr + 0.02 }
  })
  await read('index of all packages', async () => ({ figure: (await ours()).buildSeconds, most: 15 }))
  const bytes = async (figure: (memory: Memory) => number) => ({ figure: figure(await memory()) / MB, most: 60 })
  await read('memory of a reader', () => bytes(({ anonymous, mapped }) => anonymous + mapped))
  await read('memory of a reader, its own', () => bytes(({ anonymous }) => anonymous))
  await read('memory of a reader, mapped files', () => bytes(({ mapped }) => mapped))
  await read('slowest of 10,000 queries that nobody means', async () => {
    return { figure: (await ours()).slowestFuzzedMs, most: 50 }
  })
  const shares = { p50: 0.5, p99: 0.99 }
  for (const [name, share] of Object.entries(shares)) {
    const pairs = async () => {
      const [a, b] = [await ours(), await rival()]
      return CLASSES.map((cls) => ({ figure: a.latency(cls, share), most: b.latency(cls, share) }))
    }
    const slowestClass = async () => {
      const { latency } = await ours()
      return Math.max(...CLASSES.map((cls) => latency(cls, share)))
    }
    await read(`${name} of the slowest class`, async () => ({
      figure: await slowestClass(),
      most: share === 0.5 ? 2 : 5,
    }))
    const worst = async () => (await pairs()).sort((a, b) => a.most / a.figure - b.most / b.figure)[0]
    await read(`${name} against MiniSearch, worst class`, async () => (await worst()) ?? { figure: 1, most: 1 })
    for (const [at, cls] of CLASSES.entries()) {
      await read(`${name} of ${cls}`, async () => (await pairs())[at] ?? { figure: 1, most: 1 })
    }
  }
}
export default search

async function buildOurs(packages: readonly Package[], folder: string): Promise<Engine & AsyncDisposable> {
  const index = await openNativeIndex({ effects: directEffects }, folder)
  const start = performance.now()
  for (let at = 0; at < packages.length; at += BATCH) {
    const batch = packages.slice(at, at + BATCH).map((each, i) => documentOf(each, at + i))
    await index.apply(batch, [], at + BATCH)
  }
  await index.compact()
  const buildSeconds = (performance.now() - start) / 1000
  return {
    buildSeconds,
    find: (query, limit) => findOurs(index, packages, query, limit),
    [Symbol.asyncDispose]: () => index.close(),
  }
}

async function findOurs(index: TextIndex, packages: readonly Package[], query: string, limit: number) {
  const ids = await index.search(query, 'public', candidatesFor(limit))
  const found = ids.map((id) => packages[Buffer.from(id).readUInt32LE()] as Package)
  const best = await ranked({ index }, query, found, scoredOf, ({ name }) => name)
  return best.slice(0, limit).map(({ candidate }) => candidate.name)
}

/** Milliseconds of the slowest; to be refused is an answer. */
async function slowest({ find }: Engine, queries: Iterable<string>): Promise<number> {
  let most = 0
  for (const query of queries) {
    const start = performance.now()
    try {
      await find(query, LIMIT)
    } catch (thrown) {
      if (!hasCode(thrown, 'SEARCH_QUERY')) throw thrown
    }
    most = Math.max(most, performance.now() - start)
  }
  return most
}

async function memoryOfReader(task: Task): Promise<Memory> {
  const reader = fork(new URL('search-reader.ts', import.meta.url))
  reader.send(task)
  const [took] = (await emitted(reader, 'message')) as [Memory]
  await emitted(reader, 'exit')
  return took
}

function openRival(packages: readonly Package[]): Engine {
  const start = performance.now()
  const find = miniSearch(packages)
  return { find, buildSeconds: (performance.now() - start) / 1000 }
}

/** What building has left behind is no part of a query, and would be collected during some hundred of them. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

async function outcome({ queries }: Corpus, { find, buildSeconds }: Engine): Promise<Outcome> {
  const ranks = new Map<KnownItem, number>()
  for (const query of queries) {
    ranks.set(query, (await find(query.q, LIMIT)).slice(0, JUDGED).indexOf(query.target) + 1)
  }
  const times = new Map<string, number[]>(CLASSES.map((cls) => [cls, []]))
  collectGarbage()
  for (let pass = 0; pass < PASSES; pass++) {
    for (const { cls, q } of queries) {
      const start = performance.now()
      await find(q, LIMIT)
      times.get(cls)?.push(performance.now() - start)
    }
  }
  return {
    buildSeconds,
    quality: (split) => {
      const judged = queries.filter((query) => query.split === split).map((query) => ranks.get(query) ?? 0)
      const share = (sum: number) => sum / judged.length
      return {
        mrr: share(judged.reduce((sum, rank) => sum + (rank > 0 ? 1 / rank : 0), 0)),
        recall: share(judged.filter((rank) => rank > 0).length),
      }
    },
    latency: (cls, share) => quantile(times.get(cls) ?? [], share),
  }
}
