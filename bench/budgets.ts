// What each suite must hold. A ratio is throughput of the candidate over throughput of the baseline, both measured
// in the same process and in turns: larger is better, and the budget is the least that passes.
import { REGISTRY } from './registry-budgets.ts'
import { FEDERATION, FINDABLE, SEARCH, SEARCH_CACHE } from './search-budgets.ts'
import { SYNC_BUDGETS } from './sync-budgets.ts'

export interface Budget {
  suite: string
  /** Of the contest. It may have several budgets, for the variants that its candidate may be. */
  name: string
  /** Of the absolute figures, which are recorded and never judged. */
  unit: string
  /** What the candidate is measured against. */
  baseline: string
  /** Least ratio that passes; null records only. */
  ratio: number | null
  /** Variants, `function:variant` each, of which the candidate must report one for this budget to be asked. */
  needs?: readonly string[]
  /** The CATALOG_CORE_FEATURES with which a processor that has better variants uses this one. */
  narrowed?: string
  /** Where the number comes from. */
  source: string
}

/** The variant that a budget is for, or null when it is not for one alone. */
export function variantOf({ needs = [] }: Budget): string | null {
  return needs.length === 1 ? (needs[0] ?? null) : null
}

/** A budget of µs an item, as the ratio to calibrated microseconds that it means. */
const perMicro = (micros: number): number => 1 / micros

const MANY = { suite: 'core', unit: 'MiB/s', baseline: 'crypto.hash of each chunk' }
const WHOLE = { suite: 'core', unit: 'MiB/s', baseline: "createHash('sha256') of the same pieces" }
const CUTS = { suite: 'core', unit: 'MiB/s', baseline: 'crypto.hash of the same bytes' }
const PARITY = { suite: 'core', unit: 'MiB/s' }
const REPAIR = { suite: 'core', unit: 'MiB/s', baseline: 'rsEncode of the same core and stripe' }
const ROOT = { suite: 'core', unit: 'nodes/s', baseline: 'calibrated µs' }
const ADD = { suite: 'core', unit: 'ids/s', baseline: 'calibrated µs' }
const DECODE = { suite: 'core', unit: 'diffs/s', baseline: 'calibrated µs' }
const MEMCPY = 'memcpy of the same stripes'
const MEMORY_COPY = 'memory.copy of the same stripes'

const HOT = 'measured, less a margin; it tells the variants apart'

/** Without AVX-512, and without GFNI too. WebAssembly leaves relaxed SIMD alone under either. */
const NO_512 = 'sha-ni,avx2,gfni'
const NO_GFNI = 'sha-ni,avx2'

const NATIVE: readonly Budget[] = [
  {
    ...MANY,
    name: 'native sha256Many, 64 × 64 KiB',
    ratio: 1.4,
    needs: ['sha256:avx512-x16'],
    source: 'prototype: sixteen lanes of AVX-512 at 1.64',
  },
  {
    ...MANY,
    name: 'native sha256Many, 64 × 64 KiB',
    ratio: 1.15,
    needs: ['sha256:sha-ni-x2'],
    narrowed: NO_GFNI,
    source: 'prototype: two SHA-NI streams at 1.25',
  },
  {
    ...WHOLE,
    name: 'native sha256Update, 64 × 64 KiB',
    ratio: 0.95,
    // The one variant that says for sure that the processor has SHA-NI.
    needs: ['sha256:sha-ni-x2'],
    narrowed: NO_GFNI,
    source: 'prototype: one SHA-NI stream at 1.01',
  },
  { ...CUTS, name: 'native chunk, 4 MiB', ratio: 1.4, source: 'prototype: 1.55 to 1.95' },
  {
    ...PARITY,
    name: 'native rsEncode, 10 + 4 of 1 MiB',
    baseline: MEMCPY,
    ratio: 0.9,
    needs: ['erasure:gfni-512'],
    source: 'prototype: 1.14 to 1.18',
  },
  {
    ...PARITY,
    name: 'native rsEncode, 10 + 4 of 1 MiB',
    baseline: MEMCPY,
    ratio: 0.9,
    needs: ['erasure:gfni-256'],
    narrowed: NO_512,
    source: 'asked of GFNI of either width',
  },
  {
    ...PARITY,
    name: 'native rsEncode, 10 + 4 of 1 MiB',
    baseline: MEMCPY,
    ratio: 0.4,
    needs: ['erasure:avx2'],
    narrowed: NO_GFNI,
    source: 'prototype: 0.48',
  },
  {
    ...PARITY,
    name: 'native rsEncode, 10 + 4 in the cache',
    baseline: MEMCPY,
    ratio: 0.6,
    needs: ['erasure:gfni-512'],
    source: HOT,
  },
  {
    ...PARITY,
    name: 'native rsEncode, 10 + 4 in the cache',
    baseline: MEMCPY,
    ratio: 0.5,
    needs: ['erasure:gfni-256'],
    narrowed: NO_512,
    source: HOT,
  },
  {
    ...PARITY,
    name: 'native rsEncode, 10 + 4 in the cache',
    baseline: MEMCPY,
    ratio: 0.25,
    needs: ['erasure:avx2'],
    narrowed: NO_GFNI,
    source: HOT,
  },
  { ...REPAIR, name: 'native rsReconstruct, 4 of 10 + 4', ratio: 0.8, source: 'as many rows by the same kernel' },
  {
    ...ROOT,
    name: 'native merkleRoot, 4,096 leaves',
    ratio: perMicro(0.15),
    needs: ['sha256:avx512-x16', 'sha256:sha-ni-x2'],
    source: '≤ 0.15 µs; prototype: 0.1',
  },
  {
    ...ADD,
    name: 'native sketchUpdate, 16,384 symbols',
    ratio: perMicro(0.45),
    source: '≤ 0.45 µs; prototype: 0.28 to 0.41',
  },
  {
    ...DECODE,
    name: 'native sketchDecode, 10,000 differences',
    ratio: perMicro(1),
    source: '≤ 1 µs; prototype: 0.26 to 0.42',
  },
]

const WASM: readonly Budget[] = [
  {
    ...MANY,
    name: 'wasm sha256Many, 64 × 64 KiB',
    ratio: 0.38,
    source: 'prototype: four SIMD lanes at 0.43, beside SHA-NI',
  },
  { ...WHOLE, name: 'wasm sha256Update, 64 × 64 KiB', ratio: 0.18, source: 'prototype: 0.21, beside SHA-NI' },
  { ...CUTS, name: 'wasm chunk, 4 MiB', ratio: 1.1, source: 'prototype: 1.3' },
  {
    ...PARITY,
    name: 'wasm rsEncode, 10 + 4 of 1 MiB',
    baseline: MEMORY_COPY,
    ratio: 0.27,
    needs: ['erasure:relaxed-simd'],
    source: 'prototype: 0.33',
  },
  {
    ...PARITY,
    name: 'wasm rsEncode, 10 + 4 of 1 MiB',
    baseline: MEMORY_COPY,
    ratio: 0.2,
    needs: ['erasure:simd128'],
    narrowed: NO_GFNI,
    source: 'prototype: 0.26',
  },
  {
    ...PARITY,
    name: 'wasm rsEncode, 10 + 4 in the cache',
    baseline: MEMORY_COPY,
    ratio: null,
    source: 'recorded',
  },
  { ...REPAIR, name: 'wasm rsReconstruct, 4 of 10 + 4', ratio: 0.8, source: 'as many rows by the same kernel' },
  { ...ROOT, name: 'wasm merkleRoot, 4,096 leaves', ratio: perMicro(0.6), source: '≤ 0.6 µs, derived' },
  { ...ADD, name: 'wasm sketchUpdate, 16,384 symbols', ratio: perMicro(0.9), source: '≤ 0.9 µs, twice the native' },
  { ...DECODE, name: 'wasm sketchDecode, 10,000 differences', ratio: perMicro(2), source: '≤ 2 µs, twice the native' },
]

const WORKERS: readonly Budget[] = [
  ...['64 KiB', '256 KiB', '1.0 MiB', '4.0 MiB'].flatMap((piece) =>
    ['one worker', 'two workers'].map((workers) => ({
      suite: 'workers',
      name: `ingest by ${piece}, ${workers}`,
      unit: 'GB/s',
      baseline: 'the same pass called inline',
      ratio: null,
      source: 'recorded: what a task costs',
    })),
  ),
  {
    suite: 'workers',
    name: 'digest of 8 × 32 MiB, two workers',
    unit: 'GB/s',
    baseline: 'one worker',
    ratio: 1.6,
    source: 'asked where two processes that only hash scale 1.8',
  },
]

const WRITES = { suite: 'store', unit: 'MiB/s' }
const LMDB_VALUES = 'the same bytes as LMDB values'
const FILES = 'a file and an fdatasync each'

const STORE: readonly Budget[] = [
  ...['64 KiB', '256 KiB', '1.0 MiB'].flatMap((size): Budget[] => [
    {
      ...WRITES,
      name: `256 MiB as blobs of ${size} against LMDB`,
      baseline: LMDB_VALUES,
      ratio: size === '64 KiB' ? 1.4 : null,
      source: 'prototype: packs 1,119 MB/s, values 687 at 64 KiB',
    },
    {
      ...WRITES,
      name: `256 MiB as blobs of ${size} against files`,
      baseline: FILES,
      ratio: size === '64 KiB' ? 2 : null,
      source: 'prototype: packs 1,119 MB/s, files 110 at 64 KiB',
    },
  ]),
  {
    suite: 'store',
    name: '5,000 releases of 4 KiB',
    unit: 'releases/s',
    baseline: 'LMDB puts of every row that publishing leaves, as many a commit',
    ratio: 0.4,
    source: 'signed, admitted and durable for two and a half times the price of storing the bytes',
  },
  {
    suite: 'store',
    name: '5,000 releases of 4 KiB against three values each',
    unit: 'releases/s',
    baseline: 'LMDB puts of file, release and share alone, as many a commit',
    ratio: null,
    source: 'recorded: what no index, trie and feed would cost',
  },
  {
    suite: 'store',
    name: 'random reads of 64 KiB',
    unit: 'reads/s',
    baseline: 'pread of a plain file',
    ratio: 0.9,
    source: 'a lease costs little',
  },
  {
    suite: 'store',
    name: '100,000 records in batches of 1,000',
    unit: 'records/s',
    baseline: 'calibrated µs',
    ratio: perMicro(60),
    source: '≤ 60 µs with the shelf’s trie, names and feed; prototype: 38 to 49 µs for entry and trie',
  },
  {
    suite: 'store',
    name: '100,000 records against plain puts',
    unit: 'records/s',
    baseline: 'LMDB puts of the same bytes in the same batches',
    ratio: null,
    source: 'recorded beside it',
  },
]

const LIBP2P = 'the same requests over @chainsafe/libp2p-quic streams'
const CPU = { suite: 'transfer', unit: 'MiB/CPU s' }
const LONG_PATH = { suite: 'transfer', unit: 'MB/s', baseline: 'the 125 MB/s of the path' }

const TRANSFER: readonly Budget[] = [
  {
    suite: 'transfer',
    name: 'one blob of 256 MiB',
    unit: 'MiB/s',
    baseline: 'the file through one TCP connection',
    ratio: 0.15,
    source: 'measured, less a margin',
  },
  {
    ...CPU,
    name: `bulk plane: CPU against libp2p-quic`,
    baseline: LIBP2P,
    ratio: 3,
    source: 'asked: a third of it for both ends together',
  },
  {
    ...CPU,
    name: `bulk plane: CPU against TCP`,
    baseline: 'a TCP copy that hashes at the receiver',
    ratio: 1 / 1.8,
    source: 'asked: at most 1.8 times as much',
  },
  {
    ...CPU,
    name: `bulk plane: CPU against TLS`,
    baseline: 'the same copy through TLS',
    ratio: null,
    source: 'recorded, for scale',
  },
  {
    suite: 'transfer',
    unit: 'MiB/s',
    name: `bulk plane against libp2p-quic`,
    baseline: LIBP2P,
    ratio: 2.5,
    source: 'asked, in wall time',
  },
  {
    suite: 'transfer',
    unit: 'MB',
    name: `bulk plane: memory of either end`,
    baseline: '200 MB',
    ratio: 1,
    source: 'asked, with all of Node in it',
  },
  {
    suite: 'transfer',
    unit: 'ms',
    name: `bulk plane: delay of either event loop`,
    baseline: '20 ms',
    ratio: 1,
    source: 'asked, of 99 in 100',
  },
  {
    ...LONG_PATH,
    name: `bulk plane by BBR: 50 ms, 0.1 % lost`,
    ratio: 0.48,
    source: 'asked: 60 MB/s of 125',
  },
  {
    ...LONG_PATH,
    name: `bulk plane by Cubic: 50 ms, 0.1 % lost`,
    ratio: null,
    source: 'recorded: loss that is no congestion',
  },
]

export const BUDGETS: readonly Budget[] = [
  ...NATIVE,
  ...WASM,
  ...WORKERS,
  ...STORE,
  ...TRANSFER,
  ...SEARCH,
  ...SEARCH_CACHE,
  ...FEDERATION,
  ...FINDABLE,
  ...REGISTRY,
  ...SYNC_BUDGETS,
]
