// npm run soak: at length what continuous integration samples: 300 kills, 5,000 states after a power cut, eight rounds
// of full and failing disks, a hundred kills while nodes synchronize, ten times the random cases of the core, a swarm
// at full size. Then how long a store of 100,000 releases takes to open, and what a blob of 2 GiB takes in memory. It
// takes an hour or more. CATALOG_SEED repeats a run; each count can be set as well.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const lengths = {
  CATALOG_POINTS: '300',
  CATALOG_STATES: '5000',
  CATALOG_ROUNDS: '8',
  CATALOG_CASES: '10',
  CATALOG_SYNC_KILLS: '100',
}
const swarm = { CATALOG_SWARM_MB: '200', CATALOG_SWARM_RATE_MB: '20' }
const suites = ['test/faults/*.test.ts', 'test/conformance/core.test.ts', 'test/integration/swarm.test.ts']
const measured = ['test/soak/open-store.ts', 'test/soak/large-blob.ts']

/** @returns whether it ended well */
function run(...args) {
  const env = { ...lengths, ...swarm, ...process.env }
  return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env }).status === 0
}

const passed = [run(join(root, 'scripts/test.mjs'), ...suites)]
for (const script of measured) passed.push(run('--disable-warning=ExperimentalWarning', script))
if (passed.includes(false)) process.exitCode = 1
