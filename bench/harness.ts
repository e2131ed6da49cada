// Paired measurement. Baseline and candidate take turns in one process, swapping who goes first, so that whatever
// slows the machine slows both; the ratio within a round is steady where absolute times are not.
import benny from 'benny'

export type Side = 'candidate' | 'baseline'

/** One thing to measure. Both sides do the same work; check their answers before handing them over. */
export interface Contest {
  /** Units of work one call of either side does, in the budget's unit without "/s". */
  amount: number
  candidate: () => unknown
  baseline: () => unknown
  /** Rounds of one turn each; 15 by default. */
  rounds?: number
  /** Seconds of sampling per turn, 0.04 by default; 0 times a single call, for work that takes long by itself. */
  seconds?: number
  /** Brings about what a call of the candidate needs, before each of its turns and outside their time. */
  prepare?: () => Promise<void>
  /** The same for the baseline. */
  prepareBaseline?: () => Promise<void>
  /** CPU seconds the candidate has used so far, where its work is done by other processes. */
  cpuSeconds?: () => number
  /**
   * What a turn of each side is measured by instead of the wall clock, in seconds so far: CPU seconds, for what the
   * sides use rather than how long they take. For single calls only.
   */
  clocks?: Record<Side, () => number>
  /** Never measured once more, however unclear: for what takes very long. */
  once?: boolean
  /** Why this machine cannot judge the result, which is then recorded only. */
  unjudged?: string
  /** A line below the result. */
  note?: (figures: Figures, least: number | null) => string
}

/** A figure that was read off, and the most or the least it may be. */
export type Reading = { figure: number; most: number } | { figure: number; least: number }

export interface Figures {
  /** Units a second of candidate and baseline: medians over all rounds. */
  value: number
  baseline: number
  /** Median of the rounds' throughput ratios, candidate over baseline: larger is better. */
  ratio: number
  /** 95 % bootstrap interval of that median. */
  low: number
  high: number
  /** CPU seconds, user and system, of the candidate's turns: this process's threads, unless the contest counts more. */
  cpu: number
  /** Wall seconds of the same turns. */
  wall: number
}

const ROUNDS = 15
const TURN_SECONDS = 0.04
/** How much longer the second look at an unclear result is. */
const SECOND_LOOK = 3

interface Turns {
  ratios: number[]
  seconds: Record<Side, number[]>
  cpu: number
  wall: number
}

/**
 * An interval that contains the least ratio leaves open on which side of it the truth lies, so the contest is measured
 * once more, three times as long.
 *
 * @param least - the ratio that decides, or null where none does
 */
export async function measure(contest: Contest, least: number | null): Promise<Figures> {
  const rounds = contest.rounds ?? ROUNDS
  const first = figures(contest, await takeTurns(contest, rounds))
  if (least === null || contest.once || first.low >= least || first.high < least) return first
  return figures(contest, await takeTurns(contest, rounds * SECOND_LOOK))
}

/** A reading as the result of a contest: a ratio of 1 is as much, or as little, as it may be. */
export function readOff(reading: Reading): Figures {
  const { figure } = reading
  const [baseline, ratio] =
    'most' in reading ? [reading.most, reading.most / figure] : [reading.least, figure / reading.least]
  return { value: figure, baseline, ratio, low: ratio, high: ratio, cpu: 0, wall: 0 }
}

/** Only a whole interval below the least ratio is a miss: noise alone must not break a build. */
export function holds({ high }: Figures, least: number): boolean {
  return high >= least
}

function figures({ amount }: Contest, { ratios, seconds, cpu, wall }: Turns): Figures {
  const [low, high] = medianInterval(ratios)
  return {
    value: amount / median(seconds.candidate),
    baseline: amount / median(seconds.baseline),
    ratio: median(ratios),
    low,
    high,
    cpu,
    wall,
  }
}

async function takeTurns(contest: Contest, rounds: number): Promise<Turns> {
  const cpuSeconds = contest.cpuSeconds ?? ownCpuSeconds
  const turns: Turns = { ratios: [], seconds: { candidate: [], baseline: [] }, cpu: 0, wall: 0 }
  // Round 0 only warms up; it also lets an error of either side out, which benny would swallow.
  for (let round = 0; round <= rounds; round++) {
    const order: Side[] = round % 2 ? ['candidate', 'baseline'] : ['baseline', 'candidate']
    const took: Record<Side, number> = { candidate: 0, baseline: 0 }
    const spent = { cpu: 0, wall: 0 }
    for (const side of order) {
      await (side === 'candidate' ? contest.prepare : contest.prepareBaseline)?.()
      if (round === 0) {
        await contest[side]()
        if (contest.seconds === 0) continue
      }
      const before = { cpu: cpuSeconds(), wall: wallSeconds() }
      took[side] = await takeTurn(contest[side], contest.seconds ?? TURN_SECONDS, contest.clocks?.[side])
      if (side === 'candidate') {
        spent.cpu = cpuSeconds() - before.cpu
        spent.wall = wallSeconds() - before.wall
      }
    }
    if (round === 0) continue
    turns.seconds.candidate.push(took.candidate)
    turns.seconds.baseline.push(took.baseline)
    turns.ratios.push(took.baseline / took.candidate)
    turns.cpu += spent.cpu
    turns.wall += spent.wall
  }
  return turns
}

function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

function wallSeconds(): number {
  return performance.now() / 1000
}

/** @returns seconds one call takes: the median of benny's samples, or that of a single call */
async function takeTurn(call: () => unknown, seconds: number, clock = wallSeconds): Promise<number> {
  if (seconds === 0) {
    const start = clock()
    await call()
    return clock() - start
  }
  const cases = { minSamples: 5, minTime: seconds / 5, maxTime: seconds, delay: 0, initCount: 1 }
  const summary = await quietly(() =>
    benny.suite(
      '',
      benny.add('turn', () => call),
      benny.configure({ cases }),
    ),
  )
  const took = summary.results[0]?.details.median
  if (!took) throw new Error('a side threw while it was measured')
  return took
}

/** benny announces every suite on the console, here thirty times a contest. */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { log } = console
  console.log = () => undefined
  try {
    return await work()
  } finally {
    console.log = log
  }
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** What is made when it is first asked for, and then again and again. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * q
  const below = sorted[Math.floor(at)] ?? Number.NaN
  const above = sorted[Math.ceil(at)] ?? Number.NaN
  return below + (above - below) * (at - Math.floor(at))
}

/** Percentile bootstrap (Efron 1979) of the median, with a fixed seed: the same rounds give the same interval. */
function medianInterval(values: readonly number[], resamples = 2000): [number, number] {
  let state = 0x9e3779b9
  const pick = () => {
    // xorshift32 (Marsaglia 2003)
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return values[(state >>> 0) % values.length] ?? Number.NaN
  }
  const medians = Array.from({ length: resamples }, () => median(values.map(pick)))
  return [quantile(medians, 0.025), quantile(medians, 0.975)]
}
