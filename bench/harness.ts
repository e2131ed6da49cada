// Paired measurement. Baseline and candidate take turns in one process, swapping who goes first, so that whatever
// slows the machine slows both; the ratio within a round is steady where absolute times are not.
import benny from 'benny'
import { BUDGETS, type Budget } from './budgets.ts'

/** One thing to measure. Both sides do the same work; check their answers before handing them over. */
export interface Contest {
  /** A name of this suite in `budgets.ts`. */
  name: string
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
  /** CPU seconds the candidate has used so far, where its work is done by other processes. */
  cpuSeconds?: () => number
}

export interface Result {
  suite: string
  name: string
  unit: string
  /** Candidate and baseline, in `unit`: medians over all rounds. */
  value: number
  baseline: number
  /** Median of the rounds' throughput ratios, candidate over baseline: larger is better. */
  ratio: number
  /** 95 % bootstrap interval of that median. */
  low: number
  high: number
  /** Least ratio that passes, or null. */
  budget: number | null
  pass: boolean
  /** CPU seconds, user and system, of the candidate's turns: this process's threads, unless the suite counts others. */
  cpu: number
}

/** Measures a contest and books its result. */
export type Compare = (contest: Contest) => Promise<Result>

/** Default export of `<suite>.bench.ts`: sets up, compares, cleans up. */
export type Suite = (compare: Compare) => Promise<void>

const ROUNDS = 15
const TURN_SECONDS = 0.04
/** How much longer the second look at an unclear result is. */
const SECOND_LOOK = 3

type Side = 'candidate' | 'baseline'
type Verdict = 'pass' | 'fail' | 'unsure'

interface Measurement {
  ratios: number[]
  seconds: Record<Side, number[]>
  cpu: number
}

/**
 * Fails only when the whole interval lies below the budget: noise alone must not break a build. An interval that
 * contains the budget is measured once more, three times as long, and then given the benefit of the doubt.
 */
export async function measure(suite: string, contest: Contest): Promise<Result> {
  const budget = budgetOf(suite, contest.name)
  const rounds = contest.rounds ?? ROUNDS
  const first = judged(budget, contest, await takeTurns(contest, rounds))
  if (verdict(first) !== 'unsure') return first
  return judged(budget, contest, await takeTurns(contest, rounds * SECOND_LOOK))
}

function budgetOf(suite: string, name: string): Budget {
  const budget = BUDGETS.find((candidate) => candidate.suite === suite && candidate.name === name)
  if (budget === undefined) throw new Error(`budgets.ts has no line for "${name}" in suite ${suite}`)
  return budget
}

function judged(budget: Budget, { amount }: Contest, { ratios, seconds, cpu }: Measurement): Result {
  const [low, high] = medianInterval(ratios)
  const { suite, name, unit, ratio } = budget
  return {
    suite,
    name,
    unit,
    value: amount / quantile(seconds.candidate, 0.5),
    baseline: amount / quantile(seconds.baseline, 0.5),
    ratio: quantile(ratios, 0.5),
    low,
    high,
    budget: ratio,
    pass: ratio === null || high >= ratio,
    cpu,
  }
}

function verdict({ budget, low, pass }: Result): Verdict {
  if (!pass) return 'fail'
  return budget === null || low >= budget ? 'pass' : 'unsure'
}

async function takeTurns(contest: Contest, rounds: number): Promise<Measurement> {
  const cpuSeconds = contest.cpuSeconds ?? ownCpuSeconds
  const result: Measurement = { ratios: [], seconds: { candidate: [], baseline: [] }, cpu: 0 }
  // Round 0 only warms up; it also lets an error of either side out, which benny would swallow.
  for (let round = 0; round <= rounds; round++) {
    const order: Side[] = round % 2 ? ['candidate', 'baseline'] : ['baseline', 'candidate']
    const took: Record<Side, number> = { candidate: 0, baseline: 0 }
    let cpu = 0
    for (const side of order) {
      if (side === 'candidate') await contest.prepare?.()
      if (round === 0) {
        await contest[side]()
        if (contest.seconds === 0) continue
      }
      const before = cpuSeconds()
      took[side] = await takeTurn(contest[side], contest.seconds ?? TURN_SECONDS)
      if (side === 'candidate') cpu = cpuSeconds() - before
    }
    if (round === 0) continue
    result.seconds.candidate.push(took.candidate)
    result.seconds.baseline.push(took.baseline)
    result.ratios.push(took.baseline / took.candidate)
    result.cpu += cpu
  }
  return result
}

function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** @returns seconds one call takes: the median of benny's samples, or that of a single call */
async function takeTurn(call: () => unknown, seconds: number): Promise<number> {
  if (seconds === 0) {
    const start = performance.now()
    await call()
    return (performance.now() - start) / 1000
  }
  const cases = { minSamples: 5, minTime: seconds / 5, maxTime: seconds, delay: 0, initCount: 1 }
  const summary = await quietly(() =>
    benny.suite(
      '',
      benny.add('turn', () => call),
      benny.configure({ cases }),
    ),
  )
  const median = summary.results[0]?.details.median
  if (!median) throw new Error('a side threw while it was measured')
  return median
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

function quantile(values: readonly number[], q: number): number {
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
  const medians = Array.from({ length: resamples }, () => quantile(values.map(pick), 0.5))
  return [quantile(medians, 0.025), quantile(medians, 0.975)]
}
