import { test } from 'tap'
import {
  BLOB_AT_HAND_BYTES_MAX,
  BLOB_INLINE_BYTES_MAX,
  CHUNK_BYTES,
  DISK_RESERVE_BYTES_MAX,
  FETCH_COMMIT_MS,
} from '../../../src/base/limits.ts'
import { MiB } from '../../../src/base/units.ts'
import { begun, blobOf, bytesOf, chunkOf, fetched, leased, openStore, put, stagedOf } from './opened.ts'
import { gate, watchedDisk } from './watched-disk.ts'

const release = new Uint8Array(32).fill(1)
const otherRelease = new Uint8Array(32).fill(2)

test('a download goes from nothing to a blob, chunk by chunk', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(19 * CHUNK_BYTES + 100)
  const download = await begun(store, blob, release)
  t.equal(download.chunks, 20)
  t.same(download.missing(), [{ first: 0, count: 20 }])
  await download.write(3, chunkOf(blob, 3, 2))
  await download.write(19, chunkOf(blob, 19))
  t.ok(download.has(4))
  t.notOk(download.has(5))
  t.equal(download.heldBytes(), 2 * CHUNK_BYTES + 100)
  const runs = [
    { first: 0, count: 3 },
    { first: 5, count: 14 },
  ]
  t.same(download.missing(), runs)
  const partial = store.blobs.partial(blob.root)
  t.match(partial, { size: blob.size, bitmap: Uint8Array.of(0b11000, 0, 0b1000) })
  t.ok(
    leased(partial?.lease)
      .subarray(3 * CHUNK_BYTES, 5 * CHUNK_BYTES)
      .equals(chunkOf(blob, 3, 2)),
  )
  partial?.lease[Symbol.dispose]()
  for (const { first, count } of runs) await download.write(first, chunkOf(blob, first, count))
  t.equal(store.blobs.get(blob.root), undefined, 'not before it is finished')
  t.same((await download.digest(false)).root, blob.root)
  await download.finish(blob)
  t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes))
  t.same(await store.blobs.outline(blob.root), blob.outline)
  t.equal(store.blobs.originOf(blob.root, release), 'fetched')
  t.equal(store.environment.downloads.getCount(), 0)
  t.same(await store.check(), [])
})

test('small blobs, and one of no bytes, are fetched too', async (t) => {
  const store = await openStore(t)
  for (const blob of [blobOf(0), blobOf(5), blobOf(BLOB_INLINE_BYTES_MAX), blobOf(BLOB_AT_HAND_BYTES_MAX)]) {
    const download = await begun(store, blob, release)
    if (blob.size > 0) await download.write(0, blob.bytes)
    t.same(download.missing(), [])
    t.same((await download.digest(true)).sha256, blob.sha256)
    await download.finish(blob)
    t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes))
  }
  t.equal(store.environment.extents.getCount(), 1)
  t.same(await store.check(), [])
})

test('chunks are held against the outline', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(3 * CHUNK_BYTES + 1)
  const download = await begun(store, blob, release)
  t.equal(download.firstLie(0, blob.bytes), -1)
  t.equal(download.firstLie(1, chunkOf(blob, 1, 2)), -1)
  t.equal(download.firstLie(0, chunkOf(blob, 1)), 0, 'another chunk')
  const bent = blob.bytes.slice()
  bent[2 * CHUNK_BYTES] = (bent[2 * CHUNK_BYTES] as number) ^ 1
  t.equal(download.firstLie(0, bent), 2, 'one bit')
  t.equal(download.firstLie(3, new Uint8Array(2)), 3, 'too long at the end')
  t.equal(download.firstLie(3, chunkOf(blob, 3).subarray(1)), -1, 'no bytes, no lie')
  t.equal(download.firstLie(4, new Uint8Array(1)), 4, 'beyond the end')
  await download.suspend()
})

test('a restart resumes at the first chunk that was not committed', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(20 * CHUNK_BYTES)
  const download = await begun(store, blob, release)
  await download.write(0, chunkOf(blob, 0, 2))
  await download.commit()
  await download.write(2, chunkOf(blob, 2))
  const after = await store.reopen()
  t.equal(after.recovery.fetches, 1)
  const resumed = await begun(after, blob, release)
  t.same(resumed.missing(), [{ first: 2, count: 18 }])
  await resumed.write(2, chunkOf(blob, 2, 18))
  await resumed.finish(blob)
  t.ok((await bytesOf(after, blob.root))?.equals(blob.bytes))
})

test('what was written is committed when the time is due', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(17 * CHUNK_BYTES)
  const download = await begun(store, blob, release)
  await download.write(0, chunkOf(blob, 0))
  t.same(store.environment.downloads.get(blob.root)?.bitmap, Buffer.of(0, 0, 0))
  await store.clock.advance(FETCH_COMMIT_MS)
  await download.write(1, chunkOf(blob, 1))
  t.same(store.environment.downloads.get(blob.root)?.bitmap, Buffer.of(0b011, 0, 0))
  await download.suspend()
})

test('a root is fetched once at a time, and a suspended one goes on', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(18 * CHUNK_BYTES)
  const both = await Promise.allSettled([begun(store, blob, release), begun(store, blob, release)])
  t.match(both, [{ status: 'fulfilled' }, { status: 'rejected', reason: { code: 'PEER_BUSY' } }])
  for (const one of both) {
    if (one.status !== 'fulfilled') continue
    await one.value.write(1, chunkOf(blob, 1, 17))
    await one.value.suspend()
  }
  const again = await begun(store, blob, release)
  t.same(again.missing(), [{ first: 0, count: 1 }])
  again.forget()
  await again.suspend()
  const anew = await begun(store, blob, release)
  t.equal(anew.heldBytes(), 0)
  await anew.suspend()
})

test('a fetch of another size takes the place of the one before', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(18 * CHUNK_BYTES)
  const download = await begun(store, blob, release)
  await download.write(0, blob.bytes)
  await download.suspend()
  const other = await store.blobs.download(blob.root, blob.size - 1, release, blob.outline)
  t.same(other.missing(), [{ first: 0, count: 18 }])
  await other.suspend()
  t.same(await store.check(), [])
})

test('a blob that is published while it is being fetched is there once', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(18 * CHUNK_BYTES)
  const download = await begun(store, blob, release)
  await download.write(0, blob.bytes)
  await put(store, blob, otherRelease)
  await download.finish(blob)
  t.same(store.blobs.usage(), { blobs: 1, bytes: blob.size, mirroredBytes: 0 })
  t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes))
  t.equal(store.blobs.releasesOf(blob.root).length, 2)
  t.same(await store.check(), [])
})

test('what comes while the chunks before it are committed counts towards the next commit', async (t) => {
  const disk = watchedDisk()
  const store = await openStore(t, t.testdir({}), disk)
  const blob = blobOf(33 * MiB)
  const download = await begun(store, blob, release)
  const committed = () => [...(store.environment.downloads.get(blob.root)?.bitmap ?? [])].filter((byte) => byte === 255)
  const write = (mebibyte: number, count: number) =>
    download.write(mebibyte * 16, chunkOf(blob, mebibyte * 16, count * 16))
  await write(0, 15)
  const syncing = gate()
  disk.watch.before = (operation) => (operation === 'sync' ? syncing.wait() : undefined)
  const sixteenth = write(15, 1)
  await syncing.reached
  await write(16, 1)
  syncing.open()
  await sixteenth
  t.equal(committed().length, 32, 'not what came while the disk was at it')
  await write(17, 15)
  t.equal(committed().length, 64)
  await download.suspend()
})

test('a disk that fills up while a blob is fetched stops it, and it goes on later', async (t) => {
  const disk = watchedDisk()
  const store = await openStore(t, t.testdir({}), disk)
  const blob = blobOf(32 * CHUNK_BYTES)
  const download = await begun(store, blob, release)
  await download.write(0, chunkOf(blob, 0, 2))
  disk.watch.space = () => ({ total: 1024 * MiB, free: 52 * MiB })
  await t.rejects(download.write(2, chunkOf(blob, 2, 30)), { code: 'DISK_FULL' })
  await download.suspend()
  disk.watch.space = undefined
  const resumed = await begun(store, blob, release)
  t.same(resumed.missing(), [{ first: 2, count: 30 }])
  await resumed.write(2, chunkOf(blob, 2, 30))
  await resumed.finish(blob)
  t.same(await store.check(), [])
})

test('fetches and publishes at one time are promised no room twice, and give back what they do not use', async (t) => {
  const disk = watchedDisk()
  const store = await openStore(t, t.testdir({}), disk)
  const [first, second, third] = [blobOf(3 * MiB, 1), blobOf(3 * MiB, 2), blobOf(3 * MiB, 3)]
  const room = (bytes: number) => {
    disk.watch.space = () => ({ total: 100_000 * MiB, free: DISK_RESERVE_BYTES_MAX + bytes })
  }
  room(5 * MiB)
  const download = await begun(store, first, release)
  await t.rejects(begun(store, second, release), { code: 'DISK_FULL' })
  await t.rejects(stagedOf(store, third), { code: 'DISK_FULL' })
  await download.write(0, chunkOf(first, 0, 24))
  room(3.5 * MiB)
  await download.suspend()
  const other = await begun(store, second, release)
  await t.rejects(begun(store, first, release), { code: 'DISK_FULL' }, 'what is left of it is not to be had now')
  await other.suspend()
  const resumed = await begun(store, first, release)
  await resumed.write(24, chunkOf(first, 24, 24))
  await resumed.finish(first)
  await store.blobs.discard([await stagedOf(store, third)])
  await (await begun(store, second, release)).suspend()
  t.same(await store.check(), [])
})

test('what somebody else has written to its place is promised no longer', async (t) => {
  const disk = watchedDisk()
  const store = await openStore(t, t.testdir({}), disk)
  const [first, second] = [blobOf(3 * MiB, 1), blobOf(3 * MiB, 2)]
  disk.watch.space = () => ({ total: 100_000 * MiB, free: DISK_RESERVE_BYTES_MAX + 5 * MiB })
  const download = await begun(store, first, release)
  await t.rejects(begun(store, second, release), { code: 'DISK_FULL' })
  await download.mark(0, 24)
  await (await begun(store, second, release)).suspend()
  await download.suspend()
})

test('a blob at hand takes the place of a fetch that took it for larger', async (t) => {
  const store = await openStore(t)
  const [large, small] = [blobOf(BLOB_AT_HAND_BYTES_MAX + 1), blobOf(100_000)]
  const wrong = await store.blobs.download(small.root, large.size, release, large.outline)
  await wrong.suspend()
  await fetched(store, small, release)
  t.equal(store.environment.downloads.getCount(), 0)
  t.same(await store.check(), [])
})

test('a finished fetch is finished, also when an emptied pack cannot be removed', async (t) => {
  const disk = watchedDisk()
  const store = await openStore(t, t.testdir({}), disk)
  const blob = blobOf(20 * CHUNK_BYTES)
  const download = await begun(store, blob, release)
  await download.write(0, blob.bytes)
  const alone = store.packs.reserve(65 * MiB)
  await store.packs.extend(alone)
  disk.watch.before = (operation) => {
    if (operation === 'remove') throw new Error('read-only')
  }
  await Promise.all([store.packs.abandon(alone), download.finish(blob)])
  disk.watch.before = undefined
  t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes))
  t.equal(store.environment.downloads.getCount(), 0)
})

test('a blob that is set aside while it is fetched is there once', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(3 * MiB)
  const download = await begun(store, blob, release)
  await download.write(0, blob.bytes)
  await put(store, blob, otherRelease)
  await store.blobs.quarantine(blob.root, Uint8Array.of(1))
  t.same(await store.check(), [])
  await download.finish(blob)
  t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes))
  t.equal(store.blobs.originOf(blob.root, otherRelease), 'published', 'and whose it was')
  t.same(await store.check(), [])
})
