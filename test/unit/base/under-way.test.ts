import { getEventListeners } from 'node:events'
import { test } from 'tap'
import { untilAborted } from '../../../src/base/clock.ts'
import { CatalogError } from '../../../src/base/errors.ts'
import { UnderWay } from '../../../src/base/under-way.ts'

const CLOSED = new CatalogError('CLOSED', 'All is closed.')
const CANCELLED = new CatalogError('ABORTED', 'Cancelled.')
const forever = (signal: AbortSignal) => untilAborted(new Promise<never>(() => undefined), signal)

test('a work ends as it would, and leaves its caller signal alone', async (t) => {
  const underWay = new UnderWay()
  const { signal } = new AbortController()
  t.equal(await underWay.run(async () => 3, signal), 3)
  await t.rejects(
    underWay.run(() => Promise.reject(CANCELLED), signal),
    { code: 'ABORTED' },
  )
  t.same(getEventListeners(signal, 'abort'), [])
  await underWay.close(CLOSED)
})

test('the caller may stop it, before it begins too', async (t) => {
  const underWay = new UnderWay()
  const caller = new AbortController()
  const running = underWay.run(forever, caller.signal)
  caller.abort(CANCELLED)
  await t.rejects(running, CANCELLED)
  await t.rejects(underWay.run(forever, caller.signal), CANCELLED)
})

test('closing stops what runs, waits for its end, and refuses what comes later', async (t) => {
  const underWay = new UnderWay()
  const cleared = Promise.withResolvers<void>()
  let ended = false
  const running = underWay.run(async (signal) => {
    await forever(signal).catch(() => undefined) // it is stopped, and has to clear up
    await cleared.promise
    ended = true
    throw CANCELLED
  })
  const told = t.rejects(running, { code: 'CLOSED' }, 'who waits is told why')
  const finishing = underWay.run(async () => cleared.promise.then(() => 'done'))
  const closing = underWay.close(CLOSED).then(() => t.ok(ended, 'not before it has ended'))
  await t.rejects(
    underWay.run(async () => 1),
    { code: 'CLOSED' },
  )
  cleared.resolve()
  await Promise.all([told, closing])
  t.equal(await finishing, 'done', 'what is done is done')
})

async function* counting(signal: AbortSignal, ends: string[]): AsyncGenerator<number> {
  try {
    for (let count = 1; !signal.aborted; count++) {
      await Promise.resolve()
      yield count
    }
    ends.push('aborted')
  } finally {
    ends.push('ended')
  }
}

test('steps go on as they are asked for, and end with their reader', async (t) => {
  const underWay = new UnderWay()
  const ends: string[] = []
  for await (const count of underWay.steps((signal) => counting(signal, ends))) if (count === 3) break
  t.same(ends, ['ended'])
  await underWay.close(CLOSED)
  t.same(ends, ['ended'])
})

test('closing ends steps whose reader has not come back, and tells it when it does', async (t) => {
  const underWay = new UnderWay()
  const ends: string[] = []
  const steps = underWay.steps((signal) => counting(signal, ends))
  t.same(await steps.next(), { value: 1, done: false })
  await underWay.close(CLOSED)
  t.same(ends, ['ended'])
  await t.rejects(steps.next(), { code: 'CLOSED' })
  await t.rejects(underWay.steps((signal) => counting(signal, ends)).next(), { code: 'CLOSED' })
})

test('closing waits for the step under way', async (t) => {
  const underWay = new UnderWay()
  const gate = Promise.withResolvers<void>()
  const ends: string[] = []
  const steps = underWay.steps(async function* () {
    await gate.promise
    ends.push('worked')
    yield 1
  })
  const told = t.rejects(steps.next(), { code: 'CLOSED' })
  const closing = underWay.close(CLOSED).then(() => t.same(ends, ['worked']))
  gate.resolve()
  await Promise.all([told, closing])
})
