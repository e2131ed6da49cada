import { test } from 'tap'
import { peersAudience } from '../../../src/model/audience.ts'
import { type Grant, PRIVATE, PUBLIC, shareBodyOf } from '../../../src/model/permission.ts'
import type { CatalogRecord } from '../../../src/model/record.ts'
import { type Addressee, addressed } from '../../../src/trust/addressed.ts'
import { numberedOf, peerOf, publisherOf, releaseOf } from '../model/made.ts'

const publisher = publisherOf(0)
const [me, other] = [peerOf(1), peerOf(2)]
const PURL = 'pkg:npm/parser@1.0.0'
const GROUP = 'ab'.repeat(16)
const release = releaseOf(publisher)
const node: Addressee = { is: (member) => member === me, belongs: (audience) => audience === 'public' }

const shareOf = (grant: Grant, subject = PURL) => numberedOf(publisher, 'share', subject, 1, { ...shareBodyOf(grant) })
const groupOf = (...members: string[]) => numberedOf(publisher, 'group', GROUP, 1, { name: 'team', members })
const devicesOf = (...peers: string[]) => numberedOf(publisher, 'device', 'devices', 1, { peers })

/** Shelves of each kind of record. */
function placed(records: readonly CatalogRecord[], who = node): Record<string, string[]> {
  const shelves: Record<string, string[]> = {}
  for (const { record, audience } of addressed([publisher.document, release, ...records], who)) {
    shelves[record.statement.kind] = [...(shelves[record.statement.kind] ?? []), audience]
  }
  return shelves
}

test('what is for everybody stands on the public shelf', async (t) => {
  const everywhere = { publisher: ['public'], release: ['public'], share: ['public'] }
  t.same(placed([shareOf(PUBLIC)]), everywhere)
  t.same(placed([shareOf(PUBLIC, 'glob:npm/*')]), everywhere)
  t.same(placed([shareOf({ ...PRIVATE, permission: 'restricted', known: true })]), everywhere)
})

test('what nothing shares with this node stands nowhere', async (t) => {
  const friends = shareOf({ ...PRIVATE, permission: 'friends', groups: [GROUP] })
  t.same(placed([]), {})
  t.same(placed([shareOf(PRIVATE)]), {})
  t.same(placed([shareOf(PUBLIC, 'pkg:npm/parser@2.0.0')]), { publisher: ['public'], share: ['public'] })
  t.same(placed([shareOf({ ...PRIVATE, permission: 'restricted', peers: [other] })]), {})
  t.same(placed([friends]), {})
  t.same(placed([friends, groupOf(other)]), {})
  t.same(placed([shareOf(PRIVATE), devicesOf(other)]), {})
})

test('what is for a group, a list or the devices that this node is in stands on their shelves alone', async (t) => {
  const peers = [me, other]
  const list = [peersAudience(peers)]
  const restricted = shareOf({ ...PRIVATE, permission: 'restricted', peers })
  t.same(placed([restricted]), { publisher: list, release: list, share: list })
  const friends = shareOf({ ...PRIVATE, permission: 'friends', groups: [GROUP, 'cd'.repeat(16)] })
  const group = [`group:${GROUP}`]
  t.same(placed([friends, groupOf(me)]), { publisher: group, release: group, share: group, group })
  const member: Addressee = { ...node, belongs: (audience) => audience === `group:${GROUP}` }
  t.same(placed([friends], member), { publisher: group, release: group, share: group }, 'known to be a member')
  const own = ['private']
  t.same(placed([shareOf(PRIVATE), devicesOf(me)]), { publisher: own, release: own, share: own, device: own })
})

test('what is said of a release stands where the release does, and nowhere else', async (t) => {
  const said = (kind: string, subject: string, body: object) => numberedOf(publisher, kind, subject, 1, { ...body })
  const deprecation = said('deprecation', PURL, { message: 'old' })
  const withdrawal = said('withdrawal', PURL, { withdrawn: true })
  const tag = said('tag', 'pkg:npm/parser?tag=beta', { version: '1.0.0' })
  const takenBack = said('tag', 'pkg:npm/parser?tag=beta', {})
  const restricted = shareOf({ ...PRIVATE, permission: 'restricted', peers: [me, other] })
  const list = [peersAudience([me, other])]
  for (const notice of [deprecation, withdrawal, tag, takenBack]) {
    const { kind } = notice.statement
    t.same(placed([shareOf(PUBLIC), notice])[kind], ['public'])
    t.same(placed([restricted, notice])[kind], list)
    t.notOk(kind in placed([shareOf(PRIVATE), notice]))
  }
  const elsewhere = said('tag', 'pkg:npm/parser?tag=beta', { version: '2.0.0' })
  t.notOk('tag' in placed([shareOf(PUBLIC), elsewhere]), 'of a version that nothing shares with this node')
  t.notOk('tag' in placed([shareOf(PUBLIC), said('tag', 'pkg:npm/lexer?tag=beta', {})]))
})
