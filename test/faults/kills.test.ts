// A process that works on a store is killed with SIGKILL, at chosen points and at random ones; then everything it had
// acknowledged is there and whole, nothing is half there, and the store goes on. Many kills accumulate in one folder.
//
// CATALOG_SEED replays: it is the seed of the first story, and each story after it has the next. CATALOG_POINTS is the
// number of kills.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import tap, { type Test, test } from 'tap'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { describeRecovery } from '../../src/store/recovery.ts'
import type { Mission } from './kill-child.ts'
import { Ledger } from './ledger.ts'
import { PHASES, type Point } from './self-kill.ts'
import { survey } from './survey.ts'
import type { Told } from './workload.ts'

const SEED = Number(process.env['CATALOG_SEED'] ?? Date.now() % 2 ** 31)
const POINTS = Number(process.env['CATALOG_POINTS'] ?? 60)
const POINTS_PER_STORY = 10
const CHILD = fileURLToPath(new URL('kill-child.ts', import.meta.url))
const WORKER = new URL('kill-worker.ts', import.meta.url).href
/** A child that is not dead by then hangs. */
const PATIENCE_MS = 60_000
/** System calls that write, sync, cut or remove. */
const CALLS = 'pwrite64,pwritev,pwritev2,fdatasync,fsync,ftruncate,unlink,unlinkat,rmdir,rename'

tap.setTimeout(20_000 + POINTS * 10_000)

/** How a child is killed; by strace, where there is one, also within LMDB. */
const WAYS = ['disk', 'commit', 'worker', 'time', ...(hasStrace() ? (['call'] as const) : [])] as const
type Way = 'disk' | 'commit' | 'worker' | 'time' | 'call'

interface Life {
  readonly told: Told[]
  readonly recovery: string
  /** Status, or the signal it died of. */
  readonly end: number | string
  readonly stderr: string
}

/** A child has little to do; most of its time would go into reading the sources. */
const cache = mkdtempSync(join(tmpdir(), 'catalog-kills-'))
tap.teardown(() => rmSync(cache, { recursive: true, force: true }))
test('a child that is left alone ends well', async (t) => {
  t.match(await run({ folder: t.testdir({}), seed: SEED, from: 0, finish: true }), { end: 0, stderr: '' })
})

const tally = new Map<Way, number>()
for (let done = 0, story = 0; done < POINTS; done += POINTS_PER_STORY, story++) {
  const points = Math.min(POINTS_PER_STORY, POINTS - done)
  test(`${points} kills, CATALOG_SEED=${SEED + story} CATALOG_POINTS=${points}`, (t) =>
    tellStory(t, SEED + story, points))
}

test('every way of dying was met', async (t) => {
  t.comment([...tally].map(([way, count]) => `${way} ${count}`).join(', '))
  if (POINTS >= POINTS_PER_STORY) t.equal(tally.size, WAYS.length)
})

async function tellStory(t: Test, seed: number, points: number): Promise<void> {
  const folder = t.testdir({ store: {} })
  const random = seededRandom(seed)
  const ledger = new Ledger()
  for (let point = 0; point < points; point++) {
    const way = WAYS[(seed + point) % WAYS.length] ?? 'time'
    const life = await live(way, folder, random, point)
    const what = `kill ${point + 1} of seed ${seed}, ${way}`
    t.equal(life.end, 'SIGKILL', `${what}: ${life.stderr}`)
    tally.set(way, (tally.get(way) ?? 0) + 1)
    for (const told of life.told) ledger.take(told)
    t.same(await survey(folder, ledger, 1000 * point + 900), [], what)
  }
  const last = await run({ folder, seed, from: 1000 * points, finish: true })
  t.equal(last.end, 0, last.stderr)
  for (const told of last.told) ledger.take(told)
  t.same(await survey(folder, ledger, 1000 * points + 900), [], 'what was begun can be finished')
  t.ok(ledger.acknowledged.length > 0, `${ledger.acknowledged.length} packages`)
}

/** Have a child work until it dies in the given way. */
function live(way: Way, folder: string, random: Random, point: number): Promise<Life> {
  const mission = { folder, seed: Math.floor(random.fraction() * 2 ** 31), from: 1000 * point }
  // Low numbers are as likely as high ones: the first operations are those of recovery.
  const at = (most: number) => Math.ceil(most ** random.fraction())
  const phase = PHASES[Math.floor(random.fraction() * PHASES.length)] ?? 'before'
  if (way === 'disk' || way === 'commit')
    return run({ ...mission, [way]: { at: at(way === 'disk' ? 150 : 80), phase } })
  if (way === 'worker') return run(mission, { worker: { at: at(10), phase } })
  if (way === 'call') return run(mission, { call: at(120) })
  return run(mission, { lines: at(120), delayMs: random.fraction() * 30 })
}

interface Death {
  readonly worker?: Point
  /** Number of a system call. */
  readonly call?: number
  /** After so many lines, and a little later. */
  readonly lines?: number
  readonly delayMs?: number
}

async function run(mission: Mission, death: Death = {}): Promise<Life> {
  const node = ['--disable-warning=ExperimentalWarning', ...(death.worker ? ['--import', WORKER] : [])]
  const traced = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${CALLS}`]
  const inject = ['-e', `inject=${CALLS}:signal=SIGKILL:when=${death.call}`, process.execPath]
  const [command, before] = death.call === undefined ? [process.execPath, []] : ['strace', [...traced, ...inject]]
  const child = spawn(command, [...before, ...node, CHILD, JSON.stringify(mission)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: {
      ...process.env,
      NODE_COMPILE_CACHE: cache,
      ...(death.worker && { CATALOG_TEST_KILL_WORKER: JSON.stringify(death.worker) }),
    },
  })
  const life = { told: [] as Told[], recovery: '', stderr: '' }
  child.stderr.on('data', (text) => {
    life.stderr += text
  })
  // With strace between, the child is not this process's own: the group is.
  const patience = setTimeout(() => process.kill(-(child.pid ?? 0), 'SIGABRT'), PATIENCE_MS)
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => {
    const told = JSON.parse(line)
    if ('opened' in told) life.recovery = describeRecovery(told.opened).join(' ')
    else life.told.push(told)
    if (death.lines === life.told.length) setTimeout(() => child.kill('SIGKILL'), death.delayMs)
  })
  const [[code, signal]] = await Promise.all([once(child, 'exit'), once(lines, 'close')])
  clearTimeout(patience)
  return { ...life, end: code ?? signal }
}

/** Whether a process can be traced here. */
function hasStrace(): boolean {
  return spawnSync('strace', ['-f', '-qq', '-o', '/dev/null', 'true']).status === 0
}
