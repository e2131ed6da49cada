// The one scoring function, for local candidates and for those of peers alike: a peer's own order counts for nothing.
// Tiers and weights after the measured plan of the search research: exact name, prefix, all words, then typing errors.

/** What is scored. */
export interface Scored {
  readonly name: string
  readonly description: string
  readonly keywords: readonly string[]
}

const EXACT = 60
const SCOPED_EXACT = 58
const PREFIX = 10
/** Below what a candidate with all words has at least: a name one letter off must not pass a true match. */
const ONE_TYPO = 4
const TWO_TYPOS = 2.5
const NAME_WORD = 1.5
const TEXT_WORD = 1
const ALL_WORDS = 5
/** Shortest names in which one or two typing errors are forgiven. */
const ONE_TYPO_LENGTH = 4
const TWO_TYPOS_LENGTH = 8

/** @returns 0 when nothing matches; only the order means something */
export function score(query: string, candidate: Scored): number {
  const whole = joined(query)
  const words = [...new Set(tokens(query))]
  if (whole === '' || words.length === 0) return 0
  const full = joined(candidate.name)
  const base = joined(candidate.name.replace(/^@[^/]*\//, ''))
  return nameScore(whole, full, base) + wordScore(words, candidate)
}

function nameScore(whole: string, full: string, base: string): number {
  if (whole === full) return EXACT
  if (whole === base) return SCOPED_EXACT
  const begun = base.startsWith(whole) ? base : full.startsWith(whole) ? full : undefined
  if (begun !== undefined) return PREFIX * (0.5 + whole.length / (2 * begun.length))
  const typos = whole.length < ONE_TYPO_LENGTH ? 0 : whole.length < TWO_TYPOS_LENGTH ? 1 : 2
  const distance = Math.min(typoDistance(whole, base, typos), typoDistance(whole, full, typos))
  if (distance > typos) return 0
  return distance <= 1 ? ONE_TYPO : TWO_TYPOS
}

function wordScore(words: readonly string[], candidate: Scored): number {
  const nameWords = new Set(tokens(candidate.name))
  const textWords = new Set(tokens(`${candidate.description} ${candidate.keywords.join(' ')}`))
  let sum = 0
  let found = 0
  words.forEach((word, at) => {
    const last = at === words.length - 1
    const inName = has(nameWords, word, last)
    const inText = has(textWords, word, last)
    if (inName || inText) found++
    sum += Math.max(inName ? NAME_WORD : 0, inText ? TEXT_WORD : 0)
  })
  return found === words.length ? sum + ALL_WORDS : sum / 2
}

/** The last word may still be half typed. */
function has(words: ReadonlySet<string>, word: string, asPrefix: boolean): boolean {
  if (words.has(word)) return true
  return asPrefix && [...words].some((candidate) => candidate.startsWith(word))
}

/** Words of a name or text: split at separators and at camelCase, the whole chunk kept too. */
function tokens(text: string): string[] {
  return fold(text)
    .split(/[^\p{L}\p{N}]+/u)
    .filter((chunk) => chunk !== '')
    .flatMap((chunk) => {
      const parts = chunk
        .replace(/(\p{Ll}|\p{N})(\p{Lu})/gu, '$1 $2')
        .toLowerCase()
        .split(' ')
      return parts.length > 1 ? [chunk.toLowerCase(), ...parts] : parts
    })
}

function joined(text: string): string {
  return fold(text)
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '')
}

/** Without diacritics. */
function fold(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}+/gu, '')
}

/**
 * Optimal string alignment distance: insertions, deletions, substitutions, neighbours swapped.
 *
 * @param max - beyond it the exact number does not matter
 */
export function typoDistance(a: string, b: string, max: number): number {
  if (Math.abs(a.length - b.length) > max) return max + 1
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const plain = Math.min(
        (previous[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (previous[j - 1] as number) + (same ? 0 : 1),
      )
      row.push(swapped ? Math.min(plain, (before[j - 2] as number) + 1) : plain)
    }
    if (Math.min(...row) > max) return max + 1
    before = previous
    previous = row
  }
  return previous[b.length] as number
}
