import { test } from 'tap'
import { type CatalogRecord, signRecord } from '../../../src/model/record.ts'
import type { Addressee } from '../../../src/trust/addressed.ts'
import { verifyBundle } from '../../../src/trust/verify.ts'
import { documentOf, keyOf, publisherOf, releaseOf, shareOf } from '../model/made.ts'

const [publisher, other] = [publisherOf(0), publisherOf(1)]
const purl = 'pkg:npm/parser@1.0.0'
const release = releaseOf(publisher)
const share = shareOf(publisher, purl, 1)

const stranger: Addressee = { is: () => false, belongs: (audience) => audience === 'public' }
const verify = (...records: CatalogRecord[]) =>
  verifyBundle(
    records.map(({ envelope }) => envelope),
    stranger,
  )
const invalid = { name: 'CatalogError', code: 'RECORD_INVALID' }
const unsigned = { name: 'CatalogError', code: 'RECORD_SIGNATURE' }

test('documents, one release and its share prove it', async (t) => {
  const proven = verify(publisher.document, release, share)
  t.equal(proven.release.purl, purl)
  t.equal(proven.release.record.signer, publisher.signer)
  t.equal(proven.records.length, 3)
})

test('without a public share nothing is proven', async (t) => {
  t.throws(() => verify(publisher.document, release), { ...invalid, message: /without a share/ })
  t.throws(() => verify(publisher.document, release, shareOf(publisher, purl, 1, 'private')), invalid)
  t.throws(() => verify(publisher.document, release, shareOf(publisher, 'pkg:npm/parser@2.0.0', 1)), invalid)
})

test('without the documents, or with them too late, nothing is proven', async (t) => {
  t.throws(() => verify(release, share), unsigned)
  t.throws(() => verify(other.document, release, share), unsigned)
  t.throws(() => verify(release, share, publisher.document), unsigned)
})

test('exactly one release', async (t) => {
  t.throws(() => verify(publisher.document, share), { ...invalid, message: /exactly one/ })
  t.throws(() => verify(publisher.document, release, releaseOf(publisher, { version: '2.0.0' }), share), invalid)
  t.throws(() => verify(), invalid)
})

test('another publisher cannot share it', async (t) => {
  t.throws(() => verify(publisher.document, other.document, release, shareOf(other, purl, 1)), invalid)
})

test('a signature by a key the documents do not name proves nothing', async (t) => {
  const forged = signRecord(release.statement, [other.releaseKey])
  t.throws(() => verify(publisher.document, forged, share), unsigned)
  const forgedShare = signRecord(share.statement, [other.releaseKey])
  t.throws(() => verify(publisher.document, release, forgedShare), unsigned)
})

test('a release of a later key comes with the chain that names the key', async (t) => {
  const key = keyOf(77)
  const { signer, root, document } = publisher
  const body = { version: 2, threshold: 1, roots: [root.publicKey], releaseKeys: [key.publicKey] }
  const v2 = signRecord(documentOf({ subject: 'v2', signer, signerVersion: 1, body }), [root])
  const late = { ...publisher, releaseKey: key }
  const [release2, share2] = [
    releaseOf(late, {}, { signerVersion: 2 }),
    shareOf(late, purl, 1, 'public', { signerVersion: 2 }),
  ]
  t.equal(verify(document, v2, release2, share2).release.purl, purl)
  t.throws(() => verify(document, release2, share2), unsigned)
  t.throws(() => verify(v2, document, release2, share2), unsigned)
})

test('bytes that are no record are refused', async (t) => {
  t.throws(() => verifyBundle([publisher.document.envelope, new Uint8Array(3)], stranger), invalid)
})
