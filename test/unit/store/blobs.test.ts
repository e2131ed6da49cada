import { closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import { test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import { BLOB_AT_HAND_BYTES_MAX, BLOB_INLINE_BYTES_MAX, CHUNK_BYTES } from '../../../src/base/limits.ts'
import { begun, blobOf, bytesOf, chunkOf, fetched, leased, nobody, openStore, put, stagedOf } from './opened.ts'
import { watchedDisk } from './watched-disk.ts'

const release = new Uint8Array(32).fill(1)
const otherRelease = new Uint8Array(32).fill(2)

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

test('a damaged blob is out of sight, and only what is damaged has to come again', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(4 * CHUNK_BYTES)
  await put(store, blob, release)
  await store.blobs.quarantine(blob.root, Uint8Array.of(0b1011))
  t.equal(store.blobs.get(blob.root), undefined)
  t.equal(await store.blobs.outline(blob.root), undefined)
  t.notOk(store.blobs.isUnder(blob.root, release))
  t.same(await store.check(), [])
  const download = await begun(store, blob, release)
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

test('a blob that goes while another copy of it is being published is whole all the same', async (t) => {
  const store = await openStore(t)
  const { blobs, environment } = store
  for (const blob of [blobOf(300_000), blobOf(BLOB_AT_HAND_BYTES_MAX + 1)]) {
    await put(store, blob, release)
    const staged = await stagedOf(store, blob)
    await blobs.seal([staged], otherRelease)
    await environment.transaction(() => blobs.remove(blob.root))
    await environment.transaction(() => blobs.link(staged, otherRelease, 'published'))
    await blobs.discard([staged])
    t.same(await blobs.outline(blob.root), blob.outline)
    t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes))
  }
  t.same(await store.check(), [])
})

test('a blob found damaged before its publisher is done keeps its space', async (t) => {
  const store = await openStore(t)
  const { blobs, environment } = store
  const [blob, next] = [blobOf(BLOB_AT_HAND_BYTES_MAX + 1), blobOf(100_000)]
  const staged = await stagedOf(store, blob)
  await blobs.seal([staged], release)
  await environment.transaction(() => blobs.link(staged, release, 'published'))
  await blobs.quarantine(blob.root, new Uint8Array(3).fill(0xff))
  await blobs.discard([staged])
  await put(store, next, release)
  t.same(await store.check(), [])
  const download = await begun(store, blob, release)
  t.same(download.missing(), [])
  t.same((await download.digest(false)).root, blob.root, 'nothing was written over it')
  await download.finish(blob)
  t.same(await store.check(), [])
})

test('what cannot be written leaves no space taken, and no rejection unheard', async (t) => {
  const disk = watchedDisk()
  const store = await openStore(t, t.testdir({}), disk)
  const staged = [await stagedOf(store, blobOf(BLOB_AT_HAND_BYTES_MAX + 1)), await stagedOf(store, blobOf(100_000))]
  disk.watch.before = (operation) => {
    if (operation === 'write') throw new Error('input/output error')
  }
  await t.rejects(store.blobs.seal(staged, release), /input/)
  disk.watch.before = undefined
  await store.blobs.discard(staged)
  await put(store, blobOf(200_000), release)
  t.match(store.environment.blobs.get(blobOf(200_000).root), { pack: 1, offset: 0 })
  t.same(await store.check(), [])
})

test('when a blob was read is not forgotten while it is written down', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(10)
  await put(store, blob, release)
  const read = () => store.blobs.lease(blob.root)?.[Symbol.dispose]()
  read()
  const saving = store.blobs.saveUses()
  await store.clock.advance(1000)
  read()
  await saving
  t.equal(store.blobs.usedAt(blob.root), store.clock.now())
  await store.blobs.saveUses()
  t.equal(store.environment.uses.get(blob.root), store.clock.now())
})

test('a damaged blob that is published again is under every release it was under', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(200_000)
  await fetched(store, blob, release)
  await store.blobs.quarantine(blob.root, Uint8Array.of(0))
  await put(store, blob, otherRelease)
  t.equal(store.blobs.originOf(blob.root, release), 'fetched')
  t.equal(store.blobs.originOf(blob.root, otherRelease), 'published')
  await store.blobs.quarantine(blob.root, Uint8Array.of(0))
  await fetched(store, blob, nobody)
  t.equal(store.blobs.releasesOf(blob.root).length, 3)
  t.same(store.blobs.usage(), { blobs: 1, bytes: blob.size, mirroredBytes: 0 })
  t.same(await store.check(), [])
})

test('a blob that was mended is whose it was, under every release it was under', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(4 * CHUNK_BYTES)
  await put(store, blob, release)
  await store.blobs.fetchedAgain(blob.root, otherRelease)
  await store.blobs.quarantine(blob.root, Uint8Array.of(0b1011))
  await (await begun(store, blob, otherRelease)).suspend()
  const after = await store.reopen()
  const download = await begun(after, blob, otherRelease)
  await download.write(2, chunkOf(blob, 2))
  await download.finish(blob)
  t.equal(after.blobs.originOf(blob.root, release), 'published')
  t.equal(after.blobs.originOf(blob.root, otherRelease), 'fetched')
  t.same(after.blobs.usage(), { blobs: 1, bytes: blob.size, mirroredBytes: 0 })
  t.same(await after.check(), [])
})
