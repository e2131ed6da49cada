import { test } from 'tap'
import { SYNC_SYMBOLS_MAX } from '../../../src/base/sync-limits.ts'
import { Sketches, sketchOf } from '../../../src/store/sketches.ts'
import { publisherOf, releaseOf, shareOf } from '../model/made.ts'
import { core, openStore } from './opened.ts'

const PUBLISHER = publisherOf(0)
const { signer } = PUBLISHER

test('a sketch that is kept is the one its shelf gives, whatever came and went', async (t) => {
  const store = await openStore(t)
  const { environment, records } = store
  const sketches = new Sketches({ environment, records, core })
  const expected = () => sketchOf(core, records.shelves.ids('public', signer), SYNC_SYMBOLS_MAX)
  const admit = (...all: ReturnType<typeof releaseOf>[]) =>
    records.admit(all.map((record) => ({ record, audience: 'public' })))
  t.same(sketches.of('public', signer), expected(), 'of a shelf that is empty')
  await admit(PUBLISHER.document, releaseOf(PUBLISHER), shareOf(PUBLISHER, 'pkg:npm/parser@1.0.0', 1))
  t.same(sketches.of('public', signer), expected(), 'made anew')
  await admit(releaseOf(PUBLISHER, { version: '2.0.0' }))
  t.same(sketches.of('public', signer), expected(), 'caught up')
  await admit(shareOf(PUBLISHER, 'pkg:npm/parser@1.0.0', 2), releaseOf(publisherOf(1)), publisherOf(1).document)
  t.same(sketches.of('public', signer), expected(), 'without the share that was replaced, or what others signed')
  const reopened = await store.reopen()
  await reopened.records.admit([{ record: releaseOf(PUBLISHER, { version: '3.0.0' }), audience: 'public' }])
  const again = new Sketches({ environment: reopened.environment, records: reopened.records, core })
  const ids = reopened.records.shelves.ids('public', signer)
  t.same(again.of('public', signer), sketchOf(core, ids, SYNC_SYMBOLS_MAX), 'as it was written down, and caught up')
})
