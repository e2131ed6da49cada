// The tests of full-disk.test.ts that want a limit on the length of files (RLIMIT_FSIZE): this process is under one,
// and lifts it when there is to be room again. Arguments: a folder and a seed.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import tap, { test } from 'tap'
import { seededRandom } from '../../src/base/random.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import type { Afterwards, FullMission } from './full-child.ts'
import { Ledger } from './ledger.ts'
import { live } from './lives.ts'
import { contentSized, nameOf } from './packages.ts'
import { openStand } from './stand.ts'
import { survey } from './survey.ts'
import { type Told, Workload } from './workload.ts'

const [, , FOLDER = '', SEED = '1'] = process.argv
const CHILD = fileURLToPath(new URL('full-child.ts', import.meta.url))
const DATABASE_BYTES = 2 * MiB

tap.setTimeout(1_200_000)
// Node takes the limit for an error of the call that meets it; what tap listens with would end the process.
process.removeAllListeners('SIGXFSZ').on('SIGXFSZ', () => undefined)

const name = (kind: 'own' | 'far', number: number, bytes: number) =>
  nameOf({ kind, number, content: contentSized(bytes + number) })

test('a pack that may grow no longer: what does not fit is refused, and goes in when it may', async (t) => {
  const folder = join(FOLDER, 'packs')
  mkdirSync(join(folder, 'store'), { recursive: true })
  const stand = await openStand(join(folder, 'store'))
  const ledger = new Ledger()
  const states: string[] = []
  const tell = (told: Told) => {
    ledger.take(told)
    if ('verb' in told && told.state !== 'begun') states.push(`${told.verb} ${told.state}`)
  }
  const options = { random: seededRandom(Number(SEED)), sources: folder, tell, from: 0 }
  const workload = new Workload(stand, { ...options, mayRefuse: ['DISK_FULL'] })
  let number = 0
  while (!states.includes('publish refused')) await workload.publish(name('own', number++, 1.5 * MiB))
  t.ok(number > 2, `${number - 1} were published`)
  for (const bytes of [100 * KiB, 200 * KiB, 1.2 * MiB, 1.3 * MiB]) {
    await workload.publish(name('own', number++, bytes))
    await workload.fetch(name('far', number++, bytes))
  }
  t.ok(states.includes('fetch refused'))
  await workload.publish(name('own', number++, KiB))
  t.equal(states.at(-1), 'publish done', 'the database still has room')
  t.same(await ledger.verify(stand, 'working'), [])

  const lifted = spawnSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited'])
  t.equal(lifted.status, 0, String(lifted.stderr))
  for (const bytes of [100 * KiB, 1.2 * MiB]) {
    await workload.publish(name('own', number++, bytes))
    await workload.fetch(name('far', number++, bytes))
    t.equal(states.at(-1), 'fetch done')
  }
  t.same(await ledger.verify(stand, 'working'), [])
  await stand.close()
  t.same(await survey(folder, ledger, 900), [])
})

test('a database that may grow no longer fails to commit; opened anew it has all that was acknowledged', async (t) => {
  for (const [round, bytes] of [200, 9 * KiB].entries()) {
    const folder = join(FOLDER, `failing-${round}`)
    mkdirSync(join(folder, 'store'), { recursive: true })
    const mission: FullMission = { folder, sources: folder, seed: Number(SEED) + round, bytes }
    const child = [process.execPath, ...process.execArgv, CHILD, JSON.stringify(mission)]
    const { lines, end, stderr } = await live('prlimit', [`--fsize=${DATABASE_BYTES}`, ...child])
    const afterwards = lines.find((line): line is Afterwards => 'failed' in line)
    t.ok(afterwards !== undefined || ['SIGABRT', 'SIGSEGV', 'SIGBUS'].includes(String(end)), `${end} ${stderr}`)
    if (afterwards) t.match(afterwards, { failed: 'STORE_FAILED', failures: 1, refuses: true, reads: true })
    const ledger = new Ledger()
    for (const line of lines) if (line !== afterwards) ledger.take(line as Told)
    t.ok(ledger.acknowledged.length > 0, `${ledger.acknowledged.length} were acknowledged`)
    t.same(await survey(folder, ledger, 900), [])
  }
})
