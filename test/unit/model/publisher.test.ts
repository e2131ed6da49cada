import { test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import type { SigningKey } from '../../../src/model/ed25519.ts'
import { documentHolds, readPublisherDocument } from '../../../src/model/publisher.ts'
import {
  type CatalogRecord,
  decodeRecord,
  draftRecord,
  type SignatureEntry,
  type Statement,
  signRecord,
} from '../../../src/model/record.ts'
import { documentOf, keyOf, publisherOf } from './made.ts'

const invalid = { name: 'CatalogError', code: 'RECORD_INVALID' }
const release = keyOf(99).publicKey

function bodyWith(version: number, threshold: number, roots: readonly SigningKey[]): Record<string, unknown> {
  return { version, threshold, roots: roots.map(({ publicKey }) => publicKey), releaseKeys: [release] }
}

function first(threshold: number, roots: readonly SigningKey[], signers = roots): CatalogRecord {
  return signRecord(documentOf({ body: bodyWith(1, threshold, roots) }), signers)
}

function next(signer: string, version: number, threshold: number, roots: readonly SigningKey[], signers = roots) {
  const changes = { subject: `v${version}`, signer, signerVersion: version - 1 }
  return signRecord(documentOf({ ...changes, body: bodyWith(version, threshold, roots) }), signers)
}

function holds(record: CatalogRecord, ...previous: CatalogRecord[]): boolean {
  return documentHolds(readPublisherDocument(record), previous.map(readPublisherDocument))
}

const [a, b, c, d] = [keyOf(1), keyOf(2), keyOf(3), keyOf(4)]

test('a first document is its own signer and id', async (t) => {
  const record = first(1, [a])
  t.equal(record.signer, `publisher:${toHex(record.id)}`)
  t.equal(publisherOf(0).signer, publisherOf(0).document.signer)
  t.not(publisherOf(0).signer, publisherOf(1).signer)
})

test('a first document needs as many of its own roots as it says', async (t) => {
  t.ok(holds(first(1, [a, b, c], [b])))
  t.ok(holds(first(2, [a, b, c], [c, a])))
  t.notOk(holds(first(2, [a, b, c], [a])), 'one too few')
  t.notOk(holds(first(2, [a, b, c], [a, d])), 'a stranger does not count')
})

test('one key counts once, however often it signs or is named', async (t) => {
  t.notOk(holds(first(2, [a, b], [a, a, a])))
  const twice = documentOf({ body: bodyWith(1, 2, [a, a]) })
  t.throws(() => readPublisherDocument(signRecord(twice, [a])), { ...invalid, message: /more signatures/ })
})

test('a signature by a root under another name does not count', async (t) => {
  const { statement, signatures } = first(2, [a, b], [a])
  const [entry] = signatures as [SignatureEntry]
  const made = draftRecord(statement).complete([entry, { key: b.publicKey, value: entry.value }])
  t.notOk(holds(decodeRecord(made.envelope)))
})

test('rotation needs the threshold of the old and of the new roots', async (t) => {
  const v1 = first(2, [a, b])
  const rotate = (signers: SigningKey[]) => next(v1.signer, 2, 2, [c, d], signers)
  t.ok(holds(rotate([a, b, c, d]), v1))
  t.notOk(holds(rotate([c, d]), v1), 'old roots missing')
  t.notOk(holds(rotate([a, b]), v1), 'new roots missing')
  t.notOk(holds(rotate([a, c, d]), v1), 'one old root too few')
  t.notOk(holds(rotate([a, b, c]), v1), 'one new root too few')
  t.notOk(holds(rotate([a, b, c, d])), 'nothing to rotate from')
})

test('a root that stays counts for both sides', async (t) => {
  const v1 = first(1, [a])
  t.ok(holds(next(v1.signer, 2, 1, [a, b], [a]), v1))
  t.notOk(holds(next(v1.signer, 2, 1, [a, b], [b]), v1))
})

test('where the old version contradicts itself, either may have passed the keys on', async (t) => {
  const v1 = first(1, [a])
  const rivals = [next(v1.signer, 2, 1, [b], [a, b]), next(v1.signer, 2, 1, [c], [a, c])] as const
  t.ok(holds(next(v1.signer, 3, 1, [d], [c, d]), ...rivals))
  t.notOk(holds(next(v1.signer, 3, 1, [d], [a, d]), ...rivals), 'keys of version 1 are out')
})

test('a document says consistently which version of whom it is', async (t) => {
  const signer = first(1, [a]).signer
  const wrong: [string, Partial<Statement>][] = [
    ['another subject', { subject: 'v2' }],
    ['no subject', { subject: '' }],
    ['a seq', { seq: 1 }],
    ['a signer in version 1', { signer }],
    ['a signer version that does not exist yet', { signerVersion: 2 }],
    ['another kind', { kind: 'release' }],
    ['version 2 without a signer', { subject: 'v2', body: bodyWith(2, 1, [a]) }],
    ['version 2 by a node', { subject: 'v2', signer: 'node:x', body: bodyWith(2, 1, [a]) }],
    ['version 3 signed by version 1', { subject: 'v3', signer, body: bodyWith(3, 1, [a]) }],
    ['version 0', { subject: 'v0', signerVersion: 0, body: bodyWith(0, 1, [a]) }],
    ['no threshold', { body: bodyWith(1, 0, [a]) }],
    ['a threshold out of reach', { body: bodyWith(1, 2, [a]) }],
    ['no roots', { body: bodyWith(1, 1, []) }],
    ['a short key', { body: { ...bodyWith(1, 1, [a]), roots: [new Uint8Array(31)] } }],
    [
      'seventeen roots',
      {
        body: bodyWith(
          1,
          1,
          Array.from({ length: 17 }, (_, n) => keyOf(n + 1)),
        ),
      },
    ],
  ]
  for (const [name, changes] of wrong) {
    const record = signRecord(documentOf({ body: bodyWith(1, 1, [a]), ...changes }), [a])
    t.throws(() => readPublisherDocument(record), invalid, name)
  }
})
