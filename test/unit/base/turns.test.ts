import { test } from 'tap'
import { Turns } from '../../../src/base/turns.ts'

test('works of one key take turns, also after a failure; others do not wait', async (t) => {
  const turns = new Turns()
  const order: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = turns.take('a', async () => {
    await gate.promise
    order.push('first')
    throw new RangeError('no')
  })
  const second = turns.take('a', async () => order.push('second'))
  t.equal(await turns.take('b', async () => order.push('other')), 1)
  gate.resolve()
  await t.rejects(first, { message: 'no' })
  await second
  t.same(order, ['other', 'first', 'second'])
  t.equal(await turns.take('a', async () => 7), 7)
})
