import { type Test, test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import { listen } from '../../../src/base/events.ts'
import { KiB } from '../../../src/base/units.ts'
import { Quota } from '../../../src/store/quota.ts'
import { blobOf, fetched, type Made, type Opened, openStore, put, released } from './opened.ts'

async function opened(t: Test, max: number) {
  const store = await openStore(t)
  const quota = new Quota(store, { max })
  const release = await released(store, '1.0.0')
  /** Fetch as the fetcher does, a second after the one before. */
  const fetch = async (blob: Made, under = release) => {
    await store.clock.advance(1000)
    using _ = await quota.makeRoom(blob.size)
    await fetched(store, blob, under)
  }
  const isHere = ({ root }: Made) => store.blobs.get(root) !== undefined
  return { ...store, quota, release, fetch, isHere }
}

const blobs = (...seeds: number[]) => seeds.map((seed) => blobOf(100 * KiB, seed)) as [Made, Made, Made, Made, Made]

test('over quota, what was not read for longest goes; own and pinned blobs stay', async (t) => {
  const store = await opened(t, 400 * KiB)
  const pinnedRelease = await released(store, '2.0.0')
  const [own, pinned, old, read, late] = blobs(1, 2, 3, 4, 5)
  await put(store, own, store.release)
  await store.kept.add(pinnedRelease, 'pkg:npm/parser@2.0.0')
  for (const blob of [pinned, old, read, late]) await store.fetch(blob, blob === pinned ? pinnedRelease : store.release)
  await store.clock.advance(1000)
  store.blobs.lease(old.root)?.[Symbol.dispose]()
  store.blobs.lease(read.root, { quietly: true })?.[Symbol.dispose]()
  const evicted: string[] = []
  t.teardown(listen('catalog:evicted', ({ root }) => evicted.push(root)))
  await store.fetch(blobOf(100 * KiB, 6))
  t.same([own, pinned, old, read, late].map(store.isHere), [true, true, true, false, true])
  t.same(evicted, [toHex(read.root)])
  await t.rejects(store.quota.makeRoom(500 * KiB), { code: 'LIMIT_EXCEEDED', message: /400 KiB are in use/ })
  t.equal(store.blobs.usage().blobs, 5, 'nothing goes for what cannot fit')
  t.same(await store.check(), [])
})

test('room is promised once: fetches side by side do not use it twice', async (t) => {
  const { quota, fetch, isHere, blobs: here } = await opened(t, 250 * KiB)
  const [first, second, third] = blobs(1, 2, 3)
  await fetch(first)
  {
    using _one = await quota.makeRoom(100 * KiB)
    t.ok(isHere(first), 'there is room for both')
    using _two = await quota.makeRoom(100 * KiB)
    t.notOk(isHere(first), 'there is not for three')
    await t.rejects(quota.makeRoom(100 * KiB), { code: 'LIMIT_EXCEEDED', message: /200 KiB are in use/ })
  }
  await fetch(second)
  await fetch(third)
  t.equal(here.usage().mirroredBytes, 200 * KiB, 'a fetch that has ended takes no room beside its blob')
})

test('who makes room at one time evicts no more than is needed for all', async (t) => {
  const { quota, fetch, blobs: here } = await opened(t, 500 * KiB)
  for (const blob of blobs(1, 2, 3, 4, 5)) await fetch(blob)
  const room = await Promise.all([quota.makeRoom(100 * KiB), quota.makeRoom(50 * KiB)])
  t.equal(here.usage().mirroredBytes, 300 * KiB)
  for (const each of room) each[Symbol.dispose]()
})

test('what is published or pinned while room is made is not evicted', async (t) => {
  const store = await opened(t, 300 * KiB)
  const [first, second, third] = blobs(1, 2, 3)
  for (const blob of [first, second, third]) await store.fetch(blob)
  const pinning = store.kept.add(store.release, 'pkg:npm/parser@1.0.0')
  await t.rejects(store.quota.makeRoom(100 * KiB), { code: 'LIMIT_EXCEEDED' })
  await pinning
  t.equal(store.blobs.usage().blobs, 3)
})

test('the order in which blobs go follows what is read, pinned and published, and outlives a restart', async (t) => {
  const store = await opened(t, 500 * KiB)
  const [first, second, third, fourth, fifth] = blobs(1, 2, 3, 4, 5)
  const pinned = await released(store, '2.0.0')
  const order = ({ blobs: here }: typeof store | Opened) => here.idle.first(9).map(({ root }) => toHex(root))
  const are = (...of: Made[]) => of.map(({ root }) => toHex(root))
  for (const blob of [first, second, third, fourth]) await store.fetch(blob)
  await store.fetch(fifth, pinned)
  t.same(order(store), are(first, second, third, fourth, fifth))
  t.equal(store.blobs.idle.bytes(), 500 * KiB)
  await store.clock.advance(1000)
  store.blobs.lease(first.root)?.[Symbol.dispose]()
  await store.blobs.saveUses()
  await store.kept.add(pinned, 'pkg:npm/parser@2.0.0')
  await put(store, third, store.release)
  t.same(order(store), are(second, fourth, first))
  t.same(await store.check(), [])
  const again = await store.reopen()
  t.same(order(again), are(second, fourth, first))
  await again.kept.remove(pinned)
  t.same(order(again), are(second, fourth, fifth, first))
  await again.environment.transaction(() => again.blobs.remove(fourth.root))
  t.same(order(again), are(second, fifth, first))
  await again.environment.transaction(() => again.blobs.recount())
  t.same(order(again), are(second, fifth, first))
  t.equal(again.blobs.idle.bytes(), 300 * KiB)
  t.same(await again.check(), [])
})

test('a blob that exactly fits needs no room to be made', async (t) => {
  const { quota, fetch, isHere } = await opened(t, 200 * KiB)
  const [first] = blobs(1)
  await fetch(first)
  using _ = await quota.makeRoom(100 * KiB)
  t.ok(isHere(first))
})
