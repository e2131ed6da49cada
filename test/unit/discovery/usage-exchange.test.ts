import { type Test, test } from 'tap'
import {
  USAGE_DAYS_MAX,
  USAGE_PACKAGES_PER_PEER_MAX,
  USAGE_TOLD_MAX,
  USAGE_TOLD_MIN,
} from '../../../src/base/limits.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { UnderWay } from '../../../src/base/under-way.ts'
import { DAY_MS } from '../../../src/base/units.ts'
import { Popularity } from '../../../src/discovery/popularity.ts'
import { UsageExchange } from '../../../src/discovery/usage-exchange.ts'
import { formatPurl } from '../../../src/model/purl.ts'
import { MemoryHub, MemoryNetwork } from '../../../src/network/memory.ts'
import { Rpc } from '../../../src/network/rpc.ts'
import { Usage } from '../../../src/store/usage.ts'
import { Shares } from '../../../src/trust/shares.ts'
import { USAGE, type UsageReply } from '../../../src/wire/messages.ts'
import { ManualClock } from '../../manual-clock.ts'
import { publisherOf, releaseOf, shareOf } from '../model/made.ts'
import { openStore } from '../store/opened.ts'

const TODAY = 1_000

/** A node with its own store, and a peer that is connected to it. */
async function opened(t: Test, { shares = true } = {}) {
  const { environment, records } = await openStore(t)
  const clock = new ManualClock(TODAY * DAY_MS)
  const hub = new MemoryHub({ clock, random: seededRandom(1) })
  const [own, far] = [1, 2].map((seed) => new MemoryNetwork({ hub }, { seed: seededRandom(seed).bytes(32) })) as [
    MemoryNetwork,
    MemoryNetwork,
  ]
  await Promise.all([own.start(), far.start()])
  await clock.until(own.dial(far.address))
  const usage = new Usage({ environment, clock })
  const popularity = new Popularity({ usage, clock })
  const refreshed: string[] = []
  const hello = { peers: () => [{ peer: far.peerId, agent: '', addresses: [] }], offers: () => true }
  const parts = { rpc: new Rpc({ network: own, clock }), hello, records, usage, popularity, clock }
  const exchange = new UsageExchange(
    {
      ...parts,
      shares: new Shares({ records, clock }),
      underWay: new UnderWay(),
      refresh: async (names) => void refreshed.push(...names.map(({ name }) => name)),
    },
    { shares },
  )
  await exchange.start()
  t.teardown(() => exchange.stop())
  const rpc = new Rpc({ network: far, clock })
  const publisher = publisherOf(3)
  return {
    ...{ clock, usage, popularity, refreshed, exchange, far, own },
    /** Make a package known here, for these. */
    async release(name: string, permission: 'public' | 'private', seq = 1) {
      const release = releaseOf(publisher, { name })
      const share = shareOf(publisher, release.statement.subject, seq, permission)
      const all = [publisher.document, release, share].map((record) => ({ record, audience: 'public' as const }))
      await records.admitAll(all)
    },
    async use(name: string, times: number) {
      for (let i = 0; i < times; i++) usage.fetched({ type: 'npm', name })
      await usage.save()
    },
    /** What the peer is told, as `day package count`. */
    async told(after: number): Promise<string[]> {
      const lines: string[] = []
      const all = async () => {
        for await (const { day, counts } of rpc.call(USAGE, own.peerId, { after })) {
          lines.push(...counts.map(({ package: purl, count }) => `${day} ${purl} ${count}`))
        }
      }
      await clock.until(all())
      return lines
    },
    /** Have the peer answer with these, and ask it. */
    async hear(replies: Iterable<UsageReply>) {
      const asked: number[] = []
      await rpc.serve(USAGE, async function* ({ after }) {
        asked.push(after)
        yield* replies
      })
      await clock.until(exchange.ask(far.peerId))
      return asked
    },
  }
}

const counts = (...all: [name: string, count: number][]) =>
  all.map(([name, count]) => ({ package: formatPurl({ type: 'npm', name }), count }))

test('each day is told by itself once it is over, and from the day on that is asked for', async (t) => {
  const { clock, release, use, told } = await opened(t)
  await release('react', 'public')
  await use('react', 10)
  t.strictSame(await told(0), [], 'a day that is not over')
  await clock.advance(DAY_MS)
  await use('react', 20)
  await clock.advance(DAY_MS)
  t.strictSame(await told(0), [`${TODAY} pkg:npm/react 10`, `${TODAY + 1} pkg:npm/react 20`])
  t.strictSame(await told(TODAY), [`${TODAY + 1} pkg:npm/react 20`])
  t.strictSame(await told(TODAY + 1), [])
  await clock.advance((USAGE_DAYS_MAX - 1) * DAY_MS)
  t.strictSame(await told(0), [`${TODAY + 1} pkg:npm/react 20`], 'days long past are told no more')
})

test('what is private, rare or unknown stays at home', async (t) => {
  const { clock, release, use, told } = await opened(t)
  await release('react', 'public')
  await release('rare', 'public')
  await release('secret', 'private')
  await use('react', USAGE_TOLD_MIN)
  await use('rare', USAGE_TOLD_MIN - 1)
  await use('secret', 100)
  await use('unheard-of', 100)
  await clock.advance(DAY_MS)
  await use('rare', USAGE_TOLD_MIN - 1)
  await clock.advance(DAY_MS)
  t.strictSame(await told(0), [`${TODAY} pkg:npm/react ${USAGE_TOLD_MIN}`], 'nor do rare uses of two days add up')
  await release('secret', 'public', 2)
  t.equal((await told(0)).length, 2)
  await release('react', 'private', 2)
  t.strictSame(await told(0), [`${TODAY} pkg:npm/secret 100`], 'from the very next request on')
})

test('a node that does not share is not asked, does not tell, and still ranks by its own uses', async (t) => {
  const { clock, refreshed, use, told, far } = await opened(t, { shares: false })
  let asked = 0
  await far.handle(USAGE.id, async (stream) => {
    asked++
    stream.abort(new Error('no'))
  })
  await t.rejects(told(0))
  await use('react', 10)
  await clock.advance(DAY_MS)
  t.equal(asked, 0)
  t.strictSame(refreshed, ['react'])
})

test('a peer is asked for what came since, and what it tells is ranked by once another tells it too', async (t) => {
  const { popularity, hear } = await opened(t)
  const react = { type: 'npm', name: 'react' }
  const days = [TODAY - 2, TODAY - 1].map((day) => ({ day, counts: counts(['react', 100]) }))
  t.strictSame(await hear(days), [0])
  t.strictSame(await hear([]), [TODAY - 1])
  t.equal(popularity.of(react), 0)
  popularity.hear('another', TODAY - 1, new Map([['react', { name: react, count: 5 }]]))
  t.ok(popularity.of(react) > 4)
})

test('of a reply that breaks a rule nothing counts', async (t) => {
  const { popularity, hear } = await opened(t)
  const vue = { type: 'npm', name: 'vue' }
  popularity.hear('honest', TODAY - 1, new Map([['vue', { name: vue, count: 500 }]]))
  const good = { day: TODAY - 2, counts: counts(['vue', 500]) }
  const one = (purl: string) => ({ day: TODAY - 1, counts: [{ package: purl, count: 9 }] })
  function* flood() {
    for (let i = 0; i <= USAGE_TOLD_MAX; i++) yield { day: TODAY - 1, counts: counts([`p${i}`, 9]) }
  }
  function* endless() {
    for (let i = 0; ; i++) yield { day: TODAY - 1, counts: counts([`p${i}`, 9]) }
  }
  const lies: Record<string, Iterable<UsageReply>> = {
    'a day to come': [good, { day: TODAY + 1, counts: counts(['vue', 9]) }],
    'a day long past': [good, { day: TODAY - USAGE_DAYS_MAX - 2, counts: counts(['vue', 9]) }],
    'days in another order': [good, { day: TODAY - 3, counts: counts(['vue', 9]) }],
    'a package twice': [good, { day: TODAY - 1, counts: counts(['vue', 9], ['vue', 9]) }],
    'a package twice in two frames': [good, good],
    'a version': [good, one('pkg:npm/vue@1.0.0')],
    'another form of a name': [good, one('pkg:npm/%76ue')],
    'no package': [good, one('vue')],
    'no counts': [good, { day: TODAY - 1, counts: [] }],
    'a count that is none': [good, { day: TODAY - 1, counts: counts(['vue', 0]) }],
    'too many': [good, ...flood()],
    'what has no end': { [Symbol.iterator]: endless },
  }
  for (const [name, replies] of Object.entries(lies)) {
    await t.rejects(hear(replies), { code: 'PEER_PROTOCOL' }, name)
    t.equal(popularity.of(vue), 0, name)
  }
  t.strictSame(await hear([good]), [0], 'and the same days are asked for again')
  t.ok(popularity.of(vue) > 0)
  t.ok(USAGE_TOLD_MAX < USAGE_PACKAGES_PER_PEER_MAX)
})
