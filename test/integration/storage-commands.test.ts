// What is kept, from the command line: on a data directory that no node is running on, and as a person reads it.
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { run, runPlain } from './processes.ts'

tap.setTimeout(240_000)

const SOURCE = {
  'package.json': JSON.stringify({ name: 'sextant', version: '2.0.1' }),
  'noise.bin': randomBytes(100_000).toString('base64'),
}

test('without a node running, what is kept is checked, pinned, cleared and copied', async (t) => {
  const folder = t.testdir({ source: SOURCE })
  const at = (name: string) => ['--data-dir', join(folder, name)]
  const purl = 'pkg:npm/sextant@2.0.1'
  t.match(await run(['publish', join(folder, 'source'), ...at('store')]), { status: 0 })
  const verified = { status: 0, lines: [{ type: 'verified', purl, ok: true }, { artifacts: 1 }] }
  for (const how of [['--all'], ['--rate', '200KiB/s'], ['pkg:npm/sextant', '--rate', '1 GiB']]) {
    const { status, lines } = await run(['verify', ...how, ...at('store')])
    t.match({ status, lines: lines.filter(({ type }) => type !== 'progress') }, verified, `verify ${how.join(' ')}`)
  }
  t.match((await run(['pin', purl, ...at('store')])).lines, [{ type: 'pinned', purl, local: true }])
  t.match((await run(['pin', ...at('store')])).lines, [{ type: 'pinned', purl }, { pinned: 1 }])
  t.match((await run(['unpin', 'pkg:npm/sextant', ...at('store')])).lines, [{ type: 'unpinned', changed: true }])
  for (const how of [[], ['--dry-run']]) {
    const summary = { type: 'summary', garbage: 0, packs: 0, dryRun: how.length > 0 }
    t.match(await run(['gc', ...how, ...at('store')]), { status: 0, lines: [summary] })
  }
  const held = await run(['gc', '--pause', ...at('store')])
  t.match(held, { status: 6, lines: [{ code: 'PEER_UNREACHABLE', hint: /catalog up --data-dir/ }] })

  const backup = await run(['backup', join(folder, 'copy'), ...at('store')])
  t.match(backup, { status: 0, lines: [{ type: 'progress' }, { type: 'backup', to: join(folder, 'copy') }] })
  t.match(await run(['backup', join(folder, 'copy'), ...at('store')]), {
    status: 1,
    lines: [{ code: 'TARGET_EXISTS' }],
  })
  const restored = await run(['restore', join(folder, 'copy'), ...at('other')])
  t.match(restored, { status: 0, lines: [{ type: 'progress' }, { type: 'restored', dataDir: join(folder, 'other') }] })
  t.match(await run(['restore', join(folder, 'copy'), ...at('store')]), {
    status: 1,
    lines: [{ code: 'TARGET_EXISTS' }],
  })
  t.match(await run(['restore', join(folder, 'source'), ...at('new')]), { status: 3, lines: [{ code: 'NOT_FOUND' }] })
  const [before, after] = await Promise.all(['store', 'other'].map((name) => run(['status', ...at(name)])))
  t.same(after?.lines[0]?.['peerId'], before?.lines[0]?.['peerId'], 'the same node')

  const sound = { type: 'summary', findings: 0 }
  t.match(await run(['doctor', ...at('other')]), { status: 0, lines: [sound] })
  const rebuilt = { type: 'rebuilt', pack: 1, blobs: 1 }
  const kept = { type: 'summary', orphans: 0, keptUntil: String }
  t.match(await run(['doctor', '--rebuild-index', ...at('other')]), { status: 0, lines: [rebuilt, kept, sound] })
  t.match(await run(['verify', ...at('other')]), { status: 0 })
})

test('what was damaged on the disk is found, told and put out of sight', async (t) => {
  const folder = t.testdir({ source: SOURCE })
  const dataDir = ['--data-dir', join(folder, 'store')]
  t.match(await run(['publish', join(folder, 'source'), ...dataDir]), { status: 0 })
  const pack = openSync(join(folder, 'store/packs/00000001.pack'), 'r+')
  writeSync(pack, 'overwritten', 1000)
  closeSync(pack)
  const found = await runPlain(['verify', ...dataDir])
  t.match(found, { status: 4, stderr: /^error: 1 of 1 artifacts.*damaged\.\nhint: .*catalog fetch/ })
  t.match(found.stdout, /^damaged {2}pkg:npm\/sextant@2\.0\.1 .*\n.*chunks.*\n1 checked \(.*\), 1 damaged\.\n$/)
  t.match(await runPlain(['verify', ...dataDir]), { status: 0, stdout: '0 checked (0 B), 0 damaged.\n' })
  const { stdout } = await runPlain(['status', ...dataDir])
  t.match(stdout, /^recovered +1 unfinished fetch is kept; /m)
  t.match(await runPlain(['doctor', ...dataDir]), { status: 0, stdout: 'Nothing is wrong.\n' })
})

test('people read how much is kept, and what was or would be done', async (t) => {
  const folder = t.testdir({ source: SOURCE })
  const dataDir = ['--data-dir', join(folder, 'store')]
  t.match(await runPlain(['publish', join(folder, 'source'), ...dataDir]), { status: 0 })
  const status = await runPlain(['status', ...dataDir])
  t.match(
    status.stdout,
    /^own +\d+ KiB\nmirrored +0 B of at most 10 GiB\npinned +0 packages\ndisk .* free, of which .*/m,
  )
  const pinned = await runPlain(['pin', 'pkg:npm/sextant', ...dataDir])
  t.match(pinned, { status: 0, stdout: /^pkg:npm\/sextant@2\.0\.1 {2}kept since 20\S+\n$/, stderr: '' })
  const would = await runPlain(['gc', '--dry-run', ...dataDir])
  t.match(would.stdout, /^Would forget 0 pieces of garbage \(0 B\), and rewrite 0 packs, giving back 0 B\.\n$/)
})
