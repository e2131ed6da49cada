import { readFile } from 'node:fs/promises'
import { setTimeout as realDelay } from 'node:timers/promises'
import { test } from 'tap'
import { sleep } from '../../src/base/clock.ts'
import { World } from './world.ts'

test('time stands still while real work is outstanding', async (t) => {
  const world = new World(1)
  const told: string[] = []
  world.clock.after(1, () => told.push('timer'))
  const work = world.effects.run(() => realDelay(20)).then(() => told.push('work'))
  await world.until(work)
  t.strictSame(told, ['work'])
  t.equal(world.elapsedMs, 0)
  await world.pass(1)
  t.strictSame(told, ['work', 'timer'])
})

test('results are told in the order they were asked for', async (t) => {
  const world = new World(1)
  const told: number[] = []
  const work = [20, 1, 10].map((ms) => world.effects.run(() => realDelay(ms)).then(() => told.push(ms)))
  await world.until(Promise.all(work))
  t.strictSame(told, [20, 1, 10])
})

test('nothing is told before all that is outstanding has ended', async (t) => {
  const world = new World(1)
  let ended = false
  const first = world.effects.run(async () => undefined).then(() => t.ok(ended))
  const second = world.effects.run(async () => {
    await realDelay(10)
    ended = true
  })
  await world.until(Promise.all([first, second]))
})

test('failures reach who asked', async (t) => {
  const world = new World(1)
  const failing = world.effects.run(() => Promise.reject(new Error('broken')))
  await t.rejects(world.until(failing), { message: 'broken' })
  const throwing = world.effects.run(() => {
    throw new Error('at once')
  })
  await t.rejects(world.until(throwing), { message: 'at once' })
})

test('timers fire in the order of their times', async (t) => {
  const world = new World(1)
  const fired: string[] = []
  world.clock.after(20, () => fired.push('late'))
  world.clock.after(10, () => fired.push('first'))
  world.clock.after(10, () => fired.push('second'))
  const cancel = world.clock.after(15, () => fired.push('cancelled'))
  cancel()
  await world.until(sleep(world.clock, 30))
  t.strictSame(fired, ['first', 'second', 'late'])
  t.equal(world.elapsedMs, 30)
})

test('waiting for what never comes is an error', async (t) => {
  const world = new World(1)
  await t.rejects(world.until(new Promise(() => undefined)), { message: /Nothing is left to wait for/ })
})

test('time does not pass during work that went past the effects', async (t) => {
  const world = new World(1)
  // Open, look, read, close: more turns than the world waits before the first timer fires.
  const escaped = Promise.all(Array.from({ length: 10 }, () => readFile(import.meta.filename)))
  await t.rejects(world.pass(1), { message: /Time would pass during FSReq/ })
  await escaped
})

test('each part draws from a source of its own', async (t) => {
  const [a, b] = [new World(7), new World(7)]
  const [first, second] = [a.random(), a.random()]
  first.bytes(100)
  b.random()
  t.strictSame(second.bytes(8), b.random().bytes(8))
})
