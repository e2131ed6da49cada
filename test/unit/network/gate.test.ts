import { test } from 'tap'
import { RateLimiter, RequestGate } from '../../../src/network/gate.ts'
import { ManualClock } from '../../manual-clock.ts'

test('a peer has as many places as the limit says, others have their own', async (t) => {
  const gate = new RequestGate(2)
  const leave = gate.enter('a')
  t.ok(gate.enter('a'))
  t.equal(gate.enter('a'), undefined)
  t.ok(gate.enter('b'))
  leave?.()
  leave?.()
  t.ok(gate.enter('a'), 'a place given back is free, once')
  t.equal(gate.enter('a'), undefined)
})

test('a key has its burst, then its rate', async (t) => {
  const clock = new ManualClock()
  const limiter = new RateLimiter(clock, { perMinute: 60, burst: 3, tracked: 10 })
  t.same(
    [1, 2, 3, 4].map(() => limiter.take('a')),
    [true, true, true, false],
  )
  t.ok(limiter.take('b'))
  await clock.advance(999)
  t.notOk(limiter.take('a'))
  await clock.advance(1)
  t.ok(limiter.take('a'))
  t.notOk(limiter.take('a'))
  await clock.advance(3_600_000)
  t.same(
    [1, 2, 3, 4].map(() => limiter.take('a')),
    [true, true, true, false],
    'a long rest earns no more than a burst',
  )
})

test('the longest unseen key is forgotten', async (t) => {
  const limiter = new RateLimiter(new ManualClock(), { perMinute: 1, burst: 1, tracked: 2 })
  for (const key of ['a', 'b', 'c']) limiter.take(key)
  t.notOk(limiter.take('c'))
  t.ok(limiter.take('a'))
})
