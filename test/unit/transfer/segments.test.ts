import fc from 'fast-check'
import { test } from 'tap'
import { seededRandom } from '../../../src/base/random.ts'
import { type Segment, SegmentQueue } from '../../../src/transfer/segments.ts'

test('every chunk is handed out once, whatever is given back', async (t) => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  t.comment(`seed ${seed}`)
  const runs = fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 400 })), { maxLength: 8 }).map((gaps) => {
    let at = 0
    return gaps.map(([gap, count]): Segment => {
      const first = at + gap
      at = first + count
      return { first, count }
    })
  })
  const property = fc.property(runs, fc.integer({ min: 0, max: 6 }), fc.nat(), (missing, providers, choices) => {
    const random = seededRandom(choices)
    const queue = new SegmentQueue(missing, providers)
    const done: number[] = []
    const held: Segment[] = []
    while (!queue.isEmpty || held.length > 0) {
      if (!queue.isEmpty && random.fraction() < 0.6) {
        const taken = queue.take()
        if (taken) held.push(taken)
        continue
      }
      const [segment] = held.splice(Math.floor(random.fraction() * held.length), 1)
      if (!segment) continue
      // Some of it is done, all more often than not; the rest goes back.
      const share = random.fraction()
      const count = share < 0.6 ? segment.count : Math.floor(share * segment.count)
      for (let i = 0; i < count; i++) done.push(segment.first + i)
      queue.giveBack(segment, segment.first + count)
    }
    t.equal(queue.take(), undefined)
    const wanted = missing.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i))
    t.same(
      done.sort((a, b) => a - b),
      wanted,
    )
  })
  fc.assert(property, { seed, numRuns: 150 })
})

test('each provider gets several turns, and no segment is over 8 MiB', async (t) => {
  const sizes = (chunks: number, providers: number) => {
    const queue = new SegmentQueue([{ first: 0, count: chunks }], providers)
    const taken: number[] = []
    for (let next = queue.take(); next; next = queue.take()) taken.push(next.count)
    return taken
  }
  t.same(
    sizes(16, 4),
    Array.from({ length: 8 }, () => 2),
  )
  t.same(sizes(1, 4), [1])
  t.same(sizes(5, 0), [3, 2])
  t.ok(Math.max(...sizes(100_000, 2)) <= 128)
})

test('what is given back is handed out next', async (t) => {
  const queue = new SegmentQueue([{ first: 0, count: 8 }], 1)
  const taken = queue.take() as Segment
  queue.giveBack(taken, 3)
  t.same(queue.take(), { first: 3, count: 1 })
  t.same(queue.take(), { first: 4, count: 4 })
  queue.giveBack({ first: 4, count: 4 }, 8)
  t.ok(queue.isEmpty, 'nothing left over is nothing given back')
})
