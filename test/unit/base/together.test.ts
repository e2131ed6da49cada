import { test } from 'tap'
import { together } from '../../../src/base/together.ts'

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
