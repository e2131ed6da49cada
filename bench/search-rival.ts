// MiniSearch over the same packages, set up as well as is known: names whole and in words, descriptions in words, all
// words first and any word to fill up, typing errors forgiven by length, popular packages preferred.
import MiniSearch, { type Query } from 'minisearch'
import type { Package } from './search-corpus.ts'

const COMMON = new Set([
  ...[
    'a',
    'an',
    'and',
    'are',
    'as',
    'at',
    'be',
    'by',
    'can',
    'for',
    'from',
    'has',
    'in',
    'into',
    'is',
    'it',
    'its',
    'not',
  ],
  ...['of', 'on', 'or', 'that', 'the', 'this', 'to', 'use', 'used', 'using', 'was', 'we', 'with', 'you', 'your'],
])
const POPULARITY_WEIGHT = 0.4
const MAX_WORDS = 8

export function miniSearch(packages: readonly Package[]): (query: string, limit: number) => string[] {
  const engine = new MiniSearch({
    fields: ['full', 'base', 'words', 'summary'],
    tokenize: (text) => text.split(' '),
    processTerm: (term) => term,
  })
  engine.addAll(
    packages.map(({ name, summary }, id) => ({
      id,
      full: joined(name),
      base: joined(name.replace(/^@[^/]*\//, '')),
      words: words(name).join(' '),
      summary: words(summary).join(' '),
    })),
  )
  const boostDocument = (id: number) => 1 + POPULARITY_WEIGHT * Math.log2(1 + (packages[id]?.downloads ?? 0))
  return (query, limit) => {
    const found = new Set<number>()
    const all = [...new Set(words(query))]
    const telling = all.filter((word) => !COMMON.has(word))
    const chosen = (telling.length > 0 ? telling : all).slice(0, MAX_WORDS)
    for (const combineWith of chosen.length > 1 ? ['AND', 'OR'] : ['AND']) {
      if (found.size >= limit) break
      const asked: Query = {
        combineWith: 'OR',
        queries: [
          {
            queries: [joined(query)],
            fields: ['full', 'base'],
            prefix: true,
            fuzzy: (term) => (term.length < 4 ? false : term.length < 8 ? 1 : 2),
            boost: { full: 4, base: 4 },
            boostDocument,
          },
          {
            queries: chosen,
            combineWith: combineWith as 'AND' | 'OR',
            fields: ['words', 'summary'],
            prefix: (term) => term.length > 2,
            fuzzy: (term) => (term.length < 5 ? false : 1),
            boost: { words: 1.5, summary: 1 },
            boostDocument,
          },
        ],
      }
      for (const { id } of engine.search(asked)) {
        if (found.size < limit) found.add(id)
      }
    }
    return [...found].map((id) => packages[id]?.name ?? '')
  }
}

/** Runs of letters and digits, and the humps of those in camelCase. */
function words(text: string): string[] {
  return text
    .split(/[^\p{L}\p{N}]+/u)
    .filter((run) => run !== '')
    .flatMap((run) => {
      const humps = run
        .replace(/([a-z0-9])([A-Z])|([A-Z]+)([A-Z][a-z])/g, '$1$3 $2$4')
        .toLowerCase()
        .split(' ')
      return humps.length > 1 ? [run.toLowerCase(), ...humps] : humps
    })
}

function joined(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '')
}
