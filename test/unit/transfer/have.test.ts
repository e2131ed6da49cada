import { type Test, test } from 'tap'
import { bitmapFor, setBit } from '../../../src/base/bitmap.ts'
import { ALSO_FETCHING_MAX, ALSO_FETCHING_MS } from '../../../src/base/limits.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { MiB } from '../../../src/base/units.ts'
import { MemoryHub, MemoryNetwork } from '../../../src/network/memory.ts'
import { Rpc } from '../../../src/network/rpc.ts'
import { BlobGrants } from '../../../src/transfer/grants.ts'
import { HaveExchange, type OpenFetch, type PeerHolding } from '../../../src/transfer/have.ts'
import { Access } from '../../../src/trust/access.ts'
import { Shares } from '../../../src/trust/shares.ts'
import { ManualClock } from '../../manual-clock.ts'
import { begun, blobOf, chunkOf, nobody, openStore, put, released } from '../store/opened.ts'

const never = new AbortController().signal

/** A store that answers, and some that ask. */
async function setting(t: Test, askers = 1) {
  const store = await openStore(t)
  const release = await released(store, '1.0.0')
  const clock = new ManualClock()
  const hub = new MemoryHub({ clock, random: seededRandom(1) }, { latencyMs: { min: 0, max: 0 } })
  const grants = new BlobGrants({ ...store, access: new Access({ ...store, shares: new Shares({ ...store, clock }) }) })
  const join = async (seed: number) => {
    const network = new MemoryNetwork({ hub }, { seed: seededRandom(seed).bytes(32) })
    await network.start()
    const have = new HaveExchange({ rpc: new Rpc({ network, clock }), grants, clock })
    return { network, have, peer: network.peerId }
  }
  const answerer = await join(1)
  await answerer.have.start()
  const others = await Promise.all(Array.from({ length: askers }, (_, n) => join(n + 2)))
  for (const { network } of others) await clock.until(network.dial(String(answerer.network.addresses()[0])))
  const ask = (n: number, of: Pick<OpenFetch, 'blob' | 'held' | 'coming'>) => {
    const asker = others[n]
    if (!asker) throw new Error('no such asker')
    return clock.until(asker.have.ask(answerer.peer, of, never))
  }
  return { store, release, clock, grants, answerer, others, ask }
}

function bitmapOf(count: number, ...chunks: number[]): Uint8Array {
  const bitmap = bitmapFor(count)
  for (const chunk of chunks) setBit(bitmap, chunk)
  return bitmap
}

test('who has all says so, and names who else asks', async (t) => {
  const { store, release, ask, others, clock, grants } = await setting(t, 3)
  const blob = blobOf(2 * MiB)
  await put(store, blob, release)
  const of = { blob: { ...blob, release }, held: () => bitmapFor(32), coming: () => [] }
  t.same(await ask(0, of), { has: 'whole', coming: undefined, alsoFetching: [] })
  t.match(await ask(1, of), { has: 'whole', alsoFetching: [others[0]?.peer] })
  t.match(await ask(0, of), { alsoFetching: [others[1]?.peer] }, 'not the asker itself')
  await clock.advance(ALSO_FETCHING_MS + 1)
  t.same((await ask(2, of)).alsoFetching, [], 'nor who has long been silent')
  t.equal(grants.outstanding, 0)
})

test('who is fetching tells what it has and awaits, and hears it of the asker', async (t) => {
  const { store, release, ask, answerer, others } = await setting(t)
  const blob = blobOf(2 * MiB)
  const download = await begun(store, blob, release)
  await download.write(4, chunkOf(blob, 4, 3))
  const heard: [string, PeerHolding][] = []
  using _ = answerer.have.opens({
    blob: { ...blob, release },
    held: () => download.bitmap,
    coming: () => [[10, 12]],
    heard: (peer, holding) => heard.push([peer, holding]),
  })
  const told = await ask(0, { blob: { ...blob, release }, held: () => bitmapOf(32, 0, 31), coming: () => [[1, 2]] })
  t.same(told, { has: bitmapOf(32, 4, 5, 6), coming: bitmapOf(32, 10, 11), alsoFetching: [] })
  t.same(heard, [[others[0]?.peer, { has: bitmapOf(32, 0, 31), coming: bitmapOf(32, 1) }]])
  await download.suspend()
})

test('who may not have it, or asks for what is not here, hears the same', async (t) => {
  const { store, release, ask } = await setting(t)
  const [here, elsewhere] = [blobOf(2 * MiB), blobOf(3 * MiB)]
  await put(store, here, nobody)
  for (const blob of [here, elsewhere]) {
    for (const under of [release, nobody]) {
      const of = { blob: { ...blob, release: under }, held: () => bitmapFor(1), coming: () => [] }
      await t.rejects(ask(0, of), { code: 'NOT_FOUND' })
    }
  }
})

test('runs beyond the blob are refused', async (t) => {
  const { store, release, ask } = await setting(t)
  const blob = blobOf(2 * MiB)
  await put(store, blob, release)
  const of = { blob: { ...blob, size: 3 * MiB, release }, held: () => bitmapOf(48, 40), coming: () => [] }
  await t.rejects(ask(0, of), { code: 'PEER_PROTOCOL' })
})

test('a bounded number is named', async (t) => {
  const { store, release, ask } = await setting(t, ALSO_FETCHING_MAX + 3)
  const blob = blobOf(2 * MiB)
  await put(store, blob, release)
  const of = { blob: { ...blob, release }, held: () => bitmapFor(32), coming: () => [] }
  for (let n = 1; n < ALSO_FETCHING_MAX + 3; n++) await ask(n, of)
  t.equal((await ask(0, of)).alsoFetching.length, ALSO_FETCHING_MAX)
})
