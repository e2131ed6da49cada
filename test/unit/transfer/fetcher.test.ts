import { hash } from 'node:crypto'
import { once } from 'node:events'
import { type Test, test } from 'tap'
import { concatBytes, sha256 } from '../../../src/base/bytes.ts'
import { CatalogError } from '../../../src/base/errors.ts'
import { type Events, listen } from '../../../src/base/events.ts'
import { CHUNK_BYTES, PROVIDERS_MAX } from '../../../src/base/limits.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { GiB } from '../../../src/base/units.ts'
import { rootOf } from '../../../src/core/digest-tree.ts'
import { loadCore } from '../../../src/core/load.ts'
import type { Artifact } from '../../../src/model/release.ts'
import { Ledger } from '../../../src/store/ledger.ts'
import { Quota } from '../../../src/store/quota.ts'
import type { Segment } from '../../../src/transfer/chunk-map.ts'
import { Fetcher, type FetchOptions } from '../../../src/transfer/fetcher.ts'
import { type BlobWanted, Sources } from '../../../src/transfer/sources.ts'
import { Transfers } from '../../../src/transfer/transfers.ts'
import { livingClock } from '../../living-clock.ts'
import { bytesOf, type Opened, openStore } from '../store/opened.ts'
import { PieceSource } from './piece-source.ts'

const core = await loadCore('wasm')
const release = new Uint8Array(32).fill(1)

interface Blob {
  readonly bytes: Uint8Array
  readonly outline: Uint8Array
  readonly artifact: Artifact
}

function blobOf(chunks: number): Blob {
  const bytes = new Uint8Array(Buffer.alloc(chunks * CHUNK_BYTES - 17, seededRandom(chunks).bytes(9973)))
  const ids: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) ids.push(sha256(bytes.subarray(at, at + CHUNK_BYTES)))
  const outline = concatBytes(...ids)
  const root = rootOf(core, outline, bytes.length)
  const names = { root, sha256: sha256(bytes), sha512: new Uint8Array(hash('sha512', bytes, 'buffer')) }
  return { bytes, outline, artifact: { path: 'x.tgz', mediaType: 'application/gzip', size: bytes.length, ...names } }
}

/** What a provider does with what it is asked; `chunk` is given the bytes it should send. */
interface Behaviour {
  outline?: (outline: Uint8Array) => Uint8Array | Promise<Uint8Array>
  chunk?: (bytes: Uint8Array, chunk: number, signal: AbortSignal) => Uint8Array | Promise<Uint8Array>
}

/** Providers in memory, each with its ways; remembers who was asked for what. */
class MemorySource extends PieceSource {
  readonly asked: { peer: string; first: number; count: number }[] = []
  readonly #blob: Blob
  readonly #peers: Record<string, Behaviour>

  constructor(blob: Blob, peers: Record<string, Behaviour>) {
    super()
    this.#blob = blob
    this.#peers = peers
  }

  async outline(peer: string, _blob: BlobWanted, signal: AbortSignal): Promise<Uint8Array> {
    signal.throwIfAborted()
    const { outline } = this.#of(peer)
    return outline ? outline(this.#blob.outline) : this.#blob.outline
  }

  async *pieces(peer: string, _blob: BlobWanted, { first, count }: Segment, signal: AbortSignal) {
    this.asked.push({ peer, first, count })
    const { chunk } = this.#of(peer)
    for (let at = first; at < first + count; at++) {
      signal.throwIfAborted()
      const bytes = this.#blob.bytes.slice(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES)
      yield chunk ? await chunk(bytes, at, signal) : bytes
    }
  }

  #of(peer: string): Behaviour {
    const behaviour = this.#peers[peer]
    if (!behaviour) throw new CatalogError('PEER_UNREACHABLE', `${peer} is not there.`)
    return behaviour
  }
}

async function* each(...peers: string[]): AsyncGenerator<string> {
  yield* peers
}

interface Setting extends Opened {
  readonly source: MemorySource
  readonly transfers: Transfers
  fetch(providers: AsyncIterable<string>, options?: FetchOptions, artifact?: Artifact): ReturnType<Fetcher['fetch']>
}

async function setting(t: Test, blob: Blob, peers: Record<string, Behaviour>, from?: Opened): Promise<Setting> {
  const store = from ?? (await openStore(t))
  const source = new MemorySource(blob, peers)
  const sources = new Sources({ planes: [source], clock: livingClock })
  const transfers = new Transfers({ clock: livingClock, ledger: new Ledger({ ...store, clock: livingClock }) })
  const quota = new Quota(store, { max: GiB })
  // Where a fetch begins is drawn: here at the first chunk.
  const own = { clock: livingClock, random: { ...seededRandom(1), fraction: () => 0 } }
  const fetcher = new Fetcher({ blobs: store.blobs, quota, core, sources, transfers, ...own })
  return {
    ...store,
    source,
    transfers,
    fetch: (providers, options = {}, artifact = blob.artifact) => fetcher.fetch(artifact, release, providers, options),
  }
}

async function isWhole(store: Opened, { artifact, bytes }: Blob): Promise<boolean> {
  return (await bytesOf(store, artifact.root))?.equals(bytes) === true
}

function unreachable(): never {
  throw new CatalogError('PEER_UNREACHABLE', 'The line went dead.')
}

test('two good providers share the work, each chunk sent once', async (t) => {
  const blob = blobOf(40)
  const at = await setting(t, blob, { a: {}, b: {} })
  const progress: number[] = []
  const report = await at.fetch(each('a', 'b', 'a'), { onProgress: ({ bytes }) => progress.push(bytes) })
  t.ok(await isWhole(at, blob))
  t.ok(at.blobs.isUnder(blob.artifact.root, release))
  t.match(report, { bytes: blob.bytes.length, failures: [] })
  t.same(report.sources.map(({ peer }) => peer).sort(), ['a', 'b'])
  t.equal(
    report.sources.reduce((sum, { bytes }) => sum + bytes, 0),
    blob.bytes.length,
  )
  t.same([progress[0], progress.at(-1)], [0, blob.bytes.length])
  t.ok(progress.every((bytes, i) => i === 0 || bytes > (progress[i - 1] as number)))
})

test('what is here already is not fetched, only linked', async (t) => {
  const blob = blobOf(1)
  const at = await setting(t, blob, { a: {} })
  await at.fetch(each('a'))
  await at.environment.transaction(() => {
    for (const key of [...at.environment.blobReleases.getKeys({})]) at.environment.blobReleases.remove(key)
  })
  t.same(await at.fetch(each()), { bytes: blob.bytes.length, sources: [], failures: [] })
  t.ok(at.blobs.isUnder(blob.artifact.root, release))
})

test('what is here and goes before it is linked is fetched', async (t) => {
  const blob = blobOf(1)
  const at = await setting(t, blob, { a: {} })
  await at.fetch(each('a'))
  await at.environment.transaction(() => {
    for (const key of [...at.environment.blobReleases.getKeys({})]) at.environment.blobReleases.remove(key)
  })
  const going = at.environment.transaction(() => at.blobs.remove(blob.artifact.root))
  t.match(await at.fetch(each('a')), { sources: [{ peer: 'a' }] })
  await going
  t.ok(await isWhole(at, blob))
})

test('an empty blob needs an outline and no chunk', async (t) => {
  const empty = new Uint8Array(0)
  const names = { root: rootOf(core, empty, 0), sha256: sha256(empty) }
  const artifact = { path: 'empty', mediaType: 'text/plain', size: 0, ...names }
  const blob = { bytes: empty, outline: empty, artifact }
  const at = await setting(t, blob, { a: {} })
  t.match(await at.fetch(each('a')), { bytes: 0, sources: [] })
  t.ok(await isWhole(at, blob))
})

test('a liar is dropped and named, and the bytes are right', async (t) => {
  const blob = blobOf(24)
  const facts: Events['catalog:corrupt'][] = []
  t.teardown(listen('catalog:corrupt', (fact) => facts.push(fact)))
  const bend = (bytes: Uint8Array, chunk: number) => {
    if (chunk % 2 === 1) bytes[5] = (bytes[5] as number) ^ 1
    return bytes
  }
  const at = await setting(t, blob, { liar: { chunk: bend }, good: {} })
  const report = await at.fetch(each('liar', 'good'))
  t.ok(await isWhole(at, blob))
  t.match(report.failures, [{ peer: 'liar', code: 'BLOB_CORRUPT', message: /chunk \d+/ }])
  t.equal(report.failures.length, 1)
  t.match(facts, [{ peer: 'liar' }])
  t.equal(at.source.asked.filter(({ peer }) => peer === 'liar').length, 1, 'it is not asked again')
})

test('a provider that sends too much, or another length, lies', async (t) => {
  const blob = blobOf(48)
  const long = (bytes: Uint8Array) => concatBytes(bytes, new Uint8Array(CHUNK_BYTES))
  const at = await setting(t, blob, {
    long: { chunk: long },
    short: { chunk: (bytes) => bytes.subarray(1) },
    good: {},
  })
  const report = await at.fetch(each('long', 'short', 'good'))
  t.ok(await isWhole(at, blob))
  t.same(report.failures.map(({ peer, code }) => `${peer} ${code}`).sort(), ['long BLOB_CORRUPT', 'short BLOB_CORRUPT'])
})

test('an outline that does not match the root is not believed', async (t) => {
  const blob = blobOf(20)
  const bent = (outline: Uint8Array) => {
    const copy = outline.slice()
    copy[0] = (copy[0] as number) ^ 1
    return copy
  }
  const at = await setting(t, blob, {
    bent: { outline: bent },
    short: { outline: (outline) => outline.subarray(32) },
    silent: { outline: unreachable },
    good: {},
  })
  const report = await at.fetch(each('bent', 'short', 'silent', 'good'))
  t.ok(await isWhole(at, blob))
  t.same(
    report.failures.map(({ peer }) => peer),
    ['bent', 'short', 'silent'],
  )
  t.same([...new Set(at.source.asked.map(({ peer }) => peer))], ['good'], 'none of them is asked for bytes')
})

test('a provider that fails midway leaves the rest to another, from where it stopped', async (t) => {
  const blob = blobOf(30)
  let sent = 0
  const flaky = { chunk: (bytes: Uint8Array) => (sent++ < 2 ? bytes : unreachable()) }
  const at = await setting(t, blob, { flaky, good: {} })
  const report = await at.fetch(each('flaky', 'good'))
  t.ok(await isWhole(at, blob))
  t.match(report.failures, [{ peer: 'flaky', code: 'PEER_UNREACHABLE' }])
  t.equal(
    report.sources.reduce((sum, { bytes }) => sum + bytes, 0),
    blob.bytes.length,
    'nothing is sent twice',
  )
})

test('more providers are asked when the first few fail', async (t) => {
  const blob = blobOf(20)
  const failing = { chunk: unreachable }
  const peers = { a: failing, b: failing, c: failing, d: failing, e: failing, good: {} }
  const at = await setting(t, blob, peers)
  const report = await at.fetch(each(...Object.keys(peers)))
  t.ok(await isWhole(at, blob))
  t.equal(report.failures.length, 5)
})

test('when all fail, everyone asked is named, and the next try resumes', async (t) => {
  const blob = blobOf(24)
  let sent = 0
  const dying = { chunk: (bytes: Uint8Array) => (sent++ < 3 ? bytes : unreachable()) }
  const at = await setting(t, blob, { dying, gone: { chunk: unreachable } })
  await t.rejects(at.fetch(each('dying', 'gone', 'unknown')), {
    code: 'NO_PROVIDERS',
    message: /The line went dead/,
    details: {
      failures: [{ code: 'PEER_UNREACHABLE' }, { code: 'PEER_UNREACHABLE' }, { code: 'PEER_UNREACHABLE' }],
      heldBytes: 3 * CHUNK_BYTES,
      bytes: blob.bytes.length,
    },
  })
  t.equal(at.blobs.get(blob.artifact.root), undefined)
  const later = await setting(t, blob, { good: {} }, await at.reopen())
  const report = await later.fetch(each('good'))
  t.ok(await isWhole(later, blob))
  t.match(report.sources, [{ peer: 'good', plane: 'stream', bytes: blob.bytes.length - 3 * CHUNK_BYTES }])
  t.ok((report.sources[0]?.rate ?? 0) > 0)
})

test('with nobody to ask, that is what is said', async (t) => {
  const at = await setting(t, blobOf(1), {})
  await t.rejects(at.fetch(each()), { code: 'NO_PROVIDERS', message: /No peer that may have it/ })
})

test('no more are asked than the limit', async (t) => {
  const blob = blobOf(1)
  const at = await setting(t, blob, {})
  let offered = 0
  async function* endless() {
    for (;;) yield `peer ${offered++}`
  }
  await t.rejects(at.fetch(endless()), { code: 'NO_PROVIDERS' })
  t.equal(offered, PROVIDERS_MAX)
})

test('an abort ends it at once, keeps what was verified, and lets it be resumed', async (t) => {
  const blob = blobOf(24)
  const controller = new AbortController()
  const hanging = {
    async chunk(bytes: Uint8Array, chunk: number, signal: AbortSignal) {
      if (chunk < 2) return bytes
      queueMicrotask(() => controller.abort())
      await once(signal, 'abort')
      return signal.throwIfAborted() ?? bytes
    },
  }
  const at = await setting(t, blob, { hanging })
  await t.rejects(at.fetch(each('hanging'), { signal: controller.signal }), { name: 'CatalogError', code: 'ABORTED' })
  t.same(at.environment.downloads.get(blob.artifact.root)?.bitmap, Buffer.of(0b11, 0, 0))
  const again = await setting(t, blob, { good: {} }, at)
  t.match(await again.fetch(each('good')), { sources: [{ bytes: blob.bytes.length - 2 * CHUNK_BYTES }] })
  t.ok(await isWhole(again, blob))
})

test('a signal that has fired already asks nobody', async (t) => {
  const at = await setting(t, blobOf(1), { a: {} })
  const fetching = at.fetch(each('a'), { signal: AbortSignal.abort() })
  await t.rejects(fetching, { name: 'CatalogError', code: 'ABORTED' })
  t.same(at.source.asked, [])
})

test('a fault of this disk is nobody else’s, and stops the others', async (t) => {
  const blob = blobOf(24)
  const full = () => {
    throw new CatalogError('DISK_FULL', 'No space left.')
  }
  const at = await setting(t, blob, { a: { chunk: full }, b: {} })
  await t.rejects(at.fetch(each('a', 'b')), { code: 'DISK_FULL' })
  t.equal(at.blobs.get(blob.artifact.root), undefined)
})

test('a release that names other hashes than its bytes have is found out', async (t) => {
  const blob = blobOf(2)
  for (const wrong of [{ sha256: new Uint8Array(32) }, { sha512: new Uint8Array(64) }]) {
    const at = await setting(t, blob, { good: {} })
    const fetching = at.fetch(each('good'), {}, { ...blob.artifact, ...wrong })
    await t.rejects(fetching, { code: 'BLOB_CORRUPT', message: /other hashes/ })
    t.equal(at.blobs.get(blob.artifact.root), undefined)
    await at.environment.close()
  }
})

test('bytes that changed on this disk are found out, and fetched anew the next time', async (t) => {
  const blob = blobOf(20)
  const at = await setting(t, blob, { good: {} })
  const { root, size } = blob.artifact
  const download = await at.blobs.download(root, size, release, blob.outline)
  await download.write(0, new Uint8Array(CHUNK_BYTES)) // marked as verified, and wrong
  await download.suspend()
  await t.rejects(at.fetch(each('good')), { code: 'BLOB_CORRUPT', message: /on this disk/ })
  await at.fetch(each('good'))
  t.ok(await isWhole(at, blob))
})

test('a second fetch of a blob waits for the first, or for its own abort', async (t) => {
  const blob = blobOf(2)
  const gate = Promise.withResolvers<void>()
  const slow = { chunk: (bytes: Uint8Array) => gate.promise.then(() => bytes) }
  const at = await setting(t, blob, { slow })
  const first = at.fetch(each('slow'))
  const second = at.fetch(each('slow'))
  const controller = new AbortController()
  const impatient = at.fetch(each('slow'), { signal: controller.signal })
  controller.abort()
  await t.rejects(impatient, { name: 'CatalogError', code: 'ABORTED' })
  gate.resolve()
  t.match(await first, { sources: [{ peer: 'slow' }] })
  t.match(await second, { sources: [] }, 'it was here by then')
})

test('the list of providers is closed, however it ends', async (t) => {
  const blob = blobOf(1)
  for (const peers of [{ good: {} }, {}] as Record<string, Behaviour>[]) {
    const at = await setting(t, blob, peers)
    let closed = false
    const providers = async function* () {
      try {
        for (const peer of ['good', 'b', 'c', 'd', 'e', 'f']) yield peer
        for (let n = 0; ; n++) yield `peer ${n}`
      } finally {
        closed = true
      }
    }
    await at.fetch(providers()).catch(() => undefined)
    t.ok(closed)
    await at.environment.close()
  }
})
