// A peer made by hand against a real node: it lies, floods, stalls and breaks off. The node keeps nothing of it that
// does not prove itself, says what was wrong, and goes on serving those who behave.
import { execFileSync } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { CatalogError } from '../../src/base/errors.ts'
import { FRAME_BYTES_MAX, SEARCHES_BURST, STALL_TIMEOUT_MS } from '../../src/base/limits.ts'
import { type Random, seededRandom, systemRandom } from '../../src/base/random.ts'
import { MiB, SECOND_MS } from '../../src/base/units.ts'
import { decodeCbor, encodeCbor } from '../../src/model/cbor.ts'
import { formatPurl } from '../../src/model/purl.ts'
import type { CatalogRecord } from '../../src/model/record.ts'
import { Libp2pNetwork } from '../../src/network/host.ts'
import type { PeerStream } from '../../src/network/network.ts'
import { Rpc } from '../../src/network/rpc.ts'
import { encodeFrame, FrameReader } from '../../src/wire/frame.ts'
import { ANNOUNCE_TOPIC, BLOB, HELLO, type Hello, type Protocol, RECORDS, SEARCH } from '../../src/wire/messages.ts'
import { bodyOf, type MadePublisher, publisherOf, releaseOf, shareOf } from '../unit/model/made.ts'
import { connected, eventually, type Line, startNode, type TestNode } from './processes.ts'

/** A node at rest takes about 150 MiB; what a flood leaves behind must fit between that and this. */
const RSS_MAX = 512 * MiB
/** Junk requests, 10,000 in all, and how many of them go on at once. */
const JUNK = { '/quic-v1': 2_000, '/tcp/': 8_000 }
const JUNK_LANES = 24
/** Longer than any deadline that a peer can make a command wait for in these tests. */
const DEADLINE_SLACK_MS = 6 * SECOND_MS

tap.setTimeout(240_000)

interface Hostile {
  readonly network: Libp2pNetwork
  readonly rpc: Rpc
  readonly publisher: MadePublisher
}

/** A peer that says hello, if it `greets`, and else only what the test has it say. */
async function hostile(t: Test, number: number, { greets = true } = {}): Promise<Hostile> {
  const listen = { host: '127.0.0.1', controlPort: 0 }
  const network = new Libp2pNetwork({ seed: systemRandom.bytes(32), listen, mdns: false, dht: false })
  const rpc = new Rpc({ network, clock: systemClock })
  const hello: Hello = { version: 1, agent: 'hostile/1', capabilities: [], addresses: [] }
  if (greets) {
    await rpc.serve(HELLO, async function* () {
      yield hello
    })
  }
  await network.start()
  t.teardown(() => network.stop())
  return { network, rpc, publisher: publisherOf(number) }
}

/** Be a peer that the node knows: reached by it, and greeted. */
async function meet(node: TestNode, { network }: Hostile): Promise<void> {
  const { status, lines } = await node.run('peers', 'add', quicAddress(network))
  if (status !== 0) throw new Error(`not met: ${JSON.stringify(lines)}`)
}

function quicAddress(network: Libp2pNetwork): string {
  return network.addresses().find((address) => address.includes('/quic-v1')) ?? ''
}

/** Answer every request of a protocol with these records. */
function answerRecords({ rpc }: Hostile, records: readonly Uint8Array[]): Promise<void> {
  return rpc.serve(RECORDS, async function* () {
    for (const record of records) yield { records: [record] }
  })
}

/** Take streams of a protocol and say nothing on them, ever. */
function neverAnswer<Request, Reply>({ network }: Hostile, { id }: Protocol<Request, Reply>): Promise<void> {
  return network.handle(id, async (stream) => {
    while (await stream.read());
  })
}

/** The same bytes but for one bit in the last signature. */
function flipped({ envelope }: CatalogRecord): Uint8Array {
  const bytes = envelope.slice()
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
  return bytes
}

/** The same bytes but for one bit in what was signed: the name. */
function renamed({ envelope }: CatalogRecord, name: string): Uint8Array {
  const bytes = Buffer.from(envelope)
  const at = bytes.lastIndexOf(name)
  bytes[at] = (bytes[at] as number) ^ 1
  return new Uint8Array(bytes)
}

async function releasesKnown(node: TestNode): Promise<unknown> {
  return (await node.run('status')).lines[0]?.['releases']
}

/** What came back on a stream until it ended. */
async function answerOn(stream: PeerStream): Promise<Record<string, unknown> | undefined> {
  const reader = new FrameReader(FRAME_BYTES_MAX)
  const limit = AbortSignal.timeout(DEADLINE_SLACK_MS)
  for (let chunk = await stream.read(limit); chunk; chunk = await stream.read(limit)) {
    reader.push(chunk)
    const frame = reader.next()
    if (frame) return decodeCbor(frame) as Record<string, unknown>
  }
  return undefined
}

/** A frame's length alone, as a varint. */
function lengthOf(bytes: number): Uint8Array {
  const length: number[] = []
  for (let rest = bytes; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...length, rest])
    length.push((rest % 128) | 128)
  }
}

function rssOf(node: TestNode): number {
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(node.command.process.pid)])) * 1024
}

/** That the node is well: alive, healthy, small, and of use to a node that behaves. */
async function checkWell(t: Test, node: TestNode, name: string): Promise<void> {
  const folder = join(node.dataDir, '..')
  t.match(await (await fetch(`${node.http}/healthz`)).json(), { status: 'ok' })
  const rss = rssOf(node)
  t.comment(`resident: ${Math.round(rss / MiB)} MiB`)
  t.ok(rss < RSS_MAX, `resident memory ${Math.round(rss / MiB)} MiB is below ${RSS_MAX / MiB} MiB`)
  const honest = await startNode(t, join(folder, `honest-${name}`))
  await connected(honest, node)
  await mkdir(join(folder, name))
  await writeFile(join(folder, name, 'package.json'), JSON.stringify({ name, version: '1.0.0' }))
  t.equal((await node.run('publish', join(folder, name))).status, 0)
  const output = join(folder, `${name}.tgz`)
  const fetched = await honest.run('fetch', `pkg:npm/${name}@1.0.0`, '--output', output)
  t.match(fetched, { status: 0 }, 'an honest peer is served')
  t.ok((await readFile(output)).length > 0)
}

const said = (line: Line, words: RegExp) => line.type !== 'progress' && words.test(JSON.stringify(line))

test('records that do not prove themselves', async (t) => {
  const folder = t.testdir({ node: {} })
  const node = await startNode(t, join(folder, 'node'))
  const liar = await hostile(t, 1)
  await meet(node, liar)
  const { document } = liar.publisher
  const release = releaseOf(liar.publisher)
  const share = shareOf(liar.publisher, 'pkg:npm/parser@1.0.0', 1)
  const info = () => node.run('info', 'pkg:npm/parser')

  await answerRecords(liar, [document.envelope, flipped(release), share.envelope])
  t.match(await info(), { status: 3, lines: [{ code: 'NOT_FOUND' }] }, 'a flipped bit in the signature')
  t.ok(await node.command.line((line) => said(line, /signature of this release record does not hold/)))
  await answerRecords(liar, [document.envelope, renamed(release, 'parser'), share.envelope])
  t.match(await info(), { status: 3, lines: [{ code: 'NOT_FOUND' }] }, 'a flipped bit in what was signed')
  await answerRecords(liar, [document.envelope, release.envelope.subarray(0, 100)])
  t.match(await info(), { status: 3, lines: [{ code: 'NOT_FOUND' }] }, 'half a record')
  const other = publisherOf(2)
  await answerRecords(liar, [document.envelope, releaseOf(other).envelope])
  t.match(await info(), { status: 3, lines: [{ code: 'NOT_FOUND' }] }, "without its signer's document")
  t.equal(await releasesKnown(node), 0, 'nothing of it was kept')

  // The same by gossip. Messages go nowhere until the two have told each other what they listen to.
  await liar.network.subscribe(ANNOUNCE_TOPIC, async () => 'ignore')
  await answerRecords(liar, [document.envelope, flipped(release), share.envelope])
  const heard = node.command.line((line) => said(line, new RegExp(`announcement from ${liar.network.peerId}`)))
  const announcement = encodeCbor({
    ...{ id: release.id, purl: formatPurl(bodyOf()), signer: release.signer, peer: liar.network.peerId },
  })
  const warning = await eventually('the announcement is heard', async () => {
    await liar.network.publish(ANNOUNCE_TOPIC, announcement)
    await node.run('peers')
    return Promise.race([heard, Promise.resolve(undefined)])
  })
  t.match(warning, { type: 'warning', code: 'RECORD_SIGNATURE' })
  t.equal(await releasesKnown(node), 0, 'nothing of it was kept')
  await checkWell(t, node, 'after-lies')
})

test('search answers that do not prove themselves', async (t) => {
  const folder = t.testdir({ node: {} })
  const node = await startNode(t, join(folder, 'node'))
  const liar = await hostile(t, 3)
  await meet(node, liar)
  const { publisher } = liar
  const release = releaseOf(publisher, { description: 'a parser' })
  const share = shareOf(publisher, 'pkg:npm/parser@1.0.0', 1)
  const records = { false: flipped(release), unshared: release.envelope, true: release.envelope }
  const bundles: Record<keyof typeof records, Uint8Array[]> = {
    false: [publisher.document.envelope, records.false, share.envelope],
    unshared: [publisher.document.envelope, records.unshared],
    true: [publisher.document.envelope, records.true, share.envelope],
  }
  for (const [name, bundle] of Object.entries(bundles)) {
    await liar.rpc.serve(SEARCH, async function* () {
      yield { candidates: [bundle] }
    })
    const { status, lines } = await node.run('search', 'parser')
    t.equal(status, 0)
    const found = lines.filter(({ type }) => type === 'result').length
    // The last one is there to show that the others were refused for what they are.
    t.equal(found, name === 'true' ? 1 : 0, `a release that is ${name}`)
    t.match(lines.at(-1), { peersAsked: 1, peersAnswered: name === 'true' ? 1 : 0 })
  }
  await checkWell(t, node, 'after-search')
})

test('packages that are made up for a query', async (t) => {
  const folder = t.testdir({
    node: {},
    parser: { 'package.json': JSON.stringify({ name: 'parser', version: '1.0.0' }) },
  })
  const node = await startNode(t, join(folder, 'node'))
  const liar = await hostile(t, 6)
  await meet(node, liar)
  const names = ['parser-js', 'parsers', 'node-parser']
  const candidates = names.map((name) => {
    const records = [releaseOf(liar.publisher, { name }), shareOf(liar.publisher, `pkg:npm/${name}@1.0.0`, 1)]
    return [liar.publisher.document, ...records].map(({ envelope }) => envelope)
  })
  await liar.rpc.serve(SEARCH, async function* () {
    yield { candidates }
  })
  const found = async (...options: string[]) => {
    const { lines } = await node.run('search', 'parser', ...options)
    const results = lines.filter(({ type }) => type === 'result')
    return { names: results.map(({ name }) => name), newcomers: results.map(({ newcomer }) => newcomer), lines }
  }
  t.strictSame((await found()).newcomers, [true, true, true], 'where nothing is known they are listed, and marked')
  t.equal((await node.run('publish', join(folder, 'parser'))).status, 0)
  const beside = await found()
  t.strictSame(beside.names, ['parser'], 'beside what is known they are not')
  t.match(beside.lines.at(-1), { withheld: 3, peersAsked: 1, peersAnswered: 1 })
  const all = await found('--newcomers')
  t.equal(all.names[0], 'parser')
  t.strictSame(all.names.slice(1).toSorted(), names.toSorted(), 'unless they are asked for')
  await checkWell(t, node, 'after-fakes')
})

test('a peer that asks without end', async (t) => {
  const folder = t.testdir({ node: {} })
  const node = await startNode(t, join(folder, 'node'))
  const asker = await hostile(t, 7)
  await meet(node, asker)
  const { peerId } = (await node.run('status')).lines[0] as Line & { peerId: string }
  const codes = new Map<string, number>()
  for (let i = 0; i < 4 * SEARCHES_BURST; i++) {
    const code = await answerTo(asker, peerId)
    codes.set(code, (codes.get(code) ?? 0) + 1)
  }
  t.comment(JSON.stringify([...codes]))
  t.ok((codes.get('answered') ?? 0) >= SEARCHES_BURST, 'it is answered at first')
  t.ok((codes.get('PEER_BUSY') ?? 0) > 0, 'and then told to wait')
  t.equal(codes.size, 2)
  await checkWell(t, node, 'after-questions')
})

/** How a query ends. */
async function answerTo({ rpc }: Hostile, peer: string): Promise<string> {
  try {
    for await (const _ of rpc.call(SEARCH, peer, { query: 'parser', limit: 1 }));
    return 'answered'
  } catch (thrown) {
    return CatalogError.from(thrown).code
  }
}

test('a peer that never answers', async (t) => {
  const folder = t.testdir({ node: {} })
  const node = await startNode(t, join(folder, 'node'))
  const mute = await hostile(t, 4, { greets: false })
  await neverAnswer(mute, HELLO)
  const start = performance.now()
  const greeted = await node.run('peers', 'add', quicAddress(mute.network))
  t.comment(`peers add gave up after ${Math.round(performance.now() - start)} ms`)
  t.match(greeted, { status: 6, lines: [{ code: 'PEER_TIMEOUT', message: mute.network.peerId }] })
  t.match(await node.run('peers'), { lines: [{ type: 'summary', peers: 0 }] }, 'it is not counted as a peer')

  const slow = await hostile(t, 5)
  await meet(node, slow)
  const release = releaseOf(slow.publisher)
  const share = shareOf(slow.publisher, 'pkg:npm/parser@1.0.0', 1)
  await neverAnswer(slow, SEARCH)
  await neverAnswer(slow, BLOB)
  await answerRecords(
    slow,
    [slow.publisher.document, release, share].map(({ envelope }) => envelope),
  )
  const searched = await node.run('search', 'parser')
  t.match(searched, { status: 0, lines: [{ results: 0, peersAsked: 1, peersAnswered: 0 }] })
  t.ok(Number(searched.lines[0]?.['ms']) < SECOND_MS, `search took ${searched.lines[0]?.['ms']} ms`)

  const before = performance.now()
  const fetched = await node.run('fetch', 'pkg:npm/parser@1.0.0', '--output', join(folder, 'out.tgz'))
  const took = performance.now() - before
  t.comment(`fetch gave up after ${Math.round(took)} ms`)
  t.match(fetched, { status: 6, lines: [{ code: 'NO_PROVIDERS', message: slow.network.peerId }] })
  t.ok(took < STALL_TIMEOUT_MS + DEADLINE_SLACK_MS, `fetch gave up after ${Math.round(took)} ms`)
  await checkWell(t, node, 'after-silence')
})

/** Requests that are none, several at a time, half of them cut short. @returns how many the node cut off itself */
async function sendJunk(network: Libp2pNetwork, peer: string, requests: number, random: Random): Promise<number> {
  const protocols = [HELLO, RECORDS, SEARCH, BLOB].map(({ id }) => id)
  let left = requests
  let cutOff = 0
  const lane = async () => {
    while (left-- > 0) {
      const junk = random.bytes(1 + (left % 200))
      const whole = left % 2 === 0
      let stream: PeerStream | undefined
      try {
        stream = await network.open(peer, protocols[(left >> 1) % protocols.length] as string)
        await stream.write(whole ? encodeFrame(junk) : junk)
        // An answer comes to a whole frame; of anything else the node would wait for the rest.
        if (whole) await answerOn(stream)
      } catch {
        cutOff++
      }
      stream?.abort(new Error('done'))
    }
  }
  await Promise.all(Array.from({ length: JUNK_LANES }, lane))
  return cutOff
}

test('frames over their limits, junk and floods', async (t) => {
  const folder = t.testdir({ node: {} })
  const node = await startNode(t, join(folder, 'node'))
  const flood = await hostile(t, 6)
  await meet(node, flood)
  const open = (protocol: string) => flood.network.open(node.peerId, protocol)

  for (const { id, requestBytesMax } of [HELLO, RECORDS, SEARCH, BLOB]) {
    const stream = await open(id)
    await stream.write(Buffer.concat([lengthOf(requestBytesMax + 1), Buffer.alloc(100)]))
    t.match(await answerOn(stream), { error: { code: 'PEER_PROTOCOL' } }, `${id}: a request over its limit`)
    stream.abort(new Error('done'))
  }
  await flood.network.handle(RECORDS.id, async (stream) => {
    await stream.write(Buffer.concat([lengthOf(FRAME_BYTES_MAX + MiB), Buffer.alloc(64 * 1024)]))
  })
  t.match(await node.run('info', 'pkg:npm/parser'), { status: 3, lines: [{ code: 'NOT_FOUND' }] })
  t.ok(await node.command.line((line) => said(line, /frame is longer than/)), 'a reply over its limit')
  await t.rejects(open('/catalog/nothing/1'), { code: 'PEER_PROTOCOL' }, 'an unknown protocol')

  const seed = systemRandom.bytes(4).reduce((sum, byte) => sum * 256 + byte, 0)
  t.comment(`seed ${seed}`)
  const random = seededRandom(seed)
  for (const [transport, requests] of Object.entries(JUNK)) {
    const flooder = await hostile(t, 7)
    const address = node.addresses.find((one) => one.includes(transport)) ?? ''
    await flooder.network.dial(address)
    const before = performance.now()
    const cutOff = await sendJunk(flooder.network, node.peerId, requests, random)
    const took = Math.round(performance.now() - before)
    t.comment(`${requests} junk requests over ${transport} in ${took} ms, ${cutOff} cut off`)
    // With more streams left half open than a connection may have, none could be opened any more.
    const alive = await flooder.network.open(node.peerId, HELLO.id, AbortSignal.timeout(DEADLINE_SLACK_MS))
    alive.abort(new Error('done'))
    t.match(await (await fetch(`${node.http}/healthz`)).json(), { status: 'ok' })
  }
  await flood.network.subscribe(ANNOUNCE_TOPIC, async () => 'ignore')
  for (const size of [0, 1, 100, 1_000, 2_000, 100_000]) {
    await flood.network.publish(ANNOUNCE_TOPIC, random.bytes(size))
  }
  t.equal(await releasesKnown(node), 0)
  await checkWell(t, node, 'after-floods')
})
