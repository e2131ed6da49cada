import { test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import { CatalogError } from '../../../src/base/errors.ts'
import { listen } from '../../../src/base/events.ts'
import { CHUNK_BYTES } from '../../../src/base/limits.ts'
import { KiB, MiB } from '../../../src/base/units.ts'
import type { WorkerPool } from '../../../src/core/workers/pool.ts'
import { Scrubber } from '../../../src/store/scrub.ts'
import { begun, bend, blobOf, core, type Opened, openStore, put, released } from './opened.ts'
import { diskError, watchedDisk } from './watched-disk.ts'

async function scrub({ scrubber }: Pick<Opened, 'scrubber'>, roots?: Uint8Array[]) {
  const found = []
  for await (const each of scrubber.run(roots)) found.push(each)
  return found
}

test('a scrub finds the chunks that changed, puts the blob out of sight and says so', async (t) => {
  const store = await openStore(t)
  const release = await released(store, '1.0.0')
  const [sound, bent, small] = [blobOf(200_000), blobOf(5 * CHUNK_BYTES), blobOf(100)]
  for (const blob of [sound, bent, small]) await put(store, blob, release)
  t.same(
    (await scrub(store)).map(({ damaged }) => damaged),
    [0, 0, 0],
  )
  bend(store, bent.root, 3 * CHUNK_BYTES + 7)
  const heard: string[] = []
  store.scrubber.onDamage(({ root, releases }) => heard.push(`${toHex(root)} ${releases.map(toHex)}`))
  t.match(await scrub(store, [sound.root, bent.root]), [
    { damaged: 0 },
    { damaged: 1, chunks: 5, reason: /1 of its chunks/ },
  ])
  t.same(heard, [`${toHex(bent.root)} ${toHex(release)}`])
  t.equal(store.blobs.get(bent.root), undefined)
  const download = await begun(store, bent, release)
  t.same(download.missing(), [{ first: 3, count: 1 }])
  await download.suspend()
  t.same(await store.check(), [])
})

test('a footer that changed is written anew when the bytes are sound, and else costs them all', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(200_000)
  const release = await released(store, '1.0.0')
  await put(store, blob, release)
  const told: number[] = []
  t.teardown(listen('catalog:damaged', ({ chunks }) => told.push(chunks)))
  for (const at of [200_000, 200_000 + 140, 200_000 + 265]) {
    bend(store, blob.root, at)
    t.match(await scrub(store), [{ damaged: 0, chunks: 4 }])
    t.same(await store.blobs.outline(blob.root), blob.outline)
  }
  t.same(told, [0, 0, 0])
  bend(store, blob.root, 200_000)
  bend(store, blob.root, 70_000)
  t.match(await scrub(store), [{ damaged: 4, reason: /list of chunks/ }])
  t.equal(store.blobs.get(blob.root), undefined)
  t.same(await store.check(), [])
})

test('a scrub keeps to its rate', async (t) => {
  const store = await openStore(t)
  await put(store, blobOf(MiB), await released(store, '1.0.0'))
  let done = false
  const running = (async () => {
    for await (const _ of store.scrubber.run(undefined, { rate: 256 * KiB }));
    done = true
  })()
  while (store.clock.waiting === 0) await new Promise((resolve) => setImmediate(resolve))
  await store.clock.advance(3_900)
  t.notOk(done)
  await store.clock.advance(200)
  await running
})

test('a scrub that is cancelled while it rests says so', async (t) => {
  const store = await openStore(t)
  await put(store, blobOf(MiB), await released(store, '1.0.0'))
  const stop = new AbortController()
  const running = (async () => {
    for await (const _ of store.scrubber.run(undefined, { rate: 256 * KiB, signal: stop.signal }));
  })()
  while (store.clock.waiting === 0) await new Promise((resolve) => setImmediate(resolve))
  stop.abort()
  await t.rejects(running, { code: 'ABORTED' })
})

test('bytes in the database that changed are found, and the blob is out of sight', async (t) => {
  const store = await openStore(t)
  const [bent, cut, empty] = [blobOf(100), blobOf(200), blobOf(0)]
  for (const blob of [bent, cut, empty]) await put(store, blob, await released(store, '1.0.0'))
  await store.environment.transaction(() => {
    store.environment.inline.put(bent.root, Buffer.alloc(100, 1))
    store.environment.inline.put(cut.root, cut.bytes.subarray(1))
  })
  for (const { root } of [bent, cut])
    t.match(await scrub(store, [root]), [{ damaged: 1, chunks: 1, reason: /database/ }])
  t.match(await scrub(store), [{ bytes: 0, damaged: 0 }])
  t.same(store.blobs.usage(), { blobs: 1, bytes: 0, mirroredBytes: 0 })
  t.same(await store.check(), [])
})

test('a chunk that the disk cannot give back costs no other; what says nothing of the bytes, none', async (t) => {
  const disk = watchedDisk()
  const store = await openStore(t, t.testdir({}), disk)
  const release = await released(store, '1.0.0')
  const blob = blobOf(20 * CHUNK_BYTES)
  await put(store, blob, release)
  const unreadable = () => Promise.reject(new CatalogError('FILE_UNREADABLE', 'EIO: i/o error, read'))
  const workers = { verify: unreadable } as unknown as WorkerPool
  const scrubber = new Scrubber({ blobs: store.blobs, workers, core, clock: store.clock })
  t.match(await scrub({ scrubber }), [{ damaged: 0 }], 'it can be read after all')
  const at = (chunk: number) => 64 + chunk * CHUNK_BYTES
  disk.watch.before = (operation, _, position) => {
    if (operation === 'read' && position === at(7)) throw diskError('EMFILE')
  }
  await t.rejects(scrub({ scrubber }), { code: 'FILE_UNREADABLE', message: /EMFILE/ })
  t.ok(store.blobs.get(blob.root))
  disk.watch.before = (operation, _, position) => {
    if (operation === 'read' && position === at(7)) throw diskError('EIO')
  }
  t.match(await scrub({ scrubber }), [{ damaged: 1, chunks: 20 }])
  disk.watch.before = undefined
  const download = await begun(store, blob, release)
  t.same(download.missing(), [{ first: 7, count: 1 }])
  await download.suspend()
})

test('an outline that cannot be read for want of something else says nothing about the blob', async (t) => {
  const disk = watchedDisk()
  const store = await openStore(t, t.testdir({}), disk)
  const blob = blobOf(100_000)
  await put(store, blob, await released(store, '1.0.0'))
  for (const errno of ['EMFILE', 'EIO']) {
    disk.watch.before = (operation) => {
      if (operation === 'read') throw diskError(errno)
    }
    if (errno === 'EMFILE') await t.rejects(scrub(store), { code: 'FILE_UNREADABLE', message: /EMFILE/ })
    else t.match(await scrub(store), [{ damaged: 0, chunks: 2 }], 'it follows from the bytes')
    t.ok(store.blobs.get(blob.root))
  }
})
