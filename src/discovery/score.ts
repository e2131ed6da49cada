// Ranking: what the index and peers proposed, by the one scoring function of the native index.
import { SEARCH_RESULTS_MAX } from '../base/limits.ts'
import type { Scored, TextIndex } from './native-index.ts'

/** Looked at for each result asked for: the index proposes by a coarser measure than the one that ranks. */
const CANDIDATES_PER_RESULT = 3

/** How many candidates to take from the index. */
export function candidatesFor(limit: number): number {
  return Math.min(limit * CANDIDATES_PER_RESULT, SEARCH_RESULTS_MAX)
}

/** Each with its score, best first; equals by `nameOf`, so that the same candidates always come in the same order. */
export async function ranked<T>(
  { index }: { index: Pick<TextIndex, 'score'> },
  query: string,
  candidates: readonly T[],
  textOf: (candidate: T) => Scored,
  nameOf: (candidate: T) => string,
): Promise<{ candidate: T; score: number }[]> {
  const scores = await index.score(query, candidates.map(textOf))
  return candidates
    .map((candidate, i) => ({ candidate, score: scores[i] ?? 0 }))
    .sort((a, b) => b.score - a.score || (nameOf(a.candidate) < nameOf(b.candidate) ? -1 : 1))
}
