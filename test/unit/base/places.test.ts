import { test } from 'tap'
import { Places } from '../../../src/base/places.ts'

test('no more works go on at once than there are places, and all of them in order', async (t) => {
  const places = new Places(2)
  const begun: number[] = []
  let [now, most] = [0, 0]
  const works = Array.from({ length: 6 }, (_, index) =>
    places.use(async () => {
      begun.push(index)
      most = Math.max(most, ++now)
      await null
      now--
      if (index === 1) throw new Error('failed')
      return index
    }),
  )
  const outcomes = await Promise.allSettled(works)
  t.same(begun, [0, 1, 2, 3, 4, 5])
  t.equal(most, 2)
  t.same(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled', 'fulfilled'],
  )
  t.equal(await places.use(async () => 7), 7)
})
