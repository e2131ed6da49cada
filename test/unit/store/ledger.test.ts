import { test } from 'tap'
import { CatalogError } from '../../../src/base/errors.ts'
import { LEDGER_PENDING_BYTES_MAX, LEDGER_PENDING_MS } from '../../../src/base/limits.ts'
import { Ledger } from '../../../src/store/ledger.ts'
import { ManualClock } from '../../manual-clock.ts'
import { openStore } from './opened.ts'

test('bytes are counted at once, and written down with whatever commits next', async (t) => {
  const { environment } = await openStore(t)
  const clock = new ManualClock(1_000)
  const ledger = new Ledger({ environment, clock })
  t.equal(ledger.get('a'), undefined)
  ledger.count('a', 'sent', 300)
  await clock.advance(5)
  ledger.count('a', 'received', 100)
  t.match(ledger.get('a'), { sent: 300, received: 100, ratio: 3, contribution: 0.25 })
  t.equal(environment.ledger.get('a'), undefined)
  await environment.transaction(() => environment.meta.put('another', 1))
  t.match(environment.ledger.get('a'), { sent: 300, received: 100, since: 1_005, until: 1_005 })
  ledger.count('b', 'received', 1_000)
  t.match(ledger.get('b'), { ratio: 0, contribution: 1 })
  ledger.count('c', 'sent', 1)
  t.match(ledger.get('c'), { ratio: null, contribution: 0 })
  t.same(
    ledger.list().map(({ peer }) => peer),
    ['b', 'a', 'c'],
  )
})

test('what nothing commits is written down after a second, or a segment’s worth', async (t) => {
  const { environment } = await openStore(t)
  const clock = new ManualClock(0)
  const ledger = new Ledger({ environment, clock })
  const committed = () =>
    new Promise<void>((resolve) =>
      environment.addHook({ beforeCommit: () => setImmediate(resolve), rolledBack: () => undefined }),
    )
  const first = committed()
  ledger.count('a', 'sent', 1)
  await clock.advance(LEDGER_PENDING_MS)
  await first
  t.match(environment.ledger.get('a'), { sent: 1 })
  const second = committed()
  ledger.count('a', 'sent', LEDGER_PENDING_BYTES_MAX)
  await second
  t.match(environment.ledger.get('a'), { sent: 1 + LEDGER_PENDING_BYTES_MAX })
})

test('a transaction that is undone counts nothing twice and loses nothing', async (t) => {
  const { environment } = await openStore(t)
  const ledger = new Ledger({ environment, clock: new ManualClock(0) })
  ledger.count('a', 'sent', 7)
  await environment.transaction(() => undefined)
  const outcomes = await Promise.allSettled([
    environment.transaction(() => ledger.count('a', 'received', 5)),
    environment.transaction(() => {
      throw new CatalogError('LIMIT_EXCEEDED', 'no')
    }),
  ])
  t.same(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
  await ledger.save()
  // The first of the group ran twice, as works may: what it counts is the test's own doing.
  t.match(environment.ledger.get('a'), { sent: 7, received: 10 })
  environment.addHook({
    beforeCommit: () => {
      throw new CatalogError('LIMIT_EXCEEDED', 'not now')
    },
    rolledBack: () => undefined,
  })
  ledger.count('a', 'sent', 3)
  await t.rejects(ledger.save())
  t.match(ledger.get('a'), { sent: 10, received: 10 })
  t.match(environment.ledger.get('a'), { sent: 7 })
})
