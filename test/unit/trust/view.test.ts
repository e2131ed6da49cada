import { test } from 'tap'
import type { ReleaseBody } from '../../../src/model/release.ts'
import { type Release, readRelease } from '../../../src/model/release.ts'
import { npm } from '../../../src/package-types/npm.ts'
import type { Pin } from '../../../src/store/pins.ts'
import { NO_NOTICES, type PackageNotices } from '../../../src/trust/notices.ts'
import { newest, resolve, trustState } from '../../../src/trust/view.ts'
import { type MadePublisher, publisherOf, releaseOf } from '../model/made.ts'

const name = { type: 'npm', name: 'parser' }
const [mine, other] = [publisherOf(0), publisherOf(1)]

const of = (publisher: MadePublisher, ...versions: string[]): Release[] =>
  versions.map((version) => readRelease(releaseOf(publisher, { version } satisfies Partial<ReleaseBody>)))
const pinTo = ({ signer }: MadePublisher): Pin => ({ ...name, signer, reason: 'trusted', at: 0 })

function chosen(wanted: Parameters<typeof resolve>[1], releases: Release[], pin?: Pin): string {
  const { release, trust } = resolve(name, wanted, releases, pin, npm)
  return `${release.body.version} ${trust}`
}

test('without a wish the newest release that is no pre-release', async (t) => {
  t.equal(chosen({}, of(mine, '1.9.0', '1.10.0', '1.2.0', '2.0.0-rc.1')), '1.10.0 unpinned')
})

test('an exact version, pre-release or not', async (t) => {
  const releases = of(mine, '1.0.0', '2.0.0-rc.1')
  t.equal(chosen({ version: '1.0.0' }, releases), '1.0.0 unpinned')
  t.equal(chosen({ version: '2.0.0-rc.1' }, releases), '2.0.0-rc.1 unpinned')
  t.throws(() => chosen({ version: '1.0' }, releases), { code: 'NOT_FOUND', hint: /1\.0\.0, 2\.0\.0-rc\.1/ })
})

test('a range chooses its newest, in the words of the type', async (t) => {
  const releases = of(mine, '1.0.0', '1.4.0', '2.0.0', '1.5.0-beta')
  t.equal(chosen({ range: '^1.0.0' }, releases), '1.4.0 unpinned')
  t.equal(chosen({ range: '>=1.5.0-alpha <1.6.0' }, releases), '1.5.0-beta unpinned')
  t.throws(() => chosen({ range: '^3' }, releases), { code: 'NOT_FOUND', message: /\^3/ })
})

test('with only pre-releases, nothing is chosen unasked', async (t) => {
  t.throws(() => chosen({}, of(mine, '1.0.0-rc.1')), { code: 'NOT_FOUND', hint: /1\.0\.0-rc\.1/ })
})

test('a pinned name is its owner’s alone', async (t) => {
  const releases = [...of(mine, '1.0.0'), ...of(other, '1.0.0', '9.0.0')]
  t.equal(chosen({}, releases, pinTo(mine)), '1.0.0 pinned')
  t.throws(() => chosen({ version: '9.0.0' }, releases, pinTo(mine)), { code: 'NOT_FOUND' })
})

test('a name pinned to somebody who released nothing of it is not given to another', async (t) => {
  t.throws(() => chosen({}, of(other, '1.0.0'), pinTo(mine)), {
    code: 'UNTRUSTED',
    hint: /catalog trust/,
    details: { publishers: [other.signer] },
  })
  t.throws(() => chosen({}, [], pinTo(mine)), { code: 'NOT_FOUND' })
})

test('a name that several claim is chosen by nobody but the user', async (t) => {
  const releases = [...of(mine, '1.0.0'), ...of(other, '2.0.0')]
  const untrusted = { code: 'UNTRUSTED', hint: /catalog trust pkg:npm\/parser PUBLISHER/ }
  t.throws(() => chosen({}, releases), untrusted)
  t.throws(() => chosen({ range: '*' }, releases), untrusted)
  t.throws(() => chosen({ version: '2.0.0' }, releases), untrusted, 'even where only one has the version')
  t.throws(() => chosen({ version: '3.0.0' }, releases), { code: 'NOT_FOUND' })
})

test('a publisher that contradicts itself is not believed', async (t) => {
  const twice = [1, 2].map((at) => readRelease(releaseOf(mine, {}, { at })))
  t.throws(() => chosen({}, twice), { code: 'UNTRUSTED', message: /signed 2 releases/ })
  t.throws(() => chosen({ version: '1.0.0' }, twice, pinTo(mine)), { code: 'UNTRUSTED' })
  t.equal(chosen({}, [...twice, ...of(mine, '1.0.1')]), '1.0.1 unpinned', 'its other versions stand')
})

test('nothing known is said as such', async (t) => {
  t.throws(() => chosen({}, []), { code: 'NOT_FOUND', message: /pkg:npm\/parser/, hint: /catalog search/ })
})

test('trust states', async (t) => {
  t.equal(trustState(mine.signer, pinTo(mine), 3), 'pinned')
  t.equal(trustState(other.signer, pinTo(mine), 1), 'foreign')
  t.equal(trustState(mine.signer, undefined, 1), 'unpinned')
  t.equal(trustState(mine.signer, undefined, 2), 'contested')
})

test('tags and withdrawals change what is chosen', async (t) => {
  const releases = of(mine, '1.0.0', '1.1.0', '2.0.0-rc.1', '3.0.0')
  const notices: PackageNotices = {
    ...NO_NOTICES,
    tags: new Map(Object.entries({ latest: '1.0.0', beta: '2.0.0-rc.1', gone: '3.0.0', never: '9.9.9' })),
    withdrawn: new Map([['3.0.0', 'it leaks']]),
  }
  const chosen = (wanted: Parameters<typeof resolve>[1], keeps = false) => {
    const knowledge = { notices: () => notices, keeps: () => keeps }
    return resolve(name, wanted, releases, undefined, npm, knowledge).release.body.version
  }
  t.equal(chosen({}), '1.0.0', 'the tag "latest"')
  t.equal(chosen({ version: 'beta' }), '2.0.0-rc.1')
  t.equal(chosen({ range: 'beta' }), '2.0.0-rc.1')
  t.equal(chosen({ range: '^1' }), '1.1.0')
  t.equal(chosen({ range: '>=1' }), '1.1.0', 'what was withdrawn is in no range')
  for (const wanted of [{ range: '^3' }, { version: 'gone' }, { version: 'never' }]) {
    t.throws(() => chosen(wanted), { code: 'NOT_FOUND' })
  }
  t.throws(() => chosen({ version: '3.0.0' }), { code: 'WITHDRAWN', message: /it leaks/ })
  t.equal(chosen({ version: '3.0.0' }, true), '3.0.0', 'but for who keeps it')
  t.equal(newest(releases, npm, notices)?.body.version, '1.0.0')
  const untagged = { ...notices, tags: new Map([['latest', '3.0.0']]) }
  t.equal(newest(releases, npm, untagged)?.body.version, '1.1.0', 'a tag of what was withdrawn names nothing')
})

test('nobody speaks of a name that several claim', async (t) => {
  const releases = [...of(mine, '1.0.0'), ...of(other, '1.0.0')]
  const notices = { ...NO_NOTICES, withdrawn: new Map([['1.0.0', '']]) }
  const knowledge = { notices: () => notices, keeps: () => false }
  t.throws(() => resolve(name, {}, releases, undefined, npm, knowledge), { code: 'UNTRUSTED' })
  t.equal(resolve(name, {}, releases, pinTo(mine), npm).release.record.signer, mine.signer)
})
