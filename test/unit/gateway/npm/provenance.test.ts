import { test } from 'tap'
import { ATTESTATION_BYTES_MAX } from '../../../../src/base/http-limits.ts'
import { bundleIn, bundleOf } from '../../../../src/gateway/npm/provenance.ts'
import { PublishBody } from '../../../../src/gateway/npm/publish-body.ts'

const PURL = 'pkg:npm/a@1.0.0'
const SHA512 = 'ab'.repeat(64)
const STATEMENT = {
  predicateType: 'https://slsa.dev/provenance/v1',
  subject: [{ name: PURL, digest: { sha512: SHA512 } }],
}

function bundle(statement: object, changes: object = {}): string {
  const payload = Buffer.from(JSON.stringify(statement)).toString('base64')
  const dsseEnvelope = { payloadType: 'application/vnd.in-toto+json', payload }
  return JSON.stringify({ mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json', dsseEnvelope, ...changes })
}

/** As it comes out of what npm sends. */
function document(...bundles: unknown[]) {
  const attachments = bundles.map((data, i) => [`a-${i}.sigstore`, { data, length: 1 }])
  const body = new PublishBody()
  body.push(Buffer.from(JSON.stringify({ name: 'a', _attachments: Object.fromEntries(attachments) })))
  return body.end()
}

test('a bundle is taken when it is about the very bytes', async (t) => {
  const text = bundle(STATEMENT)
  const mediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json'
  const { predicateType, subject } = STATEMENT
  t.strictSame(bundleIn(document(text), PURL, SHA512), { text, path: 'a-0.sigstore', mediaType, predicateType })
  t.equal(bundleIn(document(), PURL, SHA512), undefined)
  const several = bundle({ predicateType, subject: [{ name: 'pkg:npm/b@1.0.0', digest: {} }, ...subject] })
  t.ok(bundleIn(document(several), PURL, SHA512), 'among others')
  t.strictSame(bundleOf(text), JSON.parse(text))
})

test('whatever else is sent is refused', async (t) => {
  const refused = (...bundles: unknown[]) =>
    t.throws(() => bundleIn(document(...bundles), PURL, SHA512), { code: 'USAGE' })
  refused(bundle({ ...STATEMENT, subject: [] }))
  refused(bundle({ ...STATEMENT, subject: [{ name: PURL, digest: { sha512: SHA512.replace('a', 'c') } }] }))
  refused(bundle({ ...STATEMENT, subject: [{ name: 'pkg:npm/b@1.0.0', digest: { sha512: SHA512 } }] }))
  refused(bundle({ ...STATEMENT, predicateType: 'x' }))
  refused(bundle(STATEMENT, { mediaType: 'application/json' }))
  refused(bundle(STATEMENT, { dsseEnvelope: { payloadType: 'application/vnd.in-toto+json', payload: '?' } }))
  for (const text of ['', '[]', '{', 7, undefined]) refused(text)
  refused(bundle(STATEMENT), bundle(STATEMENT))
  const long = bundle(STATEMENT, { more: 'x'.repeat(ATTESTATION_BYTES_MAX) })
  t.throws(() => bundleIn(document(long), PURL, SHA512), { code: 'LIMIT_EXCEEDED' })
  t.throws(() => bundleOf('{'), { code: 'NOT_FOUND' })
})
