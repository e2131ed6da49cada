import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { test } from 'tap'
import { admit, type ShelfState } from '../../../src/model/admission.ts'
import {
  decodeDerivation,
  derive,
  encodeDerivation,
  isIntegrity,
  NPM_ORIGIN,
  npmKeys,
  npmSignatures,
  type OriginBody,
  originRecord,
  originStatement,
  type RegistrySignature,
  readOrigin,
} from '../../../src/model/origin.ts'
import { type CatalogRecord, decodeRecord, draftRecord, signRecord } from '../../../src/model/record.ts'
import { isRelease, readRelease, standForNothing } from '../../../src/model/release.ts'
import { keyOf, peerOf } from './made.ts'

interface Registry {
  readonly key: KeyObject
  readonly spki: string
}

function registry(): Registry {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const der = publicKey.export({ format: 'der', type: 'spki' })
  return { key: privateKey, spki: der.toString('base64') }
}

const integrity = `sha512-${createHash('sha512').update('an archive').digest('base64')}`
const body: OriginBody = { type: 'npm', name: '@acme/parser', version: '1.2.3', integrity }
const words = ({ name, version, integrity }: OriginBody) => Buffer.from(`${name}@${version}:${integrity}`)

function signatureOf({ key }: Registry, of = body): RegistrySignature {
  return { keyid: 'of a registry', sig: sign('sha256', words(of), key).toString('base64') }
}

function recordOf(by: Registry): CatalogRecord {
  const record = originRecord(body, [signatureOf(by)], npmKeys([by.spki]))
  if (!record) throw new Error('it is signed')
  return record
}

const shelfOf = (keys: readonly string[]): ShelfState => ({
  documents: () => [],
  slot: () => [],
  originKeys: (signer) => (signer === NPM_ORIGIN ? npmKeys(keys) : undefined),
})

test('every node makes the same statement, whichever key has signed it and whenever', async (t) => {
  const [old, current] = [registry(), registry()]
  const [one, other] = [recordOf(old), recordOf(current)]
  t.same(one.id, other.id)
  t.notSame(one.envelope, other.envelope)
  t.equal(one.signer, NPM_ORIGIN)
  t.equal(one.statement.subject, 'pkg:npm/%40acme/parser@1.2.3')
  t.same(readOrigin(decodeRecord(one.envelope)), body)
})

test('what no known key has signed is no statement', async (t) => {
  const by = registry()
  const signature = signatureOf(by)
  t.equal(originRecord(body, [signature], npmKeys([])), undefined, 'a key that nobody has named')
  t.equal(originRecord({ ...body, version: '1.2.4' }, [signature], npmKeys([by.spki])), undefined, 'of another version')
  t.equal(originRecord(body, [{ keyid: 'x', sig: 'AAAA' }], npmKeys([by.spki])), undefined, 'no signature at all')
  t.ok(originRecord(body, [signatureOf(registry()), signature], npmKeys([by.spki])), 'one of several is enough')
})

test('a signature in the name of a known key must be its own', async (t) => {
  const by = registry()
  const [named] = npmSignatures(recordOf(by))
  if (!named) throw new Error('it is signed')
  const forged = { keyid: named.keyid, sig: signatureOf(registry()).sig }
  t.throws(() => originRecord(body, [forged], npmKeys([by.spki])), { code: 'RECORD_SIGNATURE' })
})

test('a shelf admits what the registry has signed', async (t) => {
  const by = registry()
  const record = decodeRecord(recordOf(by).envelope)
  t.equal(admit(record, shelfOf([by.spki])).outcome, 'admit')
  t.equal(admit(record, shelfOf([registry().spki])).outcome, 'unknown-signer')
  const [entry] = record.signatures
  const draft = draftRecord(originStatement(NPM_ORIGIN, { ...body, version: '6.6.6' }))
  const forged = draft.complete(entry ? [entry] : [])
  t.throws(() => admit(forged, shelfOf([by.spki])), { code: 'RECORD_SIGNATURE' })
})

test('there is one way to write a statement', async (t) => {
  const shelf = shelfOf([])
  const key = keyOf(1)
  const statement = originStatement(NPM_ORIGIN, body)
  for (const [what, other] of Object.entries({
    'a time': { ...statement, at: 1 },
    'a number': { ...statement, seq: 1 },
    'something beside the body': { ...statement, note: 'x' },
    'something in the body': { ...statement, body: { ...body, note: 'x' } },
    'another subject': { ...statement, subject: 'pkg:npm/react@1.0.0' },
    'another spelling of the hash': { ...statement, body: { ...body, integrity: `${integrity} ` } },
  })) {
    t.throws(() => admit(decodeRecord(signRecord(other, [key]).envelope), shelf), { code: 'RECORD_INVALID' }, what)
  }
})

test('of what a node says for itself of one version the last stays', async (t) => {
  const standing = [1, 2].map((byte) => ({ id: new Uint8Array(32).fill(byte) }))
  const statement = originStatement(`node:${peerOf(1)}`, body)
  const shelf = { ...shelfOf([]), slot: () => standing }
  t.same(admit(signRecord(statement, [keyOf(1)]), shelf), { outcome: 'admit', removed: standing.map(({ id }) => id) })
})

test('no publisher speaks for a registry', async (t) => {
  const statement = { ...originStatement(`publisher:${'a'.repeat(64)}`, body) }
  t.throws(() => admit(signRecord(statement, [keyOf(1)]), shelfOf([])), { code: 'RECORD_SIGNATURE' })
})

test('with what follows from its archive a statement is read as a release', async (t) => {
  const record = recordOf(registry())
  t.notOk(isRelease(record))
  const derivation = {
    ...{ v: 1 as const, path: 'acme-parser-1.2.3.tgz', size: 10 },
    ...{ root: new Uint8Array(32).fill(1), sha256: new Uint8Array(32).fill(2) },
    ...{ manifest: { name: '@acme/parser' }, dependencies: [], description: 'Parses', keywords: ['x'], license: 'MIT' },
  }
  derive(record, decodeDerivation(encodeDerivation(derivation)))
  const { body: derived, purl } = readRelease(record)
  t.equal(purl, 'pkg:npm/%40acme/parser@1.2.3')
  t.same(
    derived.artifacts[0]?.sha512,
    createHash('sha512').update('an archive').digest(),
    'of the statement, not of a hint',
  )
  t.equal(derived.description, 'Parses')
  standForNothing(record)
  t.notOk(isRelease(record))
})

test('a derivation is canonical, bounded, and nothing else', async (t) => {
  t.throws(() => decodeDerivation(Buffer.from('x')), { code: 'RECORD_INVALID' })
  t.throws(() => decodeDerivation(Uint8Array.of(0xa0)), { code: 'RECORD_INVALID' })
})

test('clients get the signature as the registry gave it', async (t) => {
  const by = registry()
  const signature = signatureOf(by)
  const record = originRecord(body, [signature], npmKeys([by.spki]))
  const [given] = record ? npmSignatures(decodeRecord(record.envelope)) : []
  t.equal(given?.sig, signature.sig)
  t.match(given?.keyid, /^SHA256:[A-Za-z0-9+/]{43}$/)
})

test('the keys of npm are built in, and others must be keys', async (t) => {
  const ids = [...npmKeys([]).keys()].map(
    (id) => `SHA256:${Buffer.from(id, 'hex').toString('base64').replace('=', '')}`,
  )
  t.same(ids, [
    'SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA',
    'SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U',
  ])
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  for (const wrong of ['nonsense', publicKey.export({ format: 'der', type: 'spki' }).toString('base64')]) {
    t.throws(() => npmKeys([wrong]), { code: 'CONFIG_INVALID' })
  }
})

test('of hashes only one SHA-512 is taken', async (t) => {
  t.ok(isIntegrity(integrity))
  for (const wrong of ['sha1-AAAA', `${integrity} ${integrity}`, integrity.slice(0, -1), undefined, 3]) {
    t.notOk(isIntegrity(wrong))
  }
})
