import { test } from 'tap'
import {
  POPULARITY_BATCH_MAX,
  POPULARITY_HEARD_MAX,
  USAGE_PACKAGES_PER_PEER_MAX,
  USAGE_PEERS_MAX,
} from '../../../src/base/limits.ts'
import { DAY_MS } from '../../../src/base/units.ts'
import { Popularity } from '../../../src/discovery/popularity.ts'
import type { PackageName } from '../../../src/model/purl.ts'
import type { PackageUsage } from '../../../src/store/usage.ts'
import { ManualClock } from '../../manual-clock.ts'

const named = (name: string): PackageName => ({ type: 'npm', name })
const react = named('react')

/** A node with these uses in the last month, by name. */
function opened(own: Record<string, number> = {}) {
  const clock = new ManualClock(1_000 * DAY_MS)
  const used = (name: string, month: number): PackageUsage => {
    return { ...named(name), month, day: 0, hour: 0, at: clock.now(), fetches: 0, installs: 0 }
  }
  let use: (name: PackageName) => void = () => undefined
  const usage = {
    of: ({ name }: PackageName) => (own[name] === undefined ? undefined : used(name, own[name])),
    list: () =>
      Object.entries(own)
        .map(([name, month]) => used(name, month))
        [Symbol.iterator]() as Generator<PackageUsage>,
    onUse: (listener: typeof use) => {
      use = listener
      return () => undefined
    },
  }
  const popularity = new Popularity({ usage, clock })
  const hear = (peer: string, counts: Record<string, number>, day = 999) => {
    const told = Object.entries(counts).map(([name, count]) => [name, { name: named(name), count }] as const)
    popularity.hear(peer, day, new Map(told))
  }
  return { popularity, clock, own, hear, use: (name: string) => use(named(name)) }
}

const about = (a: number, b: number) => Math.abs(a - b) <= b * 0.03

test('what was seen here counts, else the median of at least two peers', async (t) => {
  const { popularity, own, hear } = opened({ react: 3 })
  t.equal(popularity.of(react), 3)
  t.equal(popularity.of(named('vue')), 0)
  hear('a', { react: 500, vue: 100 })
  t.equal(popularity.of(named('vue')), 0, 'one witness is none')
  hear('b', { react: 500, vue: 300 })
  t.ok(about(popularity.of(named('vue')), 100), 'of two, the lower')
  hear('c', { vue: 200 })
  t.ok(about(popularity.of(named('vue')), 200))
  t.equal(popularity.of(react), 3, 'whatever others say')
  own['react'] = 0.1
  t.ok(about(popularity.of(react), 500), 'what was used very long ago here is left to others')
})

test('what peers say adds up over days, fades and has an end', async (t) => {
  const { popularity, clock, hear } = opened()
  for (const peer of ['a', 'b']) {
    hear(peer, { vue: 100 }, 998)
    hear(peer, { vue: 100, huge: 2 ** 32 - 1 }, 999)
  }
  t.ok(about(popularity.of(named('vue')), 200 * Math.exp(-1 / 30)))
  t.equal(popularity.of(named('huge')), POPULARITY_HEARD_MAX)
  await clock.advance(30 * DAY_MS)
  t.ok(about(popularity.of(named('vue')), (200 * Math.exp(-1 / 30)) / Math.E))
})

test('a liar among three changes nothing', async (t) => {
  const { popularity, hear } = opened()
  hear('a', { vue: 100 })
  hear('b', { vue: 110 })
  hear('liar', { vue: 1_000_000, spam: 1_000_000 })
  t.ok(about(popularity.of(named('vue')), 110))
  t.equal(popularity.of(named('spam')), 0)
})

test('no peer is remembered for more than its share, and not more than so many peers', async (t) => {
  const { popularity, hear } = opened()
  const flood = Object.fromEntries(Array.from({ length: USAGE_PACKAGES_PER_PEER_MAX }, (_, i) => [`p${i}`, 9]))
  hear('a', flood)
  hear('a', { vue: 9 })
  hear('b', { vue: 9 })
  t.equal(popularity.of(named('vue')), 0, 'the first one had its share')
  hear('c', { vue: 9 })
  t.ok(popularity.of(named('vue')) > 0)
  for (let i = 0; i < USAGE_PEERS_MAX; i++) hear(`other ${i}`, { react: 9 })
  t.equal(popularity.of(named('vue')), 0, 'those heard longest ago went')
})

test('the index is told again of what has doubled or halved, and of nothing else', async (t) => {
  const { popularity, own, use } = opened({ react: 5 })
  t.strictSame(popularity.changed(), [])
  own['react'] = 6
  use('react')
  t.strictSame(popularity.changed(), [])
  own['react'] = 8
  use('react')
  t.strictSame(popularity.changed(), [react])
  popularity.given(react)
  t.strictSame(popularity.changed(), [])
  own['react'] = 1
  t.strictSame(popularity.changed(), [react], 'also when it fades and nothing happens')
  popularity.given(react)
  own['react'] = 0
  t.strictSame(popularity.changed(), [react])
  popularity.given(react)
  t.strictSame(popularity.changed(), [])
})

test('at most so many at one time', async (t) => {
  const { popularity, hear } = opened()
  const many = Object.fromEntries(Array.from({ length: POPULARITY_BATCH_MAX + 10 }, (_, i) => [`p${i}`, 9]))
  for (const peer of ['a', 'b']) hear(peer, many)
  const first = popularity.changed()
  for (const name of first) popularity.given(name)
  const second = popularity.changed()
  t.same([first.length, second.length], [POPULARITY_BATCH_MAX, 10])
})
