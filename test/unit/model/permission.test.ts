import fc from 'fast-check'
import { test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import { SHARE_GLOBS_MAX } from '../../../src/base/limits.ts'
import {
  ENFORCED_PERMISSIONS,
  type Grant,
  grantAt,
  grantedBy,
  grantOf,
  PERMISSIONS,
  PRIVATE,
  parsePermission,
  readShare,
  shareBodyOf,
  sharesOf,
} from '../../../src/model/permission.ts'
import { numberedOf, peerOf, publisherOf, releaseOf, shareOf } from './made.ts'

test('a share is read whatever its permission', async (t) => {
  for (const permission of PERMISSIONS)
    t.equal(readShare(shareOf(publisherOf(0), 'x', 1, permission)).permission, permission)
})

test('a share needs a seq, its own kind and a word that is known', async (t) => {
  const publisher = publisherOf(0)
  const invalid = { code: 'RECORD_INVALID' }
  t.throws(() => readShare(shareOf(publisher, 'x', 1, 'public', { seq: undefined })), invalid)
  t.throws(() => readShare(releaseOf(publisher)), invalid)
  t.throws(() => readShare(shareOf(publisher, 'x', 1, 'everyone' as 'public')), invalid)
})

test('only permissions that are enforced can be asked for', async (t) => {
  for (const word of ENFORCED_PERMISSIONS) t.equal(parsePermission(word), word)
  for (const word of ['anonymous', 'verified']) {
    t.throws(() => parsePermission(word), { code: 'PERMISSION_UNSUPPORTED' }, word)
  }
  t.throws(() => parsePermission('Public'), { code: 'USAGE', hint: /public, private/ })
})

const publisher = publisherOf(0)
const NAME = { type: 'npm', name: '@corp/parser', version: '1.0.0' }
const OWN = 'pkg:npm/%40corp/parser@1.0.0'
const group = '0'.repeat(32)

const share = (subject: string, seq: number, body: object) => numberedOf(publisher, 'share', subject, seq, { ...body })
const decided = (...shares: ReturnType<typeof share>[]) => grantedBy(sharesOf(NAME, shares)).permission

test('lists have bounds, and their members a shape', async (t) => {
  const invalid = { code: 'RECORD_INVALID' }
  const many = Array.from({ length: 257 }, () => peerOf(1))
  for (const lists of [{ peers: many }, { peers: ['0OIl'] }, { groups: ['x'] }, { groups: many }, { expires: -1 }]) {
    t.throws(() => readShare(share('x', 1, { permission: 'restricted', ...lists })), invalid)
  }
})

test('what is granted is written and read back', async (t) => {
  const grants: Grant[] = [
    PRIVATE,
    { ...PRIVATE, permission: 'public', expires: 5 },
    { ...PRIVATE, permission: 'restricted', peers: [peerOf(1)], known: true },
    { ...PRIVATE, permission: 'friends', groups: [group] },
  ]
  for (const grant of grants) t.same(grantOf(readShare(share('x', 1, shareBodyOf(grant)))), grant)
  t.same(grantOf({ permission: 'verified' }), PRIVATE, 'what cannot be enforced grants nothing')
  t.same(grantOf({ permission: 'public', peers: [peerOf(1)] }).peers, [], 'only the lists that its kind has')
})

test('the most specific subject counts, and of it the highest number', async (t) => {
  const open = (subject: string, seq = 1) => share(subject, seq, { permission: 'public' })
  const shut = (subject: string, seq = 1) => share(subject, seq, { permission: 'private' })
  t.equal(decided(), 'private')
  t.equal(decided(open('glob:npm/*'), shut(OWN)), 'private', 'the release before every glob, whatever the numbers')
  t.equal(decided(shut('glob:npm/*', 9), open('glob:npm/%40corp/*')), 'public', 'more letters before fewer')
  t.equal(decided(shut('glob:npm/%40corp/pars*'), open('glob:npm/%40corp/parser')), 'public', 'a name before a pattern')
  t.equal(decided(open('glob:npm/%40corp/*'), shut('glob:npm/*rser')), 'public')
  t.equal(decided(open('glob:npm/*rp/parser'), shut('glob:npm/%40corp/par*')), 'private', 'the stricter of equals')
  t.equal(decided(open('glob:generic/*'), open('glob:npm/other'), open('pkg:npm/%40corp/parser')), 'private')
  t.equal(decided(shut(OWN, 1), open(OWN, 2)), 'public')
  t.equal(decided(open(OWN, 2), share(OWN, 2, { permission: 'public', expires: 7 })), 'private', 'a contradiction')
})

test('with too many globs none counts', async (t) => {
  const globs = Array.from({ length: SHARE_GLOBS_MAX }, (_, i) => share(`glob:npm/${i}*`, 1, { permission: 'public' }))
  const all = share('glob:npm/*', 1, { permission: 'public' })
  t.equal(decided(...globs.slice(1), all), 'public')
  t.equal(decided(...globs, all), 'private')
  t.equal(decided(...globs, all, share(OWN, 1, { permission: 'public' })), 'public')
})

test('a share that has ended is private, and nothing less specific counts instead', async (t) => {
  const shares = [
    share('glob:npm/*', 1, { permission: 'public' }),
    share(OWN, 1, { permission: 'public', expires: 50 }),
  ]
  const grant = grantedBy(sharesOf(NAME, shares))
  t.equal(grantAt(grant, 49).permission, 'public')
  t.same(grantAt(grant, 50), PRIVATE)
})

test('the order in which shares come does not matter', async (t) => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  t.comment(`seed ${seed}`)
  const subject = fc.constantFrom(OWN, 'glob:npm/*', 'glob:npm/%40corp/*', 'glob:npm/*/parser', 'glob:npm/x')
  const made = fc
    .record({ subject, seq: fc.nat(2), permission: fc.constantFrom(...PERMISSIONS) })
    .map(({ subject, seq, permission }) => share(subject, seq, { permission }))
  const orders = fc
    .array(made, { maxLength: 8 })
    .chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })))
  const ids = (shares: ReturnType<typeof sharesOf>) => shares.map(({ id }) => toHex(id))
  const property = fc.property(orders, ([one, other]) => {
    t.same(ids(sharesOf(NAME, one)), ids(sharesOf(NAME, other)))
    // Saying it again changes nothing either.
    t.same(ids(sharesOf(NAME, [...one, ...other])), ids(sharesOf(NAME, one)))
  })
  fc.assert(property, { seed, numRuns: 60 })
})
