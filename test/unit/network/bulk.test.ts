// The bulk plane through its TypeScript owner, with both ends in this process.
import { once } from 'node:events'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { systemClock } from '../../../src/base/clock.ts'
import { directEffects } from '../../../src/base/effects.ts'
import { CatalogError } from '../../../src/base/errors.ts'
import { listen } from '../../../src/base/events.ts'
import { CHUNK_BYTES } from '../../../src/base/limits.ts'
import { type BulkAsked, type BulkGrant, type BulkPlane, openBulkPlane } from '../../../src/network/bulk.ts'
import { peerIdOf } from '../../../src/network/identity.ts'
import { type Blob, blobOf, type End, stored } from '../../bulk/blobs.ts'

const HOST = '127.0.0.1'
const refuse = (): BulkGrant => {
  throw new CatalogError('NOT_FOUND', 'nothing is here')
}

async function planeOf(t: Test, seedByte: number, authorise: (asked: BulkAsked) => BulkGrant | Promise<BulkGrant>) {
  const seed = new Uint8Array(32).fill(seedByte)
  const components = { clock: systemClock, effects: directEffects, authorise }
  const plane = (await openBulkPlane(components, { seed, host: HOST, port: 0 }, 'native')) as BulkPlane
  // A plane keeps no process alive, and neither does a test that waits for one.
  const alive = setInterval(() => undefined, 1_000)
  t.teardown(async () => {
    clearInterval(alive)
    await plane.close()
  })
  return { plane, provider: { peer: peerIdOf(seed), host: HOST, port: plane.port } }
}

/** A seed that keeps one blob in a file, and a fetcher. */
async function pair(t: Test, blob: Blob, change: (grant: BulkGrant) => BulkGrant = (grant) => grant) {
  const path = join(t.testdir(), 'seed')
  const { promise: ended, resolve } = Promise.withResolvers<End>()
  const grant = stored(blob, path, resolve)
  const asked: BulkAsked[] = []
  const { promise: heard, resolve: hear } = Promise.withResolvers<void>()
  const seed = await planeOf(t, 1, (request) => {
    asked.push(request)
    hear()
    return change(grant())
  })
  const fetcher = await planeOf(t, 2, refuse)
  const target = join(t.testdirName, 'target')
  writeFileSync(target, new Uint8Array(10))
  const fetch = (first: number, count: number, terms = {}) => {
    const outline = blob.outline.subarray(32 * first, 32 * (first + count))
    const segment = { first, count, outline }
    return fetcher.plane.fetchSegment(seed.provider, blob.wanted, segment, { path: target, offset: 10 }, terms)
  }
  return { path, target, ended, asked, heard, seed, fetcher, fetch }
}

test('a segment lands in its place, and both sides know how much it was', async (t) => {
  const blob = await blobOf(3_000_000, 1)
  const facts: object[] = []
  t.teardown(listen('catalog:transfer', (fact) => facts.push(fact)))
  const { target, ended, asked, seed, fetcher, fetch } = await pair(t, blob)
  const segment = fetch(0, blob.chunks)
  const end = await segment.done
  t.match(end, { chunks: blob.chunks, bytes: 3_000_000, error: undefined })
  t.ok(end.micros > 0)
  t.strictSame(segment.progress(), { chunks: blob.chunks, bytes: 3_000_000 })
  t.ok(readFileSync(target).subarray(10).equals(blob.bytes))
  t.strictSame(await ended, { sent: 3_000_000, code: undefined })
  t.match(asked, [{ peer: fetcher.provider.peer, address: HOST, outline: false, data: true, first: 0 }])
  t.same(asked[0]?.release, blob.wanted.release)
  const told = (peer: string, direction: string) => ({ peer, bytes: 3_000_000, direction, plane: 'bulk' })
  // Which side ends first, nobody knows.
  const byDirection = new Map(facts.map((fact) => [(fact as { direction: string }).direction, fact]))
  t.strictSame(byDirection.get('received'), told(seed.provider.peer, 'received'))
  t.strictSame(byDirection.get('sent'), told(fetcher.provider.peer, 'sent'))
  t.match(seed.plane.connections(), [{ peer: fetcher.provider.peer, inbound: true, sent: 3_000_000 }])
  t.ok(seed.plane.socketBuffers.receive > 0)
})

test('outlines come by ranges, small blobs whole', async (t) => {
  const blob = await blobOf(3 * CHUNK_BYTES + 1, 2)
  const { seed, fetcher } = await pair(t, blob)
  t.same(await fetcher.plane.fetchOutline(seed.provider, blob.wanted), blob.outline)
  const range = { first: 2, count: 2 }
  t.same(await fetcher.plane.fetchOutline(seed.provider, blob.wanted, {}, range), blob.outline.subarray(64))
  const { outline, bytes } = await fetcher.plane.fetchBlob(seed.provider, blob.wanted)
  t.ok(Buffer.from(bytes).equals(blob.bytes) && Buffer.from(outline).equals(blob.outline))
  const large = { ...blob.wanted, size: 2 ** 20 + 1 }
  await t.rejects(fetcher.plane.fetchBlob(seed.provider, large), { code: 'USAGE' })
})

test('blobs in memory, and what is held of those that are not whole', async (t) => {
  const blob = await blobOf(4 * CHUNK_BYTES, 3)
  const held = Uint8Array.of(0b0110)
  const inMemory = { data: { bytes: blob.bytes }, outline: { bytes: blob.outline }, held }
  const { fetch, ended } = await pair(t, blob, (grant) => ({ ...grant, ...inMemory }))
  t.match(await fetch(1, 2).done, { chunks: 2, error: undefined })
  t.match(await ended, { sent: 2 * CHUNK_BYTES, code: undefined })
  t.match(await fetch(2, 2).done, { chunks: 0, error: { code: 'NOT_FOUND' } })
})

test('refusals reach the asker as what they are, and failures as no more than that', async (t) => {
  const blob = await blobOf(100, 4)
  const failures: object[] = []
  t.teardown(listen('catalog:failure', (fact) => failures.push(fact)))
  let answer: () => BulkGrant = refuse
  const seed = await planeOf(t, 1, () => answer())
  const { plane } = await planeOf(t, 2, refuse)
  const fetch = () => plane.fetchBlob(seed.provider, blob.wanted)
  await t.rejects(fetch(), { code: 'NOT_FOUND' })
  seed.plane.forgetRefusals()
  answer = () => {
    throw new CatalogError('PEER_BUSY', 'busy')
  }
  await t.rejects(fetch(), { code: 'PEER_BUSY' })
  t.strictSame(failures, [])
  answer = () => {
    throw new RangeError('a secret')
  }
  const failed = await fetch().then(
    () => undefined,
    (thrown) => thrown as CatalogError,
  )
  t.equal(failed?.code, 'INTERNAL')
  t.notMatch(failed?.message, /secret/)
  t.match(failures, [{ code: 'INTERNAL', message: 'a secret' }])
})

test('a lie has its chunk, and a file cut short is reported at home', async (t) => {
  const blob = await blobOf(30 * CHUNK_BYTES, 5)
  const failures: object[] = []
  t.teardown(listen('catalog:failure', (fact) => failures.push(fact)))
  const { path, fetch, ended } = await pair(t, blob)
  const bytes = readFileSync(path)
  bytes.writeUInt8(bytes.readUInt8(100 + 20 * CHUNK_BYTES) ^ 1, 100 + 20 * CHUNK_BYTES)
  writeFileSync(path, bytes)
  t.match(await fetch(0, 30).done, { chunks: 20, lie: 20, error: { code: 'BLOB_CORRUPT', details: { chunk: 20 } } })
  await ended
  truncateSync(path, 100 + 5 * CHUNK_BYTES)
  t.match(await fetch(0, 30).done, { error: { code: 'INTERNAL' } })
  t.match(failures, [{ code: 'FILE_UNREADABLE' }])
})

test('a signal ends a fetch with its own reason', async (t) => {
  const blob = await blobOf(20_000_000, 6)
  const { fetch, heard, ended, fetcher, seed } = await pair(t, blob)
  const controller = new AbortController()
  const reason = new CatalogError('ABORTED', 'enough')
  const segment = fetch(0, blob.chunks, { signal: controller.signal })
  await heard
  controller.abort(reason)
  const { error, chunks } = await segment.done
  t.equal(error, reason)
  t.ok(chunks < blob.chunks)
  const gone = { signal: AbortSignal.abort(reason) }
  await t.rejects(fetcher.plane.fetchOutline(seed.provider, blob.wanted, gone), reason)
  t.equal((await fetch(0, 1, gone).done).error, reason)
  const cancelled = fetch(0, blob.chunks)
  cancelled.cancel()
  t.match((await cancelled.done).error, { code: 'ABORTED' })
  t.ok((await ended).sent <= 20_000_000)
})

test('closing gives every grant back, also one that was being decided', async (t) => {
  const blob = await blobOf(20_000_000, 7)
  const path = join(t.testdir(), 'seed')
  const ends: End[] = []
  const grant = stored(blob, path, (end) => ends.push(end))
  const asked = new EventTarget()
  const { promise: late, resolve } = Promise.withResolvers<BulkGrant>()
  let requests = 0
  const seed = await planeOf(t, 1, () => {
    asked.dispatchEvent(new Event('asked'))
    return requests++ === 0 ? grant() : late
  })
  const { plane } = await planeOf(t, 2, refuse)
  const target = { path: join(t.testdirName, 'target'), offset: 0 }
  writeFileSync(target.path, '')
  const fetch = () =>
    plane.fetchSegment(seed.provider, blob.wanted, { first: 0, count: blob.chunks, outline: blob.outline }, target)
  for (let request = 0; request < 2; request++) {
    const heard = once(asked, 'asked')
    fetch()
    await heard
  }
  await seed.plane.close()
  t.equal(ends.length, 1)
  resolve(grant())
  await late
  t.equal(ends.length, 2)
  t.match(ends[1], { sent: 0, code: 'CLOSED' })
})

test('wrong calls and addresses', async (t) => {
  const blob = await blobOf(100, 8)
  const { seed, fetcher, fetch } = await pair(t, blob)
  const { plane } = fetcher
  const terms = { deadlineMs: 5_000 }
  for (const provider of [
    { ...seed.provider, host: 'example.org' },
    { ...seed.provider, peer: 'somebody' },
  ]) {
    await t.rejects(plane.fetchBlob(provider, blob.wanted, terms), { code: 'ADDRESS_INVALID' })
  }
  const stranger = { ...seed.provider, peer: peerIdOf(new Uint8Array(32).fill(3)) }
  await t.rejects(plane.fetchBlob(stranger, blob.wanted, terms), { code: 'PEER_UNREACHABLE' })
  t.match((await fetch(0, 2).done).error, { code: 'USAGE' })
  const options = { seed: new Uint8Array(32), host: HOST, port: seed.plane.port }
  const components = { clock: systemClock, effects: directEffects, authorise: refuse }
  await t.rejects(openBulkPlane(components, options, 'native'), { code: 'LISTEN_FAILED' })
})

test('there is none beside the WebAssembly core, and it says so', async (t) => {
  const facts: object[] = []
  t.teardown(listen('catalog:bulk', (fact) => facts.push(fact)))
  const components = { clock: systemClock, effects: directEffects, authorise: refuse }
  const options = { seed: new Uint8Array(32), host: HOST, port: 0 }
  t.equal(await openBulkPlane(components, options, 'wasm'), undefined)
  t.match(facts, [{ reason: /WebAssembly/ }])
})
