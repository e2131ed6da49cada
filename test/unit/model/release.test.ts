import { test } from 'tap'
import { ARTIFACTS_MAX, BLOB_BYTES_MAX, DEPENDENCIES_MAX, NAME_LENGTH_MAX } from '../../../src/base/limits.ts'
import { signRecord } from '../../../src/model/record.ts'
import { type ReleaseBody, readRelease } from '../../../src/model/release.ts'
import { bodyOf, publisherOf, releaseOf, shareOf } from './made.ts'

const invalid = { name: 'CatalogError', code: 'RECORD_INVALID' }

test('a release is read with its purl', async (t) => {
  const record = releaseOf(publisherOf(0), { name: '@Acme/Parser', version: '1.0.0+a' })
  t.equal(readRelease(record).purl, 'pkg:npm/%40Acme/Parser@1.0.0+a')
  t.equal(readRelease(record).record, record)
})

test('the subject must be the purl of the body', async (t) => {
  const publisher = publisherOf(0)
  for (const subject of ['pkg:npm/other@1.0.0', 'pkg:npm/parser', 'pkg:npm/parser@1.0.1', '']) {
    t.throws(() => readRelease(releaseOf(publisher, {}, { subject })), invalid, subject)
  }
})

test('a release has no seq, and no other kind is a release', async (t) => {
  const publisher = publisherOf(0)
  t.throws(() => readRelease(releaseOf(publisher, {}, { seq: 1 })), invalid)
  t.throws(() => readRelease(shareOf(publisher, 'x', 1)), invalid)
})

test('bodies are bounded in every part', async (t) => {
  const publisher = publisherOf(0)
  const [artifact] = bodyOf().artifacts
  if (!artifact) throw new Error('no artifact')
  const dependency = { type: 'npm', name: 'x', range: '*' }
  const wrong: [string, Partial<ReleaseBody>][] = [
    ['no artifact', { artifacts: [] }],
    ['too many artifacts', { artifacts: Array.from({ length: ARTIFACTS_MAX + 1 }, () => artifact) }],
    ['a blob too large', { artifacts: [{ ...artifact, size: BLOB_BYTES_MAX + 1 }] }],
    ['a size below zero', { artifacts: [{ ...artifact, size: -1 }] }],
    ['a short root', { artifacts: [{ ...artifact, root: new Uint8Array(31) }] }],
    ['no name', { name: '' }],
    ['a long name', { name: 'n'.repeat(NAME_LENGTH_MAX + 1) }],
    ['no version', { version: '' }],
    ['a type in capitals', { type: 'NPM' }],
    ['too many dependencies', { dependencies: Array.from({ length: DEPENDENCIES_MAX + 1 }, () => dependency) }],
    ['a long range', { dependencies: [{ ...dependency, range: 'x'.repeat(257) }] }],
    ['a priority above one', { priority: 1.5 }],
    ['a long keyword', { keywords: ['x'.repeat(65)] }],
  ]
  for (const [name, changes] of wrong) {
    const body = bodyOf(changes)
    const subject = `pkg:npm/${name.length}@1`
    const { statement } = releaseOf(publisher)
    t.throws(() => readRelease(signRecord({ ...statement, subject, body }, [publisher.releaseKey])), {
      ...invalid,
      message: /invalid body/,
    })
  }
})
