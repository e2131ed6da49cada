import { test } from 'tap'
import { Batches } from '../../../src/base/batches.ts'

const done = <T>(value: T): PromiseSettledResult<T> => ({ status: 'fulfilled', value })

test('what comes while a batch is at work goes together with the next', async (t) => {
  const seen: number[][] = []
  const first = Promise.withResolvers<void>()
  const batches = new Batches<number, number>(
    async (items) => {
      seen.push([...items])
      if (seen.length === 1) await first.promise
      return items.map((item) => done(item * 2))
    },
    { itemsMax: 3 },
  )
  const early = [batches.add(1), batches.add(2)]
  await null
  await null
  const late = [3, 4, 5, 6].map((item) => batches.add(item))
  first.resolve()
  t.strictSame(await Promise.all([...early, ...late]), [2, 4, 6, 8, 10, 12])
  t.strictSame(seen, [[1, 2], [3, 4, 5], [6]])
  t.equal(await batches.add(7), 14, 'and it begins again after a rest')
})

test('one item’s failure is its own', async (t) => {
  const batches = new Batches<number, number>(
    async (items) =>
      items.map((item) => (item < 0 ? { status: 'rejected', reason: new Error('negative') } : done(item))),
    { itemsMax: 10 },
  )
  const outcomes = await Promise.allSettled([batches.add(1), batches.add(-1), batches.add(2)])
  t.strictSame(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
})

test('what a batch throws, or leaves out, is told to whoever waits', async (t) => {
  const broken = new Batches<number, number>(() => Promise.reject(new Error('broken')), { itemsMax: 10 })
  await t.rejects(Promise.all([broken.add(1), broken.add(2)]), /broken/)
  await t.rejects(broken.add(3), /broken/, 'the next batch is tried')
  const short = new Batches<number, number>(async () => [], { itemsMax: 10 })
  await t.rejects(short.add(1), { code: 'INTERNAL' })
})
