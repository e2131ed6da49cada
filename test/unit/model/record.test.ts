import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { test } from 'tap'
import { concatBytes, fromHex, toHex } from '../../../src/base/bytes.ts'
import { RECORD_BYTES_MAX, SIGNATURES_MAX, SIGNER_LENGTH_MAX, SUBJECT_LENGTH_MAX } from '../../../src/base/limits.ts'
import { rootOf } from '../../../src/core/digest-tree.ts'
import { loadCore } from '../../../src/core/load.ts'
import { admit } from '../../../src/model/admission.ts'
import { encodeCbor } from '../../../src/model/cbor.ts'
import { signingKey } from '../../../src/model/ed25519.ts'
import { readShare } from '../../../src/model/permission.ts'
import { readPublisherDocument } from '../../../src/model/publisher.ts'
import { decodeRecord, type Statement, signingKeys, signRecord } from '../../../src/model/record.ts'
import { readRelease } from '../../../src/model/release.ts'
import { bodyOf, keyOf, publisherOf, releaseOf, shareOf } from './made.ts'

interface Vectors {
  seeds: Record<string, string>
  records: { name: string; statement: unknown; signedBy: string[]; id: string; envelope: string }[]
}

const vectors: Vectors = JSON.parse(readFileSync(new URL('../../vectors/records.json', import.meta.url), 'utf8'))
const invalid = { name: 'CatalogError', code: 'RECORD_INVALID' }

/** `{"bytes": hex}` stands for a byte string. */
function withBytes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withBytes)
  if (typeof value !== 'object' || value === null) return value
  const { bytes } = value as { bytes?: unknown }
  if (typeof bytes === 'string') return fromHex(bytes)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withBytes(item)]))
}

test('records are the vectors, made and read', async (t) => {
  for (const { name, statement, signedBy, id, envelope } of vectors.records) {
    const keys = signedBy.map((who) => signingKey(fromHex(vectors.seeds[who] as string) as Uint8Array))
    const made = signRecord(withBytes(statement) as Statement, keys)
    t.equal(toHex(made.envelope), envelope, name)
    t.equal(toHex(made.id), id, name)
    const read = decodeRecord(fromHex(envelope) as Uint8Array)
    t.same(read.statement, withBytes(statement))
    t.same([toHex(read.id), read.signer, read.signed], [id, made.signer, made.signed])
    t.same(
      [...signingKeys(read)],
      keys.map(({ publicKey }) => toHex(publicKey)),
    )
  }
})

test('the vectors hold together: all records of one publisher', async (t) => {
  const [document, release, share, ...others] = vectors.records.map(({ envelope }) =>
    decodeRecord(fromHex(envelope) as Uint8Array),
  )
  if (!document || !release || !share) throw new Error('three vectors expected')
  const shelf = { documents: () => [readPublisherDocument(document)], slot: () => [] }
  for (const record of [document, release, share, ...others]) {
    t.equal(record.signer, document.signer)
    t.equal(admit(record, shelf).outcome, 'admit')
  }
  const [artifact] = readRelease(release).body.artifacts
  t.same(rootOf(await loadCore('wasm'), artifact?.sha256 as Uint8Array, artifact?.size ?? 0), artifact?.root)
  t.equal(readShare(share).permission, 'public')
})

test('the id does not depend on who signed', async (t) => {
  const statement = publisherOf(0).document.statement
  const ids = [[keyOf(1)], [keyOf(3)], [keyOf(3), keyOf(1)]].map((keys) => toHex(signRecord(statement, keys).id))
  t.equal(new Set(ids).size, 1)
})

test('no single flipped bit leaves a record that means the same', async (t) => {
  const publisher = publisherOf(0)
  const shelf = { documents: () => [readPublisherDocument(publisher.document)], slot: () => [] }
  const { envelope, id } = shareOf(publisher, 'pkg:npm/x@1.0.0', 1)
  let admitted = 0
  for (let bit = 0; bit < envelope.length * 8; bit++) {
    const changed = envelope.slice()
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
    try {
      const record = decodeRecord(changed)
      const { outcome } = admit(record, shelf)
      if (outcome === 'admit' || Buffer.compare(record.id, id) === 0) admitted++
    } catch (error) {
      const { code } = error as { code?: string }
      if (code !== 'RECORD_INVALID' && code !== 'RECORD_SIGNATURE') throw error
    }
  }
  t.equal(admitted, 0, `of ${envelope.length * 8} bits`)
})

test('bytes of any kind are read or refused, never more', async (t) => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  t.comment(`seed ${seed}`)
  const real = releaseOf(publisherOf(0)).envelope
  const spliced = fc
    .tuple(fc.nat(real.length), fc.nat(40), fc.uint8Array({ maxLength: 40 }))
    .map(([at, cut, put]) => concatBytes(real.subarray(0, at), put, real.subarray(at + cut)))
  const property = fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), spliced), (bytes) => {
    try {
      t.same(decodeRecord(bytes).envelope, bytes)
    } catch (error) {
      t.match(error, invalid)
    }
  })
  fc.assert(property, { seed, numRuns: 300 })
})

test('keys this build does not know are kept', async (t) => {
  const publisher = publisherOf(0)
  const body = { ...bodyOf(), later: { since: 2030, list: [1, new Uint8Array(2)] } }
  const made = releaseOf(publisher, body, { extra: true } as object)
  const { statement, envelope } = decodeRecord(made.envelope)
  t.match(statement, { extra: true, body: { later: { since: 2030 } } })
  t.same((readRelease(made).body as Record<string, unknown>)['later'], body.later)
  t.same(signRecord(statement, [publisher.releaseKey]).envelope, envelope)
})

test('sizes are bounded', async (t) => {
  const key = keyOf(1)
  const { statement } = shareOf(publisherOf(0), 'x', 1)
  const withBody = (bytes: number) =>
    signRecord({ ...statement, kind: 'note', body: { a: new Uint8Array(bytes) } }, [key])
  const around = withBody(RECORD_BYTES_MAX / 2).envelope.length - RECORD_BYTES_MAX / 2
  const largest = RECORD_BYTES_MAX - around
  t.equal(decodeRecord(withBody(largest).envelope).envelope.length, RECORD_BYTES_MAX)
  t.throws(() => withBody(largest + 1), { code: 'LIMIT_EXCEEDED' })
  t.throws(() => decodeRecord(new Uint8Array(RECORD_BYTES_MAX + 1)), invalid)
})

test('what would be refused on reading is not signed either', async (t) => {
  const key = keyOf(1)
  const { statement } = shareOf(publisherOf(0), 'x', 1)
  const wrong: [string, Partial<Statement>][] = [
    ['a subject too long', { subject: 'x'.repeat(SUBJECT_LENGTH_MAX + 1) }],
    ['a signer too long', { signer: `node:${'x'.repeat(SIGNER_LENGTH_MAX)}` }],
    ['a signer without a scheme', { signer: 'somebody' }],
    ['a kind in capitals', { kind: 'Share' }],
    ['a kind of two lines', { kind: 'share\nv1' }],
    ['a seq below zero', { seq: -1 }],
    ['a fraction of a millisecond', { at: 0.5 }],
    ['another version', { v: 2 as 1 }],
  ]
  for (const [name, changes] of wrong) {
    const bad = { ...statement, ...changes }
    t.throws(() => signRecord(bad, [key]), invalid, name)
    const bytes = encodeCbor([encodeCbor(bad), [[1, key.publicKey, key.sign(new Uint8Array(0))]]])
    t.throws(() => decodeRecord(bytes), invalid, `${name}, read`)
  }
  const { seq: _, ...unnumbered } = statement
  t.same(signRecord({ ...statement, seq: undefined }, [key]).id, signRecord(unnumbered, [key]).id)
})

test('an envelope has its shape and no other', async (t) => {
  const { envelope, statement } = shareOf(publisherOf(0), 'x', 1)
  const inner = encodeCbor(statement)
  const entry = [1, new Uint8Array(32), new Uint8Array(64)]
  const wrong: [string, unknown][] = [
    ['no signature', [inner, []]],
    ['too many signatures', [inner, Array.from({ length: SIGNATURES_MAX + 1 }, () => entry)]],
    ['another algorithm', [inner, [[3, ...entry.slice(1)]]]],
    ['a short key', [inner, [[1, new Uint8Array(31), new Uint8Array(64)]]]],
    ['a long signature', [inner, [[1, new Uint8Array(32), new Uint8Array(65)]]]],
    ['a third part', [inner, [entry], 0]],
    ['a statement that is not bytes', [statement, [entry]]],
    ['a statement that is not a map', [encodeCbor([1]), [entry]]],
    ['a map', { 0: inner, 1: [entry] }],
  ]
  for (const [name, value] of wrong) t.throws(() => decodeRecord(encodeCbor(value)), invalid, name)
  t.throws(() => decodeRecord(concatBytes(envelope, new Uint8Array(1))), invalid, 'a byte after it')
  const loose = concatBytes(Uint8Array.of(0xbf), inner.subarray(1), Uint8Array.of(0xff))
  t.throws(() => decodeRecord(encodeCbor([loose, [entry]])), invalid, 'a statement that is not canonical')
})
