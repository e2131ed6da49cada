// Limits on bandwidth, from the settings through the gate to a fetch under way, and by the command line.
import { join } from 'node:path'
import tap, { test } from 'tap'
import { seededRandom } from '../../src/base/random.ts'
import { KiB } from '../../src/base/units.ts'
import { CatalogNode } from '../../src/index.ts'
import { run, runPlain } from './processes.ts'

tap.setTimeout(120_000)

const LOOPBACK = { host: '127.0.0.1', controlPort: 0, httpPort: 0, mdns: false }

for (const [who, direction] of [
  ['the sender', 'up'],
  ['the receiver', 'down'],
] as const) {
  test(`a fetch waits at the gate of ${who}, and goes on as soon as that lets it`, async (t) => {
    const noise = Buffer.from(seededRandom(7).bytes(1500 * KiB)).toString('base64')
    const source = { 'package.json': '{"name":"lock-gate","version":"1.0.0"}', 'noise.txt': noise }
    const folder = t.testdir({ source })
    // So little that after one frame the next one would wait for minutes.
    const slow = { limitLocal: true, maxUpload: 1000, maxDownload: 1000, fairUseLimit: Number.POSITIVE_INFINITY }
    const [up, down] = direction === 'up' ? [slow, {}] : [{}, slow]
    await using a = await CatalogNode.open({ dataDir: join(folder, 'a'), ...LOOPBACK, ...up })
    await using b = await CatalogNode.open({ dataDir: join(folder, 'b'), ...LOOPBACK, ...down })
    await Promise.all([a.start(), b.start()])
    const { purl } = await a.sharing.sharePackage(join(folder, 'source'))
    await b.sharing.connectPeer(String(a.addresses()[0]))
    const { limits } = direction === 'up' ? a.sharing : b.sharing
    let fetched = false
    const fetching = b.sharing.fetchPackage(purl, join(folder, 'out.tgz')).finally(() => {
      fetched = true
    })
    while (limits.status()[direction].traffic.waiting === 0) {
      if (fetched) break
      await new Promise(setImmediate)
    }
    t.notOk(fetched, 'it waits')
    await limits.change({ [direction]: Number.POSITIVE_INFINITY })
    const { bytes } = await fetching
    t.ok(bytes > 1500 * KiB)
    t.match(limits.status()[direction].traffic, { waiting: 0, inService: 0 })
  })
}

test('the command line tells and changes limits, with no node running too', async (t) => {
  const dataDir = ['--data-dir', join(t.testdir({}), 'store')]
  const changed = await run(['limits', '--up', '8Mbit/s', '--per-peer', 'unlimited', ...dataDir])
  const line = { up: { bytesPerSecond: 1_000_000 }, perPeer: { bytesPerSecond: null }, schedule: null }
  t.match(changed, { status: 0, lines: [{ type: 'limits', ...line }] })
  const schedule = ['--schedule', 'mon-fri 08:00-18:00 up=1MB/s', '--schedule', '22:00-06:00 up=unlimited']
  const joined = { schedule: 'mon-fri 08:00-18:00 up=1MB/s; 22:00-06:00 up=unlimited' }
  t.match(await run(['limits', ...schedule, ...dataDir]), { status: 0, lines: [joined] })
  const told = await runPlain(['limits', '--clear', ...dataDir])
  t.match(told, { status: 0, stdout: /^up +10 MB\/s, now 0 B\/s\n.*\nper peer +1 MB\/s\nlocal peers +not limited\n/ })
  t.match(await run(['limits', '--up', 'fast', ...dataDir]), { status: 2 })
  t.match(await run(['limits', '--schedule', 'sometimes', ...dataDir]), { status: 2, lines: [{ code: 'USAGE' }] })
})
