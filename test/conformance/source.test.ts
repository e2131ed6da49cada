// What every plane owes the fetcher: one suite over all sources of blobs. Provider and fetcher are two stores in one
// process; between them is what is real of each plane.
import { randomFillSync } from 'node:crypto'
import { truncateSync } from 'node:fs'
import tap, { type Test, test } from 'tap'
import { toHex } from '../../src/base/bytes.ts'
import { directEffects } from '../../src/base/effects.ts'
import { CatalogError } from '../../src/base/errors.ts'
import { BLOB_AT_HAND_BYTES_MAX, CHUNK_BYTES } from '../../src/base/limits.ts'
import { seededRandom, systemRandom } from '../../src/base/random.ts'
import { MiB } from '../../src/base/units.ts'
import { openBulkPlane } from '../../src/network/bulk.ts'
import { peerIdOf } from '../../src/network/identity.ts'
import { MemoryHub, MemoryNetwork } from '../../src/network/memory.ts'
import { Rpc } from '../../src/network/rpc.ts'
import type { Download } from '../../src/store/download.ts'
import { Ledger } from '../../src/store/ledger.ts'
import { BulkSource, bulkAuthorise } from '../../src/transfer/bulk-source.ts'
import { openNativeGate, TransferGate } from '../../src/transfer/gate.ts'
import { BlobGrants } from '../../src/transfer/grants.ts'
import { BlobProvider } from '../../src/transfer/provider.ts'
import type { BlobSource, BlobWanted, Plane, SegmentEnd } from '../../src/transfer/sources.ts'
import { StreamSource } from '../../src/transfer/stream-source.ts'
import { Transfers } from '../../src/transfer/transfers.ts'
import { Access } from '../../src/trust/access.ts'
import { Shares } from '../../src/trust/shares.ts'
import { livingClock } from '../living-clock.ts'
import {
  begun,
  bend,
  blobOf,
  bytesOf,
  chunkOf,
  type Made,
  nobody,
  type Opened,
  openStore,
  put,
  released,
} from '../unit/store/opened.ts'

tap.setTimeout(120_000)

interface Stage {
  readonly provider: Opened
  readonly here: Opened
  readonly source: BlobSource
  readonly grants: BlobGrants
  readonly transfers: Transfers
  /** The provider's id. */
  readonly peer: string
  readonly release: Uint8Array
  wanted(blob: Made): BlobWanted
  /** Fetch chunks into a download begun here. */
  segment(blob: Made, download: Download, first: number, count: number, signal?: AbortSignal): Promise<SegmentEnd>
}

const never = new AbortController().signal

async function staged(t: Test, kind: Plane): Promise<Stage> {
  const [provider, here] = [await openStore(t, t.testdir({ a: {}, b: {} })), await openStore(t, `${t.testdirName}/b`)]
  const release = await released(provider, '1.0.0')
  const shares = new Shares({ ...provider, clock: livingClock })
  const grants = new BlobGrants({ ...provider, access: new Access({ ...provider, shares }) })
  const ledger = new Ledger({ ...provider, clock: livingClock })
  const transfers = new Transfers({ clock: livingClock, ledger })
  const made = kind === 'bulk' ? await overBulk(t, grants, transfers) : await overStream(t, provider, grants, transfers)
  const { peer, source } = made
  const wanted = ({ root, size }: Made) => ({ root, size, release })
  return {
    ...{ provider, here, source, grants, transfers, peer, release, wanted },
    segment: (blob, download, first, count, signal = never) =>
      source.segment(peer, wanted(blob), { first, count }, download, { signal, onProgress: () => undefined }),
  }
}

async function overStream(t: Test, { blobs }: Opened, grants: BlobGrants, transfers: Transfers) {
  const hub = new MemoryHub({ clock: livingClock, random: seededRandom(1) }, { latencyMs: { min: 0, max: 1 } })
  const [a, b] = [1, 2].map((seed) => new MemoryNetwork({ hub }, { seed: seededRandom(seed).bytes(32) }))
  if (!a || !b) throw new Error('no networks')
  for (const network of [a, b]) {
    await network.start()
    t.teardown(() => network.stop())
  }
  const gate = new TransferGate({
    native: await openNativeGate({ effects: directEffects }),
    network: a,
    effects: directEffects,
  })
  await new BlobProvider({ rpc: new Rpc({ network: a, clock: livingClock }), blobs, grants, transfers, gate }).start()
  await b.dial(String(a.addresses()[0]))
  const rpc = new Rpc({ network: b, clock: livingClock })
  return { peer: a.peerId, source: new StreamSource({ rpc, clock: livingClock, gate }) }
}

async function overBulk(t: Test, grants: BlobGrants, transfers: Transfers) {
  const clock = livingClock
  const seed = systemRandom.bytes(32)
  const open = (authorise: ReturnType<typeof bulkAuthorise>, own: Uint8Array) => {
    const options = { seed: own, host: '127.0.0.1', port: 0 }
    return openBulkPlane({ clock, effects: directEffects, authorise }, options, 'native')
  }
  const refuse = async () => {
    throw new CatalogError('NOT_FOUND', 'Nothing is here.')
  }
  const plane = await open(bulkAuthorise({ grants, transfers }), seed)
  if (!plane) throw new Error('There is no bulk plane here.')
  t.teardown(() => plane.close())
  const hello = { bulkAddress: () => ({ host: '127.0.0.1', port: plane.port }) }
  const source = new BulkSource({ hello, clock, open: () => open(refuse, systemRandom.bytes(32)) })
  await source.start()
  t.teardown(() => source.stop())
  return { peer: peerIdOf(seed), source }
}

function noise(bytes: number): Made {
  return blobOf(randomFillSync(Buffer.alloc(bytes)))
}

for (const kind of ['stream', 'bulk'] as const) {
  test(`${kind}: outline and bytes of a small blob come together, of any size`, async (t) => {
    const stage = await staged(t, kind)
    t.equal(stage.source.kind, kind)
    t.ok(stage.source.reaches(stage.peer))
    for (const size of [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, BLOB_AT_HAND_BYTES_MAX]) {
      const blob = noise(size)
      await put(stage.provider, blob, stage.release)
      const { outline, bytes } = await stage.source.blob(stage.peer, stage.wanted(blob), never)
      t.ok(blob.bytes.equals(bytes), `${size} bytes`)
      t.equal(toHex(outline), toHex(blob.outline))
    }
    t.equal(stage.grants.outstanding, 0)
  })

  test(`${kind}: an outline comes whole, or a range of it`, async (t) => {
    const stage = await staged(t, kind)
    const blob = noise(20 * CHUNK_BYTES + 5)
    await put(stage.provider, blob, stage.release)
    t.equal(toHex(await stage.source.outline(stage.peer, stage.wanted(blob), never)), toHex(blob.outline))
    const part = await stage.source.outline(stage.peer, stage.wanted(blob), never, { first: 3, count: 4 })
    t.equal(toHex(part), toHex(blob.outline.subarray(3 * 32, 7 * 32)))
  })

  test(`${kind}: segments go to their place, and are told as they come`, async (t) => {
    const stage = await staged(t, kind)
    const blob = noise(8 * MiB + 777)
    await put(stage.provider, blob, stage.release)
    const download = await begun(stage.here, blob, stage.release)
    const told: number[] = []
    const options = { signal: never, onProgress: (chunks: number) => told.push(chunks) }
    const half = { first: 64, count: 65 }
    const end = await stage.source.segment(stage.peer, stage.wanted(blob), half, download, options)
    t.match(end, { chunks: 65, bytes: 4 * MiB + 777, error: undefined })
    t.ok(end.micros > 0)
    t.equal(told.at(-1), 65)
    t.ok(told.every((chunks, at) => at === 0 || chunks > (told[at - 1] ?? 0)))
    t.same(download.missing(), [{ first: 0, count: 64 }])
    t.match(await stage.segment(blob, download, 0, 64), { chunks: 64, bytes: 4 * MiB })
    t.same((await download.digest(false)).root, blob.root)
    await download.finish(blob)
    t.ok((await bytesOf(stage.here, blob.root))?.equals(blob.bytes))
    t.equal(stage.grants.outstanding, 0)
    const sendings = [...stage.transfers.list(), ...stage.transfers.recent()]
    t.match(sendings, [{ direction: 'send', root: toHex(blob.root), sources: [{ plane: kind }] }])
  })

  test(`${kind}: a chunk that lies is named, what was before it is kept, and nothing of it`, async (t) => {
    const stage = await staged(t, kind)
    const blob = noise(3 * MiB)
    await put(stage.provider, blob, stage.release)
    bend(stage.provider, blob.root, 21 * CHUNK_BYTES + 5, 'lie')
    const download = await begun(stage.here, blob, stage.release)
    const end = await stage.segment(blob, download, 10, 30)
    t.match(end, { lie: 21, error: { code: 'BLOB_CORRUPT' } })
    t.ok(end.chunks <= 11)
    t.notOk(download.has(21))
    const held = download.bitmap.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
    t.equal(held, end.chunks)
    await download.suspend()
  })

  test(`${kind}: a small blob that lies is refused`, async (t) => {
    const stage = await staged(t, kind)
    const blob = noise(200_000)
    await put(stage.provider, blob, stage.release)
    bend(stage.provider, blob.root, CHUNK_BYTES + 5, 'lie')
    const asking = stage.source.blob(stage.peer, stage.wanted(blob), never)
    await t.rejects(asking, { code: 'BLOB_CORRUPT', details: { chunk: 1 } })
  })

  test(`${kind}: refused looks like absent`, async (t) => {
    const stage = await staged(t, kind)
    const [known, unknown] = [noise(100_000), noise(100_000)]
    await put(stage.provider, known, nobody)
    for (const blob of [known, unknown]) {
      for (const release of [stage.release, nobody]) {
        const asking = stage.source.blob(stage.peer, { root: blob.root, size: blob.size, release }, never)
        await t.rejects(asking, { code: 'NOT_FOUND' })
      }
    }
    t.equal(stage.grants.outstanding, 0)
  })

  test(`${kind}: who is still fetching serves what it has verified, and no more`, async (t) => {
    const stage = await staged(t, kind)
    const blob = noise(4 * MiB)
    const partial = await begun(stage.provider, blob, stage.release)
    await partial.write(8, chunkOf(blob, 8, 16))
    t.equal(toHex(await stage.source.outline(stage.peer, stage.wanted(blob), never)), toHex(blob.outline))
    const download = await begun(stage.here, blob, stage.release)
    t.match(await stage.segment(blob, download, 8, 16), { chunks: 16, error: undefined })
    t.match(await stage.segment(blob, download, 20, 8), { chunks: 0, error: { code: 'NOT_FOUND' } })
    await partial.suspend()
    await download.suspend()
    t.equal(stage.grants.outstanding, 0)
  })

  test(`${kind}: a provider's file that became shorter is an error, and no crash`, async (t) => {
    const stage = await staged(t, kind)
    const blob = noise(3 * MiB)
    await put(stage.provider, blob, stage.release)
    using lease = stage.provider.blobs.lease(blob.root)
    truncateSync(String(lease?.path), MiB)
    const download = await begun(stage.here, blob, stage.release)
    const end = await stage.segment(blob, download, 0, 48)
    t.ok(end.error, `${end.error?.code}`)
    t.ok(end.chunks < 48)
    await download.suspend()
    const other = noise(2 * MiB)
    await put(stage.provider, other, stage.release)
    const next = await begun(stage.here, other, stage.release)
    t.match(await stage.segment(other, next, 0, 32), { chunks: 32 }, 'and it goes on serving')
    await next.suspend()
    t.equal(stage.grants.outstanding, 0)
  })

  test(`${kind}: an abort ends it, and what was written counts`, async (t) => {
    const stage = await staged(t, kind)
    const blob = noise(48 * MiB)
    await put(stage.provider, blob, stage.release)
    const download = await begun(stage.here, blob, stage.release)
    const controller = new AbortController()
    const onProgress = (chunks: number) => {
      if (chunks > 0) controller.abort(new CatalogError('ABORTED', 'Enough.'))
    }
    const options = { signal: controller.signal, onProgress }
    const whole = { first: 0, count: 768 }
    const end = await stage.source.segment(stage.peer, stage.wanted(blob), whole, download, options)
    if (end.error) t.match(end.error, { code: 'ABORTED' })
    const held = download.missing().reduce((sum, { count }) => sum - count, 768)
    t.equal(held, end.chunks)
    await download.suspend()
  })
}
