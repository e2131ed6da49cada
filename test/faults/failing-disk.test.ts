// A disk that fails: reads and writes of packs go through `Disk`, and it says EIO, EROFS, ENOSPC or EDQUOT. What could
// not be done is refused with a code that says so, reads go on, and once the disk works again so does the store.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { fileError, systemDisk } from '../../src/base/disk.ts'
import { directEffects } from '../../src/base/effects.ts'
import { ERRORS, type ErrorCode } from '../../src/base/errors.ts'
import { seededRandom } from '../../src/base/random.ts'
import { interposedDisk, type StepKind } from './interposed-disk.ts'
import { Ledger } from './ledger.ts'
import { openStand } from './stand.ts'
import { survey } from './survey.ts'
import { type Told, type Verb, Workload } from './workload.ts'

const SEED = Number(process.env['CATALOG_SEED'] ?? Date.now() % 2 ** 31)
/** Cases of each fault. */
const ROUNDS = Number(process.env['CATALOG_ROUNDS'] ?? 1)
/** Of the operations that fail, beside the first; in turn. */
const SHARES = [1, 0.3] as const
const STEPS = 6
/** Until an operation of the kind was met. */
const STEPS_MAX = 200
const ALL: readonly Verb[] = ['publish', 'fetch', 'withdraw', 'withdraw', 'withdraw', 'sweep', 'repack']
/** What a fault of the disk may be called: all of them end the command line with 7. */
const CODES: readonly ErrorCode[] = ['FILE_UNREADABLE', 'STORE_FAILED', 'DISK_FULL']

/** What the system says, and of which operations. */
const FAULTS: readonly (readonly [string, readonly StepKind[]])[] = [
  ['EIO', ['write']],
  ['EIO', ['sync']],
  ['EIO', ['remove']],
  ['EIO', ['create', 'sync-folder']],
  ['EIO', ['create', 'write', 'sync', 'truncate', 'move', 'remove', 'make-folder', 'sync-folder']],
  ['EROFS', ['create', 'write', 'truncate', 'move', 'remove', 'make-folder']],
  ['ENOSPC', ['write']],
  ['EDQUOT', ['create', 'write', 'make-folder']],
]

tap.setTimeout(1_200_000)

for (let round = 0; round < ROUNDS; round++) {
  for (const [index, [errno, kinds]] of FAULTS.entries()) {
    const share = SHARES[(SEED + index + round) % 2] ?? 1
    const seed = SEED + index + FAULTS.length * round
    const what = `${errno} of ${kinds.join(', ')}, ${share === 1 ? 'all of them' : 'some of them'}`
    test(`${what}, CATALOG_SEED=${seed}`, (t) => suffer(t, seed, errno, kinds, share))
  }
}

/** @param share - of the operations that fail, beside the first */
async function suffer(t: Test, seed: number, errno: string, kinds: readonly StepKind[], share: number): Promise<void> {
  const folder = t.testdir({})
  mkdirSync(join(folder, 'store'))
  const random = seededRandom(seed)
  const fault = { on: false, count: 0 }
  const disk = interposedDisk(systemDisk(directEffects), async ({ kind, path }, run) => {
    if (!fault.on || !kinds.includes(kind) || (fault.count > 0 && random.fraction() >= share)) return run()
    fault.count++
    throw fileError(path, Object.assign(new Error(errno), { code: errno }))
  })
  const stand = await openStand(join(folder, 'store'), { disk })
  t.teardown(() => stand.close())
  const ledger = new Ledger()
  const refused: string[] = []
  const tell = (told: Told) => {
    ledger.take(told)
    if ('verb' in told && told.state === 'refused' && told.code !== 'WITHDRAWN') refused.push(told.verb)
  }
  const workload = new Workload(stand, { random, sources: folder, tell, from: 0, mayRefuse: CODES })
  for (let step = 0; step < STEPS; step++) await workload.step()
  fault.on = true
  for (let step = 0; step < STEPS || (fault.count === 0 && step < STEPS_MAX); step++) {
    await workload.step()
    await Promise.all(ALL.map((verb) => workload.do(verb)))
  }
  t.ok(fault.count > 0, `${fault.count} operations failed`)
  t.same(await ledger.verify(stand, 'working'), [], 'all can be read meanwhile')
  fault.on = false
  refused.length = 0
  for (let step = 0; step < STEPS; step++) await workload.step()
  await workload.publish()
  t.notOk(refused.includes('publish'), 'and it works again')
  t.same(await ledger.verify(stand, 'working'), [])
  await stand.close()
  t.same(await survey(folder, ledger, 900), [])
}

test('the command line ends with 7 for all of them', async (t) => {
  for (const code of CODES) t.equal(ERRORS[code].exit, 7, code)
})
