import { test } from 'tap'
import { sha256, toHex } from '../../../src/base/bytes.ts'
import { CHUNK_BYTES, DOWNLOAD_STALE_MS } from '../../../src/base/limits.ts'
import { signRecord } from '../../../src/model/record.ts'
import { publisherOf, releaseOf } from '../model/made.ts'
import { begun, blobOf, bytesOf, nobody, type Opened, openStore, put, released } from './opened.ts'

const publisher = publisherOf(0)

async function swept(store: Opened) {
  const gone: { purl?: string | undefined; kind: string; reason: string; bytes: number }[] = []
  for await (const { purl, kind, reason, bytes } of store.collector.sweep()) gone.push({ purl, kind, reason, bytes })
  return gone
}

/** Let time pass as long as some work goes on, which the disk may keep waiting. */
async function passing<T>({ clock }: Opened, work: Promise<T>): Promise<T> {
  let done = false
  const finish = () => {
    done = true
  }
  work.then(finish, finish)
  while (!done) await clock.advance(0)
  return work
}

test('what no release on a shelf names is garbage, unless it is pinned', async (t) => {
  const store = await openStore(t)
  const [wanted, orphan, pinned, small] = [blobOf(70_000), blobOf(80_000), blobOf(90_000), blobOf(5)]
  await put(store, wanted, await released(store, '1.0.0'))
  await put(store, orphan, nobody)
  await put(store, small, nobody)
  const keep = new Uint8Array(32).fill(8)
  await put(store, pinned, keep)
  t.equal(await store.kept.add(keep, 'pkg:npm/parser@1.0.0'), true)
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
  const body = { withdrawn: true }
  const withdrawal = signRecord(
    { v: 1, kind: 'withdrawal', subject, signer: publisher.signer, signerVersion: 1, seq: 1, at: 1, body },
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

test('a fetch for a release that nobody wants goes at once, and one that somebody takes up again stays', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(20 * CHUNK_BYTES)
  await (await begun(store, blob, nobody)).suspend()
  t.match(await swept(store), [{ kind: 'fetch', reason: 'no-release', bytes: blob.size }])
  await (await begun(store, blob, await released(store, '1.0.0'))).suspend()
  await store.clock.advance(DOWNLOAD_STALE_MS + 1)
  const row = store.environment.downloads.get(blob.root)
  if (!row) throw new Error('it was suspended')
  // Marked as stale before this transaction is done, and looked at again after it.
  const resuming = store.environment.transaction(() =>
    store.environment.downloads.put(blob.root, { ...row, at: store.clock.now() }),
  )
  t.same(await swept(store), [])
  await resuming
  t.equal(store.environment.downloads.getCount(), 1)
})

test('a damaged blob is kept for mending while a release wants it, no longer than other fetches', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(70_000)
  await put(store, blob, nobody)
  await store.blobs.fetchedAgain(blob.root, await released(store, '1.0.0'))
  await store.blobs.quarantine(blob.root, Uint8Array.of(0))
  t.same(await swept(store), [])
  await store.clock.advance(DOWNLOAD_STALE_MS + 1)
  t.match(await swept(store), [{ kind: 'fetch', reason: 'stale-fetch' }])
  t.same(await store.check(), [])
})

test('a release that comes back while its blobs are swept keeps them', async (t) => {
  const store = await openStore(t)
  const blob = blobOf(100)
  const { id } = releaseOf(publisher, { version: '1.0.0' })
  await put(store, blob, id)
  t.match([...store.collector.mark()], [{ reason: 'no-release' }])
  const sweeping = swept(store)
  await released(store, '1.0.0')
  t.same(await sweeping, [{ purl: undefined, kind: 'blob', reason: 'no-release', bytes: 100 }], 'it came too late')
  await put(store, blob, id)
  const admitting = released(store, '2.0.0')
  t.same(await swept(store), [])
  await admitting
})

test('much garbage goes in batches; cancelled between two, what was told of is gone and no more', async (t) => {
  const store = await openStore(t)
  const count = 1_100
  await store.environment.transaction(() => {
    for (let i = 0; i < count; i++) {
      const bytes = Buffer.from(`blob ${i}`)
      const id = sha256(bytes)
      store.blobs.link({ root: id, size: bytes.length, sha256: id, outline: id, bytes }, nobody, 'fetched')
    }
  })
  t.equal([...store.blobs.list()].length, count, 'more than are listed at a time')
  const stop = new AbortController()
  let told = 0
  const sweep = async () => {
    for await (const _ of store.collector.sweep(stop.signal)) if (++told === 500) stop.abort()
  }
  await t.rejects(passing(store, sweep()), { code: 'ABORTED' })
  t.equal(told, 500)
  t.equal(store.blobs.usage().blobs, count - told)
  t.same(await store.check(), [])
  await passing(store, swept(store))
  t.same(store.blobs.usage(), { blobs: 0, bytes: 0, mirroredBytes: 0 })
})
