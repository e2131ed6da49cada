// The native gate in real time: what is measured is who waits, never for how long.
import { test } from 'tap'
import { directEffects } from '../../../src/base/effects.ts'
import { CatalogError } from '../../../src/base/errors.ts'
import { openNativeGate, TransferGate } from '../../../src/transfer/gate.ts'

const PIECE = 262_144
/** Slow enough that no test outlives a wait: a burst of a piece, then one in days. */
const SLOW = { total: 1, limitLocal: false }
const FREE = { limitLocal: false }

async function opened(address: string | undefined) {
  const native = await openNativeGate({ effects: directEffects })
  const network = { addressOf: () => address }
  return { native, gate: new TransferGate({ native, network, effects: directEffects }) }
}

test('who has no turn waits until limits change', async (t) => {
  const { native, gate } = await opened('/ip4/192.0.2.7/udp/9292/quic-v1')
  native.setLimits(SLOW, FREE)
  const first = gate.pass('up', 'peer', PIECE)
  t.match(native.snapshot().up, { waiting: 1, inService: 0, queued: [0, 0, PIECE, 0] }, 'limits begin empty')
  native.setLimits(FREE, FREE)
  const turn = await first
  t.match(native.snapshot().up, { waiting: 0, inService: PIECE, bytesPerSecond: PIECE })
  turn[Symbol.dispose]()
  turn[Symbol.dispose]()
  t.equal(native.snapshot().up.inService, 0)
})

test('who gives up leaves its place, and is told why', async (t) => {
  const { native, gate } = await opened('/ip6/2001:db8::7/udp/9292/quic-v1')
  native.setLimits(SLOW, SLOW)
  for (const direction of ['up', 'down'] as const) {
    const stop = new AbortController()
    const waiting = gate.pass(direction, 'peer', PIECE, { priority: 'low', signal: stop.signal })
    t.equal(native.snapshot()[direction].waiting, 1)
    stop.abort(new CatalogError('CLOSED', 'It is over.'))
    await t.rejects(waiting, { code: 'CLOSED' })
    t.equal(native.snapshot()[direction].waiting, 0)
  }
})

test('the local network is not limited unless it is to be', async (t) => {
  const { native, gate } = await opened('/ip4/127.0.0.1/tcp/9292')
  native.setLimits(SLOW, FREE)
  const turns = await Promise.all([1, 2, 3].map(() => gate.pass('up', 'peer', PIECE)))
  for (const turn of turns) turn[Symbol.dispose]()
  native.setLimits({ ...SLOW, limitLocal: true }, FREE)
  const stop = new AbortController()
  const waiting = gate.pass('up', 'peer', PIECE, { signal: stop.signal })
  t.equal(native.snapshot().up.waiting, 1)
  stop.abort(new CatalogError('CLOSED', 'It is over.'))
  await t.rejects(waiting, { code: 'CLOSED' })
})

test('peers that are not reached over IP do not wait', async (t) => {
  for (const address of [undefined, '/memory/1', '/ip4/192.0.2.7/tcp/1/p2p-circuit']) {
    const { native, gate } = await opened(address)
    native.setLimits(SLOW, SLOW)
    ;(await gate.pass('up', 'peer', PIECE))[Symbol.dispose]()
    t.equal(native.snapshot().up.bytesPerSecond, 0)
  }
})

test('what the gate refuses has a code', async (t) => {
  const { native, gate } = await opened('/ip4/192.0.2.7/tcp/1')
  await t.rejects(gate.pass('up', 'peer', PIECE + 1), { code: 'LIMIT_EXCEEDED', message: /262145/ })
  await t.rejects(gate.pass('up', 'x'.repeat(65), 1), { code: 'LIMIT_EXCEEDED' })
  t.throws(() => native.setLimits({ total: 0, limitLocal: false }, FREE), { code: 'LIMIT_EXCEEDED' })
  t.throws(() => native.setLimits({ total: Number.NaN, limitLocal: false }, FREE), { code: 'LIMIT_EXCEEDED' })
  t.throws(() => native.request('up', 'localhost', 'peer', 'low', 1), { code: 'ADDRESS_INVALID' })
  native.setLimits(SLOW, FREE)
  const places = Array.from({ length: 1024 }, () => native.request('up', '192.0.2.7', 'peer', 'low', 1))
  await t.rejects(gate.pass('up', 'peer', 1), { code: 'PEER_BUSY' })
  for (const place of places) place.release()
  const place = native.request('up', '192.0.2.7', 'peer', 'low', 1)
  const ready = place.ready()
  place.release()
  await t.rejects(ready, { code: 'ABORTED' })
})
