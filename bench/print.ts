// What `npm run bench` shows: a line a result on standard output, and on a terminal what is being measured now.
import { type Budget, variantOf } from './budgets.ts'
import type { Figures } from './harness.ts'
import type { Result } from './suite.ts'

const CLEAR_LINE = '\r\x1b[K'
const HEADS = ['candidate', 'baseline', 'ratio [95 %]', 'budget', 'CPU s', 'wall s']

export type Printer = ReturnType<typeof printer>

/** @param expected - the budgets that results will come for: their names make the columns */
export function printer(expected: readonly Budget[]) {
  const names = expected.map((budget) => label(budget.name, variantOf(budget)).length)
  const widths = [4, Math.max(...names), 15, 15, 20, 6, 6, 6]
  const row = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd()
  const terminal = process.stderr.isTTY === true
  const progress = (text: string) => {
    if (terminal) process.stderr.write(CLEAR_LINE + text)
  }
  const say = (text: string) => {
    progress('')
    console.log(text)
  }
  return {
    heading(machine: string): void {
      say(
        `${machine}\nratio = throughput of candidate / baseline: larger is better, the budget is the least that passes`,
      )
    },
    section(title: string): void {
      say(`\n${row(['', title, ...HEADS])}`)
    },
    progress(suite: string, name: string): void {
      progress(`${suite}: ${name} …`)
    },
    result(result: Result): void {
      say(row([mark(result), label(result.name, result.variant), ...(result.value === null ? [] : figures(result))]))
      if (result.budget !== null && !result.judged) say(row(['', `  not judged here: ${result.reason}`]))
      if (result.note !== null) say(row(['', `  ${result.note}`]))
    },
    summary(results: readonly Result[], seconds: number): void {
      const count = (which: (result: Result) => boolean) => results.filter(which).length
      const parts = [
        `${count(({ pass }) => pass === true)} held`,
        `${count(({ pass }) => pass === false)} missed`,
        `${count(({ judged, budget }) => !judged && budget !== null)} not judged here`,
        `${count(({ budget }) => budget === null)} recorded`,
      ]
      say(`\n${parts.join(', ')}; ${seconds.toFixed(0)} s`)
    },
  }
}

function label(name: string, variant: string | null): string {
  return variant === null ? name : `${name} (${variant.split(':')[1]})`
}

function mark({ pass, budget }: Result): string {
  if (pass === null) return budget === null ? '·' : '–'
  return pass ? 'ok' : 'MISS'
}

function figures({ value, baseline, unit, ratio, low, high, budget, cpu, wall }: Result & Figures): string[] {
  return [
    `${compact(value)} ${unit}`,
    `${compact(baseline)} ${unit}`,
    `${ratio.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`,
    budget === null ? '' : `≥ ${Number(budget.toFixed(2))}`,
    cpu.toFixed(2),
    wall.toFixed(2),
  ]
}

function compact(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3, notation: value < 1e6 ? 'standard' : 'compact' })
}
