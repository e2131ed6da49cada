// Whom to ask: peers that answered well before, and now and then others, so that who is new, or has mended, gets a
// chance. Known to this process alone; a peer can do nothing about it but answer.
import { LRUCache } from 'lru-cache'
import { SEARCH_MERITS_MAX } from '../base/limits.ts'
import { type Random, shuffled } from '../base/random.ts'

/** How an inquiry ended. */
export type AnswerState =
  /** All of the answer came in time. */
  | 'answered'
  /** The peer would not: it is busy, or asked too often. */
  | 'refused'
  /** Not all of it came in time. */
  | 'timed-out'
  /** The peer, or its answer, broke off. */
  | 'failed'
  /** What came does not prove itself, or is not what an honest peer sends. */
  | 'lied'

/** Weight of the latest answer in what is remembered of all. */
const LATEST = 0.2
/** What is expected of who was never asked: good enough to be tried, and not before who is known to be good. */
const EXPECTED = 0.5
/** The least that a good peer may take of a choice, in that many; the others are drawn by lot. */
const LOTS = 4

interface Merit {
  /** Share of inquiries that were answered in time. */
  answered: number
  /** Share of inquiries of whose answers something was shown. */
  useful: number
  /** Candidates of publishers that are known by others' word as well, and of those that are not. */
  attested: number
  unattested: number
}

export class Merits {
  readonly #random: Random
  readonly #merits = new LRUCache<string, Merit>({ max: SEARCH_MERITS_MAX })

  constructor({ random }: { random: Random }) {
    this.#random = random
  }

  /** Whom to ask, at most so many: the best, and for each `LOTS` of them one of the others. */
  choose(peers: readonly string[], most: number): string[] {
    const mixed = shuffled(this.#random, peers)
    if (mixed.length <= most) return mixed
    const byMerit = mixed.toSorted((a, b) => this.#worth(b) - this.#worth(a))
    const best = most - Math.floor(most / LOTS)
    return [...byMerit.slice(0, best), ...shuffled(this.#random, byMerit.slice(best)).slice(0, most - best)]
  }

  /** How an inquiry ended. */
  ended(peer: string, state: AnswerState): void {
    const merit = this.#of(peer)
    merit.answered = blended(merit.answered, state === 'answered')
    if (state !== 'answered') merit.useful = blended(merit.useful, false)
  }

  /** What an answer was worth: whether something of it was shown, and of whose publishers others know too. */
  weigh(peer: string, { shown, attested, unattested }: { shown: boolean; attested: number; unattested: number }): void {
    const merit = this.#of(peer)
    merit.useful = blended(merit.useful, shown)
    merit.attested += attested
    merit.unattested += unattested
  }

  /** Whether a peer's word counts when it names a publisher: most of those that it has named so far others know too. */
  vouches(peer: string): boolean {
    const merit = this.#merits.get(peer)
    return merit !== undefined && merit.attested > merit.unattested
  }

  #worth(peer: string): number {
    const { answered, useful } = this.#merits.peek(peer) ?? { answered: EXPECTED, useful: EXPECTED }
    return answered * useful
  }

  #of(peer: string): Merit {
    const merit = this.#merits.get(peer) ?? { answered: EXPECTED, useful: EXPECTED, attested: 0, unattested: 0 }
    this.#merits.set(peer, merit)
    return merit
  }
}

function blended(before: number, latest: boolean): number {
  return before + LATEST * (Number(latest) - before)
}
