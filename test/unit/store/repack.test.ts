import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { listen } from '../../../src/base/events.ts'
import { DISK_RESERVE_BYTES_MAX } from '../../../src/base/limits.ts'
import { GiB, MiB } from '../../../src/base/units.ts'
import {
  begun,
  bend,
  blobOf,
  bytesOf,
  chunkOf,
  type Made,
  nobody,
  type Opened,
  openStore,
  put,
  released,
} from './opened.ts'
import { diskError, gate, watchedDisk } from './watched-disk.ts'

const filesOf = (store: Opened) => readdirSync(join(store.folder, 'packs'))

async function swept(store: Opened): Promise<void> {
  for await (const _ of store.collector.sweep());
}

async function repacked(store: Opened, options: Parameters<Opened['repacker']['run']>[0] = {}) {
  const done = []
  for await (const each of store.repacker.run(options)) done.push(each)
  return done
}

/** A store whose first pack is to be rewritten: one blob in it is wanted, and one is not any more. */
async function sparse(t: Parameters<typeof openStore>[0], disk = watchedDisk()): Promise<[Opened, Made, Uint8Array]> {
  const store = await openStore(t, t.testdir({}), disk)
  const release = await released(store, '1.0.0')
  const kept = blobOf(3 * MiB, 1)
  await put(store, kept, release)
  await put(store, blobOf(9 * MiB, 2), nobody)
  await swept(store)
  return [store, kept, release]
}

test('a pack of which little is live is rewritten; readers of the old one read on', async (t) => {
  const store = await openStore(t)
  const release = await released(store, '1.0.0')
  const made = Array.from({ length: 8 }, (_, seed) => blobOf(2 * MiB + seed, seed))
  for (const [at, blob] of made.entries()) await put(store, blob, at % 3 === 0 ? release : nobody)
  await swept(store)
  const [kept] = made
  if (!kept) throw new Error('eight were made')
  const lease = store.blobs.lease(kept.root)
  const [before] = readdirSync(join(store.folder, 'packs'))
  t.match(store.repacker.candidates(), [{ pack: 1 }])
  const done = []
  for await (const repacked of store.repacker.run()) done.push(repacked)
  t.match(done, [{ pack: 1, movedBytes: Number, freedBytes: Number }])
  t.same(readdirSync(join(store.folder, 'packs')).length, 2, 'the old pack stays for the lease')
  for (const [at, blob] of made.entries()) if (at % 3 === 0) t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes))
  lease?.[Symbol.dispose]()
  await store.packs.collect()
  t.notOk(readdirSync(join(store.folder, 'packs')).includes(before ?? ''))
  t.same(await store.check(), [])
  t.same([...store.repacker.candidates()], [], 'once is enough')
  const after = await store.reopen()
  t.ok((await bytesOf(after, kept.root))?.equals(kept.bytes))
})

test('rewriting can be cancelled, paused and both, and loses nothing', async (t) => {
  const [store, kept] = await sparse(t)
  await t.rejects(repacked(store, { signal: AbortSignal.abort() }), { code: 'ABORTED' })
  t.same(await store.check(), [])
  const stop = new AbortController()
  const gentle = repacked(store, { gently: true, signal: stop.signal })
  while (store.clock.waiting === 0) await new Promise((resolve) => setImmediate(resolve))
  stop.abort()
  await t.rejects(gentle, { code: 'ABORTED' })
  t.equal(store.clock.waiting, 0)
  store.repacker.pause()
  t.ok(store.repacker.isPaused)
  const running = repacked(store)
  store.repacker.resume()
  t.match(await running, [{ pack: 1 }])
  t.ok((await bytesOf(store, kept.root))?.equals(kept.bytes))
  t.same(await store.check(), [])
})

test('what is given back when rewriting fails is used again', async (t) => {
  const disk = watchedDisk()
  const [store, kept] = await sparse(t, disk)
  disk.watch.before = (operation, _, position) => {
    if (operation === 'write' && position === 2 * MiB) throw diskError('ENOSPC')
  }
  await t.rejects(repacked(store), { code: 'DISK_FULL' })
  disk.watch.before = undefined
  t.same(await store.check(), [])
  t.match(await repacked(store), [{ pack: 1 }])
  t.match(store.environment.blobs.get(kept.root), { pack: 2, offset: 0 })
})

test('a blob that goes, or is found damaged, while it is copied is not brought back', async (t) => {
  const disk = watchedDisk()
  const store = await openStore(t, t.testdir({}), disk)
  const release = await released(store, '1.0.0')
  const [goes, bent, stays] = [blobOf(2 * MiB, 1), blobOf(2 * MiB, 2), blobOf(2 * MiB, 3)]
  for (const blob of [goes, bent, stays]) await put(store, blob, release)
  await put(store, blobOf(20 * MiB, 4), nobody)
  await swept(store)
  const copying = gate()
  disk.watch.before = (operation) => (operation === 'sync' ? copying.wait() : undefined)
  const running = repacked(store)
  await copying.reached
  await store.environment.transaction(() => store.blobs.remove(goes.root))
  await store.blobs.quarantine(bent.root, new Uint8Array(4).fill(0xfe))
  copying.open()
  t.match(await running, [{ pack: 1 }])
  t.equal(store.blobs.get(goes.root), undefined)
  t.equal(store.environment.blobs.get(stays.root)?.pack, 2)
  t.same(await store.check(), [])
  const download = await begun(store, bent, release)
  for (const { first, count } of download.missing()) await download.write(first, chunkOf(bent, first, count))
  await download.finish(bent)
  t.ok((await bytesOf(store, bent.root))?.equals(bent.bytes))
  t.same(await store.check(), [])
})

test('a pack that a blob is being fetched into is left alone; a fetch that was interrupted is moved', async (t) => {
  const [store, , release] = await sparse(t)
  const blob = blobOf(2 * MiB, 5)
  const download = await begun(store, blob, release)
  await download.write(3, chunkOf(blob, 3, 7))
  t.same(store.repacker.candidates(), [])
  await download.suspend()
  t.match(await repacked(store), [{ pack: 1 }])
  t.same(await store.check(), [])
  t.same(filesOf(store), ['00000002.pack'])
  const resumed = await begun(await store.reopen(), blob, release)
  t.equal(resumed.heldBytes(), 7 * 65_536)
  for (const { first, count } of resumed.missing()) await resumed.write(first, chunkOf(blob, first, count))
  t.same((await resumed.digest(false)).root, blob.root)
})

test('a fetch that goes on while its pack is rewritten goes on where it is', async (t) => {
  const disk = watchedDisk()
  const [store, , release] = await sparse(t, disk)
  const blob = blobOf(2 * MiB, 5)
  await (await begun(store, blob, release)).suspend()
  const copying = gate()
  disk.watch.before = (operation) => (operation === 'sync' ? copying.wait() : undefined)
  const running = repacked(store)
  await copying.reached
  const download = await begun(store, blob, release)
  copying.open()
  await running
  t.match(store.environment.downloads.get(blob.root), { pack: 1 })
  await download.write(0, blob.bytes)
  await download.finish(blob)
  t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes))
  t.same(await store.check(), [])
})

test('a pack that cannot be read is told, and does not keep the others from being rewritten', async (t) => {
  const disk = watchedDisk()
  const [store, kept, release] = await sparse(t, disk)
  store.packs.retire(1)
  const second = blobOf(3 * MiB, 6)
  await put(store, second, release)
  await put(store, blobOf(4 * MiB, 7), nobody)
  await swept(store)
  const told: string[] = []
  t.teardown(listen('catalog:failure', ({ task }) => told.push(task)))
  disk.watch.before = (operation, path) => {
    if (operation === 'read' && path.endsWith('1.pack')) throw diskError('EIO')
  }
  t.match(await repacked(store), [{ pack: 2 }])
  t.same(told, ['rewrite pack 1'])
  disk.watch.before = undefined
  for (const blob of [kept, second]) t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes))
  t.same(await store.check(), [])
})

test('what is copied does not go into a pack that is to be rewritten itself', async (t) => {
  const [store, kept, release] = await sparse(t)
  store.packs.retire(1)
  await put(store, blobOf(3 * MiB, 6), release)
  await put(store, blobOf(4 * MiB, 7), nobody)
  await swept(store)
  t.match(await repacked(store), [{ pack: 1 }, { pack: 2 }])
  t.equal(store.environment.blobs.get(kept.root)?.pack, 3)
  t.same(filesOf(store), ['00000003.pack'])
})

test('a damaged blob is copied as it is', async (t) => {
  const [store, kept] = await sparse(t)
  bend(store, kept.root, 70_000)
  await repacked(store)
  const found = []
  for await (const each of store.scrubber.run([kept.root])) found.push(each)
  t.match(found, [{ damaged: 1 }])
})

test('who rewrites while another does waits for it, unless cancelled, and copies nothing twice', async (t) => {
  const disk = watchedDisk()
  const [store] = await sparse(t, disk)
  const copying = gate()
  disk.watch.before = (operation) => (operation === 'sync' ? copying.wait() : undefined)
  const first = repacked(store)
  await copying.reached
  const written = disk.count('write')
  const stop = new AbortController()
  const [second, third] = [repacked(store, { signal: stop.signal }), repacked(store)]
  stop.abort()
  await t.rejects(second, { code: 'ABORTED' })
  copying.open()
  t.match(await first, [{ pack: 1 }])
  t.same(await third, [])
  t.equal(disk.count('write'), written)
  t.same(await store.check(), [])
})

test('a fetch that goes on and ends while its pack is rewritten stays where it is', async (t) => {
  const disk = watchedDisk()
  const store = await openStore(t, t.testdir({}), disk)
  const release = await released(store, '1.0.0')
  const [fetched, kept] = [blobOf(2 * MiB, 3), blobOf(3 * MiB, 1)]
  const download = await begun(store, fetched, release)
  await download.write(0, chunkOf(fetched, 0, 3))
  await download.suspend()
  await put(store, kept, release)
  await put(store, blobOf(12 * MiB, 2), nobody)
  await swept(store)
  // Held when the fetch has been copied, and the blob behind it has not.
  const held = gate()
  let read = 0
  disk.watch.before = async (operation, path) => {
    if (operation === 'read' && path.endsWith('.pack') && ++read === 4) await held.wait()
  }
  const running = repacked(store)
  await held.reached
  const resumed = await begun(store, fetched, release)
  await resumed.write(3, chunkOf(fetched, 3, resumed.chunks - 3))
  await resumed.finish(fetched)
  held.open()
  await running
  for (const blob of [fetched, kept]) t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes))
  t.same(await store.check(), [])
})

test('rewriting goes on where there is no room for anything new', async (t) => {
  const disk = watchedDisk()
  const [store, kept] = await sparse(t, disk)
  disk.watch.space = () => ({ total: 1024 * GiB, free: DISK_RESERVE_BYTES_MAX + MiB })
  await t.rejects(put(store, blobOf(2 * MiB, 3), nobody), { code: 'DISK_FULL' })
  t.match(await repacked(store), [{ pack: 1 }])
  t.ok((await bytesOf(store, kept.root))?.equals(kept.bytes))
  t.same(await store.check(), [])
})
