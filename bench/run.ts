// npm run bench [-- suite…] [--json FILE]. A suite is a file `<suite>.bench.ts` here; without names all run.
// Exit status: 0 all budgets held, 1 one failed, 2 wrong call.
import { readdirSync, writeFileSync } from 'node:fs'
import { arch, cpus, platform } from 'node:os'
import { parseArgs } from 'node:util'
import { measure, type Result, type Suite } from './harness.ts'

const here = new URL('./', import.meta.url)
const SUFFIX = '.bench.ts'
const model = cpus()[0]?.model ?? 'unknown processor'
const machine = `${model} × ${cpus().length}, ${platform()} ${arch()}, Node ${process.version}`

const call = parsed()
if ('problem' in call) {
  console.error(`bench: ${call.problem}`)
  process.exitCode = 2
} else {
  const results = await runAll(call.suites)
  if (call.json !== undefined) writeFileSync(call.json, `${JSON.stringify({ machine, results }, null, 2)}\n`)
  const failed = results.filter(({ pass }) => !pass)
  if (failed.length > 0) {
    console.log(`\n${failed.length} of ${results.length} below budget`)
    process.exitCode = 1
  }
}

function parsed(): { suites: string[]; json: string | undefined } | { problem: string } {
  const known = readdirSync(here)
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => file.slice(0, -SUFFIX.length))
    .sort()
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'string' } } })
    const unknown = positionals.filter((name) => !known.includes(name))
    if (unknown.length > 0) {
      return { problem: `no suite named ${unknown.join(', ')}; there is ${known.join(', ')}` }
    }
    return { suites: positionals.length > 0 ? positionals : known, json: values.json }
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) }
  }
}

async function runAll(suites: string[]): Promise<Result[]> {
  console.log(`${machine}\nratio = throughput of candidate / baseline: larger is better, the budget is the least\n`)
  const results: Result[] = []
  for (const suite of suites) {
    const { default: run } = (await import(new URL(suite + SUFFIX, here).href)) as { default: Suite }
    await run(async (contest) => {
      const result = await measure(suite, contest)
      results.push(result)
      console.log(line(result))
      return result
    })
  }
  return results
}

function line({ suite, name, unit, value, baseline, ratio, low, high, budget, pass, cpu }: Result): string {
  const mark = budget === null ? '·   ' : pass ? 'ok  ' : 'FAIL'
  const figures = `${compact(value)} ${unit} (${compact(baseline)})`
  const interval = `${ratio.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`
  const least = budget === null ? 'recorded' : `≥ ${budget}`
  const columns = [suite.padEnd(9), name.padEnd(34), figures.padStart(30), interval.padStart(22), least.padEnd(9)]
  return `${mark} ${columns.join('  ')} cpu ${cpu.toFixed(2)} s`
}

function compact(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 })
}
