// Whole nodes that synchronize by themselves, under virtual time: what one publishes while it is cut off stands
// everywhere afterwards, and what is private only where it belongs.
import { randomInt } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts'
import type { CatalogNode } from '../../src/node.ts'
import { World } from './world.ts'

const SEED = Number(process.env['SIMULATION_SEED'] ?? randomInt(2 ** 31))
const OFFLINE = { mdns: false, dht: false, workers: 1, syncInterval: 60 }

async function publish(world: World, folder: string, node: CatalogNode, name: string, how = {}): Promise<void> {
  const source = join(folder, `${world.nameOf(node.peerId)}-${name}`)
  await mkdir(source)
  await writeFile(join(source, 'package.json'), JSON.stringify({ name, version: '1.0.0', description: 'Synced' }))
  await world.until(node.sharing.sharePackage(source, how))
}

async function knows(world: World, node: CatalogNode, name: string): Promise<boolean> {
  await world.until(node.catchUp())
  const { results } = await world.until(node.sharing.searchPackages(name, { local: true, newcomers: true }))
  return results.some((result) => result.name === name)
}

test(`nodes that were apart come to the same by themselves (seed ${SEED})`, async (t) => {
  const folder = t.testdir({})
  const world = new World(SEED)
  const a = await world.start('A', { ...OFFLINE, dataDir: join(folder, 'a') })
  const b = await world.start('B', { ...OFFLINE, dataDir: join(folder, 'b'), peers: a.addresses() })
  const c = await world.start('C', { ...OFFLINE, dataDir: join(folder, 'c'), peers: b.addresses() })
  await world.pass(2 * SECOND_MS)
  await publish(world, folder, a, 'first')
  await world.pass(10 * SECOND_MS)
  t.ok(await knows(world, c, 'first'), 'an announcement goes round')
  world.hub.partition([a.peerId], [b.peerId, c.peerId])
  await publish(world, folder, a, 'second')
  await publish(world, folder, a, 'secret', { permission: 'private' })
  await world.pass(MINUTE_MS)
  t.notOk(await knows(world, b, 'second'))
  world.hub.heal()
  await world.pass(10 * MINUTE_MS)
  for (const node of [b, c]) {
    t.ok(await knows(world, node, 'second'), 'what was published meanwhile came, from peer to peer')
    t.notOk(await knows(world, node, 'secret'))
  }
  const [schedule] = c.sharing.synchronization.schedule.list()
  t.match(schedule, { peer: b.peerId, failures: 0, last: { unequal: 0 } })
  for (const node of [a, b, c]) await world.until(node.close())
})

test(`a publisher's devices have what is private, whatever they hear of first (seed ${SEED})`, async (t) => {
  const folder = t.testdir({})
  const world = new World(SEED + 1)
  const a = await world.start('A', { ...OFFLINE, dataDir: join(folder, 'a') })
  const b = await world.start('B', { ...OFFLINE, dataDir: join(folder, 'b'), peers: a.addresses() })
  await world.pass(2 * SECOND_MS)
  await publish(world, folder, a, 'own', { permission: 'private' })
  await world.until(a.sharing.addDevice(a.peerId))
  await world.until(a.sharing.addDevice(b.peerId))
  const report = await world.until(b.sharing.syncWithPeer(a.peerId))
  t.match(report, { unequal: 0 })
  t.ok(await knows(world, b, 'own'))
  const equal = await world.until(b.sharing.syncWithPeer(a.peerId, { strategy: 'differential' }))
  t.match(equal, { lacking: 0, surplus: 0, received: 0, sent: 0 })
  await world.until(a.sharing.removeDevice(b.peerId))
  await publish(world, folder, a, 'later', { permission: 'private' })
  await world.until(b.sharing.syncWithPeer(a.peerId))
  t.notOk(await knows(world, b, 'later'), 'a device that was removed hears of nothing new')
  for (const node of [a, b]) await world.until(node.close())
})

test(`a part is synchronized, the important first, and what a cursor is good for (seed ${SEED})`, async (t) => {
  const folder = t.testdir({})
  const world = new World(SEED + 2)
  const a = await world.start('A', { ...OFFLINE, dataDir: join(folder, 'a') })
  const b = await world.start('B', { ...OFFLINE, dataDir: join(folder, 'b'), peers: a.addresses() })
  await world.pass(2 * SECOND_MS)
  // Nothing of what is private is announced: only synchronizing brings it.
  const own = { permission: 'private' }
  for (const name of ['apple', 'banana', 'cherry']) await publish(world, folder, a, name, own)
  await world.until(a.sharing.addDevice(a.peerId))
  await world.until(a.sharing.addDevice(b.peerId))
  const sync = (options = {}) => world.until(b.sharing.syncWithPeer(a.peerId, options))
  t.match(await sync({ filter: { names: ['pkg:npm/ban*'] } }), { strategy: 'selective', received: 4, unequal: 0 })
  t.notOk(await knows(world, b, 'apple'))
  t.match(await sync({ strategy: 'priority', dryRun: true }), { lacking: 4, received: 0 })
  t.match(await sync({ strategy: 'priority' }), { received: 4, unequal: 0 })
  t.match(await sync(), { strategy: 'incremental', received: 0 }, 'now there is a cursor')
  await publish(world, folder, a, 'damson', own)
  t.match(await sync(), { received: 2, lacking: 0, unequal: 0 }, 'what changed is told without comparing anything')
  t.ok(await knows(world, b, 'damson'))
  t.match(await sync({ strategy: 'full' }), { received: 0, unequal: 0 })
  t.match(await sync({ artifacts: 'all' }), { artifacts: { failed: 0, fetched: 4 } })
  for (const node of [a, b]) await world.until(node.close())
})
