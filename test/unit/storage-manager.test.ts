import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { toHex } from '../../src/base/bytes.ts'
import { directEffects } from '../../src/base/effects.ts'
import { CatalogError } from '../../src/base/errors.ts'
import { UnderWay } from '../../src/base/under-way.ts'
import { GiB, MiB } from '../../src/base/units.ts'
import type { CatalogRecord } from '../../src/model/record.ts'
import { type Release, readRelease } from '../../src/model/release.ts'
import type { Packages } from '../../src/publishing/packages.ts'
import { type Collected, StorageManager, type VerifiedArtifact } from '../../src/storage-manager.ts'
import type { Blobs } from '../../src/store/blobs.ts'
import { dataPaths } from '../../src/store/data-directory.ts'
import { Quota } from '../../src/store/quota.ts'
import { Space } from '../../src/store/space.ts'
import { publisherOf, releaseOf, shareOf } from './model/made.ts'
import { bend, blobOf, fetched, type Made, nobody, openStore, put } from './store/opened.ts'

const publisher = publisherOf(0)

/** Packages as the manager needs them: what is on a shelf is resolved, and what was made is fetched. */
async function opened(t: Test) {
  const store = await openStore(t, join(t.testdir({}), 'data'))
  const known = new Map<string, CatalogRecord>()
  const elsewhere = new Map<string, Made>()
  const packages = {
    async resolve({ version }: { version?: string }) {
      const record = known.get(version ?? '')
      if (!record) throw new CatalogError('NOT_FOUND', 'no such package')
      return { release: readRelease(record), trust: 'pinned' }
    },
    async fetch({ record }: Release, artifact: { root: Uint8Array }) {
      const blob = elsewhere.get(toHex(artifact.root))
      if (!store.blobs.get(artifact.root)) {
        if (!blob) throw new CatalogError('NO_PROVIDERS', 'nobody has it')
        await fetched(store, blob, record.id)
      }
      return { artifact, lease: store.blobs.lease(artifact.root) }
    },
  }
  const [quota, space] = [new Quota(store, { max: GiB }), new Space(store, { folder: store.folder })]
  const underWay = new UnderWay()
  const components = { ...store, quota, space, underWay, effects: directEffects, paths: dataPaths(store.folder) }
  const manager = new StorageManager({ ...components, packages: packages as unknown as Packages })
  /** A release of some blobs, on a shelf. */
  const release = async (version: string, blobs: readonly Made[]): Promise<CatalogRecord> => {
    const artifacts = blobs.map(({ root, size, sha256 }, i) => ({
      ...{ path: `${i}.tgz`, mediaType: 'application/gzip', root, size, sha256 },
    }))
    const record = releaseOf(publisher, { version, artifacts })
    const share = shareOf(publisher, record.statement.subject, 1)
    await store.records.admitAll(
      [publisher.document, record, share].map((each) => ({ record: each, audience: 'public' })),
    )
    known.set(version, record)
    return record
  }
  return { store, components, manager, release, elsewhere }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

test('what is verified is named by a release that has it, also when it is then out of sight', async (t) => {
  const { store, manager, release } = await opened(t)
  const [first, second, unnamed] = [blobOf(300_000), blobOf(100), blobOf(200)]
  const [one, two] = [await release('1.0.0', [first]), await release('2.0.0', [second, first])]
  await put(store, first, one.id)
  await put(store, second, two.id)
  await put(store, unnamed, nobody)
  bend(store, first.root, 70_000)
  const progress: number[] = []
  const verified = await all(
    manager.verify(undefined, { onProgress: ({ bytes, total }) => progress.push(bytes / total) }),
  )
  const of = ({ root }: Made): VerifiedArtifact | undefined => verified.find((each) => each.root === toHex(root))
  t.match(of(first), { purl: one.statement.subject, path: '0.tgz', bytes: 300_000, ok: false, reason: /1 of its/ })
  t.match(of(second), { purl: two.statement.subject, path: '0.tgz', ok: true })
  t.match(of(unnamed), { purl: undefined, path: undefined, ok: true })
  t.equal(progress.at(-1), 1)
  t.same(await all(manager.verify(two.statement.subject)), [of(second)], 'what is not kept is not verified')
  await t.rejects(all(manager.verify(one.statement.subject)), { code: 'NOT_FOUND' })
  const signal = AbortSignal.abort()
  await put(store, first, one.id)
  await t.rejects(all(manager.verify(one.statement.subject, { signal })), { code: 'ABORTED' })
})

test('what would be collected is what is collected; while rewriting is held, packs stay', async (t) => {
  const { store, manager, release } = await opened(t)
  const kept = blobOf(2 * MiB, 1)
  await put(store, kept, (await release('1.0.0', [kept])).id)
  await put(store, blobOf(5 * MiB, 2), nobody)
  await put(store, blobOf(100), nobody)
  const would = await all(manager.collect({ dryRun: true }))
  t.equal(store.blobs.usage().blobs, 3)
  manager.setPaused(true)
  t.ok(manager.isPaused)
  t.ok(manager.status().paused)
  t.same(await all(manager.collect()), would)
  t.equal(store.blobs.usage().blobs, 1)
  manager.setPaused(false)
  const again: Collected[] = await all(manager.collect({ dryRun: true }))
  t.match(again, [{ repacked: { pack: 1 } }])
  t.same(await all(manager.collect()), again)
  t.same(readdirSync(join(store.folder, 'packs')), ['00000002.pack'])
  t.same(await all(manager.collect()), [])
  t.same(await all(manager.check()), [])
})

test('pinning fetches and holds nothing but the release; it stays pinned when nobody has its bytes', async (t) => {
  const { store, manager, release, elsewhere } = await opened(t)
  const large = blobOf(65 * MiB)
  const { id, statement } = await release('1.0.0', [large])
  await t.rejects(manager.pin(statement.subject), { code: 'NO_PROVIDERS' })
  t.match(manager.pins(), [{ purl: statement.subject, record: toHex(id), local: false }])
  elsewhere.set(toHex(large.root), large)
  await store.clock.advance(60_000)
  t.match(await manager.pin(statement.subject), { local: true, pinnedAt: manager.pins()[0]?.pinnedAt })
  t.match(manager.status(), { pinned: 1, mirroredBytes: large.size, ownBytes: 0, maxMirrorStorage: GiB })
  await store.environment.transaction(() => store.blobs.remove(large.root))
  await store.packs.collect()
  t.same(readdirSync(join(store.folder, 'packs')), [], 'nobody has leased it')
  t.equal(await manager.unpin('pkg:npm/parser@2.0.0'), false)
  t.equal(await manager.unpin('pkg:npm/parser'), true)
  t.equal(await manager.unpin('pkg:npm/parser'), false)
  t.same(manager.pins(), [])
})

test('a pinned release whose record is gone is listed, and can be unpinned', async (t) => {
  const { store, manager } = await opened(t)
  const blob = blobOf(70_000)
  await fetched(store, blob, nobody)
  await store.kept.add(nobody, 'pkg:npm/gone@1.0.0')
  t.same(await all(manager.collect()), [], 'it is kept')
  t.match(manager.pins(), [{ purl: 'pkg:npm/gone@1.0.0', record: toHex(nobody), local: false }])
  t.equal(await manager.unpin('pkg:npm/gone@2.0.0'), false)
  t.equal(await manager.unpin('pkg:npm/gone@1.0.0'), true)
  t.same(manager.pins(), [])
  t.match(await all(manager.collect()), [{ garbage: { reason: 'no-release' } }, { repacked: { pack: 1 } }])
})

test('a finding that a second look does not find is not told', async (t) => {
  const { store, components, manager } = await opened(t)
  let looks = 0
  const blobs: Blobs = Object.assign(Object.create(store.blobs), {
    usage: () => ({ ...store.blobs.usage(), ...(looks++ === 0 && { bytes: 12 }) }),
    list: () => store.blobs.list(),
  })
  const { packages } = { packages: {} as Packages }
  t.same(await all(new StorageManager({ ...components, packages, blobs }).check()), [])
  t.equal(looks, 2)
  await store.environment.transaction(() => store.environment.meta.put('bytes', 5))
  t.match(await all(manager.check()), [{ subject: 'bytes', repair: 'rebuild-index' }])
})
