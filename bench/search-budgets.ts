// What the suites about search must hold: `search` of one index, `federation` of a network of nodes, and `findable`.
import type { Budget } from './budgets.ts'

const SEARCH_SUITE = { suite: 'search', baseline: 'MiniSearch over the same packages' }
const QUALITY = { suite: 'search', unit: 'of 1', baseline: 'the package that was meant, always first' }
const MEMORY = { suite: 'search', unit: 'MB', baseline: '60 MB' }
const LARGE = { needs: ['corpus:large'] }
const FIXTURE = { needs: ['corpus:fixture'] }

export const SEARCH: readonly Budget[] = [
  { ...QUALITY, ...LARGE, name: 'MRR@10, test half', ratio: 0.89, source: 'asked over 226,993 packages' },
  { ...QUALITY, ...FIXTURE, name: 'MRR@10, test half', ratio: 0.93, source: 'measured, less a margin' },
  { ...QUALITY, ...LARGE, name: 'recall@10, test half', ratio: 0.96, source: 'asked over 226,993 packages' },
  { ...QUALITY, ...FIXTURE, name: 'recall@10, test half', ratio: 0.95, source: 'measured, less a margin' },
  { ...QUALITY, name: 'MRR@10, dev half', ratio: null, source: 'recorded: weights are tuned on it' },
  { ...QUALITY, name: 'recall@10, dev half', ratio: null, source: 'recorded: weights are tuned on it' },
  {
    ...QUALITY,
    ...LARGE,
    name: 'MRR@10, test half, against MiniSearch',
    baseline: 'MiniSearch over the same packages + 0.02',
    ratio: 1,
    source: 'asked over 226,993 packages',
  },
  {
    ...QUALITY,
    ...FIXTURE,
    name: 'MRR@10, test half, against MiniSearch',
    baseline: 'MiniSearch over the same packages + 0.02',
    ratio: null,
    source: 'recorded',
  },
  { suite: 'search', unit: 's', baseline: '15 s', name: 'index of all packages', ratio: 1, source: 'asked' },
  { ...MEMORY, ...LARGE, name: 'memory of a reader', ratio: 1, source: 'asked over 226,993 packages' },
  { ...MEMORY, ...FIXTURE, name: 'memory of a reader', ratio: null, source: 'recorded' },
  { ...MEMORY, name: 'memory of a reader, its own', ratio: null, source: 'recorded' },
  { ...MEMORY, name: 'memory of a reader, mapped files', ratio: null, source: 'recorded' },
  {
    suite: 'search',
    unit: 'ms',
    baseline: '50 ms',
    name: 'slowest of 10,000 queries that nobody means',
    ratio: 1,
    source: 'asked of an idle machine',
  },
  ...['p50', 'p99'].flatMap((share): Budget[] => [
    {
      ...LARGE,
      suite: 'search',
      unit: 'ms',
      baseline: share === 'p50' ? '2 ms' : '5 ms',
      name: `${share} of the slowest class`,
      ratio: 1,
      source: 'asked of an idle machine, over 226,993 packages',
    },
    {
      ...SEARCH_SUITE,
      ...LARGE,
      unit: 'ms',
      name: `${share} against MiniSearch, worst class`,
      ratio: share === 'p50' ? 5 : 20,
      source: 'asked over 226,993 packages',
    },
    ...['exact', 'typo1', 'typo2', 'words', 'wordstypo', 'prefix', 'variant'].map((cls) => ({
      ...SEARCH_SUITE,
      unit: 'ms',
      name: `${share} of ${cls}`,
      ratio: null,
      source: 'recorded',
    })),
  ]),
]

const MESH = { suite: 'federation', source: 'asked of 20 nodes, 2 dead, 2 stalling, 2 lying' }

export const FEDERATION: readonly Budget[] = [
  { ...MESH, name: 'p50 of a query', unit: 'ms', baseline: '500 ms', ratio: null, source: 'recorded' },
  { ...MESH, name: 'p95 of a query', unit: 'ms', baseline: '500 ms', ratio: 1 },
  { ...MESH, name: 'MRR@10, beside a central index', unit: 'of 1', baseline: "the central index's − 0.01", ratio: 1 },
  { ...MESH, name: 'answers with no fake in the first ten', unit: 'of 1', baseline: 'all', ratio: 1 },
]

const CACHED = { suite: 'search-cache', unit: 'of 1', baseline: '0.8 of all queries' }

export const SEARCH_CACHE: readonly Budget[] = [
  { ...CACHED, name: 'hits, by downloads', ratio: 1, source: 'asked' },
  { ...CACHED, name: 'hits, by downloads, fresh ones alone', ratio: null, source: 'recorded' },
  { ...CACHED, name: 'hits, all dropped at each commit', ratio: null, source: 'recorded: what dropping few gains' },
  { ...CACHED, name: 'hits, ten packages a commit', ratio: null, source: 'recorded: busier publishers' },
  { ...CACHED, name: 'hits, by the root of downloads', ratio: null, source: 'recorded: a flatter mix' },
  { ...CACHED, name: 'hits, one in five no whole name', ratio: null, source: 'recorded: another mix' },
  { suite: 'search-cache', unit: 'µs', baseline: '100 µs', name: 'a hit', ratio: null, source: 'recorded' },
  { suite: 'search-cache', unit: 'ms', baseline: '10 ms', name: 'a commit told', ratio: null, source: 'recorded' },
]

export const FINDABLE: readonly Budget[] = ['p50', 'p95'].map((share) => ({
  suite: 'findable',
  name: `${share} from publish to findable`,
  unit: 'ms',
  baseline: '500 ms',
  ratio: share === 'p95' ? 1 : null,
  source: share === 'p95' ? 'asked' : 'recorded',
}))
