// Ranking: what the index and peers proposed, by the one scoring function of the native index.
import { SEARCH_RESULTS_MAX } from '../base/limits.ts'
import type { Explanation, Scored, TextIndex } from './native-index.ts'

/** Looked at for each result asked for: the index proposes by a coarser measure than the one that ranks. */
const CANDIDATES_PER_RESULT = 3

/** How many candidates to take from the index. */
export function candidatesFor(limit: number): number {
  return Math.min(limit * CANDIDATES_PER_RESULT, SEARCH_RESULTS_MAX)
}

/**
 * Each with its score, best first; equals by `nameOf`, so that the same candidates always come in the same order.
 *
 * @param explain - also say why
 */
export async function ranked<T>(
  { index }: { index: Pick<TextIndex, 'score' | 'explain'> },
  query: string,
  candidates: readonly T[],
  textOf: (candidate: T) => Scored,
  nameOf: (candidate: T) => string,
  explain = false,
): Promise<{ candidate: T; score: number; explanation?: Explanation }[]> {
  const texts = candidates.map(textOf)
  const scored = explain
    ? (await index.explain(query, texts)).map((explanation) => ({ score: explanation.score, explanation }))
    : (await index.score(query, texts)).map((score) => ({ score }))
  return candidates
    .map((candidate, i) => ({ candidate, ...(scored[i] ?? { score: 0 }) }))
    .sort((a, b) => b.score - a.score || (nameOf(a.candidate) < nameOf(b.candidate) ? -1 : 1))
}
