// A provider whose streams break off: libp2p's are reset in the middle of an answer, a bulk plane goes away and comes
// back. It is a peer made by hand, so that this happens when the test wants it; who fetches from it is a real node.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { sha256, toHex } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { directEffects } from '../../src/base/effects.ts'
import type { CatalogError } from '../../src/base/errors.ts'
import { CHUNK_BYTES, FRAME_BYTES_MAX, SEGMENT_BYTES_MAX } from '../../src/base/limits.ts'
import { systemRandom } from '../../src/base/random.ts'
import { MiB } from '../../src/base/units.ts'
import { CatalogNode } from '../../src/index.ts'
import { decodeCbor, encodeCbor } from '../../src/model/cbor.ts'
import { type BulkPlane, openBulkPlane } from '../../src/network/bulk.ts'
import { Libp2pNetwork } from '../../src/network/host.ts'
import type { PeerStream } from '../../src/network/network.ts'
import { Rpc } from '../../src/network/rpc.ts'
import { encodeFrame, FrameReader } from '../../src/wire/frame.ts'
import { BLOB, type BlobRequest, HELLO, type Hello, RECORDS } from '../../src/wire/messages.ts'
import { blobOf, stored } from '../bulk/blobs.ts'
import { publisherOf, releaseOf, shareOf } from '../unit/model/made.ts'
import { sha256Of } from './processes.ts'

tap.setTimeout(120_000)

const blob = await blobOf(3 * SEGMENT_BYTES_MAX + 5, 9)
const publisher = publisherOf(9)
const artifact = { path: 'noise.tgz', mediaType: 'application/gzip', size: blob.bytes.length }
const release = releaseOf(publisher, {
  artifacts: [{ ...artifact, root: blob.wanted.root, sha256: sha256(blob.bytes) }],
})
const PURL = 'pkg:npm/parser@1.0.0'

/** A peer that shows the release, and says of its bulk plane what it is given. */
async function provider(t: Test, seed: Uint8Array, bulkPort?: number): Promise<Libp2pNetwork> {
  const listen = { host: '127.0.0.1', controlPort: 0 }
  const network = new Libp2pNetwork({ seed, listen, mdns: false, dht: false })
  const rpc = new Rpc({ network, clock: systemClock })
  const hello: Hello = { version: 1, agent: 'broken/1', capabilities: [], addresses: [], ...(bulkPort && { bulkPort }) }
  await rpc.serve(HELLO, async function* () {
    yield hello
  })
  const records = [publisher.document, release, shareOf(publisher, PURL, 1)]
  await rpc.serve(RECORDS, async function* () {
    yield { records: records.map(({ envelope }) => envelope) }
  })
  await network.start()
  t.teardown(() => network.stop())
  return network
}

/** A node that knows these providers. */
async function fetching(t: Test, providers: readonly Libp2pNetwork[]) {
  const options = { dataDir: join(t.testdirName, 'node'), host: '127.0.0.1', controlPort: 0, bulkPort: 0, httpPort: 0 }
  const node = await CatalogNode.open({ ...options, mdns: false, core: 'native' })
  t.teardown(() => node.close())
  await node.start()
  for (const each of providers) await node.sharing.connectPeer(String(each.addresses()[0]))
  return node
}

/** Answer requests for the blob over streams; `resets` is told how much went out of each answer so far. */
async function answer(network: Libp2pNetwork, resets: (sent: number) => boolean): Promise<void> {
  await network.handle(BLOB.id, async (stream) => {
    const { want, first, count } = await requestOn(stream)
    const all = want === 'outline' ? blob.outline : blob.bytes
    const unit = want === 'outline' ? 32 : CHUNK_BYTES
    const wanted = all.subarray(first * unit, (first + count) * unit)
    for (let at = 0; at < wanted.length; at += CHUNK_BYTES) {
      if (want === 'data' && resets(at)) return stream.abort(new Error('reset'))
      const item = { data: wanted.subarray(at, at + CHUNK_BYTES) }
      await stream.write(encodeFrame(encodeCbor({ item })))
    }
    await stream.write(encodeFrame(encodeCbor({ end: true })))
    await stream.close()
  })
}

async function requestOn(stream: PeerStream): Promise<BlobRequest> {
  const reader = new FrameReader(FRAME_BYTES_MAX)
  for (let chunk = await stream.read(); chunk; chunk = await stream.read()) {
    reader.push(chunk)
    const frame = reader.next()
    if (frame) return decodeCbor(frame) as BlobRequest
  }
  throw new Error('the request broke off')
}

test('a stream that is reset now and then is asked for again, of the same provider', async (t) => {
  t.testdir({})
  const network = await provider(t, systemRandom.bytes(32))
  let [sent, resets] = [0, 0]
  // Each time in the middle of an answer, and after more than makes good for the time before.
  await answer(network, (at) => {
    sent += CHUNK_BYTES
    if (at === 0 || sent < (resets + 1) * (SEGMENT_BYTES_MAX + 4 * MiB)) return false
    resets++
    return true
  })
  const node = await fetching(t, [network])
  const output = join(t.testdirName, 'fetched')
  const { sources, failures } = await node.sharing.fetchPackage(PURL, output)
  t.equal(await sha256Of(output), toHex(sha256(blob.bytes)))
  t.match(sources, [{ peer: network.peerId, plane: 'stream', bytes: blob.bytes.length }])
  t.match(failures, [{ peer: network.peerId, code: 'PEER_UNREACHABLE', message: /reset/ }])
  t.ok(resets >= 2, `${resets} were reset`)
})

test('a provider that resets every stream is left to others, and what it sent is kept', async (t) => {
  t.testdir({})
  const [bad, good] = [await provider(t, systemRandom.bytes(32)), await provider(t, systemRandom.bytes(32))]
  await answer(bad, (at) => at >= 4 * CHUNK_BYTES)
  await answer(good, () => false)
  const node = await fetching(t, [bad, good])
  const output = join(t.testdirName, 'fetched')
  const { sources, failures } = await node.sharing.fetchPackage(PURL, output)
  t.equal(await sha256Of(output), toHex(sha256(blob.bytes)))
  t.match(failures, [{ peer: bad.peerId, code: 'PEER_UNREACHABLE' }])
  const ofBad = sources.find(({ peer }) => peer === bad.peerId)?.bytes ?? 0
  // It is asked twice, each time for a segment and perhaps for the one after it.
  t.ok(ofBad > 0 && ofBad <= 4 * 4 * CHUNK_BYTES, `${ofBad} bytes are of four streams that broke at the most`)
})

test('a bulk plane that goes away in the middle and comes back is asked again', async (t) => {
  const folder = t.testdir({})
  const seed = systemRandom.bytes(32)
  const grant = stored(blob, join(folder, 'seed'))
  let [asked, plane] = [0, undefined as BulkPlane | undefined]
  const reopened = Promise.withResolvers<void>()
  const open = async (port: number): Promise<BulkPlane> => {
    const components = { clock: systemClock, effects: directEffects, authorise }
    const opened = await openBulkPlane(components, { seed, host: '127.0.0.1', port }, 'native')
    if (!opened) throw new Error('There is no bulk plane here.')
    return opened
  }
  const goAway = async () => {
    const port = plane?.port ?? 0
    await plane?.close()
    plane = await open(port)
    reopened.resolve()
  }
  const authorise = () => {
    // The first one is for the outline.
    if (++asked === 4) goAway().catch(reopened.reject)
    return grant()
  }
  plane = await open(0)
  t.teardown(() => plane?.close())
  const network = await provider(t, seed, plane.port)
  const node = await fetching(t, [network])
  const output = join(folder, 'fetched')
  const fetch = () => node.sharing.fetchPackage(PURL, output)
  const first = await fetch().catch((thrown: CatalogError) => thrown)
  await reopened.promise
  // Where it comes back too late, as on a busy machine, the next one goes on where this one was.
  const { sources, failures } = 'sources' in first ? first : await fetch()
  t.equal(await sha256Of(output), toHex(sha256(blob.bytes)))
  t.match(sources, [{ peer: network.peerId, plane: 'bulk' }])
  const failed = 'sources' in first ? failures : first.details['failures']
  t.match(failed, [{ peer: network.peerId, plane: 'bulk' }])
  rmSync(join(folder, 'seed'))
})
