// A peer that synchronizes in bad faith with a whole node: it asks for what is not for it, and sends what does not
// hold. It gets nothing but what everybody may have, changes nothing, and the node goes on.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { SECOND_MS } from '../../src/base/units.ts'
import { MemoryNetwork } from '../../src/network/memory.ts'
import { Rpc } from '../../src/network/rpc.ts'
import { shelfName } from '../../src/synchronization/catalogue.ts'
import { SYNC, type SyncReply, type SyncRequest } from '../../src/wire/sync-messages.ts'
import { publisherOf, releaseOf } from '../unit/model/made.ts'
import { World } from './world.ts'

test('a hostile peer learns nothing that is private, and alters nothing', async (t) => {
  const folder = t.testdir({})
  const world = new World(11)
  const a = await world.start('A', { mdns: false, dht: false, workers: 1, dataDir: join(folder, 'a') })
  for (const [name, permission] of [
    ['open', 'public'],
    ['closed', 'private'],
  ] as const) {
    await mkdir(join(folder, name))
    await writeFile(join(folder, name, 'package.json'), JSON.stringify({ name, version: '1.0.0' }))
    await world.until(a.sharing.sharePackage(join(folder, name), { permission }))
  }
  const network = new MemoryNetwork({ hub: world.hub }, { seed: new Uint8Array(32).fill(66) })
  const rpc = new Rpc({ network, clock: world.clock })
  await world.until(network.start())
  await world.until(network.dial(a.addresses()[0] as string))
  await world.pass(2 * SECOND_MS)
  const ask = async (request: SyncRequest): Promise<SyncReply[]> => {
    const replies: SyncReply[] = []
    const asking = async () => {
      for await (const reply of rpc.call(SYNC, a.peerId, request)) replies.push(reply)
    }
    await world.until(asking())
    return replies
  }
  const refused = (request: SyncRequest, code: string, what: string) => t.rejects(ask(request), { code }, what)
  const { publisher } = await world.until(a.sharing.status())
  const shelf = shelfName('public', publisher as string)
  const hidden = shelfName('private', publisher as string)

  const [named] = await ask({ op: 'open', shelves: [], others: true })
  t.match(named, { is: 'others', shelves: [{ audience: 'public', signer: publisher, count: 3 }] })
  t.equal((named as { shelves: unknown[] }).shelves.length, 1, 'the private shelf is not named')
  const state = { root: new Uint8Array(32), count: 1, counts: new Uint8Array(64) }
  const [unknown] = await ask({ op: 'open', shelves: [{ key: hidden.key, ...state }] })
  t.match(unknown, { is: 'unknown', keys: [hidden.key] }, 'nor known when it is asked for by its key')
  const nowhere = new Uint8Array(16)
  for (const key of [hidden.key, nowhere]) {
    await refused({ op: 'stream', key }, 'NOT_FOUND', 'nor read')
    await refused({ op: 'exchange', key, wants: new Uint8Array(8), records: [] }, 'NOT_FOUND', 'nor written to')
  }
  const changes = await ask({ op: 'changes', after: { sequence: 1, mark: new Uint8Array(16) } })
  t.match(changes, [{ is: 'cursor', isWhole: false }], 'a cursor that was made up tells nothing')

  const { key } = shelf
  await refused({ op: 'symbols', key, from: 9, to: 9 }, 'PEER_PROTOCOL', 'no symbols')
  await refused({ op: 'nodes', key, paths: [Uint8Array.of(16)] }, 'PEER_PROTOCOL', 'a path that is none')
  await refused({ op: 'exchange', key, wants: new Uint8Array(7), records: [] }, 'PEER_PROTOCOL', 'a torn id')
  const stranger = publisherOf(5)
  const forged = releaseOf({ ...stranger, signer: publisher as string }, { name: 'forged' })
  for (const record of [stranger.document, releaseOf(stranger), forged]) {
    const push: SyncRequest = { op: 'exchange', key, wants: new Uint8Array(), records: [record.envelope] }
    await refused(push, 'PEER_PROTOCOL', 'a record that is not the publisher’s own')
  }
  const [after] = await ask({ op: 'exchange', key, wants: new Uint8Array(), records: [] })
  t.match(after, { is: 'state', root: (named as { shelves: { root: Uint8Array }[] }).shelves[0]?.root, count: 3 })

  await world.until(network.stop())
  await world.until(a.close())
})
