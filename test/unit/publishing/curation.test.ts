// What a publisher says of its releases afterwards, over a store as it stands on its node.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { directEffects } from '../../../src/base/effects.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { type Audience, shelvesOf } from '../../../src/model/audience.ts'
import { PRIVATE, PUBLIC, shareBodyOf } from '../../../src/model/permission.ts'
import { formatPurl } from '../../../src/model/purl.ts'
import { type Release, readRelease } from '../../../src/model/release.ts'
import { Curation } from '../../../src/publishing/curation.ts'
import { Notices } from '../../../src/trust/notices.ts'
import { LocalPublisher } from '../../../src/trust/publishers.ts'
import { Shares } from '../../../src/trust/shares.ts'
import { bodyOf, publisherOf, releaseOf } from '../model/made.ts'
import { openStore } from '../store/opened.ts'

const name = { type: 'npm', name: 'parser' }

async function opened(t: Test) {
  const { records, clock, disk, folder } = await openStore(t)
  const keys = join(folder, 'keys')
  await mkdir(keys)
  const publisher = new LocalPublisher({ disk, clock, random: seededRandom(1), effects: directEffects }, { keys })
  const [notices, shares] = [new Notices({ records }), new Shares({ records, clock })]
  const told: string[] = []
  const outbox = { announce: async ({ purl }: { purl: string }) => void told.push(purl) }
  const parts = { records, shares, notices, publisher, online: () => true }
  const curation = new Curation({ ...parts, outbox })
  const { signer, documents } = await publisher.identity()
  /** As publishing does it. */
  const publish = async (version: string, { grant = PUBLIC, tag }: { grant?: typeof PUBLIC; tag?: string } = {}) => {
    const subject = formatPurl({ ...name, version })
    const record = await publisher.sign({ kind: 'release', subject, body: bodyOf({ version }) })
    const share = await publisher.sign({ kind: 'share', subject, seq: 1, body: { ...shareBodyOf(grant) } })
    const release = readRelease(record)
    const audiences = shelvesOf(grant)
    const submissions = audiences.flatMap((audience) =>
      [...documents, record, share].map((each) => ({ record: each, audience })),
    )
    await curation.publishing({ release, audiences, tag }, (notices) => records.admitAll([...submissions, ...notices]))
    return release
  }
  const tags = (audience: Audience) => Object.fromEntries(notices.of(name, signer, [audience]).tags)
  return { curation, notices, publish, records, signer, tags, told }
}

const versioned = ({ body }: Release) => ({ ...name, version: body.version })

test('a tag is told to those alone who may see what it names', async (t) => {
  const { curation, publish, tags, told } = await opened(t)
  const first = await publish('1.0.0')
  const hidden = await publish('2.0.0', { grant: PRIVATE })
  await curation.tag(versioned(first), 'beta')
  t.strictSame([tags('public'), tags('private')], [{ beta: '1.0.0' }, {}])
  t.strictSame(told, ['pkg:npm/parser'])
  await curation.tag(versioned(hidden), 'beta')
  t.strictSame([tags('public'), tags('private')], [{}, { beta: '2.0.0' }], 'and taken back where it was told before')
  await curation.tag(versioned(first), 'beta')
  t.strictSame([tags('public'), tags('private')], [{ beta: '1.0.0' }, {}])
  t.ok(await curation.untag(name, 'beta'))
  t.strictSame([tags('public'), tags('private')], [{}, {}])
  t.notOk(await curation.untag(name, 'beta'))
})

test('what is published under a tag of its own does not become the latest', async (t) => {
  const { publish, tags } = await opened(t)
  await publish('1.0.0', { tag: 'latest' })
  t.strictSame(tags('public'), {}, 'which the highest is without a word')
  await publish('2.0.0', { tag: 'next' })
  t.strictSame(tags('public'), { next: '2.0.0', latest: '1.0.0' })
  await publish('1.1.0')
  t.equal(tags('public')['latest'], '1.1.0', 'what is published without a tag does')
  await publish('3.0.0-rc.1')
  await publish('1.0.1')
  t.equal(tags('public')['latest'], '1.1.0', 'unless it is a pre-release, or lower')
  await publish('1.0.2', { tag: 'latest' })
  t.equal(tags('public')['latest'], '1.0.2', 'or is said to be it')
})

test('versions published at one time each get their tag', async (t) => {
  const { publish, tags } = await opened(t)
  await Promise.all(['1.0.0', '2.0.0', '3.0.0'].map((version) => publish(version, { tag: `v-${version}` })))
  t.match(tags('public'), { 'v-1.0.0': '1.0.0', 'v-2.0.0': '2.0.0', 'v-3.0.0': '3.0.0' })
})

test('a version, a range or what is nothing of this publisher’s is no tag', async (t) => {
  const { curation, publish, records, told } = await opened(t)
  const first = await publish('1.0.0')
  for (const tag of ['1.0.0', '^1', 'v2', '*', '1.x', '']) {
    await t.rejects(curation.tag(versioned(first), tag), { code: 'NAME_INVALID' }, tag)
  }
  await t.rejects(curation.tag({ ...name, version: '9.9.9' }, 'beta'), { code: 'NOT_FOUND' })
  const other = publisherOf(7)
  const foreign = releaseOf(other, { name: 'lexer' })
  await records.admitAll([other.document, foreign].map((record) => ({ record, audience: 'public' as const })))
  const lexer = { type: 'npm', name: 'lexer' }
  await t.rejects(curation.tag({ ...lexer, version: '1.0.0' }, 'beta'), { code: 'REFUSED' })
  await t.rejects(curation.deprecate(lexer, new Map([['1.0.0', 'no']])), { code: 'REFUSED' })
  await t.rejects(curation.withdraw(lexer, ['1.0.0']), { code: 'REFUSED' })
  t.strictSame(told, [])
})

test('what is said already is not said again', async (t) => {
  const { curation, notices, publish, signer } = await opened(t)
  for (const version of ['1.0.0', '2.0.0']) await publish(version)
  const messages = new Map([
    ['1.0.0', 'old'],
    ['2.0.0', ''],
  ])
  t.strictSame(await curation.deprecate(name, messages), ['1.0.0'])
  t.strictSame(await curation.deprecate(name, messages), [])
  t.strictSame(await curation.withdraw(name, ['1.0.0', '2.0.0'], { reason: 'all wrong' }), ['1.0.0', '2.0.0'])
  t.strictSame(await curation.withdraw(name, ['1.0.0']), [])
  t.strictSame(Object.fromEntries(notices.of(name, signer).withdrawn), { '1.0.0': 'all wrong', '2.0.0': 'all wrong' })
  await t.rejects(curation.tag({ ...name, version: '1.0.0' }, 'beta'), { code: 'WITHDRAWN' })
  t.strictSame(await curation.withdraw(name, ['2.0.0'], { isWithdrawn: false }), ['2.0.0'])
  t.strictSame([...notices.of(name, signer).withdrawn.keys()], ['1.0.0'])
  await t.rejects(curation.deprecate(name, new Map([['1.0.0', 'x'.repeat(2000)]])), { code: 'RECORD_INVALID' })
})
