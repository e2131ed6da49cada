// What the suites of search are about: packages, and queries that each have one package in mind.
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { IndexDocument, Scored } from '../src/discovery/native-index.ts'

/** Environment variables by which `run.ts` hands on its options. */
export const CORPUS = 'CATALOG_BENCH_CORPUS'
export const QUERIES = 'CATALOG_BENCH_QUERIES'

/** Kinds of queries, all of which a file of them holds. */
export const CLASSES = ['exact', 'typo1', 'typo2', 'words', 'wordstypo', 'prefix', 'variant'] as const

/** From so many packages on, a corpus counts as a whole registry. */
const LARGE = 100_000

export interface Package {
  readonly name: string
  /** A month. */
  readonly downloads: number
  readonly summary: string
}

export interface KnownItem {
  readonly cls: (typeof CLASSES)[number]
  /** Weights may be tuned on one half, and are judged on the other. */
  readonly split: 'dev' | 'test'
  readonly q: string
  /** The name of the package that was meant. */
  readonly target: string
}

export interface Corpus {
  readonly packages: readonly Package[]
  readonly queries: readonly KnownItem[]
  /** What budgets ask for: `corpus:large` or `corpus:fixture`. */
  readonly size: string
}

export function readCorpus(): Corpus {
  const rows = text(CORPUS, 'search/packages.tsv.gz').trimEnd().split('\n').slice(1)
  const packages = rows.map((row) => {
    const [name = '', , downloads, summary = ''] = row.split('\t')
    return { name, downloads: Number(downloads) || 0, summary }
  })
  const queries = JSON.parse(text(QUERIES, 'search/queries.json.gz')) as KnownItem[]
  const missing = CLASSES.filter((wanted) => !queries.some(({ cls }) => cls === wanted))
  if (missing.length > 0) throw new Error(`the queries have none of class ${missing.join(', ')}`)
  return { packages, queries, size: packages.length >= LARGE ? 'corpus:large' : 'corpus:fixture' }
}

/** A package as the index has it. @param at - its place among all, which its record's id would tell elsewhere */
export function documentOf(each: Package, at: number): IndexDocument {
  const payload = Buffer.alloc(32)
  payload.writeUInt32LE(at)
  return { key: each.name, payload, audience: 'public', scored: scoredOf(each) }
}

export function scoredOf({ name, summary, downloads }: Package): Scored {
  return { name, description: summary, keywords: [], labels: ['type:npm'], popularity: downloads, published: 0 }
}

function text(variable: string, fixture: string): string {
  const path = process.env[variable]
  const bytes = readFileSync(path ?? new URL(fixture, import.meta.url))
  const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b
  return (isPacked ? gunzipSync(bytes) : bytes).toString()
}
