// A package as a query: the words that say most of it, as many as a query may have.
import { SEARCH_QUERY_LENGTH_MAX } from '../base/limits.ts'
import type { ReleaseBody } from '../model/release.ts'

/** Bounds of a query in the index, `MAX_QUERY_WORDS` and `MAX_WORD_CHARS` there. */
const WORDS_MAX = 8
const WORD_LENGTH_MAX = 64
/** Shorter ones say little, and are in many texts. */
const WORD_LENGTH_MIN = 3

/** Words of its keywords and name, then the longest of its description; empty when it says nothing of itself. */
export function wordsOf({ name, description, keywords, tags }: ReleaseBody): string {
  const said = [...keywords, ...tags, name].flatMap(split)
  const written = split(description).sort((a, b) => b.length - a.length)
  const words: string[] = []
  for (const word of new Set([...said, ...written])) {
    const length = [...words, word].join(' ').length
    if (words.length < WORDS_MAX && length <= SEARCH_QUERY_LENGTH_MAX) words.push(word)
  }
  return words.join(' ')
}

function split(text: string): string[] {
  const words = text.toLowerCase().split(/[^\p{L}\p{N}]+/u)
  return words.filter((word) => word.length >= WORD_LENGTH_MIN && word.length <= WORD_LENGTH_MAX)
}
