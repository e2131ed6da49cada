import { test } from 'tap'
import { seededRandom, shuffled, systemRandom } from '../../../src/base/random.ts'

test('a seed gives the same every time, another seed something else', async (t) => {
  const draw = (seed: number) => {
    const random = seededRandom(seed)
    return [random.bytes(8).join(), random.fraction(), shuffled(random, [1, 2, 3, 4, 5, 6, 7, 8]).join()]
  }
  t.same(draw(5), draw(5))
  t.notSame(draw(5), draw(6))
})

test('fractions lie in [0, 1) and bytes have the length asked for', async (t) => {
  for (const random of [seededRandom(1), systemRandom]) {
    const fractions = Array.from({ length: 1000 }, () => random.fraction())
    t.ok(fractions.every((fraction) => fraction >= 0 && fraction < 1))
    t.equal(random.bytes(33).length, 33)
    t.equal(random.bytes(0).length, 0)
  }
})

test('shuffling keeps what there is, leaves the list alone, and favours no place', async (t) => {
  const random = seededRandom(3)
  const items = [0, 1, 2, 3] as const
  const first = [0, 0, 0, 0]
  for (let i = 0; i < 4000; i++) {
    const order = shuffled(random, items)
    if (i === 0) t.same(order.toSorted(), items)
    const head = order[0] as number
    first[head] = (first[head] as number) + 1
  }
  t.same(items, [0, 1, 2, 3])
  t.ok(
    first.every((count) => count > 850 && count < 1150),
    `seed 3: ${first}`,
  )
})
