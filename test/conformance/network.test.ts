// What every Network does, checked on libp2p over QUIC, on libp2p over TCP and on the one in memory.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type Test, test } from 'tap'
import { z } from 'zod'
import { type Clock, sleep, systemClock } from '../../src/base/clock.ts'
import { hasCode } from '../../src/base/errors.ts'
import { BLOB_FRAME_BYTES, DIAL_TIMEOUT_MS, FRAME_BYTES_MAX } from '../../src/base/limits.ts'
import { seededRandom, systemRandom } from '../../src/base/random.ts'
import { KiB, MiB, SECOND_MS } from '../../src/base/units.ts'
import { Libp2pNetwork } from '../../src/network/host.ts'
import { MemoryHub, MemoryNetwork } from '../../src/network/memory.ts'
import type { Network, PeerChange, PeerStream } from '../../src/network/network.ts'
import { Rpc } from '../../src/network/rpc.ts'
import type { Protocol } from '../../src/wire/messages.ts'
import { ManualClock } from '../manual-clock.ts'

interface Harness {
  readonly name: string
  readonly clock: Clock
  make(): Network
  /** The address to dial, of those a network has. */
  address(network: Network): string
  readonly nobody: string
  /** Carry a case out, letting time pass if it does not by itself. */
  run<T>(work: Promise<T>): Promise<T>
}

function libp2p(transport: 'quic' | 'tcp'): Harness {
  const marker = transport === 'quic' ? '/quic-v1' : '/tcp/'
  return {
    name: `libp2p over ${transport}`,
    clock: systemClock,
    make: () => host(),
    address: (network) => network.addresses().find((address) => address.includes(marker)) ?? '',
    nobody: transport === 'quic' ? '/ip4/127.0.0.1/udp/1/quic-v1' : '/ip4/127.0.0.1/tcp/1',
    run: (work) => work,
  }
}

function host(controlPort = 0): Libp2pNetwork {
  const listen = { host: '127.0.0.1', controlPort }
  return new Libp2pNetwork({ seed: systemRandom.bytes(32), listen, mdns: true, dht: true })
}

function memory(): Harness {
  const clock = new ManualClock()
  const hub = new MemoryHub({ clock, random: seededRandom(7) })
  const random = seededRandom(8)
  return {
    name: 'memory',
    clock,
    make: () => new MemoryNetwork({ hub }, { seed: random.bytes(32) }),
    address: (network) => network.addresses()[0] ?? '',
    nobody: '/memory/999',
    run: (work) => clock.until(work),
  }
}

const PROTOCOL = '/catalog-test/1'

/** Run `body` with `count` started networks, each connected to the one before. */
function networkTest(
  title: string,
  count: number,
  body: (t: Test, harness: Harness, networks: [Network, Network, Network]) => Promise<void>,
): void {
  for (const harness of [libp2p('quic'), libp2p('tcp'), memory()]) {
    test(`${harness.name}: ${title}`, async (t) => {
      const networks = Array.from({ length: count }, () => harness.make())
      const work = async () => {
        for (const [i, network] of networks.entries()) {
          await network.start()
          const before = networks[i - 1]
          if (before) await before.dial(harness.address(network))
        }
        await body(t, harness, networks as [Network, Network, Network])
      }
      try {
        await harness.run(work())
      } finally {
        await Promise.all(networks.map((network) => network.stop()))
      }
    })
  }
}

async function readAll(stream: PeerStream): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for (let chunk = await stream.read(); chunk; chunk = await stream.read()) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Resolves with the first value passed to it. */
function signalled<T>(): { got: Promise<T>; tell: (value: T) => void } {
  const { promise, resolve } = Promise.withResolvers<T>()
  return { got: promise, tell: resolve }
}

networkTest('dialling tells who is there, and both sides know it', 1, async (t, harness, [a]) => {
  const b = harness.make()
  await b.start()
  const [atA, atB] = [signalled<PeerChange>(), signalled<PeerChange>()]
  const gone = signalled<PeerChange>()
  a.onPeer(atA.tell)
  b.onPeer((change) => (change.connected ? atB.tell(change) : gone.tell(change)))
  const address = harness.address(b)
  t.match(address, `/p2p/${b.peerId}`)
  t.equal(await a.dial(address.slice(0, address.indexOf('/p2p/'))), b.peerId, 'without a peer id')
  t.equal(await a.dial(address), b.peerId, 'again, with it')
  t.match(await atA.got, { peer: b.peerId, connected: true, address: /\/p2p\// })
  t.match(await atB.got, { peer: a.peerId, connected: true, address: /^\// })
  t.same(a.peers(), [b.peerId])
  t.same(b.peers(), [a.peerId])
  t.equal(a.addressOf(b.peerId), (await atA.got).address, 'where it was reached at')
  t.equal(b.addressOf(a.peerId), (await atB.got).address, 'where it came from')
  await a.stop()
  t.match(await gone.got, { peer: a.peerId, connected: false })
  t.same(b.peers(), [])
  t.equal(b.addressOf(a.peerId), undefined)
  await b.stop()
})

networkTest('a stream echoes, and closing one side leaves the other open', 2, async (t, _harness, [a, b]) => {
  await b.handle(PROTOCOL, async (stream) => {
    t.equal(stream.peer, a.peerId)
    const all = await readAll(stream)
    await stream.write(all)
    await stream.close()
  })
  const stream = await a.open(b.peerId, PROTOCOL)
  t.equal(stream.peer, b.peerId)
  await stream.write(Buffer.from('hello '))
  await stream.write(Buffer.from('there'))
  await stream.close()
  t.equal((await readAll(stream)).toString(), 'hello there')
})

networkTest('a writer waits for a slow reader, and 32 MiB arrive whole', 2, async (t, harness, [a, b]) => {
  const total = 32 * MiB
  const part = Buffer.alloc(256 * KiB)
  let written = 0
  const received = signalled<number>()
  const opened = signalled<PeerStream>()
  await b.handle(PROTOCOL, (stream) => opened.tell(stream))
  const stream = await a.open(b.peerId, PROTOCOL)
  const write = async () => {
    for (; written < total; written += part.length) await stream.write(part.fill(written / part.length))
    await stream.close()
  }
  const writing = write()
  const reading = await opened.got
  // Until the writer has stopped making progress by itself.
  for (let before = -1; before !== written; await sleep(harness.clock, 100)) before = written
  t.ok(written < total, `stopped after ${written} of ${total} bytes`)
  let bytes = 0
  let right = true
  for (let chunk = await reading.read(); chunk; chunk = await reading.read()) {
    for (const [at, value] of [0, chunk.length - 1].map((i) => [bytes + i, chunk[i]] as const)) {
      right &&= value === Math.floor(at / part.length) % 256
    }
    bytes += chunk.length
  }
  received.tell(bytes)
  await writing
  t.equal(await received.got, total)
  t.ok(right, 'in order')
})

networkTest('the other side sees an abort, reading and writing', 2, async (t, _harness, [a, b]) => {
  const seen = signalled<unknown[]>()
  await b.handle(PROTOCOL, async (stream) => {
    t.equal((await stream.read())?.length, 1)
    const reading = await stream.read().catch((error: unknown) => error)
    const writing = await stream.write(Buffer.alloc(1)).catch((error: unknown) => error)
    seen.tell([reading, writing])
  })
  const stream = await a.open(b.peerId, PROTOCOL)
  const reading = stream.read()
  await stream.write(Buffer.alloc(1))
  stream.abort(new Error('enough'))
  await t.rejects(reading, { message: 'enough' })
  await t.rejects(stream.write(Buffer.alloc(1)), { message: 'enough' })
  for (const error of await seen.got) t.ok(hasCode(error, 'PEER_UNREACHABLE'), String(error))
})

networkTest('reading, writing and opening end with their signal', 2, async (t, _harness, [a, b]) => {
  await b.handle(PROTOCOL, () => undefined)
  const stream = await a.open(b.peerId, PROTOCOL)
  const controller = new AbortController()
  const reading = stream.read(controller.signal)
  controller.abort(new Error('too late'))
  await t.rejects(reading, { code: 'ABORTED', message: 'too late' })
  await t.rejects(stream.write(Buffer.alloc(1), controller.signal), { code: 'ABORTED' })
  await t.rejects(a.open(b.peerId, PROTOCOL, controller.signal), { code: 'ABORTED' })
  stream.abort(new Error('done'))
})

networkTest('a protocol nobody handles is PEER_PROTOCOL', 2, async (t, _harness, [a, b]) => {
  await t.rejects(a.open(b.peerId, '/catalog-test/none'), { code: 'PEER_PROTOCOL' })
})

networkTest('a handler that throws aborts the stream, and nothing else', 2, async (t, _harness, [a, b]) => {
  await b.handle(PROTOCOL, async () => {
    throw new Error('broken handler')
  })
  const stream = await a.open(b.peerId, PROTOCOL)
  await t.rejects(readAll(stream), { code: 'PEER_UNREACHABLE' })
  t.same(a.peers(), [b.peerId])
})

networkTest('nobody there is PEER_UNREACHABLE, in time', 1, async (t, harness, [a]) => {
  const began = harness.clock.now()
  await t.rejects(a.dial(harness.nobody), { code: 'PEER_UNREACHABLE', message: harness.nobody })
  t.ok(harness.clock.now() - began < DIAL_TIMEOUT_MS + 1_000)
  const stranger = harness.make()
  await t.rejects(a.open(stranger.peerId, PROTOCOL), { code: 'PEER_UNREACHABLE' })
})

networkTest('nonsense and oneself are ADDRESS_INVALID', 1, async (t, harness, [a]) => {
  const own = harness.address(a)
  for (const address of ['nonsense', '', '/ip4/127.0.0.1/udp/9', own, own.slice(0, own.indexOf('/p2p/'))]) {
    await t.rejects(a.dial(address), { code: 'ADDRESS_INVALID' }, address)
  }
})

networkTest('the wrong peer behind an address is PEER_UNREACHABLE', 2, async (t, harness, [a, b]) => {
  const stranger = harness.make()
  const address = harness.address(b).replace(b.peerId, stranger.peerId)
  await t.rejects(a.dial(address), { code: 'PEER_UNREACHABLE' })
})

networkTest('gossip is relayed when accepted, and not when ignored or rejected', 3, async (t, harness, [a, b, c]) => {
  const topic = '/catalog-test/gossip/1'
  const arrived = signalled<void>()
  const atC: string[] = []
  await a.subscribe(topic, async () => 'accept')
  await b.subscribe(topic, async ({ from, data }) => {
    t.equal(from, a.peerId)
    const text = Buffer.from(data).toString()
    if (text.startsWith('fail')) throw new Error('a handler that fails accepts nothing')
    return text.startsWith('accept') ? 'accept' : text.startsWith('ignore') ? 'ignore' : 'reject'
  })
  await c.subscribe(topic, async ({ from, data }) => {
    t.equal(from, a.peerId, 'the author, not the neighbour that relayed it')
    // The DHT may make the two ends of the line neighbours: then nothing is relayed any more.
    if (!c.peers().includes(a.peerId)) atC.push(Buffer.from(data).toString())
    arrived.tell()
    return 'accept'
  })
  const done = arrived.got.then(() => true)
  // Who is subscribed, and who relays to whom, settles in the background: publish until a message comes through.
  for (let round = 0; !(await Promise.race([done, sleep(harness.clock, 200).then(() => false)])); round++) {
    for (const kind of ['ignore', 'reject', 'fail', 'accept']) await a.publish(topic, Buffer.from(`${kind} ${round}`))
  }
  t.ok(
    atC.every((text) => text.startsWith('accept')),
    atC.join(', '),
  )
  t.equal(new Set(atC).size, atC.length, 'each message once')
})

networkTest('what one provides others find', 3, async (t, harness, [a, , c]) => {
  const key = systemRandom.bytes(32)
  const found: string[] = []
  // Who belongs to the DHT settles in the background: provide again until it took root.
  for (let wait = 0; found.length === 0; wait = 100) {
    await sleep(harness.clock, wait)
    await c.provide(key)
    for await (const peer of a.findProviders(key)) found.push(peer)
  }
  t.same(found, [c.peerId])
  await c.handle(PROTOCOL, (stream) => stream.close())
  t.equal((await readAll(await a.open(c.peerId, PROTOCOL))).length, 0, 'and reach, without having dialled')
  for await (const peer of c.findProviders(key)) t.fail(`${peer} found itself`)
  for await (const peer of a.findProviders(systemRandom.bytes(32))) t.fail(`${peer} was found for nothing`)
})

const BLOCKS: Protocol<{ blocks: number }, { data: Uint8Array }> = {
  id: '/catalog-test/blocks/1',
  request: z.object({ blocks: z.int() }),
  reply: z.object({ data: z.instanceof(Uint8Array) }),
  requestBytesMax: KiB,
  replyFrameBytesMax: FRAME_BYTES_MAX,
  replyBytesMax: 64 * MiB,
  deadlineMs: 30 * SECOND_MS,
  silenceMs: 5 * SECOND_MS,
}

networkTest('calls carry 16 MiB, and one that is given up stops the other side', 2, async (t, { clock }, [a, b]) => {
  const [asker, answerer] = [new Rpc({ network: a, clock }), new Rpc({ network: b, clock })]
  const stopped = signalled<unknown>()
  const data = new Uint8Array(BLOB_FRAME_BYTES)
  await answerer.serve(BLOCKS, async function* ({ blocks }, { signal }) {
    signal.addEventListener('abort', () => stopped.tell(signal.reason))
    for (let i = 0; i < blocks; i++) yield { data: data.fill(i) }
  })
  let seen = 0
  for await (const reply of asker.call(BLOCKS, b.peerId, { blocks: 32 })) {
    t.ok(reply.data.length === BLOB_FRAME_BYTES && reply.data[0] === seen && reply.data.at(-1) === seen)
    seen++
  }
  t.equal(seen, 32)
  for await (const _reply of asker.call(BLOCKS, b.peerId, { blocks: 120 })) break
  t.ok(hasCode(await stopped.got, 'ABORTED'))
})

networkTest('a call that is given up before its first reply stops the other side', 2, async (t, { clock }, [a, b]) => {
  const [asker, answerer] = [new Rpc({ network: a, clock }), new Rpc({ network: b, clock })]
  const [started, stopped] = [signalled<void>(), signalled<unknown>()]
  await answerer.serve(BLOCKS, async function* (_request, { signal }) {
    signal.addEventListener('abort', () => stopped.tell(signal.reason))
    started.tell()
    await stopped.got
    yield { data: new Uint8Array(0) }
  })
  const controller = new AbortController()
  const waiting = asker.call(BLOCKS, b.peerId, { blocks: 1 }, { signal: controller.signal }).next()
  await started.got
  controller.abort()
  await t.rejects(waiting, { code: 'ABORTED' })
  t.ok(hasCode(await stopped.got, 'ABORTED'))
})

test('libp2p: a port in use is LISTEN_FAILED, and the hint says what to do', async (t) => {
  const first = host()
  await first.start()
  const port = Number(first.addresses()[0]?.split('/')[4])
  const second = host(port)
  await t.rejects(second.start(), { code: 'LISTEN_FAILED', message: /in use/, hint: /0 for any/ })
  t.same(second.addresses(), [])
  await Promise.all([first.stop(), second.stop()])
})

test('libp2p: one port number serves UDP and TCP, on every interface', async (t) => {
  const probe = host()
  await probe.start()
  const port = Number(probe.addresses()[0]?.split('/')[4])
  await probe.stop()
  const listen = { host: '0.0.0.0', controlPort: port }
  const network = new Libp2pNetwork({ seed: systemRandom.bytes(32), listen, mdns: false, dht: false })
  await network.start()
  const addresses = network.addresses()
  t.ok(addresses.some((address) => address.startsWith(`/ip4/127.0.0.1/udp/${port}/quic-v1/p2p/`)))
  t.ok(addresses.some((address) => address.startsWith(`/ip4/127.0.0.1/tcp/${port}/p2p/`)))
  t.notOk(addresses.some((address) => address.includes('0.0.0.0')))
  await network.provide(systemRandom.bytes(32))
  for await (const peer of network.findProviders(systemRandom.bytes(32))) t.fail(`${peer} without a DHT`)
  await network.stop()
})

/** Lets one datagram through to `port` from a socket of its own, and nothing after it. */
async function openHandshakeOnly(port: number): Promise<{ port: number; passed: Promise<unknown>; sockets: Socket[] }> {
  const front = createSocket('udp4')
  const back = createSocket('udp4')
  front.bind(0, '127.0.0.1')
  await once(front, 'listening')
  const passed = once(front, 'message').then(
    ([datagram]) =>
      new Promise<void>((resolve, reject) =>
        back.send(datagram, port, '127.0.0.1', (error) => (error ? reject(error) : resolve())),
      ),
  )
  return { port: front.address().port, passed, sockets: [front, back] }
}

test('libp2p: handshakes that never go on keep nobody out', async (t) => {
  const [server, stalled, honest] = [host(), host(), host()]
  await Promise.all([server, stalled, honest].map((network) => network.start()))
  const address = server.addresses().find((one) => one.includes('/quic-v1')) ?? ''
  const relays = await Promise.all(Array.from({ length: 30 }, () => openHandshakeOnly(Number(address.split('/')[4]))))
  const dials = relays.map((relay) =>
    stalled.dial(`/ip4/127.0.0.1/udp/${relay.port}/quic-v1`).catch((error: unknown) => error),
  )
  await Promise.all(relays.map((relay) => relay.passed))
  t.equal(await honest.dial(address), server.peerId)
  for (const outcome of await Promise.all(dials)) t.ok(hasCode(outcome, 'PEER_UNREACHABLE'))
  for (const socket of relays.flatMap((relay) => relay.sockets)) socket.close()
  await Promise.all([server, stalled, honest].map((network) => network.stop()))
})
