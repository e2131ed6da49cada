import { test } from 'tap'
import { atMost, together } from '../../../src/base/together.ts'

test('results come in the order of the works', async (t) => {
  const slow = Promise.withResolvers<number>()
  const both = together([slow.promise, Promise.resolve(2)])
  slow.resolve(1)
  t.same(await both, [1, 2])
  t.same(await together([]), [])
})

test('a failure is told when the last has ended, and no other one is left unheard', async (t) => {
  const slow = Promise.withResolvers<void>()
  let told = false
  const all = together([Promise.reject(new Error('first')), slow.promise, Promise.reject(new Error('second'))])
  const telling = t.rejects(all, /first/).then(() => {
    told = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  t.notOk(told)
  slow.resolve()
  await telling
})

test('a bounded number is at work at once, and results come in the order of the items', async (t) => {
  let [now, most] = [0, 0]
  const results = await atMost(3, [5, 1, 4, 2, 3, 0], async (turns) => {
    now++
    most = Math.max(most, now)
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
    now--
    return turns * 2
  })
  t.same(results, [10, 2, 8, 4, 6, 0])
  t.equal(most, 3)
  t.same(await atMost(3, [], async () => t.fail()), [])
})

test('after a failure nothing further is begun, and what was begun ends first', async (t) => {
  const begun: number[] = []
  const slow = Promise.withResolvers<void>()
  let told = false
  const all = atMost(2, [0, 1, 2, 3], async (item) => {
    begun.push(item)
    if (item === 1) throw new Error('second')
    await slow.promise
  })
  const telling = t.rejects(all, /second/).then(() => {
    told = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  t.notOk(told)
  slow.resolve()
  await telling
  t.same(begun, [0, 1])
})
