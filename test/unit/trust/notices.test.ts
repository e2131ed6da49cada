// What a publisher says of its releases, as it stands on the shelves of a node.
import { type Test, test } from 'tap'
import type { Audience } from '../../../src/model/audience.ts'
import type { CatalogRecord } from '../../../src/model/record.ts'
import { readRelease } from '../../../src/model/release.ts'
import { NO_NOTICES, Notices } from '../../../src/trust/notices.ts'
import { numberedOf, publisherOf, releaseOf } from '../model/made.ts'
import { openStore } from '../store/opened.ts'

const [publisher, other] = [publisherOf(0), publisherOf(1)]
const name = { type: 'npm', name: 'parser' }
const PURL = 'pkg:npm/parser@1.0.0'
const tagOf = (seq: number, tag: string, version?: string) =>
  numberedOf(publisher, 'tag', `pkg:npm/parser?tag=${tag}`, seq, version === undefined ? {} : { version })

async function opened(t: Test) {
  const { records } = await openStore(t)
  const notices = new Notices({ records })
  const put = (audience: Audience, ...some: CatalogRecord[]) =>
    records.admitAll([publisher.document, other.document, ...some].map((record) => ({ record, audience })))
  const told = (audiences?: Audience[]) => {
    const { tags, deprecated, withdrawn } = notices.of(name, publisher.signer, audiences)
    return [tags, deprecated, withdrawn].map((texts) => Object.fromEntries(texts))
  }
  return { notices, put, told }
}

test('of who has said nothing there is nothing, until something is said', async (t) => {
  const { notices, put, told } = await opened(t)
  t.equal(notices.of(name, publisher.signer), NO_NOTICES)
  await put('public', tagOf(1, 'beta', '1.0.0'))
  t.strictSame(told(), [{ beta: '1.0.0' }, {}, {}])
  t.strictSame(notices.of({ ...name, name: 'parser-2' }, publisher.signer).records, [])
  t.equal(notices.of(name, other.signer), NO_NOTICES, 'nobody else speaks for it')
})

test('the highest number counts, on whatever shelf; who sees fewer shelves is told of those', async (t) => {
  const { put, told } = await opened(t)
  await put('public', tagOf(1, 'beta', '1.0.0'))
  await put('public', tagOf(2, 'beta'))
  await put('private', tagOf(3, 'beta', '2.0.0'))
  t.strictSame(told(), [{ beta: '2.0.0' }, {}, {}])
  t.strictSame(told(['public']), [{}, {}, {}])
  t.strictSame(told(['private']), [{ beta: '2.0.0' }, {}, {}])
  await put('private', tagOf(4, 'beta', '3.0.0'))
  t.strictSame(told(), [{ beta: '3.0.0' }, {}, {}], 'what was kept at hand is looked up again')
})

test('deprecations and withdrawals come and go', async (t) => {
  const { notices, put, told } = await opened(t)
  const release = readRelease(releaseOf(publisher))
  const said = (kind: string, seq: number, body: object) => numberedOf(publisher, kind, PURL, seq, { ...body })
  await put('public', release.record, said('deprecation', 1, { message: 'old' }))
  await put('public', said('withdrawal', 1, { withdrawn: true, reason: 'broken' }))
  t.strictSame(told(), [{}, { '1.0.0': 'old' }, { '1.0.0': 'broken' }])
  t.ok(notices.isWithdrawn(release))
  t.equal(notices.about(release).length, 2)
  await put('public', said('deprecation', 2, { message: '' }), said('withdrawal', 2, { withdrawn: false }))
  t.strictSame(told(), [{}, {}, {}])
  t.notOk(notices.isWithdrawn(release))
  t.equal(notices.about(release).length, 2, 'that it was taken back is told on')
})
