// Who gets how much of a node that sends as fast as its limit lets it: equal peers get the same, streams and peer ids
// gain nothing, and a device of the node's own publisher finds the line as if it were free. Shares are taken when the
// first transfer ends, so that all were pulling until then; they are ratios, which a slow machine does not change.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import * as native from '../../artifacts/native/index.js'
import { systemClock } from '../../src/base/clock.ts'
import { directEffects } from '../../src/base/effects.ts'
import { CatalogError } from '../../src/base/errors.ts'
import { MB } from '../../src/base/units.ts'
import { CatalogNode } from '../../src/index.ts'
import { type BulkAuthorise, BulkPlane, type BulkProvider } from '../../src/network/bulk.ts'
import { peerIdOf } from '../../src/network/identity.ts'
import { blobOf, stored } from '../bulk/blobs.ts'
import { writeNoise } from './processes.ts'

tap.setTimeout(240_000)

const RATE = 8 * MB
/** Chunks of a share: 12 MB, beside which what is on its way, up to 1 MiB a peer, is little. */
const SHARE_CHUNKS = 192
const GREEDY = 64
const blob = await blobOf(SHARE_CHUNKS * 65_536, 5)

/** One that wants as much as it can get, whatever our own nodes keep to. */
const greedy = {
  ...native,
  BulkEndpoint: {
    open: (...[key, id, signature, options, ...rest]: Parameters<typeof native.BulkEndpoint.open>) =>
      native.BulkEndpoint.open(
        key,
        id,
        signature,
        { ...options, limits: { ...options.limits, fetches: GREEDY } },
        ...rest,
      ),
  },
} as typeof native

const nothing: BulkAuthorise = () => {
  throw new CatalogError('NOT_FOUND', 'nothing is here')
}

interface Puller {
  /** Fetch the whole blob; `chunks` tells how far it has come. */
  pull(): { chunks(): number; done: Promise<void> }
}

/** A seed that sends no faster than its limit, and a way to make peers of it. */
async function crowd(t: Test) {
  const folder = t.testdir()
  const alive = setInterval(() => undefined, 1_000)
  t.teardown(() => clearInterval(alive))
  const open = async (number: number, host: string, authorise: BulkAuthorise, limited: boolean) => {
    const seed = new Uint8Array(32)
    new DataView(seed.buffer).setUint32(0, number + 1)
    const gate = native.TransferGate.open({ limitLocal: true, ...(limited && { total: RATE }) }, { limitLocal: false })
    const components = { clock: systemClock, effects: directEffects, authorise, gate }
    const plane = await BulkPlane.open(components, { seed, host, port: 0 }, limited ? native : greedy)
    t.teardown(() => plane.close())
    return { plane, provider: { peer: peerIdOf(seed), host, port: plane.port } }
  }
  const { provider } = await open(0, '127.0.0.2', stored(blob, join(folder, 'seed')), true)
  let count = 0
  const peer = async (host: string): Promise<Puller> => {
    const number = ++count
    const { plane } = await open(number, host, nothing, false)
    // Connected before it counts.
    await plane.fetchOutline(provider, blob.wanted)
    let target = 0
    return { pull: () => pulling(plane, provider, join(folder, `target-${number}-${target++}`)) }
  }
  return { peer }
}

function pulling(plane: BulkPlane, provider: BulkProvider, path: string) {
  writeFileSync(path, '')
  const segment = { first: 0, count: blob.chunks, outline: blob.outline }
  const running = plane.fetchSegment(provider, blob.wanted, segment, { path, offset: 0 })
  const done = running.done.then(({ error }) => {
    if (error) throw error
  })
  // Of those that are cut off when the test has seen enough nobody waits for the end.
  done.catch(() => undefined)
  return { chunks: () => running.progress().chunks, done }
}

/** Jain's index: 1 when all are equal, 1/n when one has everything. */
function jain(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0)
  return sum ** 2 / (shares.length * shares.reduce((total, share) => total + share ** 2, 0))
}

test('eight equal peers get equal shares', async (t) => {
  const { peer } = await crowd(t)
  const peers: Puller[] = []
  for (let i = 0; i < 8; i++) peers.push(await peer(`127.0.0.${10 + i}`))
  const pulls = peers.map((each) => each.pull())
  await Promise.race(pulls.map(({ done }) => done))
  const shares = pulls.map(({ chunks }) => chunks())
  t.comment(`Jain ${jain(shares).toFixed(4)}: ${shares.join(' ')} of ${SHARE_CHUNKS} chunks`)
  t.ok(jain(shares) >= 0.98)
})

test('a peer with 64 streams gets one share', async (t) => {
  const { peer } = await crowd(t)
  const [many, one] = [await peer('127.0.0.10'), await peer('127.0.0.11')]
  await competes(
    t,
    Array.from({ length: GREEDY }, () => many.pull()),
    one,
  )
})

test('64 peers at one address get one share', async (t) => {
  const { peer } = await crowd(t)
  const many: Puller[] = []
  for (let i = 0; i < GREEDY; i++) many.push(await peer('127.0.0.10'))
  const one = await peer('127.0.0.11')
  await competes(
    t,
    many.map((each) => each.pull()),
    one,
  )
})

/**
 * The first chunk has come to each of the many when their competitor begins: the burst is theirs. What counts begins
 * with its own first chunk: how long its question takes is for the machine to say.
 */
async function competes(t: Test, many: ReturnType<Puller['pull']>[], one: Puller): Promise<void> {
  const sum = () => many.reduce((total, { chunks }) => total + chunks(), 0)
  while (sum() < GREEDY) await new Promise(setImmediate)
  const pull = one.pull()
  while (pull.chunks() === 0) await new Promise(setImmediate)
  const before = sum()
  await pull.done
  const ratio = (sum() - before) / (SHARE_CHUNKS - 1)
  t.comment(`the many have ${ratio.toFixed(2)} of the competitor's share`)
  t.ok(ratio <= 1.15, `${ratio}`)
}

test('a device of one’s own fetches under saturation as on a free line', async (t) => {
  const folder = t.testdir()
  await using opened = new AsyncDisposableStack()
  const open = async (name: string, host: string, limits: object = {}) => {
    const ports = { controlPort: 0, bulkPort: 0, httpPort: 0, mdns: false, workers: 1 }
    const node = opened.use(await CatalogNode.open({ dataDir: join(folder, name), host, ...ports, ...limits }))
    await node.start()
    return node
  }
  const limits = { limitLocal: true, maxUpload: RATE / 2, fairUseLimit: Number.POSITIVE_INFINITY }
  const seed = await open('seed', '127.0.0.2', { ...limits, maxDownload: Number.POSITIVE_INFINITY })
  const publish = async (name: string, bytes: number) => {
    writeNoise(join(folder, name), bytes)
    return await seed.sharing.sharePackage(join(folder, name), { type: 'generic', name, version: '1.0.0' })
  }
  const [idle, urgent, large] = [
    await publish('idle', 16e6),
    await publish('urgent', 16e6),
    await publish('large', 48e6),
  ]
  const device = await open('device', '127.0.0.3')
  const strangers = [await open('one', '127.0.0.4'), await open('two', '127.0.0.5')]
  await seed.sharing.addDevice(device.sharing.peerId)
  for (const node of [device, ...strangers]) await node.sharing.connectPeer(String(seed.addresses()[0]))
  const seconds = async ({ purl }: { purl: string }) => {
    await device.sharing.fetchPackage(purl, join(folder, `${encodeURIComponent(purl)}.out`))
    const fetch = device.sharing.transfers().recent.find((each) => each.purl === purl)
    return (Number(fetch?.endedAt) - Number(fetch?.startedAt)) / 1000
  }
  const free = await seconds(idle)
  const stop = new AbortController()
  const signal = stop.signal
  const others = strangers.map((node, i) =>
    node.sharing.fetchPackage(large.purl, join(folder, `${i}.out`), { signal }).catch((thrown) => thrown.code),
  )
  const sending = () => seed.sharing.transfers().running.filter(({ direction }) => direction === 'send')
  while (sending().filter(({ bytes }) => bytes > 2 * MB).length < strangers.length) await new Promise(setImmediate)
  const busy = await seconds(urgent)
  t.ok(sending().length >= strangers.length, 'the others were served all the time')
  t.match(
    seed.sharing
      .transfers()
      .recent.concat(sending())
      .find(({ purl }) => purl === urgent.purl),
    {
      priority: 'critical',
    },
  )
  stop.abort()
  t.strictSame(await Promise.all(others), ['ABORTED', 'ABORTED'])
  t.comment(`${busy.toFixed(2)} s under saturation, ${free.toFixed(2)} s on a free line: ${(busy / free).toFixed(2)}`)
  t.ok(busy <= 1.2 * free)
})
