import { test } from 'tap'
import { audiencesOf, peersAudience } from '../../../src/model/audience.ts'
import { inAll, parseMember, readDevices, readGroup } from '../../../src/model/group.ts'
import { PRIVATE, PUBLIC } from '../../../src/model/permission.ts'
import { numberedOf, peerOf, publisherOf, releaseOf } from './made.ts'

const publisher = publisherOf(0)
const id = '0123456789abcdef'.repeat(2)
const [one, two] = [peerOf(1), peerOf(2)]
const invalid = { code: 'RECORD_INVALID' }

test('a group has a name, and peers or publishers as members', async (t) => {
  const group = numberedOf(publisher, 'group', id, 1, { name: 'team', members: [one, publisher.signer] })
  t.same(readGroup(group), { id, name: 'team', members: [one, publisher.signer] })
  for (const [subject, body] of [
    ['team', { name: 'team', members: [] }],
    [id, { name: '', members: [] }],
    [id, { name: 'team', members: ['publisher:xyz'] }],
    [id, { name: 'team', members: Array.from({ length: 513 }, () => one) }],
    [id, { name: 'team' }],
  ] as const) {
    t.throws(() => readGroup(numberedOf(publisher, 'group', subject, 1, { ...body })), invalid)
  }
  t.throws(() => readGroup(releaseOf(publisher)), invalid)
})

test('devices are peers, under one subject', async (t) => {
  t.same(readDevices(numberedOf(publisher, 'device', 'devices', 1, { peers: [one] })), [one])
  t.throws(() => readDevices(numberedOf(publisher, 'device', 'others', 1, { peers: [one] })), invalid)
  t.throws(() => readDevices(numberedOf(publisher, 'device', 'devices', 1, { peers: [publisher.signer] })), invalid)
  t.throws(() => readDevices(numberedOf(publisher, 'group', 'devices', 1, { peers: [one] })), invalid)
})

test('of lists that contradict each other counts what all of them say', async (t) => {
  t.same([...inAll([[one, two], [two]])], [two])
  t.same([...inAll([[one]])], [one])
  t.same([...inAll([])], [])
})

test('a member is a peer id or a publisher', async (t) => {
  t.equal(parseMember(one), one)
  t.equal(parseMember(publisher.signer), publisher.signer)
  for (const text of ['team', 'publisher:1', '']) t.throws(() => parseMember(text), { code: 'USAGE' }, text)
})

test('an audience for each way to share', async (t) => {
  t.same(audiencesOf(PUBLIC), ['public'])
  t.same(audiencesOf(PRIVATE), ['private'])
  t.same(audiencesOf({ ...PRIVATE, permission: 'friends', groups: [id, id] }), [`group:${id}`, `group:${id}`])
  const listed = audiencesOf({ ...PRIVATE, permission: 'restricted', peers: [one, two] })
  t.same(listed, [peersAudience([two, one, one])], 'one list, one shelf')
  t.match(listed[0], /^peers:[0-9a-f]{32}$/)
  t.not(peersAudience([one]), peersAudience([two]))
  t.same(audiencesOf({ ...PRIVATE, permission: 'restricted', known: true }), ['public'], 'a list is never public')
  t.same(audiencesOf({ ...PRIVATE, permission: 'restricted' }), ['private'])
})
