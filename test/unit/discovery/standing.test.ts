import { type Test, test } from 'tap'
import { seededRandom } from '../../../src/base/random.ts'
import { DAY_MS } from '../../../src/base/units.ts'
import { Merits } from '../../../src/discovery/merits.ts'
import { Standing } from '../../../src/discovery/standing.ts'
import { readRelease } from '../../../src/model/release.ts'
import { publisherOf, releaseOf } from '../model/made.ts'
import { openStore, released } from '../store/opened.ts'

const publisher = publisherOf(40)
const release = readRelease(releaseOf(publisher))
const { signer } = publisher

async function opened(t: Test) {
  const store = await openStore(t)
  const merits = new Merits({ random: seededRandom(1) })
  return { ...store, merits, standing: new Standing({ ...store, merits }) }
}

test('a publisher nobody has named is new; its owner knows it', async (t) => {
  const { standing, pins } = await opened(t)
  t.notOk(standing.isKnown(release))
  await pins.set({ type: 'npm', name: 'parser' }, signer, 'trusted')
  t.ok(standing.isKnown(release), 'the user trusts it')
  const other = readRelease(releaseOf(publisher, { name: 'other' }))
  t.notOk(standing.isKnown(other), 'but only with that name')
})

test('what was made here is known', async (t) => {
  const { standing, ...store } = await opened(t)
  await released(store, '1.0.0', publisher)
  t.ok(standing.isKnown(release))
})

test('what stands here because a peer has shown it is not', async (t) => {
  const { standing, ...store } = await opened(t)
  await store.heard.note([signer], 'peer-1')
  await released(store, '1.0.0', publisher)
  t.notOk(standing.isKnown(release))
})

test('a day makes it known, or three who name it', async (t) => {
  const { standing, heard, clock } = await opened(t)
  await heard.note([signer], 'peer-1')
  t.notOk(standing.isKnown(release))
  await clock.advance(DAY_MS - 1)
  t.notOk(standing.isKnown(release))
  await clock.advance(1)
  t.ok(standing.isKnown(release))
  const third = readRelease(releaseOf(publisherOf(41)))
  for (const peer of ['peer-1', 'peer-2']) await heard.note([third.record.signer], peer)
  t.notOk(standing.isKnown(third), 'two may have made it up')
  await heard.note([third.record.signer], 'peer-3')
  t.ok(standing.isKnown(third))
})

test('two are enough when both mostly name publishers that others know', async (t) => {
  const { standing, heard, merits } = await opened(t)
  for (const peer of ['peer-1', 'peer-2']) await heard.note([signer], peer)
  t.notOk(standing.isKnown(release))
  for (const peer of ['peer-1', 'peer-2']) merits.weigh(peer, { shown: true, attested: 1, unattested: 0 })
  t.ok(standing.isKnown(release))
})

test('answers are learnt from: who names whom, and whose word counts', async (t) => {
  const { standing, heard, merits } = await opened(t)
  const known = readRelease(releaseOf(publisherOf(42)))
  for (const peer of ['peer-7', 'peer-8', 'peer-9']) await heard.note([known.record.signer], peer)
  const offer = (peer: string, offered: typeof release) => ({ peer, release: offered, records: [] })
  await standing.learn([offer('peer-1', known), offer('peer-2', release)], () => true)
  t.ok(merits.vouches('peer-1'))
  t.notOk(merits.vouches('peer-2'), 'what it named first counts as it was then')
  t.strictSame(heard.get(signer)?.from, ['peer-2'])
})
