// Operations as the HTTP API and the command line run them, on a node that is open and speaks with nobody.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import type { Outside } from '../../../../src/assembly.ts'
import { type DiskSpace, systemDisk } from '../../../../src/base/disk.ts'
import { CatalogError } from '../../../../src/base/errors.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { KiB, MiB } from '../../../../src/base/units.ts'
import { type Facades, type Line, withProgress } from '../../../../src/gateway/api/operation.ts'
import { type OperationName, prepare } from '../../../../src/gateway/api/operations.ts'
import { MemoryHub, MemoryNetwork } from '../../../../src/network/memory.ts'
import { CatalogNode } from '../../../../src/node.ts'
import type { StorageManager } from '../../../../src/storage-manager.ts'
import { ManualClock } from '../../../manual-clock.ts'

const never = new AbortController().signal

/** A node with two packages, one of them large enough to lie in a pack, on a disk that says what the test wants. */
async function opened(t: Test) {
  const noise = seededRandom(1)
    .bytes(200 * KiB)
    .toString()
  const folder = t.testdir({
    small: { 'package.json': '{"name":"small","version":"1.0.0"}' },
    large: { 'package.json': '{"name":"large","version":"2.0.0"}', 'noise.txt': noise },
    late: { 'package.json': '{"name":"late","version":"3.0.0"}', 'noise.txt': `late ${noise}` },
  })
  const clock = new ManualClock()
  const hub = new MemoryHub({ clock, random: seededRandom(2) })
  const space: { free: number; total: number } = { free: 1000 * MiB, total: 2000 * MiB }
  const outside: Partial<Outside> = {
    network: (seed) => new MemoryNetwork({ hub }, { seed }),
    disk: (effects) => ({ ...systemDisk(effects), space: (): DiskSpace => space }),
  }
  const node = await CatalogNode.open({ dataDir: join(folder, 'data'), core: 'wasm' }, outside)
  t.teardown(() => node.close())
  for (const name of ['small', 'large']) await node.sharing.sharePackage(join(folder, name))
  const run = (name: OperationName, input: object = {}) => linesOf(prepare(name, input).run(node, never))
  return { folder, node, space, run }
}

async function linesOf(lines: AsyncIterable<Line>): Promise<Line[]> {
  const all: Line[] = []
  for await (const line of lines) all.push(line)
  return all
}

/** The lines before it failed, and what with. */
async function failed(lines: AsyncIterable<Line>): Promise<{ lines: Line[]; error: CatalogError }> {
  const before: Line[] = []
  try {
    for await (const line of lines) before.push(line)
  } catch (thrown) {
    return { lines: before, error: CatalogError.from(thrown) }
  }
  throw new Error('it did not fail')
}

const withoutProgress = (lines: readonly Line[]) => lines.filter(({ type }) => type !== 'progress')

test('verify tells of each artifact, how far it is, and a sum', async (t) => {
  const { run } = await opened(t)
  const lines = await run('verify')
  const [one, two, summary] = withoutProgress(lines)
  t.same([one?.['purl'], two?.['purl']].sort(), ['pkg:npm/large@2.0.0', 'pkg:npm/small@1.0.0'])
  t.match(summary, {
    type: 'summary',
    artifacts: 2,
    damaged: 0,
    bytes: Number(one?.['bytes']) + Number(two?.['bytes']),
  })
  const progress = lines.filter(({ type }) => type === 'progress')
  t.match(progress.at(-1), { bytes: summary?.['bytes'], total: summary?.['bytes'] })
  for (const name of ['pkg:npm/large', 'pkg:npm/large@2.0.0']) {
    t.match(withoutProgress(await run('verify', { purl: name })), [
      { ok: true, root: /^[0-9a-f]{64}$/ },
      { artifacts: 1 },
    ])
  }
  await t.rejects(run('verify', { purl: 'pkg:npm/large@3.0.0' }), { code: 'NOT_FOUND' })
})

test('what is pinned is listed until it is unpinned', async (t) => {
  const { run } = await opened(t)
  const pinned = { type: 'pinned', purl: 'pkg:npm/large@2.0.0', local: true, record: /^[0-9a-f]{64}$/ }
  const [first] = await run('pin', { purl: 'pkg:npm/large' })
  t.match(first, pinned)
  t.same((await run('pin', { purl: 'pkg:npm/large@2.0.0' }))[0], first, 'pinned since the first time')
  t.match(await run('pinned'), [pinned, { type: 'summary', pinned: 1 }])
  t.match(await run('status'), [{ storage: { pinned: 1 } }])
  t.match(await run('unpin', { purl: 'pkg:npm/large@1.0.0' }), [{ type: 'unpinned', changed: false }])
  t.match(await run('unpin', { purl: 'pkg:npm/large' }), [{ changed: true }])
  t.match(await run('pinned'), [{ type: 'summary', pinned: 0 }])
  const waiting = { type: 'waiting', work: 'pin', subject: 'pkg:npm/absent' }
  t.match(await run('pin', { purl: 'pkg:npm/absent' }), [waiting], 'until somebody has it')
})

test('status says what is kept, how much of it may be mirrored, and how full the disk is', async (t) => {
  const { run } = await opened(t)
  const [status] = await run('status')
  t.match(status, {
    type: 'status',
    releases: 2,
    storage: {
      ...{ mirroredBytes: 0, maxMirrorStorage: 10 * 1024 * MiB, ownBytes: status?.['bytes'], paused: false },
      ...{ freeBytes: 1000 * MiB, reserveBytes: 100 * MiB },
      recovery: { cut: [], removed: [], short: [], scratch: 0, fetches: 0 },
    },
  })
})

test('on a full disk what would write is refused, and all else goes on', async (t) => {
  const { folder, node, run, space } = await opened(t)
  space.free = 100 * MiB + 1000
  const { error } = await failed(prepare('publish', { path: join(folder, 'late') }).run(node, never))
  t.match(error, { code: 'DISK_FULL', exitCode: 7, message: /nearly full/, hint: /Free at least .*catalog gc/ })
  t.match(await run('pin', { purl: 'pkg:npm/large' }), [{ type: 'pinned' }], 'the database has the reserve')
  space.free = 10 * MiB
  await t.rejects(run('pin', { purl: 'pkg:npm/small' }), { code: 'DISK_FULL', hint: /catalog gc/ })
  t.match(await run('info', { purl: 'pkg:npm/large' }), [{ local: true }])
  t.match(await run('fetch', { purl: 'pkg:npm/large', output: join(folder, 'out.tgz') }), [{ type: 'fetched' }])
  t.match((await run('verify')).at(-1), { damaged: 0 })
  space.free = 1000 * MiB
  t.match(await run('publish', { path: join(folder, 'late') }), [{ type: 'published' }], 'there is room again')
})

test('a backup goes to a folder that is not there yet', async (t) => {
  const { folder, run } = await opened(t)
  const to = join(folder, 'backup')
  const lines = await run('backup', { to })
  const progress = lines.findLast(({ type }) => type === 'progress')
  t.match(lines.at(-1), { type: 'backup', to, bytes: progress?.['total'] })
  t.same(readdirSync(to), ['backup.json', 'database', 'keys', 'packs'])
  await t.rejects(run('backup', { to }), { code: 'TARGET_EXISTS' })
})

test('a sound store has no findings', async (t) => {
  const { run } = await opened(t)
  t.same(await run('doctor'), [{ type: 'summary', findings: 0 }])
})

const storing = (storage: StorageManager) => ({ storage }) as unknown as Facades

test('findings end in an error that says what repairs them', async (t) => {
  const finding = { subject: 'pack 1', problem: 'it is green' }
  const told = async (...repairs: string[]) => {
    const check = async function* () {
      for (const repair of repairs) yield { ...finding, repair }
    }
    const storage = { check } as unknown as StorageManager
    return failed(prepare('doctor', {}).run(storing(storage), never))
  }
  const one = await told('rebuild-index')
  t.match(one.lines, [
    { type: 'finding', ...finding, repair: 'rebuild-index' },
    { type: 'summary', findings: 1 },
  ])
  t.match(one.error, { code: 'STORE_DAMAGED', exitCode: 1, message: /^One rule/, hint: /doctor --rebuild-index/ })
  const two = await told('verify', 'restore', 'restore')
  t.match(two.error, { message: /^3 rules/, hint: /catalog verify.*catalog restore/ })
  t.notMatch(two.error.hint, /rebuild-index/)
})

test('gc tells of each piece, and sums them up', async (t) => {
  const root = new Uint8Array(32).fill(1)
  const garbage = { kind: 'blob', root, release: root, purl: 'pkg:npm/a@1.0.0', bytes: 5, reason: 'withdrawn' }
  const repacked = { pack: 7, movedBytes: 20, freedBytes: 100 }
  const asked: unknown[] = []
  const storage = {
    async *collect(options: unknown) {
      asked.push(options)
      yield* [{ garbage }, { garbage: { ...garbage, kind: 'fetch', bytes: 6 } }, { repacked }]
    },
    isPaused: false,
  } as unknown as StorageManager
  const lines = await linesOf(prepare('gc', { dryRun: true }).run(storing(storage), never))
  const told = { type: 'garbage', root: '01'.repeat(32), release: '01'.repeat(32), purl: 'pkg:npm/a@1.0.0' }
  const sums = { garbage: 2, garbageBytes: 11, packs: 1, movedBytes: 20, freedBytes: 100 }
  t.match(lines, [
    { ...told, kind: 'blob', bytes: 5, reason: 'withdrawn' },
    { ...told, kind: 'fetch', bytes: 6 },
    { type: 'repacked', ...repacked },
    { type: 'summary', dryRun: true, ...sums, paused: false },
  ])
  t.match(asked, [{ dryRun: true }])
})

test('rewriting is held until it is resumed', async (t) => {
  const { run } = await opened(t)
  t.same(await run('gc', { pause: true }), [{ type: 'rewriting', paused: true }])
  t.match(await run('gc'), [{ type: 'summary', paused: true, packs: 0 }])
  t.match(await run('status'), [{ storage: { paused: true } }])
  t.same(await run('gc', { resume: true }), [{ type: 'rewriting', paused: false }])
  t.match(await run('gc'), [{ type: 'summary', paused: false, dryRun: false, garbage: 0 }])
})

test('input of another shape is refused before anything is done', async (t) => {
  const wrong: [OperationName, unknown][] = [
    ['gc', { pause: true, resume: true }],
    ['gc', { dryRun: true, pause: true }],
    ['gc', { dryRun: 'yes' }],
    ['verify', { rate: 0 }],
    ['verify', { rate: '50MiB' }],
    ['pin', {}],
    ['unpin', { purl: '' }],
    ['pinned', { purl: 'pkg:npm/a' }],
    ['backup', { to: 'here' }],
    ['doctor', { rebuildIndex: true }],
    ['status', 5],
  ]
  for (const [name, input] of wrong) {
    t.throws(() => prepare(name, input), { code: 'USAGE', message: `The input of ${name} is not right: ` })
  }
  t.throws(() => prepare('gc', { pause: true, resume: true }), { message: /exclude each other\.$/ })
})

test('only what is held in the process of a node needs one', async (t) => {
  t.ok(prepare('gc', { pause: true }).needsNode)
  t.ok(prepare('gc', { resume: true }).needsNode)
  t.notOk(prepare('gc', {}).needsNode)
  t.ok(prepare('connect', { address: 'x' }).needsNode)
  t.notOk(prepare('status', {}).needsNode)
})

test('limits are told, changed at once, and taken back', async (t) => {
  const { node, run } = await opened(t)
  const line = {
    type: 'limits',
    up: { bytesPerSecond: 10_000_000, rate: '10 MB/s', from: 'settings', traffic: { waiting: 0, inService: 0 } },
    down: { bytesPerSecond: 10_000_000 },
    perPeer: { bytesPerSecond: 1_000_000, rate: '1 MB/s', from: 'settings' },
    limitLocal: false,
    schedule: null,
  }
  t.match(await run('limits'), [line])
  const schedule = 'daily 00:00-24:00 down=3MB/s'
  t.match(await run('limits', { up: '8 Mbit/s', perPeer: 'unlimited', schedule }), [
    {
      up: { bytesPerSecond: 1_000_000, from: 'changed' },
      down: { bytesPerSecond: 3_000_000, from: 'schedule' },
      perPeer: { bytesPerSecond: null, rate: 'unlimited', from: 'changed' },
      schedule,
    },
  ])
  t.match(node.sharing.limits.status(), { up: { rate: 1_000_000 } })
  t.match(await run('limits', { clear: true, down: 5 }), [
    { up: { from: 'settings' }, down: { bytesPerSecond: 5, from: 'changed' }, perPeer: { from: 'settings' } },
  ])
  t.match(await run('limits', { clear: true }), [line])
  t.throws(() => prepare('limits', { up: 'fast' }), { code: 'USAGE', message: /"fast" is no rate/ })
  await t.rejects(run('limits', { schedule: 'sometimes' }), { code: 'USAGE' })
})

test('lines come in order, a slow reader gets the newest progress, and a failure comes last', async (t) => {
  const progress = (bytes: number) => ({ type: 'progress', bytes, total: 3 })
  const lines = withProgress(async (report) => {
    for (const bytes of [1, 2]) void report(progress(bytes))
    await report({ type: 'first' })
    await report({ type: 'second' })
    void report(progress(3))
    throw new CatalogError('ABORTED', 'enough')
  })
  const { lines: read, error } = await failed(lines)
  t.same(read, [progress(2), { type: 'first' }, { type: 'second' }, progress(3)])
  t.equal(error.code, 'ABORTED')
})

test('work goes on no further than its reader, and is not held up by one who leaves', async (t) => {
  const ended = Promise.withResolvers<number>()
  let reported = 0
  const lines = withProgress(async (report) => {
    for (; reported < 5; reported++) await report({ type: 'line', reported })
    ended.resolve(reported)
  })
  t.match(await lines.next(), { value: { reported: 0 } })
  t.equal(reported, 0)
  t.match(await lines.next(), { value: { reported: 1 } })
  t.equal(reported, 1)
  await lines.return(undefined)
  t.equal(await ended.promise, 5)
})

const PEER = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'

test('a package is shared, with whom is told, and a glob says what is published later', async (t) => {
  const { folder, node, run } = await opened(t)
  const subject = 'pkg:npm/large@2.0.0'
  const restricted = { subject, permission: 'restricted', peers: [PEER], expiresInMs: 1000 }
  t.match(await run('share', restricted), [
    { type: 'shared', subject, permission: 'restricted', peers: [PEER], known: false, releases: 1, exceptions: [] },
  ])
  const [info] = await run('info', { purl: subject })
  t.match(info, { permission: 'restricted', sharedWith: { peers: [PEER], groups: [], expires: /^\d{4}-/ } })
  t.match(await run('unshare', { subject }), [{ permission: 'private', peers: [], expires: null }])

  const [team] = await run('createGroup', { name: 'team' })
  t.match(team, { type: 'group', name: 'team', id: /^[0-9a-f]{32}$/, members: [node.peerId] })
  const friends = { subject: 'pkg:npm/l*', permission: 'friends', groups: ['team'] }
  t.match(await run('share', friends), [
    { subject: 'pkg:npm/l*', groups: ['team'], releases: 0, exceptions: [{ purl: subject, permission: 'private' }] },
  ])
  t.match(await run('publish', { path: join(folder, 'late') }), [{ permission: 'friends' }], 'as the glob says')
  t.match(await run('publish', { path: join(folder, 'large') }), [{ permission: 'private', fresh: false }], 'as it was')
  t.match(await run('share', { ...friends, permission: 'public', groups: [] }), [{ releases: 1 }])
  t.match(await run('info', { purl: 'pkg:npm/late' }), [{ permission: 'public' }])
  t.same(await run('doctor'), [{ type: 'summary', findings: 0 }])
})

test('groups and devices are changed and listed', async (t) => {
  const { node, run } = await opened(t)
  await run('createGroup', { name: 'team' })
  const publisher = `publisher:${'0'.repeat(64)}`
  t.match(await run('addToGroup', { name: 'team', members: [PEER, publisher, PEER] }), [
    { members: [node.peerId, PEER, publisher] },
  ])
  t.match(await run('removeFromGroup', { name: 'team', members: [PEER] }), [{ members: [node.peerId, publisher] }])
  t.match(await run('groups'), [{ name: 'team' }, { type: 'summary', groups: 1 }])
  t.match(await run('group', { name: 'team' }), [{ members: [node.peerId, publisher] }])
  t.same(await run('devices'), [{ type: 'summary', devices: 0 }])
  t.match(await run('addDevice', { peer: PEER }), [{ peer: node.peerId, here: true }, { peer: PEER }, { devices: 2 }])
  t.match(await run('removeDevice', { peer: PEER }), [{ peer: node.peerId }, { devices: 1 }])
  const wrong: [OperationName, object, string][] = [
    ['createGroup', { name: 'team' }, 'TARGET_EXISTS'],
    ['createGroup', { name: '-' }, 'NAME_INVALID'],
    ['group', { name: 'nobody' }, 'NOT_FOUND'],
    ['addToGroup', { name: 'team', members: ['me'] }, 'USAGE'],
    ['removeFromGroup', { name: 'team', members: [node.peerId] }, 'USAGE'],
    ['removeDevice', { peer: PEER }, 'NOT_FOUND'],
    ['removeDevice', { peer: node.peerId }, 'USAGE'],
    ['share', { subject: 'pkg:npm/large@9.0.0', permission: 'public' }, 'NOT_FOUND'],
    ['share', { subject: 'pkg:npm/l*@1', permission: 'public' }, 'PURL_INVALID'],
    ['share', { subject: 'pkg:npm/large', permission: 'verified' }, 'PERMISSION_UNSUPPORTED'],
    ['share', { subject: 'pkg:npm/large', permission: 'restricted' }, 'USAGE'],
    ['share', { subject: 'pkg:npm/large', permission: 'public', peers: [PEER] }, 'USAGE'],
    ['share', { subject: 'pkg:npm/large', permission: 'friends', groups: ['nobody'] }, 'NOT_FOUND'],
    ['share', { subject: 'pkg:npm/large' }, 'USAGE'],
  ]
  for (const [name, input, code] of wrong) await t.rejects(run(name, input), { code }, `${name} ${code}`)
})
