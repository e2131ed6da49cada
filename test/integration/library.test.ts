// The library: two nodes in this process, through what the package exports.
import { join } from 'node:path'
import { test } from 'tap'
import { CatalogNode, type NodeOptions, SharingManager } from '../../src/index.ts'

const LOOPBACK: Omit<NodeOptions, 'dataDir'> = { host: '127.0.0.1', controlPort: 0, httpPort: 0 }

test('two nodes in one process share a package', async (t) => {
  const source = { 'package.json': JSON.stringify({ name: 'pier', version: '3.1.0', description: 'A place to moor' }) }
  const folder = t.testdir({ a: {}, b: {}, source })
  await using a = await CatalogNode.open({ dataDir: join(folder, 'a'), ...LOOPBACK })
  await using b = await CatalogNode.open({ dataDir: join(folder, 'b'), ...LOOPBACK })
  t.ok(a.sharing instanceof SharingManager)
  t.notOk(a.online)
  t.same(a.addresses(), [])
  await Promise.all([a.start(), b.start()])
  const shared = await a.sharing.sharePackage(join(folder, 'source'))
  t.match(shared, { purl: 'pkg:npm/pier@3.1.0', permission: 'public', fresh: true })
  await a.catchUp()

  const [address] = a.addresses()
  t.match(await b.sharing.connectPeer(String(address)), { peer: a.peerId, agent: /^catalog\// })
  t.match(b.sharing.connectedPeers(), [{ peer: a.peerId }])
  const found = await b.sharing.searchPackages('moor')
  t.match(found, { results: [{ purl: shared.purl, verified: true }], peersAsked: 1 })
  const fractions: number[] = []
  const installed = await b.sharing.installPackage(shared.purl, {
    to: join(folder, 'installed'),
    onProgress: ({ bytes, total }) => fractions.push(bytes / total),
  })
  t.match(installed, [{ purl: shared.purl, files: 1, sources: [{ peer: a.peerId }] }])
  t.equal(fractions.at(-1), 1)

  await a.close()
  t.notOk(a.online)
  await a.close()
})

test('who was dialled a moment ago asks the one who dialled, too', async (t) => {
  const source = { 'package.json': JSON.stringify({ name: 'quay', version: '1.0.0' }) }
  const folder = t.testdir({ source })
  await using a = await CatalogNode.open({ dataDir: join(folder, 'a'), ...LOOPBACK })
  await using b = await CatalogNode.open({ dataDir: join(folder, 'b'), ...LOOPBACK })
  await Promise.all([a.start(), b.start()])
  const { purl } = await a.sharing.sharePackage(join(folder, 'source'))
  await a.sharing.connectPeer(String(b.addresses()[0]))
  // Its own hello to the other one is still under way.
  t.match(await b.sharing.packageInfo(purl), { purl, local: false })
})

test('a data directory has one owner at a time', async (t) => {
  const dataDir = join(t.testdir({}), 'a')
  const first = await CatalogNode.open({ dataDir, ...LOOPBACK })
  await t.rejects(CatalogNode.open({ dataDir, ...LOOPBACK }), {
    code: 'DATA_DIR_LOCKED',
    details: { pid: process.pid },
  })
  t.match(await first.sharing.status(), { online: false, dataDir }, 'the first one goes on')
  await first.close()
  const second = await CatalogNode.open({ dataDir, ...LOOPBACK })
  t.equal(second.peerId, first.peerId)
  await second.close()
})
