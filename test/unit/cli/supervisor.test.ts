import { test } from 'tap'
import { MINUTE_MS } from '../../../src/base/units.ts'
import { type End, REOPEN_STATUS, Supervisor } from '../../../src/cli/supervisor.ts'
import { ManualClock } from '../../manual-clock.ts'

const KILLED: End = { code: null, signal: 'SIGKILL' }
const ended = (code: number): End => ({ code, signal: null })

/** A supervisor of children that end when the test says so. */
function supervised() {
  const clock = new ManualClock()
  const delays: number[] = []
  const signals: string[] = []
  let starts = 0
  let current = Promise.withResolvers<End>()
  const supervisor = new Supervisor({
    clock,
    start: () => {
      starts++
      current = Promise.withResolvers()
      return { ended: current.promise, kill: (signal) => signals.push(signal) }
    },
    onFault: (_, delayMs) => delays.push(delayMs),
  })
  const result = supervisor.run()
  /** Let the child end and as much time pass as is waited for after it. */
  const end = async (how: End) => {
    current.resolve(how)
    await clock.advance(0)
    await clock.advance(delays.at(-1) ?? 0)
  }
  return { supervisor, clock, delays, signals, result, end, starts: () => starts }
}

test('a node that ends by itself ends its supervisor, with the same status', async (t) => {
  for (const code of [0, 2, 7]) {
    const { result, end, starts } = supervised()
    await end(ended(code))
    t.equal(await result, code)
    t.equal(starts(), 1)
  }
})

test('a node that was killed, or whose store must be opened anew, is started again, later each time', async (t) => {
  const { delays, end, starts, supervisor, result } = supervised()
  for (const how of [KILLED, ended(REOPEN_STATUS), KILLED, KILLED, KILLED, KILLED, KILLED, KILLED]) await end(how)
  t.same(delays, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
  t.equal(starts(), 9)
  supervisor.signal('SIGTERM')
  await end(ended(0))
  t.equal(await result, 0)
})

test('one that ran for five minutes starts again at once', async (t) => {
  const { clock, delays, end } = supervised()
  for (let fault = 0; fault < 3; fault++) await end(KILLED)
  await clock.advance(5 * MINUTE_MS)
  await end(KILLED)
  await end(KILLED)
  t.same(delays, [1000, 2000, 4000, 1000, 2000])
})

test('started again, a node may find its disk full for a while; at first, that is the answer', async (t) => {
  const { delays, end, result } = supervised()
  await end(KILLED)
  await end(ended(7))
  await end(ended(7))
  t.same(delays, [1000, 2000, 4000])
  await end(ended(2))
  t.equal(await result, 2)
})

test('signals go to the node; its end is then the end', async (t) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const { supervisor, signals, end, result, starts } = supervised()
    supervisor.signal(signal)
    t.same(signals, [signal])
    await end({ code: null, signal })
    t.equal(await result, 128 + { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 }[signal])
    t.equal(starts(), 1)
  }
})

test('one Ctrl-C that comes twice is one; who asks again later gets an end at once', async (t) => {
  const { clock, supervisor, signals, end, result } = supervised()
  supervisor.signal('SIGINT')
  await clock.advance(999)
  supervisor.signal('SIGINT')
  t.same(signals, ['SIGINT', 'SIGINT'])
  await clock.advance(1)
  supervisor.signal('SIGINT')
  t.equal(signals.at(-1), 'SIGKILL')
  await end(KILLED)
  t.equal(await result, 130)
})

test('between two nodes a signal ends it at once', async (t) => {
  const clock = new ManualClock()
  let starts = 0
  const start = () => {
    starts++
    return { ended: Promise.resolve(KILLED), kill: () => t.fail('nobody is there to be killed') }
  }
  const faulty = Promise.withResolvers<void>()
  const supervisor = new Supervisor({ clock, start, onFault: () => faulty.resolve() })
  const result = supervisor.run()
  await faulty.promise
  supervisor.signal('SIGTERM')
  t.equal(await result, 0)
  t.equal(starts, 1)
  t.equal(clock.waiting, 0)
})
