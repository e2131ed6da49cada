import { type Test, test } from 'tap'
import { MINUTE_MS } from '../../../src/base/units.ts'
import type { GateLimits, NativeGate } from '../../../src/transfer/gate.ts'
import { Limits } from '../../../src/transfer/limits.ts'
import { openStore } from '../store/opened.ts'

const SETTINGS = { up: 10, down: 20, perPeer: Number.POSITIVE_INFINITY, limitLocal: false }
const IDLE = { bytesPerSecond: 0, queued: [0, 0, 0, 0], waiting: 0, inService: 0 }

/** Remembers what it was told. */
function toldGate() {
  const told: { up: GateLimits; down: GateLimits }[] = []
  const gate = {
    setLimits: (up: GateLimits, down: GateLimits) => void told.push({ up, down }),
    snapshot: () => ({ up: IDLE, down: IDLE }),
  } as unknown as NativeGate
  return { told, gate }
}

async function opened(t: Test) {
  const store = await openStore(t)
  const { told, gate } = toldGate()
  const limits = new Limits({ gate, environment: store.environment, clock: store.clock }, SETTINGS)
  return { store, limits, told, gate }
}

test('the settings hold until something is changed, and again once that is cleared', async (t) => {
  const { limits, told } = await opened(t)
  const first = { up: { total: 10, limitLocal: false }, down: { total: 20, limitLocal: false } }
  t.same(told, [first])
  await limits.change({ up: Number.POSITIVE_INFINITY, perPeer: 5 })
  const second = { up: { perPeer: 5, limitLocal: false }, down: { total: 20, perPeer: 5, limitLocal: false } }
  t.same(told.at(-1), second)
  t.match(limits.status(), {
    up: { rate: Number.POSITIVE_INFINITY, from: 'changed', traffic: IDLE },
    down: { rate: 20, from: 'settings' },
    perPeer: { rate: 5, from: 'changed' },
    schedule: undefined,
  })
  await limits.clear()
  t.same(told.at(-1), first)
})

test('changes outlive a restart', async (t) => {
  const { store, limits } = await opened(t)
  await limits.change({ up: Number.POSITIVE_INFINITY, down: 7, schedule: 'daily 00:00-24:00 per-peer=3' })
  limits.stop()
  const { environment, clock } = await store.reopen()
  const { told, gate } = toldGate()
  const again = new Limits({ gate, environment, clock }, SETTINGS)
  t.same(told, [{ up: { perPeer: 3, limitLocal: false }, down: { total: 7, perPeer: 3, limitLocal: false } }])
  t.match(again.status(), { up: { from: 'changed' }, perPeer: { rate: 3, from: 'schedule' } })
  again.stop()
  t.equal(clock.waiting, 0)
})

test('a schedule wins over changes while it holds, to the minute', async (t) => {
  const { store, limits, told } = await opened(t)
  const { clock } = store
  const from = new Date(clock.now() + 5 * MINUTE_MS)
  const to = new Date(clock.now() + 7 * MINUTE_MS)
  const time = (date: Date) => `${date.getHours()}:${String(date.getMinutes()).padStart(2, '0')}`
  await limits.change({ up: 100, schedule: `${time(from)}-${time(to)} up=1` })
  const totals: (number | undefined)[] = []
  for (let minute = 0; minute < 9; minute++) {
    totals.push(told.at(-1)?.up.total)
    await clock.advance(MINUTE_MS)
  }
  t.same(totals, [100, 100, 100, 100, 100, 1, 1, 100, 100])
  await limits.change({ schedule: '' })
  t.equal(clock.waiting, 0, 'without a schedule nothing is waited for')
  t.match(limits.status(), { up: { rate: 100 }, schedule: undefined })
})

test('a schedule that is not right changes nothing', async (t) => {
  const { limits, told } = await opened(t)
  await t.rejects(limits.change({ up: 1, schedule: 'sometimes' }), { code: 'USAGE' })
  t.equal(told.length, 1)
  t.match(limits.status(), { up: { rate: 10, from: 'settings' } })
})
