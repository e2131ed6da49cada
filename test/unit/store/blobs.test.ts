import { closeSync, openSync, readFileSync, readSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import { BLOB_AT_HAND_BYTES_MAX, BLOB_INLINE_BYTES_MAX, CHUNK_BYTES, FETCH_COMMIT_MS } from '../../../src/base/limits.ts'
import type { Lease } from '../../../src/store/blobs.ts'
import type { Download } from '../../../src/store/download.ts'
import { blobOf, bytesOf, fetched, type Made, type Opened, openStore, put } from './opened.ts'

const release = new Uint8Array(32).fill(1)
const otherRelease = new Uint8Array(32).fill(2)

const chunkOf = ({ bytes }: Made, chunk: number, count = 1) =>
  bytes.subarray(chunk * CHUNK_BYTES, (chunk + count) * CHUNK_BYTES)

function begun({ blobs }: Opened, blob: Made): Promise<Download> {
  return blobs.download(blob.root, blob.size, release, blob.outline)
}

/** The bytes a lease names, read past the store. */
function leased(lease: Lease | undefined): Buffer {
  if (lease?.path === undefined) return Buffer.from(lease?.bytes ?? [])
  const bytes = Buffer.alloc(lease.length)
  const file = openSync(lease.path, 'r')
  readSync(file, bytes, 0, lease.length, lease.offset)
  closeSync(file)
  return bytes
}

test('a blob is visible once it is linked, under its release only', async (t) => {
  const store = await openStore(t)
  const { blobs, environment } = store
  for (const blob of [blobOf(0), blobOf(BLOB_INLINE_BYTES_MAX), blobOf(BLOB_INLINE_BYTES_MAX + 1), blobOf(200_000)]) {
    await put(store, blob, release)
    t.match(blobs.get(blob.root), { size: blob.size, sha256: blob.sha256 })
    t.same(await blobs.outline(blob.root), blob.outline)
    t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes))
    using lease = blobs.lease(blob.root)
    t.ok(leased(lease).equals(blob.bytes), 'a lease names the very bytes')
    t.ok(blobs.isUnder(blob.root, release))
    t.notOk(blobs.isUnder(blob.root, otherRelease))
    await blobs.fetchedAgain(blob.root, otherRelease)
    t.ok(blobs.isUnder(blob.root, otherRelease))
  }
  t.same(blobs.releaseIds().map(toHex).sort(), [toHex(release), toHex(otherRelease)])
  t.equal(environment.inline.getCount(), 2, 'small ones lie in the database')
  t.same(await store.check(), [])
})

test('what is staged and not linked gives its space back', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(300_000)
  await using folders = store.scratch.open()
  const folder = await folders.folder()
  await store.disk.open(`${folder}/file`, 'create').then(async (file) => {
    await file.write(blob.bytes, 0)
    await file.close()
  })
  const staged = await store.blobs.stage({ path: `${folder}/file` })
  t.equal(store.blobs.get(blob.root), undefined)
  await store.blobs.discard([staged])
  await put(store, blob, release)
  t.match(store.environment.blobs.get(blob.root), { offset: 0 }, 'the same space is used again')
  t.same(await store.check(), [])
})

test('a part of a file can be stored, and a file that is too short is refused', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(100_000)
  await using folders = store.scratch.open()
  const folder = await folders.folder()
  const file = await store.disk.open(`${folder}/file`, 'create')
  await file.write(blob.bytes, 777)
  await file.close()
  const staged = await store.blobs.stage({ path: `${folder}/file`, offset: 777, length: blob.size })
  t.same(staged.root, blob.root)
  await store.blobs.discard([staged])
  for (const length of [10, 50_000]) {
    const offset = 100_777 - length + 1
    await t.rejects(store.blobs.stage({ path: `${folder}/file`, offset, length }), { code: 'FILE_UNREADABLE' })
  }
})

test('a restart keeps blobs and counts them', async (t) => {
  const store = await openStore(t)
  await put(store, blobOf(10), release)
  await put(store, blobOf(CHUNK_BYTES), release)
  await fetched(store, blobOf(CHUNK_BYTES + 1), release)
  const after = await store.reopen()
  t.same(after.blobs.usage(), { blobs: 3, bytes: 11 + 2 * CHUNK_BYTES, mirroredBytes: CHUNK_BYTES + 1 })
  for (const blob of [blobOf(10), blobOf(CHUNK_BYTES), blobOf(CHUNK_BYTES + 1)]) {
    t.ok((await bytesOf(after, blob.root))?.equals(blob.bytes))
  }
  t.same(after.recovery, { cut: [], removed: [], short: [], scratch: 0, fetches: 0 })
})

test('a blob published after it was fetched is the own one', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(90_000)
  await fetched(store, blob, release)
  t.equal(store.blobs.usage().mirroredBytes, blob.size)
  await put(store, blob, otherRelease)
  t.equal(store.blobs.usage().mirroredBytes, 0)
  await store.blobs.fetchedAgain(blob.root, otherRelease)
  t.equal(store.blobs.originOf(blob.root, otherRelease), 'published')
  t.same(await store.check(), [])
})

test('a download goes from nothing to a blob, chunk by chunk', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(19 * CHUNK_BYTES + 100)
  const download = await begun(store, blob)
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
  t.ok(leased(partial?.lease).subarray(3 * CHUNK_BYTES, 5 * CHUNK_BYTES).equals(chunkOf(blob, 3, 2)))
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
    const download = await begun(store, blob)
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
  const download = await begun(store, blob)
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
  const download = await begun(store, blob)
  await download.write(0, chunkOf(blob, 0, 2))
  await download.commit()
  await download.write(2, chunkOf(blob, 2))
  const after = await store.reopen()
  t.equal(after.recovery.fetches, 1)
  const resumed = await begun(after, blob)
  t.same(resumed.missing(), [{ first: 2, count: 18 }])
  await resumed.write(2, chunkOf(blob, 2, 18))
  await resumed.finish(blob)
  t.ok((await bytesOf(after, blob.root))?.equals(blob.bytes))
})

test('what was written is committed when the time is due', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(17 * CHUNK_BYTES)
  const download = await begun(store, blob)
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
  const both = await Promise.allSettled([begun(store, blob), begun(store, blob)])
  t.match(both, [{ status: 'fulfilled' }, { status: 'rejected', reason: { code: 'PEER_BUSY' } }])
  for (const one of both) {
    if (one.status !== 'fulfilled') continue
    await one.value.write(1, chunkOf(blob, 1, 17))
    await one.value.suspend()
  }
  const again = await begun(store, blob)
  t.same(again.missing(), [{ first: 0, count: 1 }])
  again.forget()
  await again.suspend()
  const anew = await begun(store, blob)
  t.equal(anew.heldBytes(), 0)
  await anew.suspend()
})

test('a fetch of another size takes the place of the one before', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(18 * CHUNK_BYTES)
  const download = await begun(store, blob)
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
  const download = await begun(store, blob)
  await download.write(0, blob.bytes)
  await put(store, blob, otherRelease)
  await download.finish(blob)
  t.same(store.blobs.usage(), { blobs: 1, bytes: blob.size, mirroredBytes: 0 })
  t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes))
  t.equal(store.blobs.releasesOf(blob.root).length, 2)
  t.same(await store.check(), [])
})

test('a damaged blob is out of sight, and only what is damaged has to come again', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(4 * CHUNK_BYTES)
  await put(store, blob, release)
  await store.blobs.quarantine(blob.root, Uint8Array.of(0b1011))
  t.equal(store.blobs.get(blob.root), undefined)
  t.equal(await store.blobs.outline(blob.root), undefined)
  t.notOk(store.blobs.isUnder(blob.root, release))
  t.same(await store.check(), [])
  const download = await begun(store, blob)
  t.same(download.missing(), [{ first: 2, count: 1 }])
  await download.write(2, chunkOf(blob, 2))
  await download.finish(blob)
  t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes))
})

test('a removed blob is gone, and whoever has leased it reads on', async (t) => {
  const store = await openStore(t)
  const [small, large] = [blobOf(10), blobOf(65 * 1024 * 1024)]
  await put(store, small, release)
  await put(store, large, release)
  const lease = store.blobs.lease(large.root)
  await store.environment.transaction(() => {
    for (const { root } of [small, large]) store.blobs.remove(root)
  })
  await store.packs.collect()
  t.same(store.blobs.usage(), { blobs: 0, bytes: 0, mirroredBytes: 0 })
  t.ok(leased(lease).equals(large.bytes), 'it had a pack of its own, which stays for the lease')
  lease?.[Symbol.dispose]()
  await store.packs.collect()
  t.throws(() => statSync(lease?.path ?? ''), { code: 'ENOENT' })
  t.same(await store.check(), [])
})

test('a footer that was changed is told', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(100_000)
  await put(store, blob, release)
  const lease = store.blobs.lease(blob.root)
  const file = openSync(lease?.path ?? '', 'r+')
  const at = (lease?.offset ?? 0) + blob.size + 150
  const [byte] = readFileSync(lease?.path ?? '').subarray(at, at + 1)
  writeSync(file, Uint8Array.of((byte ?? 0) ^ 1), 0, 1, at)
  closeSync(file)
  await t.rejects(store.blobs.outline(blob.root), { code: 'BLOB_CORRUPT' })
})

test('a blob that goes between sealing and linking its second copy is whole all the same', async (t) => {
  const store = await openStore(t)
  for (const blob of [blobOf(200_000), blobOf(3 * 1024 * 1024)]) {
    await put(store, blob, release)
    await using folders = store.scratch.open()
    const path = `${await folders.folder()}/file`
    writeFileSync(path, blob.bytes)
    const staged = await store.blobs.stage({ path })
    await store.blobs.seal([staged], otherRelease)
    await store.environment.transaction(() => store.blobs.remove(blob.root))
    await store.environment.transaction(() => store.blobs.link(staged, otherRelease, 'published'))
    await store.blobs.discard([staged])
    t.same(await store.blobs.outline(blob.root), blob.outline)
    t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes))
  }
  t.equal(store.environment.inline.getCount(), 0)
  t.same(await store.check(), [])
})
