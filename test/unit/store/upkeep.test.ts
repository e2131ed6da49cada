// Garbage collection, quota, repacking, scrubbing: what keeps a store small and sound.
import { openSync, readdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import { CHUNK_BYTES, DOWNLOAD_STALE_MS } from '../../../src/base/limits.ts'
import { KiB, MiB } from '../../../src/base/units.ts'
import { signRecord } from '../../../src/model/record.ts'
import { Quota } from '../../../src/store/quota.ts'
import { keyOf, publisherOf, releaseOf, shareOf } from '../model/made.ts'
import { blobOf, bytesOf, fetched, type Opened, openStore, put } from './opened.ts'

const nobody = new Uint8Array(32).fill(9)
const publisher = publisherOf(0)

async function released(store: Opened, version: string): Promise<Uint8Array> {
  const release = releaseOf(publisher, { version })
  const share = shareOf(publisher, release.statement.subject, 1)
  const records = [publisher.document, release, share]
  await store.records.admitAll(records.map((record) => ({ record, audience: 'public' as const })))
  return release.id
}

async function swept(store: Opened) {
  const gone: { purl?: string | undefined; kind: string; reason: string; bytes: number }[] = []
  for await (const { purl, kind, reason, bytes } of store.collector.sweep()) gone.push({ purl, kind, reason, bytes })
  return gone
}

/** Change one byte of a blob on the disk. */
function bend(store: Opened, root: Uint8Array, at: number): void {
  using lease = store.blobs.lease(root)
  const file = openSync(lease?.path ?? '', 'r+')
  writeSync(file, 'x', (lease?.offset ?? 0) + at)
}

test('what no release on a shelf names is garbage, unless it is pinned', async (t) => {
  const store = await openStore(t)
  const [wanted, orphan, pinned, small] = [blobOf(70_000), blobOf(80_000), blobOf(90_000), blobOf(5)]
  await put(store, wanted, await released(store, '1.0.0'))
  await put(store, orphan, nobody)
  await put(store, small, nobody)
  const keep = new Uint8Array(32).fill(8)
  await put(store, pinned, keep)
  t.equal(await store.kept.add(keep), true)
  const marked = [...store.collector.mark()]
  t.same(marked.map(({ root }) => toHex(root)).sort(), [orphan, small].map(({ root }) => toHex(root)).sort())
  t.equal(store.blobs.usage().blobs, 4, 'marking changes nothing')
  t.match(await swept(store), [{ reason: 'no-release' }, { reason: 'no-release' }])
  t.equal(store.blobs.get(orphan.root), undefined)
  for (const blob of [wanted, pinned]) t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes))
  t.same(await store.check(), [])
  await store.kept.remove(keep)
  t.match(await swept(store), [{ bytes: 90_000 }])
})

test('a withdrawn release is garbage; a blob another release names stays', async (t) => {
  const store = await openStore(t)
  const [one, both] = [blobOf(70_000), blobOf(80_000)]
  const [first, second] = [await released(store, '1.0.0'), await released(store, '2.0.0')]
  await put(store, one, first)
  await put(store, both, first)
  await put(store, both, second)
  const { subject } = releaseOf(publisher, { version: '1.0.0' }).statement
  const withdrawal = signRecord(
    { v: 1, kind: 'withdrawal', subject, signer: publisher.signer, signerVersion: 1, seq: 1, at: 1, body: {} },
    [publisher.releaseKey],
  )
  await store.records.admitAll([{ record: withdrawal, audience: 'public' }])
  t.match(await swept(store), [
    { purl: subject, reason: 'withdrawn' },
    { purl: subject, reason: 'withdrawn' },
  ])
  t.equal(store.blobs.get(one.root), undefined)
  t.ok((await bytesOf(store, both.root))?.equals(both.bytes))
  t.same(await store.check(), [])
})

test('a fetch that nobody resumes for a week is dropped', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(17 * CHUNK_BYTES)
  const release = await released(store, '1.0.0')
  const download = await store.blobs.download(blob.root, blob.size, release, blob.outline)
  await store.clock.advance(DOWNLOAD_STALE_MS + 1)
  t.same(await swept(store), [], 'one under way stays')
  await download.suspend()
  t.same(await swept(store), [], 'it was looked at just now')
  await store.clock.advance(DOWNLOAD_STALE_MS + 1)
  t.match(await swept(store), [{ kind: 'fetch', reason: 'stale-fetch' }])
  t.equal(store.environment.downloads.getCount(), 0)
  t.same(await store.check(), [])
})

test('over quota, what was not read for longest goes; own and pinned blobs stay', async (t) => {
  const store = await openStore(t)
  const { environment, blobs, packs, kept, clock } = store
  const quota = new Quota({ environment, blobs, packs, kept }, { max: 400 * KiB })
  const release = await released(store, '1.0.0')
  const pinnedRelease = await released(store, '2.0.0')
  const [own, pinned, old, read, late] = [1, 2, 3, 4, 5].map((seed) => blobOf(100 * KiB, seed))
  if (!own || !pinned || !old || !read || !late) throw new Error('five were made')
  await put(store, own, release)
  await kept.add(pinnedRelease)
  await fetched(store, pinned, pinnedRelease)
  for (const blob of [old, read, late]) {
    await clock.advance(1000)
    await quota.makeRoom(blob.size)
    await fetched(store, blob, release)
  }
  await clock.advance(1000)
  blobs.lease(old.root)?.[Symbol.dispose]()
  await quota.makeRoom(100 * KiB)
  const here = [own, pinned, old, read, late].map(({ root }) => blobs.get(root) !== undefined)
  t.same(here, [true, true, true, false, true])
  await t.rejects(quota.makeRoom(500 * KiB), { code: 'LIMIT_EXCEEDED' })
  t.equal(blobs.usage().blobs, 4, 'nothing goes for what cannot fit')
  t.same(await store.check(), [])
})

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

test('rewriting can be cancelled and paused, and loses nothing', async (t) => {
  const store = await openStore(t)
  const release = await released(store, '1.0.0')
  const [kept, gone] = [blobOf(3 * MiB, 1), blobOf(9 * MiB, 2)]
  await put(store, kept, release)
  await put(store, gone, nobody)
  await swept(store)
  const run = async (signal?: AbortSignal) => {
    for await (const _ of store.repacker.run({ signal }));
  }
  await t.rejects(run(AbortSignal.abort()), { code: 'ABORTED' })
  t.same(await store.check(), [])
  store.repacker.pause()
  t.ok(store.repacker.isPaused)
  const running = run()
  store.repacker.resume()
  await running
  t.ok((await bytesOf(store, kept.root))?.equals(kept.bytes))
  t.same(await store.check(), [])
})

test('a scrub finds the chunks that changed, puts the blob out of sight and says so', async (t) => {
  const store = await openStore(t)
  const release = await released(store, '1.0.0')
  const [sound, bent, small] = [blobOf(200_000), blobOf(5 * CHUNK_BYTES), blobOf(100)]
  for (const blob of [sound, bent, small]) await put(store, blob, release)
  const scrub = async (roots?: Uint8Array[]) => {
    const found = []
    for await (const each of store.scrubber.run(roots)) found.push(each)
    return found
  }
  t.same(
    (await scrub()).map(({ damaged }) => damaged),
    [0, 0, 0],
  )
  bend(store, bent.root, 3 * CHUNK_BYTES + 7)
  const heard: string[] = []
  store.scrubber.onDamage(({ root, releases }) => heard.push(`${toHex(root)} ${releases.map(toHex)}`))
  t.match(await scrub([sound.root, bent.root]), [{ damaged: 0 }, { damaged: 1, chunks: 5, reason: /1 of its chunks/ }])
  t.same(heard, [`${toHex(bent.root)} ${toHex(release)}`])
  t.equal(store.blobs.get(bent.root), undefined)
  const download = await store.blobs.download(bent.root, bent.size, release, bent.outline)
  t.same(download.missing(), [{ first: 3, count: 1 }])
  await download.suspend()
  bend(store, sound.root, 200_000 + 140)
  t.match(await scrub([sound.root]), [{ damaged: 4, reason: /footer/ }])
  t.same(await store.check(), [])
  t.ok(keyOf(0))
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
