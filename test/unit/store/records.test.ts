import { test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import { listen } from '../../../src/base/events.ts'
import { PEN_RECORDS_MAX, SHELF_RECORDS_MAX, UNPINNED_SHELVES_MAX } from '../../../src/base/limits.ts'
import type { Audience } from '../../../src/model/audience.ts'
import { type CatalogRecord, signRecord } from '../../../src/model/record.ts'
import { trieRoot } from '../../../src/model/trie.ts'
import type { Change, Records, Submission } from '../../../src/store/records.ts'
import { documentOf, keyOf, publisherOf, releaseOf, shareOf } from '../model/made.ts'
import { openStore } from './opened.ts'

const purl = 'pkg:npm/parser@1.0.0'
const on = (audience: Audience, ...records: CatalogRecord[]): Submission[] =>
  records.map((record) => ({ record, audience }))

async function outcomes(records: Records, batch: Submission[]): Promise<string[]> {
  return (await records.admit(batch)).map(({ outcome }) => outcome)
}

test('a batch is admitted documents first, reported in the order given', async (t) => {
  const { records } = await openStore(t)
  const publisher = publisherOf(0)
  const forged = releaseOf({ ...publisherOf(1), signer: publisher.signer }, { version: '6.6.6' })
  const batch = on('public', shareOf(publisher, purl, 1), forged, releaseOf(publisher), publisher.document)
  const reports = await records.admit(batch)
  t.same(
    reports.map(({ outcome }) => outcome),
    ['admitted', 'refused', 'admitted', 'admitted'],
  )
  t.match(reports[1]?.error, { code: 'RECORD_SIGNATURE' })
  t.same(await outcomes(records, batch), ['known', 'refused', 'known', 'known'])
  t.equal(records.count(), 3)
})

test('a record is found by id, slot and package, and has its shelf', async (t) => {
  const { records } = await openStore(t)
  const publisher = publisherOf(0)
  const [release, share] = [releaseOf(publisher), shareOf(publisher, purl, 1)]
  await records.admitAll(on('private', publisher.document, release, share))
  t.same(records.get(release.id)?.envelope, release.envelope)
  t.equal(records.get(new Uint8Array(32)), undefined)
  t.same(records.slot('private', publisher.signer, 'share', purl)[0]?.id, share.id)
  t.same(records.slot('public', publisher.signer, 'share', purl), [])
  t.ok(records.isOn('private', release))
  t.notOk(records.isOn('public', release))
  t.same(
    records.documents('private', publisher.signer).map(({ version }) => version),
    [1],
  )
  const { root, count } = records.shelves.get('private', publisher.signer)
  t.same(root, trieRoot([publisher.document.id, release.id, share.id]))
  t.equal(count, 3)
})

test('names: releases of a package or a version, by any signer, each once', async (t) => {
  const { records } = await openStore(t)
  const [one, other] = [publisherOf(0), publisherOf(1)]
  const made = [
    releaseOf(one),
    releaseOf(other),
    releaseOf(one, { version: '1.0.0-rc' }),
    releaseOf(one, { name: 'parser2' }),
    releaseOf(one, { name: 'parser\u0000' }),
    releaseOf(one, { type: 'generic' }),
  ]
  const all = [one.document, other.document, ...made]
  await records.admitAll([...on('public', ...all), ...on('private', ...all)])
  const found = (version?: string) =>
    records
      .releases({ type: 'npm', name: 'parser' }, version)
      .map(({ record }) => toHex(record.id))
      .sort()
  const ids = (...some: (CatalogRecord | undefined)[]) => some.map((record) => record && toHex(record.id)).sort()
  t.same(found(), ids(made[0], made[1], made[2]))
  t.same(found('1.0.0'), ids(made[0], made[1]))
  t.same(found('1.0'), [])
})

test('records ahead of their documents wait, and come in with them', async (t) => {
  const { records } = await openStore(t)
  const publisher = publisherOf(0)
  const [release, share] = [releaseOf(publisher), shareOf(publisher, purl, 1)]
  t.same(await outcomes(records, on('public', release, share)), ['waiting', 'waiting'])
  t.equal(records.count(), 0)
  const changes: Change[] = []
  t.teardown(records.onChange((some) => changes.push(...some)))
  await records.admitAll(on('private', publisher.document))
  t.notOk(records.isOn('public', release), 'a document of another audience lets nothing in')
  await records.admitAll(on('public', publisher.document))
  t.ok(records.isOn('public', release))
  t.ok(records.isOn('public', share))
  t.same(
    changes.map(({ kind, audience }) => `${audience} ${kind}`),
    ['private publisher', 'public publisher', 'public release', 'public share'],
  )
})

test('a chain of documents may come in any order, with what hangs on it', async (t) => {
  const { records } = await openStore(t)
  const { document, signer, root, ...rest } = publisherOf(0)
  const key = keyOf(77)
  const later = (version: number) => {
    const body = { version, threshold: 1, roots: [root.publicKey], releaseKeys: [key.publicKey] }
    return signRecord(documentOf({ subject: `v${version}`, signer, signerVersion: version - 1, body }), [root])
  }
  const release = releaseOf({ ...rest, document, signer, root, releaseKey: key }, {}, { signerVersion: 3 })
  for (const record of [release, later(3), later(2)]) {
    t.same(await outcomes(records, on('public', record)), ['waiting'])
  }
  await records.admitAll(on('public', document))
  t.same(
    records.documents('public', signer).map(({ version }) => version),
    [1, 2, 3],
  )
  t.ok(records.isOn('public', release))
})

test('the pen is bounded: the oldest go', async (t) => {
  const { records } = await openStore(t)
  const publisher = publisherOf(0)
  const waiting = Array.from({ length: PEN_RECORDS_MAX + 1 }, (_, n) => shareOf(publisher, `x${n}`, 1))
  await records.admit(on('public', ...waiting))
  await records.admit(on('public', publisher.document))
  t.equal(records.count(), PEN_RECORDS_MAX + 1)
  t.notOk(records.isOn('public', waiting[0] as CatalogRecord))
  t.ok(records.isOn('public', waiting[1] as CatalogRecord))
})

test('the feed numbers every change from one, and goes on after a restart', async (t) => {
  const store = await openStore(t)
  const publisher = publisherOf(0)
  t.equal(store.records.lastSequence(), 0)
  await store.records.admitAll(on('public', publisher.document, shareOf(publisher, purl, 1)))
  await store.records.admitAll(on('public', shareOf(publisher, purl, 2)))
  const { records } = await store.reopen()
  await records.admitAll(on('public', releaseOf(publisher)))
  const changes = records.changesAfter(0, 100)
  t.same(
    changes.map(({ sequence, op, kind }) => [sequence, op, kind]),
    [
      [1, 'add', 'publisher'],
      [2, 'add', 'share'],
      [3, 'remove', 'share'],
      [4, 'add', 'share'],
      [5, 'add', 'release'],
    ],
  )
  t.same(
    records.changesAfter(2, 2).map(({ sequence }) => sequence),
    [3, 4],
  )
  t.same(records.changesAfter(5, 100), [])
  t.equal(records.lastSequence(), 5)
})

test('a record that is superseded leaves its shelf, and the store when no other shelf has it', async (t) => {
  const { records } = await openStore(t)
  const publisher = publisherOf(0)
  const [first, second] = [shareOf(publisher, purl, 1), shareOf(publisher, purl, 2)]
  for (const audience of ['public', 'private'] as const) await records.admitAll(on(audience, publisher.document, first))
  await records.admitAll(on('public', second))
  t.notOk(records.isOn('public', first))
  t.same(records.get(first.id)?.id, first.id, 'it still stands on the private shelf')
  await records.admitAll(on('private', second))
  t.equal(records.get(first.id), undefined)
  t.match(records.shelves.get('public', publisher.signer), {
    count: 2,
    bytes: publisher.document.envelope.length + second.envelope.length,
  })
})

test('of three releases of one version the name keeps two', async (t) => {
  const { records } = await openStore(t)
  const publisher = publisherOf(0)
  const versions = [1, 2, 3].map((at) => releaseOf(publisher, {}, { at }))
  await records.admit(on('public', publisher.document, ...versions))
  const smallest = versions.map(({ id }) => toHex(id)).sort()
  const found = records.releases({ type: 'npm', name: 'parser' }).map(({ record }) => toHex(record.id))
  t.same(found.sort(), smallest.slice(0, 2))
})

test('a full shelf refuses, and says so', async (t) => {
  const { records, environment } = await openStore(t)
  const [full, other] = [publisherOf(0), publisherOf(1)]
  await records.admitAll(on('public', full.document, other.document))
  const row = records.shelves.get('public', full.signer)
  const key = ['public', full.signer]
  await environment.transaction(() => environment.shelves.put(key, { ...row, count: SHELF_RECORDS_MAX }))
  const refusals: string[] = []
  t.teardown(listen('catalog:record', ({ state, signer }) => state === 'refused' && refusals.push(signer)))
  const reports = await records.admit(on('public', shareOf(full, purl, 1), shareOf(other, purl, 1)))
  t.match(reports, [{ outcome: 'refused', error: { code: 'LIMIT_EXCEEDED' } }, { outcome: 'admitted' }])
  t.same(refusals, [full.signer])
})

test('more shelves than are kept are refused, those there are go on', async (t) => {
  const { records, environment } = await openStore(t)
  const [kept, late] = [publisherOf(0), publisherOf(1)]
  await records.admitAll(on('public', kept.document))
  const row = { count: 1, bytes: 1, root: new Uint8Array(32) }
  await environment.transaction(() => {
    for (let n = 1; n < UNPINNED_SHELVES_MAX; n++) environment.shelves.put(['public', `publisher:${n}`], row)
  })
  const reports = await records.admit(on('public', late.document, shareOf(kept, purl, 1)))
  t.match(reports, [{ outcome: 'refused', error: { code: 'LIMIT_EXCEEDED' } }, { outcome: 'admitted' }])
})

test('further writes of the caller are part of it, and only when every record holds', async (t) => {
  const { records, environment } = await openStore(t)
  const publisher = publisherOf(0)
  const beside = (name: string) => () => environment.meta.put(name, 1)
  await records.admitAll(on('public', publisher.document), beside('done'))
  t.equal(environment.meta.get('done'), 1)
  const forged = signRecord(releaseOf(publisher).statement, [keyOf(9)])
  await t.rejects(records.admitAll(on('public', forged), beside('forged')), { code: 'RECORD_SIGNATURE' })
  t.equal(environment.meta.get('forged'), undefined)
  const rival = publisherOf(1)
  const mixed = records.admitAll(on('public', rival.document, forged))
  await t.rejects(mixed, { code: 'RECORD_SIGNATURE' })
  t.equal(records.get(rival.document.id), undefined, 'all of them, or nothing')
  const heard: unknown[] = []
  t.teardown(records.onChange((changes) => heard.push(changes)))
  const failing = records.admitAll(on('public', releaseOf(publisher)), () => {
    throw new Error('the disk')
  })
  await t.rejects(failing, { code: 'STORE_FAILED' })
  t.equal(records.count(), 1, 'nothing of it stays')
  t.same(heard, [], 'and nobody heard of it')
})

test('a record of this node’s own that would wait is an error', async (t) => {
  const { records } = await openStore(t)
  await t.rejects(records.admitAll(on('public', releaseOf(publisherOf(0)))), { code: 'INTERNAL' })
})

test('a restart keeps everything', async (t) => {
  const store = await openStore(t)
  const publisher = publisherOf(0)
  const many = Array.from({ length: 40 }, (_, n) => releaseOf(publisher, { version: `1.${n}.0` }))
  await store.records.admitAll(on('public', publisher.document, ...many))
  const before = store.records.shelves.list()
  const { records } = await store.reopen()
  t.same(records.shelves.list(), before)
  t.equal(records.releases({ type: 'npm', name: 'parser' }).length, 40)
  t.equal(records.count(), 41)
  t.same(await outcomes(records, on('public', many[3] as CatalogRecord)), ['known'])
})
