// What two nodes use often comes first at a third one that has used nothing: a day of virtual time, with whole nodes.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { USAGE_EXCHANGE_MS, USAGE_TOLD_MIN } from '../../src/base/limits.ts'
import { DAY_MS, SECOND_MS } from '../../src/base/units.ts'
import { World } from './world.ts'

const OFFLINE = { mdns: false, dht: false, workers: 1 }
const NAMES = ['rope-alpha', 'rope-zulu']

test('a node ranks by what two others have seen, and by nothing that they do not share', async (t) => {
  const folder = t.testdir({})
  const world = new World(7)
  const a = await world.start('A', { ...OFFLINE, dataDir: join(folder, 'a') })
  const peers = a.addresses()
  const b = await world.start('B', { ...OFFLINE, dataDir: join(folder, 'b'), peers })
  const c = await world.start('C', { ...OFFLINE, dataDir: join(folder, 'c'), peers: [...peers, ...b.addresses()] })
  const silent = { ...OFFLINE, dataDir: join(folder, 'd'), peers: [...peers, ...b.addresses()], shareUsage: false }
  const d = await world.start('D', silent)
  await world.pass(2 * SECOND_MS)
  for (const name of NAMES) {
    const source = join(folder, name)
    await mkdir(source)
    await writeFile(
      join(source, 'package.json'),
      JSON.stringify({ name, version: '1.0.0', description: 'For mooring' }),
    )
    await world.until(a.sharing.sharePackage(source))
  }
  await world.pass(2 * SECOND_MS)
  for (const node of [a, b]) {
    for (let i = 0; i < USAGE_TOLD_MIN; i++) {
      await world.until(
        node.sharing.fetchPackage('pkg:npm/rope-zulu', join(folder, `${world.nameOf(node.peerId)}${i}`)),
      )
    }
  }
  const firstAt = async (node: typeof a) => {
    const { results } = await world.until(node.sharing.searchPackages('mooring', { local: true }))
    return results.map(({ name }) => name)
  }
  t.strictSame(await firstAt(c), NAMES, 'at first by name')
  await world.pass(DAY_MS + USAGE_EXCHANGE_MS)
  t.strictSame(await firstAt(c), [...NAMES].reverse(), 'then by what A and B have used')
  t.strictSame(await firstAt(a), [...NAMES].reverse())
  t.strictSame(await firstAt(d), NAMES, 'who does not share hears nothing')
  const asked = world.trace.filter((event) => event.includes('opens /catalog/usage/1'))
  t.notOk(
    asked.some((event) => / D opens|to D/.test(event)),
    'and is not asked',
  )
  t.match(await world.until(a.sharing.packageInfo('pkg:npm/rope-zulu')), { usage: { fetches: USAGE_TOLD_MIN } })
  for (const node of [a, b, c, d]) await world.until(node.close())
})
