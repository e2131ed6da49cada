import { test } from 'tap'
import { PERMISSIONS } from '../../../src/model/permission.ts'
import type { CatalogRecord } from '../../../src/model/record.ts'
import { type Release, readRelease } from '../../../src/model/release.ts'
import { Shares } from '../../../src/trust/shares.ts'
import { publisherOf, releaseOf, shareOf } from '../model/made.ts'
import { openStore } from '../store/opened.ts'

const publisher = publisherOf(0)
const purl = 'pkg:npm/parser@1.0.0'

async function shelved(t: Parameters<typeof openStore>[0]) {
  const { records, clock } = await openStore(t)
  const put = (audience: 'public' | 'private', ...some: CatalogRecord[]) =>
    records.admit([publisher.document, ...some].map((record) => ({ record, audience })))
  return { shares: new Shares({ records, clock }), put, release: readRelease(releaseOf(publisher)) }
}

const share = (seq: number, permission: Parameters<typeof shareOf>[3] = 'public') =>
  shareOf(publisher, purl, seq, permission)

test('without a share a release is private', async (t) => {
  const { shares, put, release } = await shelved(t)
  await put('public', release.record)
  t.equal(shares.latest(publisher.signer, purl), undefined)
  t.equal(shares.permissionOf(release), 'private')
  t.notOk(shares.isPublic(release))
})

test('the latest share wins, in whatever order they come', async (t) => {
  for (const order of [
    [1, 2, 3],
    [3, 2, 1],
  ]) {
    const { shares, put, release } = await shelved(t)
    await put('public', release.record)
    for (const seq of order) await put('public', share(seq, seq === 3 ? 'private' : 'public'))
    t.equal(shares.latest(publisher.signer, purl)?.statement.seq, 3)
    t.notOk(shares.isPublic(release))
    await put('public', share(4))
    t.ok(shares.isPublic(release))
  }
})

test('of two with one number the one that is not public counts', async (t) => {
  for (const order of [
    ['public', 'private'],
    ['private', 'public'],
  ] as const) {
    const { shares, put, release } = await shelved(t)
    await put('public', release.record, ...order.map((permission) => share(1, permission)))
    t.equal(shares.permissionOf(release), 'private')
  }
})

test('a tie between the shelves is not public either', async (t) => {
  for (const [onPublic, onPrivate] of [
    ['public', 'private'],
    ['private', 'public'],
  ] as const) {
    const { shares, put, release } = await shelved(t)
    await put('public', release.record, share(1, onPublic))
    await put('private', release.record, share(1, onPrivate))
    t.notOk(shares.isPublic(release), `${onPublic} on the public shelf`)
  }
})

test('a newer share on either shelf counts', async (t) => {
  const { shares, put, release } = await shelved(t)
  await put('public', release.record, share(1))
  t.ok(shares.isPublic(release))
  await put('private', share(2, 'private'))
  t.notOk(shares.isPublic(release))
})

test('public needs the release itself on the public shelf', async (t) => {
  const { shares, put, release } = await shelved(t)
  await put('private', release.record, share(1))
  t.equal(shares.permissionOf(release), 'public')
  t.notOk(shares.isPublic(release))
  await put('public', release.record)
  t.ok(shares.isPublic(release))
})

test('a permission that cannot be enforced shows nothing', async (t) => {
  for (const permission of PERMISSIONS.filter((word) => word !== 'public')) {
    const { shares, put, release } = await shelved(t)
    await put('public', release.record, share(1, permission))
    t.notOk(shares.isPublic(release), permission)
  }
})

test('the share of another publisher or version says nothing', async (t) => {
  const { shares, put, release } = await shelved(t)
  const other = publisherOf(1)
  await put('public', other.document, release.record, shareOf(other, purl, 9), shareOf(publisher, 'pkg:npm/parser', 9))
  const mine: Release = release
  t.notOk(shares.isPublic(mine))
})
