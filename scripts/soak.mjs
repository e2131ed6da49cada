// npm run soak: at length what continuous integration samples: 300 kills, 5,000 states after a power cut, ten times the
// random cases of the core. Takes half an hour or more. CATALOG_SEED repeats a run; each count can be set as well.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const test = join(dirname(fileURLToPath(import.meta.url)), 'test.mjs')
const lengths = { CATALOG_POINTS: '300', CATALOG_STATES: '5000', CATALOG_CASES: '10' }
const suites = ['test/faults/*.test.ts', 'test/faults/*.soak.ts', 'test/conformance/core.test.ts']
const { status } = spawnSync(process.execPath, [test, ...suites], {
  stdio: 'inherit',
  env: { ...lengths, ...process.env },
})
process.exitCode = status ?? 1
