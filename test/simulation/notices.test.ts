// What a publisher says of its releases, between whole nodes: told at once to who is there, and to others when they use
// the package again; never to who may not see the release.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts'
import type { CatalogNode } from '../../src/node.ts'
import { World } from './world.ts'

const OFFLINE = { mdns: false, dht: false, workers: 1 }
const LAMP = { type: 'npm', name: 'lamp' }
const PURL = 'pkg:npm/lamp'

test('tags, deprecations and withdrawals reach who may see them', async (t) => {
  const folder = t.testdir({})
  const world = new World(7)
  const start = (name: string, peers: string[] = []) =>
    world.start(name, { ...OFFLINE, dataDir: join(folder, name), peers })
  const a = await start('A')
  const b = await start('B', a.addresses())
  await world.pass(2 * SECOND_MS)
  const publish = async (version: string, permission = 'public') => {
    const source = join(folder, `lamp-${version}`)
    await mkdir(source)
    await writeFile(join(source, 'package.json'), JSON.stringify({ name: 'lamp', version }))
    await world.until(a.sharing.sharePackage(source, { permission }))
    await world.pass(SECOND_MS)
  }
  const info = (node: CatalogNode, purl = PURL) => world.until(node.sharing.packageInfo(purl))
  const curated = async (change: Promise<unknown>) => {
    await world.until(change)
    await world.pass(SECOND_MS)
  }
  const { curation } = a.sharing
  await publish('1.0.0')
  await publish('1.1.0')
  await curated(curation.tag({ ...LAMP, version: '1.0.0' }, 'stable'))
  await curated(curation.deprecate(LAMP, new Map([['1.0.0', 'it flickers']])))
  t.match(await info(b, `${PURL}@stable`), { version: '1.0.0', deprecated: 'it flickers', tags: { stable: '1.0.0' } })
  await curated(curation.withdraw(LAMP, ['1.0.0'], { reason: 'it burns' }))
  t.match(await info(b), { version: '1.1.0', tags: {}, versions: ['1.1.0'] })
  await t.rejects(info(b, `${PURL}@1.0.0`), { code: 'WITHDRAWN', message: /it burns/ })

  // What is for this publisher's own devices has a tag, too, of which nobody else hears.
  await publish('2.0.0', 'private')
  await curated(curation.tag({ ...LAMP, version: '2.0.0' }, 'secret'))
  t.match(await info(a, `${PURL}@secret`), { version: '2.0.0' })

  // B is away while something is said, and is told of it when it is back.
  await world.until(b.close())
  await curated(curation.withdraw(LAMP, ['1.1.0']))
  await publish('1.2.0')
  const later = await start('B', a.addresses())
  await world.pass(2 * SECOND_MS)
  t.match(await info(later), { version: '1.2.0', versions: ['1.2.0'] })
  await t.rejects(info(later, `${PURL}@1.1.0`), { code: 'WITHDRAWN' })
  await world.pass(10 * MINUTE_MS)
  t.strictSame((await info(later)).tags, {})
  t.notMatch(world.trace.filter((event) => event.includes('B ')).join('\n'), 'secret')
  for (const node of [a, later]) await world.until(node.close())
})
