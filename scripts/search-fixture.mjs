// node scripts/search-fixture.mjs CORPUS: makes the corpus and the queries that `npm run bench -- search` uses when it
// is given no others (bench/search), from a larger corpus of the same form. The same corpus gives the same files.
import { readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'

const PACKAGES = 5_000
/** Of these, the most popular; the others are drawn from all. */
const POPULAR = 2_000
const SEED = 20_260_101
const OUT = new URL('../bench/search/', import.meta.url)
const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
/** Words that say little, and which nobody would type to find a package. */
const COMMON = new Set(
  'and are but can for from has into its not that the them this use used using with you your'.split(' '),
)

let state = SEED
/** mulberry32: 0 to below 1. */
function random() {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}
const below = (n) => Math.floor(random() * n)
const pick = (all) => all[below(all.length)]

function shuffled(all) {
  const mixed = [...all]
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = below(i + 1)
    ;[mixed[i], mixed[j]] = [mixed[j], mixed[i]]
  }
  return mixed
}

/** One letter wrong, missing, too many, or swapped with the next. */
function mistyped(text) {
  const letters = [...text]
  const spots = letters.map((_, i) => i).filter((i) => i > 0 && /[a-z]/i.test(letters[i]))
  if (spots.length === 0) return text
  const at = pick(spots)
  const kind = below(4)
  if (kind === 0) letters[at] = pick(LETTERS)
  else if (kind === 1) letters.splice(at, 1)
  else if (kind === 2) letters.splice(at, 0, pick(LETTERS))
  else if (at + 1 < letters.length) [letters[at], letters[at + 1]] = [letters[at + 1], letters[at]]
  const result = letters.join('')
  return result === text ? mistyped(text) : result
}

const wordsOf = (text) => [
  ...new Set(
    text
      .toLowerCase()
      .split(/[^a-z0-9]+/)
      .filter((word) => word.length > 2 && !COMMON.has(word)),
  ),
]

function prefixOf(name) {
  const shortest = name.startsWith('@') ? name.indexOf('/') + 4 : Math.max(3, Math.ceil(name.length / 2))
  return name.slice(0, shortest + below(Math.max(1, name.length - shortest)))
}

/** The name as it may be remembered: in words, run together, or in camelCase. */
function variantOf(name) {
  const parts = name.split(/[^A-Za-z0-9]+/).filter(Boolean)
  const camel = parts.map((part, i) => (i === 0 ? part : part[0].toUpperCase() + part.slice(1)))
  return pick([parts.join(' '), parts.join(''), camel.join('')])
}

const someWords = (summary) => shuffled(wordsOf(summary)).slice(0, 3)
const hasParts = ({ name }) => /[A-Za-z0-9]-[A-Za-z0-9]/.test(name)
const isLong = ({ name }) => name.length >= 10
const isDescribed = ({ summary }) => wordsOf(summary).length >= 4

const CLASSES = {
  exact: { count: 60, of: () => true, query: ({ name }) => name },
  typo1: { count: 60, of: ({ name }) => name.length >= 6, query: ({ name }) => mistyped(name) },
  typo2: { count: 30, of: isLong, query: ({ name }) => mistyped(mistyped(name)) },
  words: { count: 60, of: isDescribed, query: ({ summary }) => someWords(summary).join(' ') },
  wordstypo: {
    count: 30,
    of: ({ summary }) => wordsOf(summary).filter((word) => word.length >= 6).length >= 3,
    query: ({ summary }) => {
      const words = shuffled(wordsOf(summary)).sort((a, b) => Number(b.length >= 6) - Number(a.length >= 6))
      return shuffled([mistyped(words[0]), words[1], words[2]]).join(' ')
    },
  },
  prefix: { count: 60, of: isLong, query: ({ name }) => prefixOf(name) },
  variant: { count: 60, of: hasParts, query: ({ name }) => variantOf(name) },
}

function queriesOver(packages) {
  const byDownloads = [...packages].sort((a, b) => b.downloads - a.downloads)
  const third = Math.ceil(packages.length / 3)
  const strata = [0, 1, 2].map((i) => byDownloads.slice(i * third, (i + 1) * third))
  return Object.entries(CLASSES).flatMap(([cls, { count, of, query }]) => {
    const pools = strata.map((stratum) => shuffled(stratum.filter(of)))
    return Array.from({ length: count }, (_, i) => {
      const target = pools[i % 3][Math.floor(i / 3)]
      return { cls, split: Math.floor(i / 3) % 2 ? 'test' : 'dev', q: query(target), target: target.name }
    })
  })
}

const [, , corpus] = process.argv
if (corpus === undefined) throw new Error('usage: node scripts/search-fixture.mjs CORPUS')
const [head, ...lines] = gunzipSync(readFileSync(corpus)).toString().trimEnd().split('\n')
const all = lines
  .map((line) => line.split('\t'))
  .map(([name, version, downloads, summary = '']) => ({ name, version, downloads: Number(downloads), summary }))
  .sort((a, b) => b.downloads - a.downloads || (a.name < b.name ? -1 : 1))
const drawn = shuffled(all.slice(POPULAR)).slice(0, PACKAGES - POPULAR)
const packages = [...all.slice(0, POPULAR), ...drawn].sort((a, b) => (a.name < b.name ? -1 : 1))
const rows = packages.map(({ name, version, downloads, summary }) => [name, version, downloads, summary].join('\t'))
const queries = queriesOver(packages)
const inLines = (each) => each.map((query) => JSON.stringify(query)).join(',\n')
writeFileSync(new URL('packages.tsv.gz', OUT), gzipSync(`${[head, ...rows].join('\n')}\n`, { level: 9 }))
writeFileSync(new URL('queries.json.gz', OUT), gzipSync(`[\n${inLines(queries)}\n]\n`, { level: 9 }))
console.log(`${packages.length} packages, ${queries.length} queries`)
