import { closeSync, openSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import { BLOB_AT_HAND_BYTES_MAX, CHUNK_BYTES, PACK_ALONE_BYTES, REBUILT_GRACE_MS } from '../../../src/base/limits.ts'
import { MiB } from '../../../src/base/units.ts'
import { encodeFooter, encodeHeader } from '../../../src/store/extent.ts'
import { Quota } from '../../../src/store/quota.ts'
import { type Rebuilt, rebuildIndex } from '../../../src/store/rebuild.ts'
import {
  begun,
  bend,
  blobOf,
  bytesOf,
  chunkOf,
  core,
  fetched,
  type Made,
  type Opened,
  openStore,
  put,
  released,
  stagedOf,
} from './opened.ts'
import { diskError, watchedDisk } from './watched-disk.ts'

const [release, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]

async function rebuilt(store: Opened, signal?: AbortSignal): Promise<Rebuilt[]> {
  const done: Rebuilt[] = []
  for await (const each of rebuildIndex({ ...store, core }, signal)) done.push(each)
  return done
}

/** Remove every row of some tables. */
async function emptied({ environment }: Opened, ...names: ('extents' | 'packs' | 'blobs' | 'blobReleases')[]) {
  await environment.transaction(() => {
    for (const name of names) {
      for (const key of [...environment[name].getKeys({})]) environment[name].remove(key as never)
    }
  })
}

/** Own and mirrored blobs in two packs, and in the database. */
async function filled(t: Test, store: Opened): Promise<Made[]> {
  const [own, both, mirrored, small] = [blobOf(300_000), blobOf(90_000), blobOf(2 * MiB), blobOf(100)]
  for (const blob of [own, both, small]) await put(store, blob, release)
  store.packs.retire(1)
  await fetched(store, mirrored, release)
  await store.blobs.fetchedAgain(both.root, other)
  t.same(await store.check(), [])
  return [own, both, mirrored, small]
}

async function holds(t: Test, store: Opened, blobs: readonly Made[]): Promise<void> {
  t.same(await store.check(), [])
  for (const blob of blobs) {
    t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes), `all ${blob.size} bytes`)
    t.same(await store.blobs.outline(blob.root), blob.outline)
  }
}

/** An extent as it lies on the disk. */
function extentOf(blob: Made, under = release): Buffer {
  return Buffer.concat([encodeHeader(blob), blob.bytes, encodeFooter(blob, { ...blob, release: under })])
}

test('whatever is lost of the index, it is made again: the same blobs, releases, origins and sums', async (t) => {
  const store = await openStore(t)
  const blobs = await filled(t, store)
  const before = { usage: store.blobs.usage(), packs: [...store.environment.packs.getRange({})] }
  for (const tables of [[], ['extents'], ['packs'], ['blobs'], ['extents', 'packs', 'blobs']] as const) {
    // Inline blobs have no other place than their rows.
    const inline = [...store.environment.blobs.getRange({})].filter(({ value }) => value.pack === undefined)
    await emptied(store, ...tables)
    await store.environment.transaction(() => {
      for (const { key, value } of inline) store.environment.blobs.put(key, value)
    })
    t.match(await rebuilt(store), [
      { pack: 1, blobs: 2, bytes: 390_000, damaged: 0 },
      { pack: 2, blobs: 1, bytes: 2 * MiB, damaged: 0 },
    ])
    await holds(t, store, blobs)
    t.same(store.blobs.usage(), before.usage)
    t.same([...store.environment.packs.getRange({})], before.packs)
    const [own, both, mirrored] = blobs.map(({ root }) => store.blobs.releasesOf(root))
    t.match(own, [{ origin: 'published' }])
    t.match(both, [{ origin: 'published' }, { origin: 'fetched' }])
    t.match(mirrored, [{ origin: 'fetched' }])
  }
})

test('without rows about releases, each blob came under the release its footer names, from elsewhere', async (t) => {
  const store = await openStore(t)
  const blobs = await filled(t, store)
  await emptied(store, 'blobReleases')
  await rebuilt(store)
  const placed = blobs.filter(({ size }) => size > 100)
  for (const { root } of placed) {
    t.same(
      store.blobs.releasesOf(root).map(({ release: id, origin }) => `${toHex(id)} ${origin}`),
      [`${toHex(release)} fetched`],
    )
  }
  const bytes = placed.reduce((sum, { size }) => sum + size, 0)
  t.match(store.blobs.usage(), { mirroredBytes: bytes + 100, bytes: bytes + 100 })
})

test('what comes back without its record is kept for a week, whatever room is needed', async (t) => {
  const store = await openStore(t)
  const [found, far] = [blobOf(300_000), blobOf(90_000)]
  await put(store, found, release)
  await emptied(store, 'blobs', 'blobReleases')
  const rebuilding = rebuildIndex({ ...store, core })
  t.match(await rebuilding.next(), { value: { blobs: 1 } })
  const keptUntil = store.clock.now() + REBUILT_GRACE_MS
  t.same(await rebuilding.next(), { value: { blobs: 1, bytes: 300_000, keptUntil }, done: true })
  const known = await released(store, '1.0.0')
  await store.clock.advance(1000)
  await fetched(store, far, known)
  const quota = new Quota(store, { max: 400_000 })
  t.same([...store.collector.mark()], [])
  await t.rejects(quota.makeRoom(350_000), { code: 'LIMIT_EXCEEDED' })
  t.equal(store.blobs.usage().blobs, 2, 'nothing goes for what cannot fit')
  for (const room of [await quota.makeRoom(50_000)]) room[Symbol.dispose]()
  t.ok(store.blobs.get(found.root))
  t.notOk(store.blobs.get(far.root), 'though it was read later')
  t.same(await store.check(), [])
  await store.clock.advance(REBUILT_GRACE_MS - 1001)
  t.same([...store.collector.mark()], [])
  await store.clock.advance(1)
  t.match([...store.collector.mark()], [{ root: found.root, reason: 'no-release' }])
  await put(store, found, known)
  t.ok(store.blobs.isOwn(found.root), 'published again, it is whose it was')
  t.same(await store.check(), [])
})

test('a database that is gone does not take the packs with it', async (t) => {
  const store = await openStore(t)
  const large = blobOf(PACK_ALONE_BYTES)
  await fetched(store, large, release)
  const blobs = [large, ...(await filled(t, store))].filter(({ size }) => size > 100)
  const { folder } = store
  await store.close()
  rmSync(join(folder, 'database'), { recursive: true })
  for (let attempt = 0; attempt < 2; attempt++) {
    await t.rejects(openStore(t, folder), { code: 'STORE_DAMAGED', hint: /rebuild-index/ }, 'and again')
  }
  t.ok(statSync(join(folder, 'packs/00000001.pack')).size > PACK_ALONE_BYTES)
  const anew = await openStore(t, folder, undefined, { recovering: false })
  await rebuilt(anew)
  t.match(anew.environment.packs.get(1), { alone: true })
  const after = await anew.reopen()
  await holds(t, after, blobs)
})

test('what is torn or not sealed is not taken up, and what lies behind it is', async (t) => {
  const store = await openStore(t)
  const [torn, unfinished, abandoned, sound] = [1, 2, 3, 4].map((seed) => blobOf(BLOB_AT_HAND_BYTES_MAX + seed))
  if (!torn || !unfinished || !abandoned || !sound) throw new Error('four were made')
  await put(store, torn, release)
  bend(store, torn.root, torn.size + 200)
  const download = await begun(store, unfinished, release)
  await download.write(0, unfinished.bytes)
  await download.suspend()
  const staged = await stagedOf(store, abandoned)
  await put(store, sound, release)
  await store.blobs.discard([staged])
  t.match(await rebuilt(store), [{ blobs: 1, bytes: sound.size }])
  t.same(
    [...store.blobs.list()].map(({ root }) => toHex(root)),
    [toHex(sound.root)],
  )
  await holds(t, store, [sound])
})

test('a damaged blob is out of sight, with its sound chunks, also when only the old index knew of it', async (t) => {
  const store = await openStore(t)
  const [bent, asleep] = [blobOf(20 * CHUNK_BYTES), blobOf(21 * CHUNK_BYTES)]
  for (const blob of [bent, asleep]) {
    await put(store, blob, release)
    bend(store, blob.root, 5 * CHUNK_BYTES)
  }
  for await (const _ of store.scrubber.run([asleep.root]));
  t.equal(store.environment.downloads.getCount(), 1)
  t.match(await rebuilt(store), [{ blobs: 0, damaged: 2 }])
  t.same(store.blobs.usage(), { blobs: 0, bytes: 0, mirroredBytes: 0 })
  t.same(await store.check(), [])
  for (const blob of [bent, asleep]) {
    const download = await begun(store, blob, release)
    t.same(download.missing(), [{ first: 5, count: 1 }])
    await download.write(5, chunkOf(blob, 5))
    await download.finish(blob)
  }
  await holds(t, store, [bent, asleep])
})

test('what the disk cannot give back is damaged; another fault stops the rebuild for now', async (t) => {
  const disk = watchedDisk()
  const store = await openStore(t, t.testdir({}), disk)
  const [first, second] = [blobOf(20 * CHUNK_BYTES), blobOf(21 * CHUNK_BYTES)]
  for (const blob of [first, second]) await put(store, blob, release)
  const failing = (errno: string) => {
    disk.watch.before = (operation, _, position) => {
      if (operation === 'read' && position === 64 + 3 * CHUNK_BYTES) throw diskError(errno)
    }
  }
  failing('EMFILE')
  await t.rejects(rebuilt(store), { code: 'FILE_UNREADABLE' })
  await t.rejects(store.packs.recover(), { code: 'STORE_DAMAGED' }, 'it is not half done for whole')
  failing('EIO')
  t.match(await rebuilt(store), [{ blobs: 1, damaged: 1 }])
  disk.watch.before = undefined
  await holds(t, store, [second])
  t.match(store.environment.downloads.get(first.root), { bitmap: Buffer.from([0b1111_0111, 255, 0b1111]) })
})

test('what looks like an extent inside a blob is not taken up, whatever state that is in', async (t) => {
  const victim = blobOf(100_000)
  // Everything about it is right but its bytes: who checks no more than header and footer takes it for the victim.
  const fake = extentOf({ ...victim, bytes: Buffer.alloc(victim.size) })
  const bytes = Buffer.alloc(2 * MiB)
  fake.copy(bytes, 640)
  const carrier = blobOf(bytes)
  for (const kind of ['sealed', 'unfinished', 'headless', 'footless'] as const) {
    const store = await openStore(t, t.testdir({}))
    if (kind === 'unfinished') {
      const download = await begun(store, carrier, release)
      await download.write(0, carrier.bytes)
      await download.suspend()
    } else await put(store, carrier, release)
    if (kind === 'headless') bend(store, carrier.root, -60)
    if (kind === 'footless') bend(store, carrier.root, carrier.size)
    await put(store, blobOf(200_000), release)
    await rebuilt(store)
    t.equal(store.blobs.get(victim.root), undefined, kind)
    t.equal(store.blobs.get(carrier.root) !== undefined, kind === 'sealed', kind)
    await holds(t, store, [blobOf(200_000)])
  }
})

test('a blob that lies in two places is counted once, where it is sound', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(200_000)
  await put(store, blob, release)
  await put(store, blobOf(50_000), release)
  const [path, extent] = [store.packs.path(1), extentOf(blob)]
  await store.packs.close()
  // As a rewriting of packs leaves it that was killed before it was done.
  writeFileSync(path, Buffer.concat([readFileSync(path), extent]))
  await rebuilt(store)
  t.match(store.environment.blobs.get(blob.root), { offset: 0 })
  await holds(t, store, [blob, blobOf(50_000)])
  const file = openSync(path, 'r+')
  writeSync(file, 'x', 500)
  closeSync(file)
  t.match(await rebuilt(store), [{ blobs: 2, damaged: 1 }])
  t.equal(store.environment.downloads.getCount(), 0)
  await holds(t, store, [blob, blobOf(50_000)])
})

test('a pack that ends in the middle of an extent, or has nothing in it, is read to its end', async (t) => {
  const store = await openStore(t)
  const [first, second] = [blobOf(100_000), blobOf(200_000)]
  for (const blob of [first, second]) await put(store, blob, release)
  await store.packs.close()
  truncateSync(store.packs.path(1), 250_000)
  writeFileSync(store.packs.path(2), '')
  writeFileSync(store.packs.path(3), 'not a pack')
  t.match(await rebuilt(store), [
    { pack: 1, blobs: 1 },
    { pack: 2, blobs: 0 },
    { pack: 3, blobs: 0 },
  ])
  await holds(t, store, [first])
  const { recovery } = await store.reopen()
  t.match(recovery, { removed: [2, 3], cut: [], short: [] }, 'a pack of nothing is nobody’s')
})

test('a rebuild that is cancelled stops within a pack, and loses nothing', async (t) => {
  const disk = watchedDisk()
  const store = await openStore(t, t.testdir({}), disk)
  const blobs = await filled(t, store)
  const stop = new AbortController()
  const before = disk.count('read')
  disk.watch.before = (operation) => {
    if (operation === 'read' && disk.count('read') === before + 20) stop.abort()
  }
  await t.rejects(rebuilt(store, stop.signal), { code: 'ABORTED' })
  t.equal(disk.count('read'), before + 20)
  await rebuilt(store)
  await holds(t, store, blobs)
})
