// npm run bench [-- suite…] [--only TEXT] [--gate] [--json FILE] [--corpus FILE --queries FILE]. A suite is a file
// `<suite>.bench.ts` here; without names all run. --only measures what has TEXT in its name, --gate what has a budget,
// and each miss once more before it counts. --corpus and --queries are what the suite `search` searches.
// Exit status: 0 no budget was missed, 1 one was, or a suite broke, 2 wrong call.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { arch, cpus, platform } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { BUDGETS, type Budget } from './budgets.ts'
import { type Printer, printer } from './print.ts'
import { CORPUS, QUERIES } from './search-corpus.ts'
import type { Report, Result } from './suite.ts'

interface Call {
  suites: string[]
  /** In the names of what is measured. */
  only: string
  gate: boolean
  json: string | undefined
}

/** What one process measures. */
interface Job {
  suite: string
  wanted: readonly Budget[]
  /** CATALOG_CORE_FEATURES, where the processor's better kernels are to be left out. */
  narrowed?: string | undefined
}

type Take = (budget: Budget, result: Result) => void

const SUFFIX = '.bench.ts'
const FEATURES = 'CATALOG_CORE_FEATURES'
const JOB = fileURLToPath(new URL('./job.ts', import.meta.url))
const model = cpus()[0]?.model ?? 'unknown processor'
const machine = `${model} × ${cpus().length}, ${platform()} ${arch()}, Node ${process.version}`

const call = parsed()
if ('problem' in call) {
  console.error(`bench: ${call.problem}`)
  process.exitCode = 2
} else {
  try {
    process.exitCode = await bench(call)
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : error}`)
    process.exitCode = 1
  }
}

function parsed(): Call | { problem: string } {
  const known = readdirSync(new URL('./', import.meta.url))
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => file.slice(0, -SUFFIX.length))
    .sort()
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        only: { type: 'string', default: '' },
        gate: { type: 'boolean', default: false },
        json: { type: 'string' },
        corpus: { type: 'string' },
        queries: { type: 'string' },
      },
    })
    const unknown = positionals.filter((name) => !known.includes(name))
    if (unknown.length > 0) {
      return { problem: `no suite named ${unknown.join(', ')}; there is ${known.join(', ')}` }
    }
    const { only, gate, json, corpus, queries } = values
    if ((corpus === undefined) !== (queries === undefined)) return { problem: 'a corpus needs queries of its own' }
    if (corpus !== undefined) process.env[CORPUS] = resolve(corpus)
    if (queries !== undefined) process.env[QUERIES] = resolve(queries)
    const suites = positionals.length > 0 ? positionals : known
    if (wantedOf(suites, only, gate).length === 0) return { problem: `nothing is named like "${only}"` }
    return { suites, only, gate, json }
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) }
  }
}

function wantedOf(suites: readonly string[], only: string, gate: boolean): Budget[] {
  const named = BUDGETS.filter(({ suite, name }) => suites.includes(suite) && name.includes(only))
  return gate ? named.filter(({ ratio }) => ratio !== null) : named
}

/** @returns exit status */
async function bench({ suites, only, gate, json }: Call): Promise<number> {
  const start = performance.now()
  const wanted = wantedOf(suites, only, gate)
  const print = printer(wanted)
  print.heading(machine)
  const results = new Map<Budget, Result>()
  for (const [suite, budgets] of Map.groupBy(wanted, ({ suite }) => suite)) {
    print.section(suite)
    await runSuite(suite, budgets, results, print)
  }
  if (gate) await retry(results, print)
  const all = [...results.values()]
  print.summary(all, (performance.now() - start) / 1000)
  if (json !== undefined) writeFileSync(json, `${JSON.stringify({ machine, results: all }, null, 2)}\n`)
  return all.some(missed) ? 1 : 0
}

function missed({ pass }: Result): boolean {
  return pass === false
}

/** Everything wanted of one suite: what the processor's best kernels do first, then what it has beside them. */
async function runSuite(
  suite: string,
  wanted: readonly Budget[],
  results: Map<Budget, Result>,
  print: Printer,
): Promise<void> {
  const book: Take = (budget, result) => {
    results.set(budget, result)
    print.result(result)
  }
  const rest: Budget[] = []
  await runJob({ suite, wanted }, print, (budget, result) => {
    const other = result.value === null && budget.narrowed !== undefined && process.env[FEATURES] === undefined
    if (other) rest.push(budget)
    else book(budget, result)
  })
  for (const [narrowed, budgets] of Map.groupBy(rest, ({ narrowed }) => narrowed)) {
    await runJob({ suite, wanted: budgets, narrowed }, print, book)
  }
  const missing = wanted.find((budget) => !results.has(budget))
  if (missing !== undefined) throw new Error(`suite ${suite} has no contest "${missing.name}"`)
}

/** Each miss once more, under what it was measured under. */
async function retry(results: Map<Budget, Result>, print: Printer): Promise<void> {
  const again = [...results].filter(([, result]) => missed(result)).map(([budget]) => budget)
  if (again.length === 0) return
  print.section('once more')
  for (const [suite, budgets] of Map.groupBy(again, ({ suite }) => suite)) {
    await runSuite(suite, budgets, results, print)
  }
}

async function runJob({ suite, wanted, narrowed }: Job, print: Printer, take: Take): Promise<void> {
  const indices = wanted.map((budget) => BUDGETS.indexOf(budget))
  const child = fork(JOB, [suite, indices.join()], {
    env: { ...process.env, ...(narrowed !== undefined && { [FEATURES]: narrowed }) },
  })
  child.on('message', (report: Report) => {
    if (report.type === 'started') print.progress(suite, report.name)
    else take(BUDGETS[report.index] as Budget, report.result)
  })
  // Unlike `exit`, it comes after the last message.
  const [status, signal] = await once(child, 'close')
  if (status !== 0) throw new Error(`suite ${suite} ended with ${signal ?? `status ${status}`}`)
}
