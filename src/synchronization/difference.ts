// What two sketches tell: how far apart their sets are, and which ids only one of them has.
import { SYNC_SYMBOLS_MAX } from '../base/sync-limits.ts'
import { type Core, NEED_MORE, SYMBOL_BYTES } from '../core/surface.ts'
import { COUNTS, COUNTS_FIRST, SHORT_ID_BYTES } from '../wire/sync-messages.ts'

/** Where in a symbol its count stands. */
const COUNT_AT = 16
/** Symbols that come in any case: for the smallest differences an estimate says little. */
const SYMBOLS_MIN = 8
/** Symbols for each id of a difference: 1.4, and room for an estimate that is a third too low, as one of ten is. */
const SYMBOLS_PER_ID = 2
/** Symbols of a sketch that has to have the counts. */
export const SYMBOLS_WITH_COUNTS = COUNTS_FIRST + COUNTS

/** Short ids that only one of two sets has. */
export interface Difference {
  readonly mine: readonly Uint8Array[]
  readonly theirs: readonly Uint8Array[]
}

/** @param sketch - of at least `SYMBOLS_WITH_COUNTS` symbols */
export function countsOf(sketch: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: COUNTS }, (_, at) => sketch[(COUNTS_FIRST + at) * SYMBOL_BYTES + COUNT_AT] ?? 0)
}

/**
 * About how many ids only one of two sets has. An id stands in symbol i with probability p = 1 / (1 + i / 2), so of d
 * ids, `surplus` more in one set than in the other, the counts of symbol i differ by p × surplus on average, and with a
 * variance of p × d − p² × surplus² / d. The counts leave out the first symbols, where those of large differences would
 * go around.
 */
export function estimate(mine: Uint8Array, theirs: Uint8Array, surplus: number): number {
  let sum = 0
  for (let at = 0; at < COUNTS; at++) {
    const p = 1 / (1 + (COUNTS_FIRST + at) / 2)
    const apart = (mine[at] ?? 0) - (theirs[at] ?? 0) - Math.round(p * surplus)
    const residual = (apart << 24) >> 24
    sum += residual ** 2 / p
  }
  // What is one-sided varies a little less; with that left out the estimate is never too low for it.
  return Math.max(Math.abs(surplus), Math.ceil(sum / COUNTS))
}

/** How many symbols to send for a difference of about so many ids; none when a sketch cannot tell it. */
export function symbolsFor(ids: number): number {
  const symbols = SYMBOLS_MIN + Math.ceil(ids * SYMBOLS_PER_ID)
  // At the least 1.4 symbols an id are needed: up to there it is worth a try.
  return ids * 1.4 > SYNC_SYMBOLS_MAX ? 0 : Math.min(symbols, SYNC_SYMBOLS_MAX)
}

/** @returns undefined when the symbols do not suffice */
export function differenceOf(core: Core, mine: Uint8Array, theirs: Uint8Array): Difference | undefined {
  const symbols = mine.length / SYMBOL_BYTES
  const difference = mine.map((byte, at) =>
    at % SYMBOL_BYTES === COUNT_AT ? byte - (theirs[at] ?? 0) : byte ^ (theirs[at] ?? 0),
  )
  const [ids, signs] = [new BigUint64Array(symbols), new Int8Array(symbols)]
  const count = core.sketchDecode(difference, symbols, ids, signs)
  if (count === NEED_MORE) return undefined
  const bytes = new Uint8Array(ids.buffer)
  const found: { mine: Uint8Array[]; theirs: Uint8Array[] } = { mine: [], theirs: [] }
  for (let at = 0; at < count; at++) {
    const short = bytes.slice(at * SHORT_ID_BYTES, (at + 1) * SHORT_ID_BYTES)
    ;(signs[at] === 1 ? found.mine : found.theirs).push(short)
  }
  return found
}
