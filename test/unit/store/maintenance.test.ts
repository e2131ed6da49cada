import { type Test, test } from 'tap'
import { listen } from '../../../src/base/events.ts'
import { MAINTENANCE_INTERVAL_MS } from '../../../src/base/limits.ts'
import { MiB } from '../../../src/base/units.ts'
import { Maintenance } from '../../../src/store/maintenance.ts'
import { blobOf, nobody, openStore, put, released } from './opened.ts'
import { diskError, watchedDisk } from './watched-disk.ts'

async function opened(t: Test) {
  const disk = watchedDisk()
  const store = await openStore(t, t.testdir({}), disk)
  const told: string[] = []
  t.teardown(listen('catalog:failure', ({ task, code }) => told.push(`${task} ${code}`)))
  const maintenance = new Maintenance(store)
  /** Let time pass as long as the disk needs for what is expected. */
  const until = async (holds: () => boolean) => {
    while (!holds()) await store.clock.advance(0)
  }
  return { ...store, disk, told, maintenance, until }
}

test('once an hour garbage goes, packs are rewritten and uses are written down', async (t) => {
  const { maintenance, clock, blobs, packs, environment, until, told, ...store } = await opened(t)
  const release = await released({ ...store, blobs, packs, environment, clock }, '1.0.0')
  const all = { ...store, blobs, packs, environment, clock }
  const kept = blobOf(2 * MiB, 1)
  await put(all, kept, release)
  await put(all, blobOf(5 * MiB, 2), nobody)
  blobs.lease(kept.root)?.[Symbol.dispose]()
  const readAt = clock.now()
  maintenance.start()
  await clock.advance(MAINTENANCE_INTERVAL_MS - 1)
  t.equal(blobs.usage().blobs, 2)
  await clock.advance(1)
  await until(() => environment.packs.get(2) !== undefined && !environment.packs.doesExist(1))
  t.equal(blobs.usage().blobs, 1)
  t.equal(environment.uses.get(kept.root), readAt)
  await put(all, blobOf(100), nobody)
  await until(() => clock.waiting === 1)
  await clock.advance(MAINTENANCE_INTERVAL_MS)
  await until(() => blobs.usage().blobs === 1)
  await maintenance.stop()
  t.equal(clock.waiting, 0)
  t.same(told, [])
})

test('a fault is told, and the next hour tries again', async (t) => {
  const store = await opened(t)
  const { maintenance, clock, blobs, disk, told, until, environment } = store
  await put(store, blobOf(2 * MiB, 1), await released(store, '1.0.0'))
  await put(store, blobOf(5 * MiB, 2), nobody)
  disk.watch.before = (operation) => {
    if (operation === 'write') throw diskError('ENOSPC')
  }
  maintenance.start()
  await clock.advance(MAINTENANCE_INTERVAL_MS)
  await until(() => told.length > 0)
  t.same(told, ['maintenance: gc DISK_FULL'])
  t.equal(blobs.usage().blobs, 1, 'what came before it is done')
  disk.watch.before = undefined
  await until(() => clock.waiting === 1)
  await clock.advance(MAINTENANCE_INTERVAL_MS)
  await until(() => !environment.packs.doesExist(1))
  await maintenance.stop()
  t.equal(told.length, 1)
  t.same(await store.check(), [])
})

test('stopping ends what is under way, also what is held or rests, without telling of a fault', async (t) => {
  for (const held of [true, false]) {
    const store = await opened(t)
    const { maintenance, clock, repacker, told, environment, until } = store
    await put(store, blobOf(2 * MiB, 1), await released(store, '1.0.0'))
    await put(store, blobOf(5 * MiB, 2), nobody)
    if (held) repacker.pause()
    maintenance.start()
    await clock.advance(MAINTENANCE_INTERVAL_MS)
    await until(() => (held ? environment.packs.get(1)?.live !== environment.packs.get(1)?.end : clock.waiting > 0))
    await maintenance.stop()
    t.equal(clock.waiting, 0)
    t.same(told, [])
    t.same(await store.check(), [])
  }
})

test('stopping what never ran writes down what was read', async (t) => {
  const store = await opened(t)
  const blob = blobOf(10)
  await put(store, blob, nobody)
  store.blobs.lease(blob.root)?.[Symbol.dispose]()
  await store.maintenance.stop()
  t.equal(store.environment.uses.get(blob.root), store.clock.now())
})
