import { test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import { TRANSFERS_REMEMBERED_MAX, UPLOAD_PAUSE_MS } from '../../../src/base/limits.ts'
import { MiB } from '../../../src/base/units.ts'
import { RateMeter } from '../../../src/transfer/rate.ts'
import { Transfers } from '../../../src/transfer/transfers.ts'
import { ManualClock } from '../../manual-clock.ts'

const root = new Uint8Array(32).fill(7)

test('a rate is that of the last seconds', async (t) => {
  const meter = new RateMeter(10_000)
  t.equal(meter.rate(10_000), 0)
  for (let now = 10_000; now < 20_000; now += 100) meter.add(1_000, now)
  t.ok(Math.abs(meter.rate(19_900) - 10_000) < 1_000, `${meter.rate(19_900)}`)
  t.ok(meter.rate(22_000) < 7_000)
  t.equal(meter.rate(60_000), 0)
})

/** What is counted is the ledger's own test. */
const uncounted = { count: () => undefined }

test('a fetch is listed with its sources and what is left, and remembered with its outcome', async (t) => {
  const clock = new ManualClock()
  const transfers = new Transfers({ clock, ledger: uncounted })
  const fetch = transfers.fetches({ root, purl: 'pkg:npm/a@1.0.0', total: 10 * MiB })
  fetch.had(MiB)
  await clock.advance(1_000)
  fetch.moved('p', 'stream', MiB, 2 * MiB)
  fetch.moved('p', 'bulk', MiB, 3 * MiB)
  const [view] = transfers.list()
  t.match(view, {
    direction: 'fetch',
    root: toHex(root),
    purl: 'pkg:npm/a@1.0.0',
    state: 'running',
    priority: 'normal',
  })
  t.match(view, { bytes: 3 * MiB, total: 10 * MiB, sources: [{ peer: 'p', plane: 'bulk', bytes: 2 * MiB }] })
  t.ok(Math.abs((view?.rate ?? 0) - 2 * MiB) < MiB / 2)
  t.ok(Math.abs((view?.etaMs ?? 0) - 3_500) < 1_000, `${view?.etaMs}`)
  await clock.advance(1_000)
  fetch.ended({ code: 'NO_PROVIDERS', message: 'Nobody.' })
  t.same(transfers.list(), [])
  t.match(transfers.recent(), [{ state: 'failed', rate: MiB, failure: { code: 'NO_PROVIDERS' } }])
})

test('pieces sent to one peer are one transfer, which ends when it asks for no more', async (t) => {
  const clock = new ManualClock()
  const transfers = new Transfers({ clock, ledger: uncounted })
  const named = { root, peer: 'p', plane: 'bulk' as const, total: 5 * MiB }
  for (let piece = 0; piece < 3; piece++) {
    using upload = transfers.sends(named)
    upload.sent(MiB)
    await clock.advance(UPLOAD_PAUSE_MS - 1)
  }
  t.match(transfers.list(), [{ direction: 'send', bytes: 3 * MiB, sources: [{ peer: 'p', bytes: 3 * MiB }] }])
  {
    using _open = transfers.sends(named)
    await clock.advance(10 * UPLOAD_PAUSE_MS)
    t.equal(transfers.list().length, 1, 'not while something is being sent')
  }
  await clock.advance(UPLOAD_PAUSE_MS)
  t.same(transfers.list(), [])
  t.match(transfers.recent(), [{ state: 'done' }])
})

test('a bounded number is remembered, the newest first', async (t) => {
  const transfers = new Transfers({ clock: new ManualClock(), ledger: uncounted })
  for (let n = 0; n < TRANSFERS_REMEMBERED_MAX + 5; n++) transfers.fetches({ root, total: n }).ended()
  const recent = transfers.recent()
  t.equal(recent.length, TRANSFERS_REMEMBERED_MAX)
  t.equal(recent[0]?.total, TRANSFERS_REMEMBERED_MAX + 4)
})
