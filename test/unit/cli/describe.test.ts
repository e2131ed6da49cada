// What a person reads of lines about what is kept; the others are read in the integration tests.
import { stripVTControlCharacters } from 'node:util'
import { test } from 'tap'
import { GiB, MiB } from '../../../src/base/units.ts'
import { describeLine } from '../../../src/cli/describe.ts'
import type { Line } from '../../../src/gateway/api/operation.ts'

const ROOT = '01'.repeat(32)
const say = (line: Line) => stripVTControlCharacters(describeLine(line) ?? '')

test('garbage is named by its package, or by its root where no record tells of it', async (t) => {
  const garbage = { type: 'garbage', kind: 'blob', root: ROOT, release: ROOT, bytes: 3 * MiB, reason: 'no-release' }
  t.equal(say(garbage), `garbage  ${ROOT}  3.0 MiB  no release that names it is known any more`)
  const withdrawn = { ...garbage, purl: 'pkg:npm/a@1.0.0', reason: 'withdrawn' }
  t.equal(say(withdrawn), 'garbage  pkg:npm/a@1.0.0  3.0 MiB  its publisher has withdrawn it')
  t.match(
    say({ ...withdrawn, kind: 'fetch', reason: 'stale-fetch' }),
    /unfinished fetch of pkg:npm\/a@1\.0\.0 .* week$/,
  )
})

test('a collection is summed up as what was done, or would be', async (t) => {
  const sums = { type: 'summary', garbage: 2, garbageBytes: 3 * MiB, packs: 1, movedBytes: 5, freedBytes: 40 * MiB }
  const done = { ...sums, dryRun: false, paused: false }
  t.equal(say(done), 'Forgot 2 pieces of garbage (3.0 MiB), and rewrote 1 pack, giving back 40 MiB.')
  t.match(say({ ...done, dryRun: true }), /^Would forget 2 .*, and rewrite 1 pack,/)
  t.match(say({ ...done, paused: true }), /^Forgot 2 .*\. Packs are not rewritten before "catalog gc --resume"\.$/)
  t.match(say({ type: 'repacked', pack: 7, movedBytes: 5 * MiB, freedBytes: 40 * MiB }), /pack 7 {2}40 MiB given back/)
  t.match(say({ type: 'rewriting', paused: true }), /gc --resume/)
  t.match(say({ type: 'rewriting', paused: false }), /again/)
})

test('what is damaged is told with the reason', async (t) => {
  const verified = { type: 'verified', root: ROOT, bytes: 5, ok: false, reason: 'Two chunks.' }
  t.equal(say(verified), `damaged  ${ROOT}\n  Two chunks.`)
  t.equal(
    say({ ...verified, purl: 'pkg:npm/a@1.0.0', path: 'a.tgz' }),
    'damaged  pkg:npm/a@1.0.0  a.tgz\n  Two chunks.',
  )
  t.equal(say({ type: 'finding', subject: 'pack 1', problem: 'it is green' }), 'wrong  pack 1: it is green')
  t.equal(say({ type: 'summary', findings: 3 }), '3 wrong.')
})

test('what is pinned, copied, restored and made anew is told in a line each', async (t) => {
  const pinned = { type: 'pinned', purl: 'pkg:npm/a@1.0.0', pinnedAt: '2026-01-01T00:00:00.000Z', local: false }
  t.match(say(pinned), /^pkg:npm\/a@1\.0\.0 {2}kept since 2026-.*, not all of it is here$/)
  t.notMatch(say({ ...pinned, local: true }), /not all/)
  t.equal(say({ type: 'unpinned', purl: 'pkg:npm/a', changed: false }), 'pkg:npm/a was not pinned.')
  t.equal(say({ type: 'backup', to: '/b', files: 1, bytes: 5 }), 'Copied 1 file, 5 B, to /b')
  t.equal(say({ type: 'restored', dataDir: '/d', files: 2, bytes: 5 }), 'Restored 2 files, 5 B, to /d')
  t.equal(say({ type: 'rebuilt', pack: 3, blobs: 1, bytes: 5 }), 'read     pack 3  1 artifact, 5 B')
})

test('the status says what the last start had to put right', async (t) => {
  const waiting = { records: 2, works: [{ kind: 'sync', subject: '192.0.2.7' }] }
  const status = { type: 'status', addresses: [], core: { backend: 'wasm', features: [] }, bytes: 0, waiting }
  const storage = { mirroredBytes: 2 * GiB, maxMirrorStorage: 10 * GiB, ownBytes: 5, pinned: 1, paused: true }
  const disk = { freeBytes: 3 * GiB, reserveBytes: 256 * MiB }
  const sound = { cut: [], removed: [], short: [], scratch: 0, fetches: 0 }
  const plain = say({ ...status, storage: { ...storage, ...disk, recovery: sound } })
  t.match(plain, /^mirrored +2\.0 GiB of at most 10 GiB\npinned +1 package\ndisk +3\.0 GiB free, .* 256 MiB/m)
  t.match(plain, /^rewriting +held/m)
  t.match(plain, /^waiting +2 records that no peer was told of, sync 192\.0\.2\.7$/m)
  t.notMatch(plain, /recovered/)
  const recovery = {
    cut: [{ pack: 1, bytes: 512 }],
    removed: [2, 3],
    short: [{ pack: 4, missing: 3 * MiB }],
    ...{ scratch: 1, fetches: 2 },
  }
  const lines = say({ ...status, storage: { ...storage, ...disk, paused: false, recovery } }).split('\n')
  t.same(
    lines.filter((line) => line.startsWith('recovered')).map((line) => line.slice(14)),
    [
      '512 B that nothing had acknowledged were cut off 1 pack.',
      '2 packs with nothing in use were removed.',
      '1 thing half made was removed.',
      '2 unfinished fetches are kept; to go on with one, ask for the package again.',
      'Pack 4 lacks 3.0 MiB that were there: run "catalog verify".',
    ],
  )
  t.notMatch(lines.join(), /held/)
})

test('limits say what decided them, and how fast it goes now', async (t) => {
  const traffic = { bytesPerSecond: 1_500_000, waiting: 3 }
  const limits = {
    up: { rate: '2 MB/s', from: 'schedule', traffic },
    down: { rate: 'unlimited', from: 'settings', traffic: { bytesPerSecond: 0, waiting: 0 } },
    perPeer: { rate: '1 MB/s', from: 'changed' },
  }
  t.same(say({ type: 'limits', ...limits, limitLocal: false, schedule: 'daily 00:00-24:00 up=2MB/s' }).split('\n'), [
    'up            2 MB/s, now 1.5 MB/s with 3 waiting  (by the schedule)',
    'down          unlimited, now 0 B/s',
    'per peer      1 MB/s  (changed)',
    'local peers   not limited',
    'schedule      daily 00:00-24:00 up=2MB/s',
  ])
  t.match(say({ type: 'limits', ...limits, limitLocal: true, schedule: null }), /limited, too\nschedule +–$/)
})

test('text from elsewhere cannot command a terminal', async (t) => {
  const finding = { type: 'finding', subject: 'record \u001b[2J', problem: 'x\u202e' }
  t.equal(say(finding), 'wrong  record �[2J: x�')
})

test('with whom a package is shared is told in words', async (t) => {
  const shared = { type: 'shared', subject: 'pkg:npm/a*', peers: [], groups: [], known: false, expires: null }
  const told = { ...shared, permission: 'public', releases: 2, exceptions: [] }
  t.equal(say(told), 'pkg:npm/a* is public\n  counts for 2 releases published so far')
  const exceptions = [{ purl: 'pkg:npm/a@1.0.0', permission: 'private' }]
  t.match(
    say({ ...told, permission: 'friends', groups: ['team'], exceptions }),
    /friends \(group team\)\n.*\n {2}but not/,
  )
  const until = { permission: 'restricted', peers: ['P', 'Q'], known: true, expires: '2026-01-01T00:00:00.000Z' }
  t.match(say({ ...told, ...until }), /restricted \(P, Q; others may know that it exists\), until 2026-/)
  t.equal(say({ type: 'group', id: '0', name: 'team', members: ['P', 'Q'] }), 'team  0\n  P\n  Q')
  t.equal(say({ type: 'device', peer: 'P', here: true }), 'P  (this node)')
  t.match(say({ type: 'summary', devices: 0 }), /^No devices yet/)
  t.equal(say({ type: 'summary', groups: 1 }), '1 group.')
})

test('a recommendation is told with its reasons', async (t) => {
  const reasons = [{ text: 'installed beside knot in 1 of 2 folders here' }, { text: 'from the publisher of knot' }]
  const known = { type: 'recommendation', purl: 'pkg:npm/rope', version: '1.0.0', description: 'To moor', reasons }
  t.same(say(known).split('\n'), [
    'pkg:npm/rope@1.0.0  To moor',
    '  installed beside knot in 1 of 2 folders here',
    '  from the publisher of knot',
  ])
  t.match(say({ ...known, version: null, description: null }), /^pkg:npm\/rope {2}No description\./)
  t.equal(say({ type: 'summary', recommendations: 2 }), '2 recommended.')
  t.match(say({ type: 'summary', recommendations: 0 }), /^Nothing/)
})

test('a search tells how old its answer is', async (t) => {
  const peers = [{ state: 'answered' }, { state: 'timed-out' }]
  const summary = { type: 'summary', results: 3, ms: 0, peersAsked: 2, peersAnswered: 1, peers, withheld: 0 }
  t.equal(say({ ...summary, ageMs: 0 }), '3 found in 0 ms, 1 of 2 peers answered (1 did not in time).')
  t.equal(say({ ...summary, ageMs: 4_200 }), '3 found in 0 ms, 1 of 2 peers answered 5 s ago (1 did not in time).')
  const left = ' 2 of publishers nobody knew before left out: --newcomers lists them.'
  const alone = { ...summary, peers: [], peersAsked: 0, peersAnswered: 0, ageMs: 0 }
  t.equal(say({ ...alone, withheld: 2 }), `3 found in 0 ms, no peers to ask.${left}`)
})
