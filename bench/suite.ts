// What a suite is, and how its contests meet their budgets.
import { BUDGETS, type Budget, variantOf } from './budgets.ts'
import { type Contest, type Figures, holds, measure, type Reading, readOff } from './harness.ts'

export interface Entry {
  /** A name of this suite in `budgets.ts`. */
  name: string
  /** What the candidate reports of itself, `function:variant` each: decides which of the contest's budgets is asked. */
  features?: readonly string[]
  /** Sets up; not called when nobody asks for this contest. */
  open: () => Contest | Reading | Promise<Contest | Reading>
}

/** Measures a contest and reports the result, or does nothing when nobody asks for it. */
export type Compare = (entry: Entry) => Promise<void>

/** Default export of `<suite>.bench.ts`: sets up, compares, cleans up. */
export type Suite = (compare: Compare) => Promise<void>

interface Verdict {
  suite: string
  name: string
  /** The variant that the budget is for, or null when it is not for one alone. */
  variant: string | null
  /** Of `value` and `baseline`. */
  unit: string
  /** Least ratio that passes, or null for what is only recorded. */
  budget: number | null
  judged: boolean
  /** Null when not judged. */
  pass: boolean | null
  /** Why it is not judged, or null. */
  reason: string | null
  note: string | null
}

/** A budget's outcome; the figures are null when nothing was measured for it. */
export type Result = Verdict & (Figures | { [Figure in keyof Figures]: null })

/** What a job tells the runner. */
export type Report = { type: 'started'; name: string } | { type: 'result'; index: number; result: Result }

/** Runs the contests of a suite that have a wanted budget. */
export async function perform(run: Suite, wanted: readonly Budget[], tell: (report: Report) => void): Promise<void> {
  await run(async ({ name, features = [], open }) => {
    if (!BUDGETS.some((budget) => budget.name === name)) throw new Error(`budgets.ts has no line for "${name}"`)
    const rivals = wanted.filter((budget) => budget.name === name)
    const asked = mostDemanding(rivals.filter((budget) => applies(budget, features)))
    for (const budget of rivals) {
      const index = BUDGETS.indexOf(budget)
      if (budget === asked) {
        tell({ type: 'started', name })
        tell({ type: 'result', index, result: await outcome(budget, await open()) })
      } else {
        tell({ type: 'result', index, result: notAsked(budget, features) })
      }
    }
  })
}

function mostDemanding(budgets: readonly Budget[]): Budget | undefined {
  return [...budgets].sort((a, b) => (b.ratio ?? 0) - (a.ratio ?? 0))[0]
}

function applies({ needs }: Budget, features: readonly string[]): boolean {
  return needs === undefined || needs.some((variant) => features.includes(variant))
}

async function outcome(budget: Budget, contest: Contest | Reading): Promise<Result> {
  const read = 'figure' in contest
  const reason = budget.ratio === null ? 'recorded' : read ? undefined : contest.unjudged
  const least = reason === undefined ? budget.ratio : null
  const figures = read ? readOff(contest) : await measure(contest, least)
  return {
    ...facts(budget),
    judged: least !== null,
    pass: least === null ? null : holds(figures, least),
    reason: reason ?? null,
    note: read ? null : (contest.note?.(figures, budget.ratio) ?? null),
    ...figures,
  }
}

function notAsked(budget: Budget, features: readonly string[]): Result {
  const reason = applies(budget, features)
    ? 'a higher budget is asked'
    : `needs ${budget.needs?.join(' or ')}, here is ${features.join(', ')}`
  const nothing = { value: null, baseline: null, ratio: null, low: null, high: null, cpu: null, wall: null }
  return { ...facts(budget), judged: false, pass: null, reason, note: null, ...nothing }
}

function facts(budget: Budget) {
  const { suite, name, unit, ratio } = budget
  return { suite, name, variant: variantOf(budget), unit, budget: ratio }
}
