import { test } from 'tap'
import { CatalogError } from '../../../src/base/errors.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { SYNC_BACK_OFF_MS_MAX, SYNC_POSTPONED_MAX, SYNC_SOON_MS } from '../../../src/base/sync-limits.ts'
import { MINUTE_MS } from '../../../src/base/units.ts'
import type { SyncReport } from '../../../src/synchronization/options.ts'
import { SyncSchedule } from '../../../src/synchronization/schedule.ts'
import { ManualClock } from '../../manual-clock.ts'

const INTERVAL_MS = 5 * MINUTE_MS

/** A schedule whose synchronizations end as `outcome` says, and when each of them was. */
function scheduled({ intervalMs = INTERVAL_MS, kept = ['peer'], offers = true } = {}) {
  const clock = new ManualClock()
  const began = clock.now()
  const at: number[] = []
  const outcome = { fails: false, fetching: false }
  let hello: (peer: string) => void = () => undefined
  const schedule = new SyncSchedule(
    {
      clock,
      random: seededRandom(1),
      bootstrap: { keptPeers: () => kept },
      transfers: {
        get isFetching() {
          return outcome.fetching
        },
      },
      hello: {
        offers: () => offers,
        onHello(listener) {
          hello = listener
          return () => undefined
        },
      },
      synchronization: {
        async syncWithPeer() {
          at.push(clock.now() - began)
          if (outcome.fails) throw new CatalogError('PEER_UNREACHABLE', 'It is away.')
          return {} as SyncReport
        },
      },
    },
    { intervalMs },
  )
  schedule.start()
  const next = async () => {
    clock.fire()
    for (let turn = 0; turn < 4; turn++) await Promise.resolve()
  }
  return { schedule, clock, at, outcome, next, hello: (peer: string) => hello(peer) }
}

test('a peer is synchronized with about every interval, at no two nodes at the same times', async (t) => {
  const { schedule, at, next, hello } = scheduled()
  hello('peer')
  hello('peer')
  for (let time = 0; time < 10; time++) await next()
  const pauses = at.map((each, index) => each - (at[index - 1] ?? 0))
  t.equal(pauses.length, 10)
  t.ok(pauses.every((pause) => pause >= 0.9 * INTERVAL_MS && pause <= 1.1 * INTERVAL_MS))
  t.equal(new Set(pauses).size, 10, 'each pause is another')
  schedule.stop()
  t.strictSame(schedule.list(), [])
})

test('what a peer tells of is asked for soon, once', async (t) => {
  const { schedule, at, next, hello } = scheduled()
  schedule.soon('peer')
  hello('peer')
  schedule.soon('peer')
  schedule.soon('peer')
  await next()
  t.strictSame(at, [SYNC_SOON_MS])
})

test('while somebody waits for bytes it is put off, though not for ever', async (t) => {
  const { schedule, at, outcome, next, hello } = scheduled()
  outcome.fetching = true
  hello('peer')
  schedule.soon('peer')
  for (let time = 0; time < 3; time++) await next()
  t.strictSame(at, [])
  outcome.fetching = false
  await next()
  t.strictSame(at, [4 * SYNC_SOON_MS])
  outcome.fetching = true
  schedule.soon('peer')
  for (let time = 0; time <= SYNC_POSTPONED_MAX; time++) await next()
  t.strictSame(at, [4 * SYNC_SOON_MS, (5 + SYNC_POSTPONED_MAX) * SYNC_SOON_MS])
  t.notOk('postponed' in (schedule.list()[0] ?? {}))
})

test('while it fails it is tried less and less often, and not for news', async (t) => {
  const { schedule, at, outcome, next, hello } = scheduled()
  outcome.fails = true
  hello('peer')
  for (let time = 0; time < 8; time++) await next()
  schedule.soon('peer')
  t.match(schedule.list(), [{ peer: 'peer', failures: 8, failure: 'It is away.' }])
  await next()
  const pauses = at.map((each, index) => each - (at[index - 1] ?? 0))
  t.ok((pauses[1] ?? 0) > 1.7 * INTERVAL_MS)
  t.ok(pauses.every((pause) => pause <= 1.1 * SYNC_BACK_OFF_MS_MAX))
  outcome.fails = false
  hello('peer')
  await next()
  t.equal((at.at(-1) ?? 0) - (at.at(-2) ?? 0), SYNC_SOON_MS, 'but soon when the peer is back')
  t.match(schedule.list(), [{ failures: 0 }])
})

test('only peers that are kept and synchronize are scheduled, and none when it is switched off', async (t) => {
  const stranger = scheduled({ kept: [] })
  stranger.hello('peer')
  await stranger.next()
  t.strictSame(stranger.at, [])
  t.strictSame(stranger.schedule.list(), [])
  for (const never of [scheduled({ offers: false }), scheduled({ intervalMs: 0 })]) {
    never.hello('peer')
    t.strictSame(never.schedule.list(), [])
  }
})
