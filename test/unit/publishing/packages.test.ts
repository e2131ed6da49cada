import { test } from 'tap'
import { CatalogError } from '../../../src/base/errors.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { Packages } from '../../../src/publishing/packages.ts'
import { ManualClock } from '../../manual-clock.ts'

type Answer = () => Promise<Uint8Array[]>

/** A node that knows nothing, with one peer that gives these answers in turn. */
function askingOne(answers: Answer[], greeting: Promise<void> = Promise.resolve()) {
  const clock = new ManualClock()
  const asked: number[] = []
  const exchange = {
    fetchPackages: (_peer: string, names: readonly unknown[]) => {
      asked.push(names.length)
      return (answers.shift() as Answer)()
    },
  }
  const records = { releases: () => [] }
  const known: object[] = []
  const greet = () => known.push({ peer: 'far', agent: '', addresses: [] })
  const settled = greeting.then(greet)
  const hello = { peers: () => known, settled: () => settled }
  const [pins, judgement] = [{ get: () => undefined }, { of: () => undefined }]
  const parts = { records, hello, exchange, clock, pins, judgement, random: seededRandom(1) }
  return { packages: new Packages(parts as never), asked, clock }
}

const busy: Answer = () => Promise.reject(new CatalogError('PEER_BUSY', 'Too many requests of yours are under way.'))
const unknown: Answer = () => Promise.resolve([])
const wanted = ['one', 'two', 'three'].map((name) => ({ type: 'generic', name }))

test('all names that are not known here are asked for at once', async (t) => {
  const { packages, asked } = askingOne([unknown])
  const outcomes = await packages.resolveAll(wanted)
  t.same(asked, [3])
  t.same(
    outcomes.map(({ error }) => error?.code),
    ['NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND'],
  )
})

test('a peer that was busy is asked once more', async (t) => {
  const { packages, asked, clock } = askingOne([busy, unknown])
  const [first] = await clock.until(packages.resolveAll(wanted))
  t.equal(first?.error?.code, 'NOT_FOUND')
  t.same(asked, [3, 3])
})

test('no answer at all does not mean that there is nothing', async (t) => {
  const { packages, clock } = askingOne([busy, busy])
  const resolving = packages.resolve({ type: 'generic', name: 'one' })
  await t.rejects(clock.until(resolving), { code: 'PEER_BUSY' })
})

test('nor does silence, after which nobody asks again', async (t) => {
  const silent: Answer = () => Promise.reject(new CatalogError('PEER_TIMEOUT', 'No answer in 5 s.'))
  const { packages, asked, clock } = askingOne([silent])
  await t.rejects(clock.until(packages.resolve({ type: 'generic', name: 'one' })), { code: 'PEER_TIMEOUT' })
  t.same(asked, [1])
})

test('a peer that is only just saying hello is waited for, but not for long', async (t) => {
  const soon = Promise.withResolvers<void>()
  const first = askingOne([unknown], soon.promise)
  const asking = first.packages.resolveAll(wanted)
  t.same(first.asked, [])
  soon.resolve()
  await asking
  t.same(first.asked, [3])

  const { packages, asked, clock } = askingOne([], new Promise(() => undefined))
  const [outcome] = await clock.until(packages.resolveAll(wanted))
  t.equal(outcome?.error?.code, 'NOT_FOUND')
  t.same(asked, [])
})
