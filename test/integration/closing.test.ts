// A node that is closed while much is under way on it: all of it ends, is told so, and nothing comes late.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { CatalogError } from '../../src/base/errors.ts'
import { listen } from '../../src/base/events.ts'
import { MiB } from '../../src/base/units.ts'
import { CatalogNode, type NodeOptions } from '../../src/index.ts'

const LOOPBACK: Omit<NodeOptions, 'dataDir'> = { host: '127.0.0.1', controlPort: 0, httpPort: 0 }
const LARGE_BYTES = 48 * MiB
const PUBLISHES = 12

/** What came late, of the whole process. */
const late: unknown[] = []
process.on('unhandledRejection', (thrown) => late.push(thrown))
tap.teardown(() => process.removeAllListeners('unhandledRejection'))

function sourceOf(folder: string, name: string, bytes: number): string {
  const path = join(folder, `${name}.bin`)
  writeFileSync(path, Buffer.alloc(bytes, name))
  return path
}

/** How it ended: `done`, or the code of its error. */
const ending = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (thrown) => CatalogError.from(thrown).code,
  )

/** Opened again, all that was told to be done is there and whole, and the rest is not there by half. */
async function isSound(t: Test, dataDir: string, published: readonly string[]): Promise<void> {
  await using node = await CatalogNode.open({ dataDir, ...LOOPBACK })
  for await (const finding of node.storage.check()) t.fail(`${finding.subject}: ${finding.problem}`)
  for await (const { ok, purl } of node.storage.verify()) t.ok(ok, purl ?? '')
  for (const name of published) t.ok((await node.sharing.packageInfo(`pkg:generic/${name}@1.0.0`)).local, name)
}

test('publishes under way end before the store is closed, each done or refused', async (t) => {
  const folder = t.testdir({})
  const dataDir = join(folder, 'data')
  const node = await CatalogNode.open({ dataDir, ...LOOPBACK })
  await node.start()
  const names = Array.from({ length: PUBLISHES }, (_, number) => `made-${number}`)
  const options = (name: string) => ({ type: 'generic', name, version: '1.0.0' })
  const publish = (name: string, number: number) =>
    node.sharing.sharePackage(sourceOf(folder, name, number % 3 === 0 ? LARGE_BYTES : 40_000), options(name))
  const first = publish('first', 1)
  const endings = names.map((name, number) => ending(publish(name, number)))
  await first
  await node.close()
  const ended = await Promise.all(endings)
  t.same(
    ended.filter((end) => end !== 'done' && end !== 'CLOSED'),
    [],
    ended.join(' '),
  )
  t.ok(ended.includes('CLOSED'), 'some were under way')
  t.equal(await ending(publish('after', 1)), 'CLOSED')
  await isSound(t, dataDir, ['first', ...names.filter((_, number) => ended[number] === 'done')])
  t.same(late, [])
})

test('a fetch under way ends at both nodes, and goes on where it stopped', async (t) => {
  const folder = t.testdir({ far: {}, near: {} })
  const open = (name: string) => CatalogNode.open({ dataDir: join(folder, name), ...LOOPBACK })
  const far = await open('far')
  let near = await open('near')
  await Promise.all([far.start(), near.start()])
  const { purl } = await far.sharing.sharePackage(sourceOf(folder, 'large', LARGE_BYTES), {
    ...{ type: 'generic', name: 'large', version: '1.0.0' },
  })
  await near.sharing.connectPeer(String(far.addresses()[0]))
  const begun = Promise.withResolvers<void>()
  const stop = listen('catalog:transfer', ({ direction }) => {
    if (direction === 'received') begun.resolve()
  })
  mkdirSync(join(folder, 'out'))
  const fetching = ending(near.sharing.fetchPackage(purl, join(folder, 'out', 'large')))
  await begun.promise
  stop()
  await Promise.all([near.close(), far.close()])
  t.equal(await fetching, 'CLOSED')
  near = await open('near')
  t.equal(near.recovery.fetches, 1, 'what came is kept')
  await near.close()
  await isSound(t, join(folder, 'near'), [])
  await isSound(t, join(folder, 'far'), ['large'])
  t.same(late, [])
})

test('a walk over the store whose reader has gone does not keep the node from closing', async (t) => {
  const folder = t.testdir({})
  const node = await CatalogNode.open({ dataDir: join(folder, 'data'), ...LOOPBACK })
  for (const name of ['one', 'two']) {
    await node.sharing.sharePackage(sourceOf(folder, name, 30_000), { type: 'generic', name, version: '1.0.0' })
  }
  const walk = node.storage.verify()
  t.match(await walk.next(), { value: { ok: true }, done: false })
  await node.close()
  await t.rejects(walk.next(), { code: 'CLOSED' })
  t.same(late, [])
})
