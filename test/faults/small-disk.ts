// The tests of full-disk.test.ts that want a small file system: run by it where one is mounted. Arguments: the top of
// that file system, a folder outside of it, and a seed.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import tap, { type Test, test } from 'tap'
import { type DiskSpace, systemDisk } from '../../src/base/disk.ts'
import { directEffects } from '../../src/base/effects.ts'
import { DISK_RESERVE_SHARE } from '../../src/base/limits.ts'
import { seededRandom } from '../../src/base/random.ts'
import { GiB, KiB, MiB } from '../../src/base/units.ts'
import { databaseGuard } from '../../src/store/space.ts'
import { connected, run, sha256Of, slowUpload, start, startNode, type TestNode } from '../integration/processes.ts'
import { Ballast, freeBytes } from './ballast.ts'
import type { Afterwards, FullMission } from './full-child.ts'
import { Ledger } from './ledger.ts'
import { live } from './lives.ts'
import { contentOf, contentSized, nameOf } from './packages.ts'
import { openStand, type Stand } from './stand.ts'
import { survey } from './survey.ts'
import { type Told, type Verb, Workload, type WorkloadOptions } from './workload.ts'

const [, , SMALL = '', LARGE = '', SEED = '1'] = process.argv
const CHILD = fileURLToPath(new URL('full-child.ts', import.meta.url))
const TOTAL = 24 * MiB
const RESERVE = Math.floor(TOTAL * DISK_RESERVE_SHARE)
const FULL = { status: 7, lines: [{ type: 'error', code: 'DISK_FULL' }] }
/** Of those that fail beneath the guard: records of one page, and of several. */
const FAILING_ROUNDS = Number(process.env['CATALOG_ROUNDS'] ?? 2)

tap.setTimeout(1_200_000)
const ballast = new Ballast(SMALL)

/** A folder on the small disk, which is as empty as it was once the test has ended. */
function small(t: Test, name: string): string {
  const folder = join(SMALL, name)
  mkdirSync(folder)
  t.teardown(() => {
    ballast.drop()
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

/** A file to be published, outside. */
function sourceOf(bytes: number, seed: number): { file: string; args: string[]; purl: string } {
  const name = `made-${seed}`
  const file = join(LARGE, `${name}.bin`)
  writeFileSync(file, contentOf(contentSized(bytes + seed)).bytes)
  return { file, args: ['publish', file, '--name', name, '--version', '1.0.0'], purl: `pkg:generic/${name}@1.0.0` }
}

/** What is here can be had, whatever state the disk is in. */
async function readsOn(t: Test, node: TestNode, { purl, file }: { purl: string; file: string }): Promise<void> {
  const output = join(LARGE, 'output')
  t.match(await node.run('fetch', purl, '--output', output), { status: 0 })
  t.equal(await sha256Of(output), await sha256Of(file))
  rmSync(output)
}

test('a node on a full disk says so, reads on, and works when there is room again', async (t) => {
  const [far, node] = [await startNode(t, join(LARGE, 'far')), await startNode(t, join(small(t, 'node'), 'data'))]
  const [own, next, tiny, there, coming] = [2, 3, 0, 2, 4].map((size, seed) => sourceOf(size * MiB + KiB, seed))
  if (!own || !next || !tiny || !there || !coming) throw new Error('five were made')
  for (const { args } of [there, coming]) t.match(await far.run(...args), { status: 0 })
  await connected(node, far)
  const fetching = ({ purl }: { purl: string }) => node.run('fetch', purl, '--output', join(LARGE, 'fetched'))
  t.match(await node.run(...own.args), { status: 0 })
  t.match(await fetching(there), { status: 0 })

  ballast.leave(RESERVE + MiB)
  t.match(await node.run(...next.args), FULL, 'a publish')
  t.match(await fetching(coming), { status: 7, lines: [{ type: 'error', code: 'DISK_FULL' }] }, 'a fetch')
  await readsOn(t, node, own)
  ballast.leave(100 * KiB)
  t.match(await node.run(...tiny.args), FULL, 'the database has a reserve of its own')
  await readsOn(t, node, there)

  ballast.drop()
  for (const { args } of [next, tiny]) t.match(await node.run(...args), { status: 0 })
  t.match(await fetching(coming), { status: 0 })
  t.match(await node.run('gc'), { status: 0 })
  t.match(await node.run('doctor'), { status: 0 })
  await readsOn(t, node, next)
  t.equal(node.command.process.exitCode, null, 'the same process')
  await node.kill()
  t.match(await run(['verify', '--all', '--data-dir', node.dataDir]), { status: 0 })
})

/** Blobs come over the bulk plane, which writes them in native code. */
const BULK = { CATALOG_CORE: 'native' }
/** So slow that a fetch can be caught in the middle of it. */
const SLOW = slowUpload('2 MB/s')

test('a disk that fills up under a fetch ends it, and it goes on when there is room again', async (t) => {
  const far = await startNode(t, join(LARGE, 'slow'), { env: { ...BULK, ...SLOW } })
  const node = await startNode(t, join(small(t, 'fetching'), 'data'), { env: BULK })
  const coming = sourceOf(8 * MiB, 6)
  t.match(await far.run(...coming.args), { status: 0 })
  await connected(node, far)
  const output = join(LARGE, 'coming')
  const args = ['fetch', coming.purl, '--output', output, '--data-dir', node.dataDir]
  let held = 0
  // Into the reserve, which this node sees for itself, and so far that the system refuses to write.
  for (const left of [MiB / 2, 0]) {
    const fetching = start(args)
    await fetching.line(({ type, bytes }) => type === 'progress' && Number(bytes) > held + MiB)
    ballast.leave(left)
    const { status, lines } = await fetching.result
    const full = { type: 'error', code: 'DISK_FULL', message: /disk .*full|no (?:space|room)/i }
    t.match({ status, last: lines.at(-1) }, { status: 7, last: full }, `${left} bytes were left`)
    t.notOk(existsSync(output))
    t.match((await node.run('status')).lines[0], { blobs: 0 })
    ballast.drop()
    t.match(await node.run('verify'), { status: 0, lines: [{ type: 'summary', artifacts: 0 }] })
    held = Math.max(...lines.map(({ bytes }) => Number(bytes ?? 0)))
  }
  t.match(await far.run('limits', '--up', 'unlimited'), { status: 0 })
  const { status, lines } = await run(args)
  t.match({ status, last: lines.at(-1) }, { status: 0, last: { type: 'fetched', bytes: 8 * MiB + 6 } })
  t.equal(await sha256Of(output), await sha256Of(coming.file))
  const [source] = (lines.at(-1)?.['sources'] ?? []) as { plane: string; bytes: number }[]
  t.equal(source?.plane, 'bulk')
  t.ok(Number(source?.bytes) < 8 * MiB, `only ${source?.bytes} bytes had to come again`)
  t.match(await node.run('doctor'), { status: 0 })
  t.equal(node.command.process.exitCode, null, 'the same process')
})

/** A stand on the small disk, its ledger, and a workload that may be refused. */
async function work(t: Test, folder: string, space?: () => DiskSpace) {
  const real = systemDisk(directEffects)
  const store = join(folder, 'store')
  mkdirSync(store)
  const stand = await openStand(store, {
    disk: { ...real, ...(space && { space }) },
    guard: databaseGuard(real, store),
  })
  t.teardown(() => stand.close())
  const ledger = new Ledger()
  const refused = new Map<Verb, number>()
  const tell = (told: Told) => {
    ledger.take(told)
    if ('verb' in told && told.state === 'refused') refused.set(told.verb, (refused.get(told.verb) ?? 0) + 1)
  }
  const options: WorkloadOptions = { random: seededRandom(Number(SEED)), sources: LARGE, tell, from: 0 }
  return { stand, ledger, refused, workload: new Workload(stand, { ...options, mayRefuse: ['DISK_FULL'] }) }
}

const isWhole = async (t: Test, stand: Stand, ledger: Ledger) => t.same(await ledger.verify(stand, 'working'), [])

test('publishing and fetching fill the disk; clearing up makes room on it', async (t) => {
  const folder = small(t, 'work')
  const { stand, ledger, refused, workload } = await work(t, folder)
  const name = (kind: 'own' | 'far', number: number, bytes = MiB + number) =>
    nameOf({ kind, number, content: contentSized(bytes) })
  await workload.fetch(name('far', 0, 300 * KiB))
  let number = 1
  while (!refused.has('publish')) await workload.publish(name('own', number++))
  t.ok(freeBytes(SMALL) >= RESERVE, 'the reserve was left alone')
  await workload.fetch(name('far', number++))
  t.equal(refused.get('fetch'), 1)
  await isWhole(t, stand, ledger)
  for (let own = 1; own < number - 2; own++) await workload.withdraw(name('own', own))
  for (const verb of ['sweep', 'repack', 'scrub'] as const) await workload.do(verb)
  t.same([...refused.keys()], ['publish', 'fetch'])
  t.ok(freeBytes(SMALL) > TOTAL / 2, `${freeBytes(SMALL)} bytes are free again`)
  refused.clear()
  await workload.publish(name('own', number++))
  await workload.fetch(name('far', number++))
  t.equal(refused.size, 0, 'in the same process')
  await isWhole(t, stand, ledger)
  await stand.close()
  t.same(await survey(folder, ledger, 900), [])
})

test('a disk that fills up under the reserve: no write gets through, and nothing is lost', async (t) => {
  const folder = small(t, 'under')
  // Whoever asks for room is told that there is plenty; so writes fail in the middle.
  const { stand, ledger, refused, workload } = await work(t, folder, () => ({ total: 100 * GiB, free: 50 * GiB }))
  for (let step = 0; step < 4; step++) await workload.step()
  ballast.leave(MiB)
  for (let step = 0; step < 30; step++) await workload.step()
  t.ok(refused.size > 0, [...refused].join(' '))
  await isWhole(t, stand, ledger)
  ballast.drop()
  await workload.do('sweep')
  refused.clear()
  await workload.publish(nameOf({ kind: 'own', number: 800, content: contentSized(MiB + 800) }))
  t.equal(refused.size, 0)
  await isWhole(t, stand, ledger)
  await stand.close()
  t.same(await survey(folder, ledger, 900), [])
})

test('a database that fails to commit refuses writes, and opened anew it has all that was acknowledged', async (t) => {
  const ends = new Map<string, number>()
  for (let round = 0; round < FAILING_ROUNDS; round++) {
    const folder = small(t, `failing-${round}`)
    mkdirSync(join(folder, 'store'))
    const bytes = round % 2 === 0 ? 200 : 9 * KiB
    const room = { disk: SMALL, leave: (round % 8) * 40 * KiB }
    const mission: FullMission = { folder, sources: LARGE, ...room, seed: Number(SEED) + round, bytes }
    const { lines, end, stderr } = await live(process.execPath, [...process.execArgv, CHILD, JSON.stringify(mission)])
    ballast.drop()
    ends.set(String(end), (ends.get(String(end)) ?? 0) + 1)
    const afterwards = lines.find((line): line is Afterwards => 'failed' in line)
    // Of a failed commit LMDB may corrupt the heap, and the process dies of it: on the disk all is as it was.
    t.ok(afterwards !== undefined || ['SIGABRT', 'SIGSEGV', 'SIGBUS'].includes(String(end)), `${end} ${stderr}`)
    if (afterwards) t.match(afterwards, { failed: 'STORE_FAILED', failures: 1, refuses: true, reads: true })
    const ledger = new Ledger()
    for (const line of lines) if (line !== afterwards) ledger.take(line as Told)
    t.same(await survey(folder, ledger, 900), [])
    rmSync(folder, { recursive: true })
  }
  t.comment(`ended by ${[...ends].map(([end, count]) => `${end} × ${count}`).join(', ')}`)
})
