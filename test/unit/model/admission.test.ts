import fc from 'fast-check'
import { base58btc } from 'multiformats/bases/base58'
import { test } from 'tap'
import { compareBytes, toHex } from '../../../src/base/bytes.ts'
import { admit, type ShelfState, type Standing } from '../../../src/model/admission.ts'
import type { SigningKey } from '../../../src/model/ed25519.ts'
import { type PublisherDocument, readPublisherDocument } from '../../../src/model/publisher.ts'
import { type CatalogRecord, type Statement, signRecord } from '../../../src/model/record.ts'
import { documentOf, keyOf, type MadePublisher, publisherOf, releaseOf, shareOf } from './made.ts'

/** A shelf that obeys the rule, with a pen for what comes before its signer's documents. */
class PlainShelf implements ShelfState {
  readonly #records = new Map<string, CatalogRecord>()
  #pen: CatalogRecord[] = []

  constructor(...records: CatalogRecord[]) {
    for (const record of records) this.add(record)
  }

  add(record: CatalogRecord): string {
    const decision = admit(record, this)
    if (decision.outcome === 'unknown-signer') this.#pen.push(record)
    if (decision.outcome !== 'admit') return decision.outcome
    for (const id of decision.removed) this.#records.delete(toHex(id))
    this.#records.set(toHex(record.id), record)
    if (record.statement.kind === 'publisher') for (const waiting of this.#pen.splice(0)) this.add(waiting)
    return 'admit'
  }

  documents(signer: string): PublisherDocument[] {
    const documents = [...this.#records.values()].filter(({ statement }) => statement.kind === 'publisher')
    return documents.filter((document) => document.signer === signer).map(readPublisherDocument)
  }

  slot({ signer, statement: { kind, subject } }: CatalogRecord): Standing[] {
    return [...this.#records.values()]
      .filter((other) => other.signer === signer)
      .filter(({ statement }) => statement.kind === kind && statement.subject === subject)
      .map(({ id, statement }) => ({ id, seq: statement.seq }))
  }

  get ids(): string[] {
    return [...this.#records.keys()].sort()
  }
}

const purl = 'pkg:npm/parser@1.0.0'
const badSignature = { name: 'CatalogError', code: 'RECORD_SIGNATURE' }
const hex = ({ id }: CatalogRecord) => toHex(id)

/** Version 2 of a publisher, with a release key of its own and the old roots. */
function rotated({ signer, root }: MadePublisher, releaseKey: SigningKey): CatalogRecord {
  const body = { version: 2, threshold: 1, roots: [root.publicKey], releaseKeys: [releaseKey.publicKey] }
  return signRecord(documentOf({ subject: 'v2', signer, signerVersion: 1, body }), [root])
}

function nodeOf(key: SigningKey): string {
  const bytes = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20, ...key.publicKey)
  return `node:${base58btc.baseEncode(bytes)}`
}

test('what stands already is known', async (t) => {
  const publisher = publisherOf(0)
  const shelf = new PlainShelf(publisher.document)
  t.equal(shelf.add(publisher.document), 'known')
  t.equal(shelf.add(releaseOf(publisher)), 'admit')
  t.equal(shelf.add(releaseOf(publisher)), 'known')
})

test('write-once: of several for one subject the two smallest ids stay', async (t) => {
  const publisher = publisherOf(0)
  const versions = [1, 2, 3, 4].map((at) => releaseOf(publisher, {}, { at }))
  const smallest = versions.map(hex).sort().slice(0, 2)
  for (const order of [versions, versions.toReversed()]) {
    const shelf = new PlainShelf(publisher.document, ...order)
    t.same(shelf.ids, [...smallest, hex(publisher.document)].sort())
  }
  const sorted = versions.toSorted((one, other) => compareBytes(one.id, other.id))
  const shelf = new PlainShelf(publisher.document, ...sorted.slice(0, 2))
  t.equal(shelf.add(sorted[2] as CatalogRecord), 'superseded')
})

test('with a seq, the highest replaces all that were lower', async (t) => {
  const publisher = publisherOf(0)
  const shelf = new PlainShelf(publisher.document, shareOf(publisher, purl, 1), shareOf(publisher, purl, 1, 'private'))
  t.equal(shelf.ids.length, 3, 'equal numbers stay side by side')
  t.equal(shelf.add(shareOf(publisher, purl, 5)), 'admit')
  t.same(shelf.ids, [hex(publisher.document), hex(shareOf(publisher, purl, 5))].sort())
  t.equal(shelf.add(shareOf(publisher, purl, 4)), 'superseded')
})

test('of three with one seq the two smallest ids stay', async (t) => {
  const publisher = publisherOf(0)
  const shares = (['public', 'private', 'friends'] as const).map((word) => shareOf(publisher, purl, 1, word))
  const shelf = new PlainShelf(publisher.document, ...shares)
  t.same(shelf.ids, [hex(publisher.document), ...shares.map(hex).sort().slice(0, 2)].sort())
})

test('slots of other signers, kinds and subjects are left alone', async (t) => {
  const [one, other] = [publisherOf(0), publisherOf(1)]
  const records = [one.document, other.document, shareOf(one, purl, 1), shareOf(other, purl, 2), shareOf(one, 'x', 3)]
  t.equal(new PlainShelf(...records, releaseOf(one)).ids.length, 6)
})

test('a record ahead of its signer waits, whatever the signer', async (t) => {
  const publisher = publisherOf(0)
  t.equal(new PlainShelf().add(releaseOf(publisher)), 'unknown-signer')
  const origin = { kind: 'release-of', subject: 'x', signer: 'origin:npm', signerVersion: 0, at: 0 }
  t.equal(new PlainShelf().add(signRecord({ v: 1, ...origin, body: {} }, [keyOf(1)])), 'unknown-signer')
})

test('a signature by a key that is not the signer’s is refused', async (t) => {
  const [publisher, stranger] = [publisherOf(0), publisherOf(1)]
  const forged = releaseOf({ ...publisher, releaseKey: stranger.releaseKey })
  t.throws(() => new PlainShelf(publisher.document).add(forged), badSignature)
  t.throws(() => new PlainShelf().add(signRecord(publisher.document.statement, [stranger.root])), badSignature)
})

test('the version that a record names decides about its key', async (t) => {
  const publisher = publisherOf(0)
  const key = keyOf(77)
  const v2 = rotated(publisher, key)
  const byNew = releaseOf({ ...publisher, releaseKey: key }, {}, { signerVersion: 2 })
  const byOld = releaseOf(publisher, { version: '0.9.0' })
  t.equal(new PlainShelf(publisher.document).add(byNew), 'unknown-signer', 'version 2 is not here yet')
  t.equal(new PlainShelf(publisher.document, v2).add(byNew), 'admit')
  t.equal(new PlainShelf(publisher.document, v2).add(byOld), 'admit', 'retiring a key voids nothing')
  const retired = releaseOf(publisher, {}, { signerVersion: 2 })
  t.throws(() => new PlainShelf(publisher.document, v2).add(retired), badSignature)
})

test('a later document waits for the one before it', async (t) => {
  const publisher = publisherOf(0)
  const v2 = rotated(publisher, keyOf(77))
  t.equal(new PlainShelf().add(v2), 'unknown-signer')
  t.equal(new PlainShelf(v2, publisher.document).ids.length, 2)
  const usurped = signRecord(v2.statement, [keyOf(9)])
  t.throws(() => new PlainShelf(publisher.document).add(usurped), badSignature)
})

test('a node’s records need no document: its id is its key', async (t) => {
  const key = keyOf(5)
  const statement: Statement = {
    v: 1,
    kind: 'pledge',
    subject: 'x',
    signer: nodeOf(key),
    signerVersion: 0,
    at: 0,
    body: {},
  }
  t.equal(new PlainShelf().add(signRecord(statement, [key])), 'admit', 'a kind nobody here knows')
  t.throws(() => new PlainShelf().add(signRecord(statement, [keyOf(6)])), badSignature)
})

test('a kind that is known must have its shape', async (t) => {
  const publisher = publisherOf(0)
  const shelf = new PlainShelf(publisher.document)
  const { statement } = releaseOf(publisher)
  const invalid = { code: 'RECORD_INVALID' }
  t.throws(() => shelf.add(signRecord({ ...statement, body: {} }, [publisher.releaseKey])), invalid)
  t.throws(() => shelf.add(shareOf(publisher, purl, 1, 'sometimes' as 'public')), invalid)
})

test('whatever order records arrive in, the same ones stand', async (t) => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  t.comment(`seed ${seed}`)
  const key = keyOf(77)
  const publishers = [publisherOf(0), publisherOf(1)] as const
  const documents = [...publishers.map(({ document }) => document), rotated(publishers[0], key)]
  const who = fc.constantFrom(...publishers)
  const release = fc.record({ who, version: fc.constantFrom('1.0.0', '2.0.0'), at: fc.nat(3), late: fc.boolean() })
  const share = fc.record({ who, seq: fc.nat(3), permission: fc.constantFrom('public' as const, 'private' as const) })
  const record = fc.oneof(
    release.map(({ who: by, version, at, late }) =>
      late && by === publishers[0]
        ? releaseOf({ ...by, releaseKey: key }, { version }, { at, signerVersion: 2 })
        : releaseOf(by, { version }, { at }),
    ),
    share.map(({ who: by, seq, permission }) => shareOf(by, purl, seq, permission)),
  )
  const records = fc.array(record, { maxLength: 14 }).map((some) => [...documents, ...some])
  const orders = records.chain((all) =>
    fc.tuple(...[0, 1].map(() => fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }))),
  )
  const property = fc.property(orders, (pair) => {
    const [one, other] = pair as [CatalogRecord[], CatalogRecord[]]
    t.same(new PlainShelf(...one).ids, new PlainShelf(...other).ids)
  })
  fc.assert(property, { seed, numRuns: 60 })
})
