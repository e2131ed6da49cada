// Every permission against every kind of asker, over a store as it stands on a publisher's node.
import { type Test, test } from 'tap'
import { type Audience, audiencesOf, peersAudience } from '../../../src/model/audience.ts'
import { type Grant, PRIVATE, PUBLIC, shareBodyOf } from '../../../src/model/permission.ts'
import type { CatalogRecord } from '../../../src/model/record.ts'
import { readRelease } from '../../../src/model/release.ts'
import { Access, type Standing } from '../../../src/trust/access.ts'
import { Shares } from '../../../src/trust/shares.ts'
import { numberedOf, peerOf, publisherOf, releaseOf } from '../model/made.ts'
import { openStore } from '../store/opened.ts'

const [owner, partner] = [publisherOf(0), publisherOf(1)]
const GROUP = 'ab'.repeat(16)
const PURL = 'pkg:npm/parser@1.0.0'
const [device, listed, member, partnerNode, stranger] = [1, 2, 3, 4, 5].map(peerOf) as [string, ...string[]] as string[]
const ASKERS = { device, listed, member, partnerNode, stranger } as Record<string, string>

const restricted: Grant = { ...PRIVATE, permission: 'restricted', peers: [listed as string] }
const friends: Grant = { ...PRIVATE, permission: 'friends', groups: [GROUP] }
const shareOf = (seq: number, grant: Grant) => numberedOf(owner, 'share', PURL, seq, { ...shareBodyOf(grant) })
const groupOf = (seq: number, ...members: string[]) => numberedOf(owner, 'group', GROUP, seq, { name: 'team', members })

async function opened(t: Test) {
  const { records, clock } = await openStore(t)
  const shares = new Shares({ records, clock })
  const access = new Access({ records, shares })
  const release = readRelease(releaseOf(owner))
  const put = async (audience: Audience, ...some: CatalogRecord[]) => {
    const documents = [owner.document, partner.document]
    await records.admit([...documents, ...some].map((record) => ({ record, audience })))
  }
  await put('private', numberedOf(owner, 'device', 'devices', 1, { peers: [device] }))
  await put(`group:${GROUP}`, groupOf(1, member as string, partner.signer))
  access.show(numberedOf(partner, 'device', 'devices', 1, { peers: [partnerNode] }))
  /** As publishing with this grant leaves the shelves. */
  const grant = async (seq: number, granted: Grant) => {
    for (const audience of audiencesOf(granted)) await put(audience, release.record, shareOf(seq, granted))
  }
  const standings = () =>
    Object.fromEntries(Object.entries(ASKERS).map(([name, peer]) => [name, access.standing(peer, release)]))
  return { access, clock, grant, put, records, release, standings }
}

const table = (...open: string[]): Record<string, Standing> =>
  Object.fromEntries(Object.keys(ASKERS).map((name) => [name, open.includes(name) ? 'open' : 'absent']))

test('who may have what', async (t) => {
  const rows: [string, Grant | undefined, Record<string, Standing>][] = [
    ['nothing said', undefined, table('device')],
    ['public', PUBLIC, table(...Object.keys(ASKERS))],
    ['private', PRIVATE, table('device')],
    ['restricted', restricted, table('device', 'listed')],
    ['friends', friends, table('device', 'member', 'partnerNode')],
  ]
  for (const [name, granted, expected] of rows) {
    const { access, grant, put, release, standings } = await opened(t)
    if (granted) await grant(1, granted)
    else await put('private', release.record)
    t.same(standings(), expected, name)
    for (const [asker, peer] of Object.entries(ASKERS)) {
      t.equal(access.mayFetch(peer, release), expected[asker] === 'open')
      t.equal(access.maySee(peer, release), expected[asker] !== 'absent')
      t.equal(access.standingOf(peer, release.record.id), expected[asker])
    }
  }
})

test('known to all, and for those listed only', async (t) => {
  const { grant, put, release, standings } = await opened(t)
  await put('public', release.record, shareOf(1, { ...restricted, peers: [], known: true }))
  await grant(2, { ...restricted, known: true })
  t.same(standings(), { ...table('device', 'listed'), member: 'known', partnerNode: 'known', stranger: 'known' })
})

test('a release is shown only to whose shelf it stands on', async (t) => {
  for (const granted of [PUBLIC, restricted, friends]) {
    const { put, release, standings } = await opened(t)
    await put('private', release.record)
    for (const audience of audiencesOf(granted)) await put(audience, shareOf(1, granted))
    t.same(standings(), table('device'), granted.permission)
  }
})

test('a newer share, a newer group and the end of a share count at once', async (t) => {
  const { clock, grant, put, standings } = await opened(t)
  await grant(1, friends)
  await put(`group:${GROUP}`, groupOf(2, partner.signer))
  t.same(standings(), table('device', 'partnerNode'), 'the member was removed')
  await put(`group:${GROUP}`, groupOf(3))
  t.same(standings(), table('device'))
  await grant(2, { ...restricted, expires: clock.now() + 10 })
  t.same(standings(), table('device', 'listed'))
  await clock.advance(10)
  t.same(standings(), table('device'), 'it has ended')
  await grant(3, PUBLIC)
  t.same(standings(), table(...Object.keys(ASKERS)))
  await put('public', shareOf(4, PRIVATE))
  await put('private', numberedOf(owner, 'device', 'devices', 2, { peers: [] }))
  t.same(standings(), table(), 'the device was removed')
})

test('the newest device record counts, shown or kept', async (t) => {
  const { access, put } = await opened(t)
  const of = (seq: number, ...peers: string[]) => numberedOf(partner, 'device', 'devices', seq, { peers })
  const isPartner = () => access.isDevice(partnerNode as string, partner.signer)
  t.ok(isPartner())
  access.show(of(3, stranger as string))
  t.notOk(isPartner(), 'a newer one without it')
  access.show(of(2, partnerNode as string))
  t.notOk(isPartner(), 'an older one is shown again')
  await put('private', of(4, partnerNode as string))
  t.ok(isPartner())
})

test('shelves are told of to those they are for', async (t) => {
  const { access, grant } = await opened(t)
  await grant(1, friends)
  await grant(2, restricted)
  await grant(3, PUBLIC)
  const list = peersAudience(restricted.peers)
  const expected: Record<string, Audience[]> = {
    device: ['public', 'private', `group:${GROUP}`, list],
    listed: ['public', list],
    member: ['public', `group:${GROUP}`],
    partnerNode: ['public', `group:${GROUP}`],
    stranger: ['public'],
  }
  for (const [name, peer] of Object.entries(ASKERS)) {
    const audiences = access.audiencesOf(peer, owner.signer)
    t.same(new Set(audiences), new Set(expected[name]), name)
    const shelves = access.shelvesOf(peer).filter(({ signer }) => signer === owner.signer)
    t.same(new Set(shelves.map(({ audience }) => audience)), new Set(expected[name]?.slice(1)))
  }
})
