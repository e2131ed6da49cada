import { test } from 'tap'
import { deadline, sleep, untilAborted } from '../../../src/base/clock.ts'
import { ManualClock } from '../../manual-clock.ts'

test('a deadline aborts with what was waited for, and says so', async (t) => {
  const clock = new ManualClock()
  using time = deadline(clock, 1500, 'the peer')
  await clock.advance(1499)
  t.notOk(time.signal.aborted)
  await clock.advance(1)
  t.match(time.signal.reason, { code: 'PEER_TIMEOUT', message: /1\.5 s from the peer/ })
})

test('a deadline that is renewed starts anew', async (t) => {
  const clock = new ManualClock()
  using time = deadline(clock, 100, 'x')
  await clock.advance(99)
  time.renew()
  await clock.advance(99)
  t.notOk(time.signal.aborted)
  await clock.advance(1)
  t.ok(time.signal.aborted)
  time.renew()
  t.equal(clock.waiting, 0, 'what is over stays over')
})

test('a deadline ends with its parent, and leaves nothing behind when disposed', async (t) => {
  const clock = new ManualClock()
  const parent = new AbortController()
  {
    using time = deadline(clock, 100, 'x', parent.signal)
    parent.abort('enough')
    t.equal(time.signal.reason, 'enough')
    using late = deadline(clock, 100, 'x', parent.signal)
    t.equal(late.signal.reason, 'enough')
  }
  t.equal(clock.waiting, 0)
})

test('sleep ends by time or by signal, never both', async (t) => {
  const clock = new ManualClock()
  await clock.until(sleep(clock, 1000))
  const controller = new AbortController()
  const slept = sleep(clock, 1000, controller.signal)
  controller.abort(new Error('up'))
  await t.rejects(slept, { message: 'up' })
  await t.rejects(sleep(clock, 1000, controller.signal), { message: 'up' })
  t.equal(clock.waiting, 0)
})

test('waiting stops when the signal fires, whatever the work does', async (t) => {
  t.equal(await untilAborted(Promise.resolve(1), undefined), 1)
  const controller = new AbortController()
  t.equal(await untilAborted(Promise.resolve(2), controller.signal), 2)
  const work = Promise.withResolvers<never>()
  const waiting = untilAborted(work.promise, controller.signal)
  controller.abort(new Error('enough'))
  await t.rejects(waiting, { message: 'enough' })
  work.reject(new Error('later'))
  await t.rejects(untilAborted(Promise.reject(new Error('unheard')), controller.signal), { message: 'enough' })
})
