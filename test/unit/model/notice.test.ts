import { test } from 'tap'
import { admit } from '../../../src/model/admission.ts'
import { countingNotice, noticePackage, noticeVersion, readNotice, tagSubject } from '../../../src/model/notice.ts'
import { readPublisherDocument } from '../../../src/model/publisher.ts'
import { numberedOf, publisherOf, shareOf } from './made.ts'

const publisher = publisherOf(0)
const name = { type: 'npm', name: '@acme/parser' }
const PURL = 'pkg:npm/%40acme/parser@1.0.0'
const invalid = { code: 'RECORD_INVALID' }

test('a tag names a version, or nothing any more', async (t) => {
  const subject = tagSubject(name, 'next+1')
  t.equal(subject, 'pkg:npm/%40acme/parser?tag=next%2B1')
  const tag = numberedOf(publisher, 'tag', subject, 1, { version: '1.0.0' })
  t.match(readNotice(tag), { kind: 'tag', about: name, tag: 'next+1', version: '1.0.0' })
  t.equal(noticeVersion(tag), '1.0.0')
  t.equal(noticeVersion(numberedOf(publisher, 'tag', subject, 2, {})), undefined)
  t.strictSame(noticePackage(subject), name)
  for (const tag of ['', 'a b', 'a\nb', 'x'.repeat(129), '\ud800']) {
    t.throws(() => tagSubject(name, tag), { code: 'NAME_INVALID' })
  }
})

test('a deprecation and a withdrawal are about a release', async (t) => {
  const deprecation = numberedOf(publisher, 'deprecation', PURL, 1, { message: 'use 2' })
  t.match(readNotice(deprecation), { about: { ...name, version: '1.0.0' }, message: 'use 2', withdrawn: false })
  const withdrawal = numberedOf(publisher, 'withdrawal', PURL, 1, { withdrawn: true, reason: 'a mistake' })
  t.match(readNotice(withdrawal), { about: { version: '1.0.0' }, message: 'a mistake', withdrawn: true })
  t.strictSame(noticePackage(PURL), name)
})

test('what is malformed, or written in a second way, is not admitted', async (t) => {
  const documents = [readPublisherDocument(publisher.document)]
  const shelf = { documents: () => documents, slot: () => [] }
  const wrong: [kind: string, subject: string, body: object][] = [
    ['tag', 'pkg:npm/%40acme/parser?tag=next+1', { version: '1.0.0' }],
    ['tag', 'pkg:npm/@acme/parser?tag=beta', { version: '1.0.0' }],
    ['tag', 'pkg:npm/parser@1.0.0?tag=beta', {}],
    ['tag', 'pkg:npm/parser?tag=', {}],
    ['tag', 'pkg:npm/parser?tag=a?tag=b', {}],
    ['tag', 'pkg:npm/parser?tag=%', {}],
    ['tag', 'pkg:npm/parser', {}],
    ['tag', 'beta', {}],
    ['tag', 'pkg:npm/parser?tag=beta', { version: 1 }],
    ['tag', 'pkg:npm/parser?tag=beta', { version: '' }],
    ['deprecation', 'pkg:npm/parser', { message: '' }],
    ['deprecation', 'pkg:npm/@acme/parser@1.0.0', { message: '' }],
    ['deprecation', PURL, {}],
    ['deprecation', PURL, { message: 'x'.repeat(1025) }],
    ['withdrawal', PURL, {}],
    ['withdrawal', PURL, { withdrawn: 'yes' }],
    ['withdrawal', 'pkg:npm/parser', { withdrawn: true }],
  ]
  for (const [kind, subject, body] of wrong) {
    t.throws(() => admit(numberedOf(publisher, kind, subject, 1, { ...body }), shelf), invalid, `${kind} ${subject}`)
  }
  t.throws(() => admit(shareOf(publisher, PURL, 1, 'public', { kind: 'deprecation', seq: undefined }), shelf), invalid)
  const right = numberedOf(publisher, 'tag', 'pkg:npm/parser?tag=beta', 1, { version: '1.0.0', note: 'kept' })
  t.equal(admit(right, shelf).outcome, 'admit')
})

test('the highest number counts, and of two with one number the same everywhere', async (t) => {
  const of = (seq: number, message: string) => numberedOf(publisher, 'deprecation', PURL, seq, { message })
  const [older, one, two] = [of(1, 'older'), of(2, 'one'), of(2, 'two')]
  t.equal(countingNotice([older, one]), one)
  t.equal(countingNotice([one, two, older]), countingNotice([older, two, one]))
  t.equal(countingNotice([]), undefined)
})
