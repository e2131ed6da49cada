import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'tap'
import { concatBytes, sha256, toHex } from '../../../src/base/bytes.ts'
import { CHUNK_BYTES, FETCH_COMMIT_MS } from '../../../src/base/limits.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { rootOf } from '../../../src/core/digest-tree.ts'
import { loadCore } from '../../../src/core/load.ts'
import type { Download, HashedBlob } from '../../../src/store/blobs.ts'
import { type Opened, openStore } from './opened.ts'

interface Made extends HashedBlob {
  readonly bytes: Uint8Array
}

const core = await loadCore('wasm')
const release = new Uint8Array(32).fill(1)
const otherRelease = new Uint8Array(32).fill(2)

function blobOf(size: number, seed = size): Made {
  const bytes = seededRandom(seed).bytes(size)
  const ids: Uint8Array[] = []
  for (let at = 0; at < size; at += CHUNK_BYTES) ids.push(sha256(bytes.subarray(at, at + CHUNK_BYTES)))
  const outline = concatBytes(...ids)
  return { bytes, outline, root: rootOf(core, outline, size), size, sha256: sha256(bytes) }
}

const chunkOf = ({ bytes }: Made, chunk: number, count = 1) =>
  bytes.subarray(chunk * CHUNK_BYTES, (chunk + count) * CHUNK_BYTES)

async function stored({ blobs, environment }: Opened, blob: Made): Promise<void> {
  const staged = blobs.stagingPath()
  writeFileSync(staged, blob.bytes)
  await blobs.place(blob.root, staged)
  await environment.transaction(() => blobs.link(blob, release))
}

async function begun({ blobs }: Opened, blob: Made): Promise<Download> {
  return blobs.download(blob.root, blob.size, release, blob.outline)
}

test('a blob is visible once it is linked, under its release only', async (t) => {
  const { blobs, environment } = await openStore(t)
  const blob = blobOf(CHUNK_BYTES + 5)
  const staged = blobs.stagingPath()
  writeFileSync(staged, blob.bytes)
  await blobs.place(blob.root, staged)
  t.notOk(existsSync(staged))
  t.equal(blobs.get(blob.root), undefined)
  t.equal(blobs.lease(blob.root), undefined)
  t.equal(await blobs.open(blob.root), undefined)
  await environment.transaction(() => blobs.link(blob, release))
  t.match(blobs.get(blob.root), { size: blob.size, sha256: Buffer.from(blob.sha256) })
  t.same(blobs.outline(blob.root), blob.outline)
  t.ok(blobs.isUnder(blob.root, release))
  t.notOk(blobs.isUnder(blob.root, otherRelease))
  await blobs.linkAgain(blob.root, otherRelease)
  t.ok(blobs.isUnder(blob.root, otherRelease))
  t.same(blobs.releaseIds().map(toHex).sort(), [toHex(release), toHex(otherRelease)])
})

test('a lease names a file with the very bytes', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(70_000)
  await stored(store, blob)
  const lease = store.blobs.lease(blob.root)
  t.match(lease, { offset: 0, length: 70_000 })
  t.ok(readFileSync(lease?.path ?? '').equals(blob.bytes))
  const file = await store.blobs.open(blob.root)
  const part = new Uint8Array(10)
  t.equal(await file?.read(part, 69_995), 5)
  t.same(part.subarray(0, 5), blob.bytes.subarray(69_995))
  await file?.close()
})

test('a blob of no bytes is one too', async (t) => {
  const store = await openStore(t)
  const [kept, fetched] = [blobOf(0), { ...blobOf(0), root: new Uint8Array(32).fill(3) }]
  await stored(store, kept)
  const download = await begun(store, fetched)
  t.same(download.missing(), [])
  await download.finish(fetched)
  for (const { root } of [kept, fetched]) t.match(store.blobs.get(root), { size: 0 })
  t.same(store.blobs.outline(kept.root), new Uint8Array(0))
  t.same(store.blobs.usage(), { blobs: 2, bytes: 0 })
})

test('a restart keeps blobs and counts them', async (t) => {
  const store = await openStore(t)
  const made = [blobOf(10), blobOf(CHUNK_BYTES)]
  for (const blob of made) await stored(store, blob)
  const { blobs } = await store.reopen()
  t.same(
    blobs.list().map(({ root }) => toHex(root)),
    made.map(({ root }) => toHex(root)).sort(),
  )
  t.same(blobs.usage(), { blobs: 2, bytes: 10 + CHUNK_BYTES })
})

test('a download goes from nothing to a blob, chunk by chunk', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(9 * CHUNK_BYTES + 100)
  const download = await begun(store, blob)
  t.equal(download.chunks, 10)
  t.same(download.missing(), [{ first: 0, count: 10 }])
  await download.write(3, chunkOf(blob, 3, 2))
  await download.write(9, chunkOf(blob, 9))
  t.ok(download.has(4))
  t.notOk(download.has(5))
  t.equal(download.heldBytes(), 2 * CHUNK_BYTES + 100)
  t.same(download.missing(), [
    { first: 0, count: 3 },
    { first: 5, count: 4 },
  ])
  for (const { first, count } of download.missing()) await download.write(first, chunkOf(blob, first, count))
  t.equal(store.blobs.get(blob.root), undefined, 'not before it is finished')
  await download.finish(blob)
  t.ok(readFileSync(store.blobs.lease(blob.root)?.path ?? '').equals(blob.bytes))
  t.ok(store.blobs.isUnder(blob.root, release))
  t.equal(store.environment.downloads.getCount(), 0)
  t.same(readdirSync(join(store.folder, 'incoming')), [])
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
  await download.drop()
})

test('a restart resumes at the first chunk that was not committed', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(5 * CHUNK_BYTES)
  const download = await begun(store, blob)
  await download.write(0, chunkOf(blob, 0, 2))
  await download.commit()
  await download.write(2, chunkOf(blob, 2))
  const after = await store.reopen()
  const resumed = await begun(after, blob)
  t.same(resumed.missing(), [{ first: 2, count: 3 }])
  await resumed.write(2, chunkOf(blob, 2, 3))
  await resumed.finish(blob)
  t.ok(readFileSync(after.blobs.lease(blob.root)?.path ?? '').equals(blob.bytes))
})

test('what was written is committed when the time is due', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(3 * CHUNK_BYTES)
  const download = await begun(store, blob)
  await download.write(0, chunkOf(blob, 0))
  t.equal(store.environment.downloads.getCount(), 0)
  await store.clock.advance(FETCH_COMMIT_MS)
  await download.write(1, chunkOf(blob, 1))
  t.same(store.environment.downloads.get(blob.root)?.bitmap, Buffer.of(0b011))
  await download.drop()
})

test('a suspended download is resumed, a dropped one forgotten', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(2 * CHUNK_BYTES)
  const first = await begun(store, blob)
  await first.write(1, chunkOf(blob, 1))
  await first.suspend()
  const second = await begun(store, blob)
  t.same(second.missing(), [{ first: 0, count: 1 }])
  await second.drop()
  const third = await begun(store, blob)
  t.same(third.missing(), [{ first: 0, count: 2 }])
  await third.drop()
  t.same(readdirSync(join(store.folder, 'incoming')), [])
})

test('a root is fetched once at a time', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(1)
  const both = await Promise.allSettled([begun(store, blob), begun(store, blob)])
  t.match(both, [{ status: 'fulfilled' }, { status: 'rejected', reason: { code: 'PEER_BUSY' } }])
  for (const one of both) if (one.status === 'fulfilled') await one.value.suspend()
  await (await begun(store, blob)).drop()
})

test('a bitmap whose bytes are gone counts for nothing', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(2 * CHUNK_BYTES + 7)
  const download = await begun(store, blob)
  await download.write(0, blob.bytes)
  await download.suspend()
  rmSync(download.path) // as when the process ends between the move and the transaction of `finish`
  const again = await begun(await store.reopen(), blob)
  t.same(again.missing(), [{ first: 0, count: 3 }])
  await again.drop()
})

test('a bitmap of another size counts for nothing', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(2 * CHUNK_BYTES)
  const download = await begun(store, blob)
  await download.write(0, blob.bytes)
  await download.suspend()
  const other = await store.blobs.download(blob.root, blob.size - 1, release, blob.outline)
  t.same(other.missing(), [{ first: 0, count: 2 }])
  await other.drop()
})

test('a forgotten download begins anew', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(2 * CHUNK_BYTES)
  const download = await begun(store, blob)
  await download.write(0, blob.bytes)
  download.forget()
  await download.suspend()
  const again = await begun(store, blob)
  t.equal(again.heldBytes(), 0)
  await again.drop()
})

test('recovery removes what was being made and incoming files nobody knows, and nothing else', async (t) => {
  const store = await openStore(t)
  const [kept, wanted] = [blobOf(10), blobOf(2 * CHUNK_BYTES)]
  await stored(store, kept)
  const download = await begun(store, wanted)
  await download.write(0, chunkOf(wanted, 0))
  await download.suspend()
  writeFileSync(store.blobs.stagingPath(), 'half')
  writeFileSync(join(store.folder, 'incoming', toHex(kept.root)), 'begun, never committed')
  writeFileSync(join(store.folder, 'incoming', 'notes.txt'), 'stray')
  const { blobs } = await store.reopen()
  t.same(readdirSync(join(store.folder, 'staging')), [])
  t.same(readdirSync(join(store.folder, 'incoming')), [toHex(wanted.root)])
  t.ok(readFileSync(blobs.lease(kept.root)?.path ?? '').equals(kept.bytes))
})

test('a quarantined blob is out of sight, its file aside, and it can be fetched again', async (t) => {
  const store = await openStore(t)
  const [bad, good] = [blobOf(20), blobOf(30)]
  await stored(store, bad)
  await stored(store, good)
  await store.blobs.linkAgain(bad.root, otherRelease)
  const path = store.blobs.lease(bad.root)?.path ?? ''
  const aside = await store.blobs.quarantine(bad.root)
  t.equal(store.blobs.get(bad.root), undefined)
  t.equal(store.blobs.outline(bad.root), undefined)
  t.notOk(store.blobs.isUnder(bad.root, release))
  t.notOk(store.blobs.isUnder(bad.root, otherRelease))
  t.notOk(existsSync(path))
  t.ok(readFileSync(aside).equals(bad.bytes))
  t.ok(store.blobs.isUnder(good.root, release))
  t.equal(await store.blobs.quarantine(bad.root), aside, 'twice does no harm')
  await stored(store, bad)
  t.ok(readFileSync(path).equals(bad.bytes))
})

test('staging paths differ', async (t) => {
  const { blobs, folder } = await openStore(t)
  const paths = Array.from({ length: 50 }, () => blobs.stagingPath())
  t.equal(new Set(paths).size, 50)
  t.ok(paths.every((path) => dirname(path) === join(folder, 'staging')))
})
