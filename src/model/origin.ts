// Origin statements: what an outside registry has signed of a version, as a record that all nodes make alike. npm signs
// "name@version:integrity" and no more, so that is the whole body. What a release says beside it is a *derivation*, a
// frozen function of the archive that the integrity names: no part of the record, and from a peer only a hint.
import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { z } from 'zod'
import { concatBytes, equalBytes, fromHex, plain, sha256, toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { BLOB_BYTES_MAX, DERIVATION_BYTES_MAX, NAME_LENGTH_MAX, VERSION_LENGTH_MAX } from '../base/limits.ts'
import { bytesOf, decodeCanonicalCbor, encodeCbor } from './cbor.ts'
import { formatPurl } from './purl.ts'
import {
  ALGORITHM_NPM,
  type CatalogRecord,
  draftRecord,
  NPM_SIGNATURE_BYTES_MAX,
  readOnce,
  type Statement,
} from './record.ts'
import { describedSchema, type Release, standAsRelease } from './release.ts'

export const ORIGIN_KIND = 'origin'
/** Who signs for npm's public registry, wherever its words were read. */
export const NPM_ORIGIN = 'origin:npm'

/** The keys of an origin by their fingerprint, in hexadecimal: npm's, which is that of SSH. */
export type OriginKeys = ReadonlyMap<string, KeyObject>

/** Source: the npm client's trust root, target `keys.json`. The first signed until January 2025. */
const NPM_KEYS = [
  'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1Olb3zMAFFxXKHiIkQO5cJ3Yhl' +
    '5i6UPp+IhuteBJbuHcA5UogKo0EWtlWwW6KSaKoTNEYL7JlCQiVnkhBktUgg==',
  'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEY6Ya7W++7aUPzvMTrezH6Ycx3c' +
    '+HOKYCcNGybJZSCJq/fd7Qa8uuAKtdIkUQtQiEKERhAmE5lMMJhP8OkDOa2g==',
]

const POINT_BYTES = 65

/** SHA-512 in base64 has no other spelling. */
const INTEGRITY = /^sha512-[A-Za-z0-9+/]{85}[AQgw]==$/

const bodySchema = z.strictObject({
  type: z.literal('npm'),
  name: z.string().min(1).max(NAME_LENGTH_MAX),
  version: z.string().min(1).max(VERSION_LENGTH_MAX),
  integrity: z.string().regex(INTEGRITY),
})

/** One version of an outside registry: its name there, and the SHA-512 of its archive as registries write it. */
export type OriginBody = z.infer<typeof bodySchema>

const derivationSchema = z.strictObject({
  v: z.literal(1),
  path: z.string().min(1).max(512),
  size: z.int().min(0).max(BLOB_BYTES_MAX),
  root: bytesOf(32),
  sha256: bytesOf(32),
  ...describedSchema.shape,
})

/** What follows from an archive: its blob, and what its manifest says. */
export type Derivation = z.infer<typeof derivationSchema>

/**
 * The keys of npm's public registry, and those that the user adds: of a registry that signs with its own.
 *
 * @param added - SubjectPublicKeyInfo of P-256 keys, DER in base64
 * @throws CatalogError `CONFIG_INVALID`
 */
export function npmKeys(added: readonly string[]): OriginKeys {
  return new Map([...NPM_KEYS, ...added].map(keyOf))
}

function keyOf(spki: string): [string, KeyObject] {
  const der = Buffer.from(spki, 'base64')
  try {
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
    if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('It is not on the curve P-256')
    return [toHex(fingerprintOf(der)), key]
  } catch (cause) {
    throw new CatalogError('CONFIG_INVALID', 'An origin key is a P-256 public key: its SPKI, DER in base64.', { cause })
  }
}

/** Source: RFC 5656 §3.1, the key as SSH sends it; an uncompressed point ends its SPKI. */
export function fingerprintOf(spki: Uint8Array): Uint8Array {
  const strings = [Buffer.from('ecdsa-sha2-nistp256'), Buffer.from('nistp256'), spki.subarray(-POINT_BYTES)]
  return sha256(concatBytes(...strings.flatMap((text) => [Uint8Array.of(0, 0, 0, text.length), text])))
}

/** As SHA-512. */
export function digestOf({ integrity }: Pick<OriginBody, 'integrity'>): Buffer {
  return Buffer.from(integrity.slice('sha512-'.length), 'base64')
}

/** Whether a registry's word for a version can become a statement: one that all nodes make alike. */
export function isIntegrity(text: unknown): text is string {
  return typeof text === 'string' && INTEGRITY.test(text)
}

/** The one statement that is made of a version. */
export function originStatement(signer: string, body: OriginBody): Statement {
  const subject = formatPurl(body)
  return { v: 1, kind: ORIGIN_KIND, subject, signer, signerVersion: 0, at: 0, body }
}

/** As registries give it: over `name@version:integrity`, ECDSA in DER, base64. */
export interface RegistrySignature {
  readonly keyid: string
  readonly sig: string
}

/**
 * A registry's signature with its statement.
 *
 * @returns nothing where none of `keys` has signed it
 * @throws CatalogError `RECORD_SIGNATURE` when one of them is said to have, and has not
 */
export function originRecord(
  body: OriginBody,
  signatures: readonly RegistrySignature[],
  keys: OriginKeys,
): CatalogRecord | undefined {
  for (const { sig } of signatures) {
    const value = plain(Buffer.from(sig, 'base64'))
    if (value.length > NPM_SIGNATURE_BYTES_MAX) continue
    for (const [fingerprint, publicKey] of keys) {
      if (!verify('sha256', wordsOf(body), publicKey, value)) continue
      const key = fromHex(fingerprint) as Uint8Array
      return draftRecord(originStatement(NPM_ORIGIN, body)).complete([{ algorithm: ALGORITHM_NPM, key, value }])
    }
  }
  const names = new Set([...keys.keys()].map((fingerprint) => npmKeyId(fromHex(fingerprint) as Uint8Array)))
  if (!signatures.some(({ keyid }) => names.has(keyid))) return undefined
  throw new CatalogError('RECORD_SIGNATURE', `The registry's signature of ${body.name}@${body.version} does not hold.`)
}

/**
 * Read an origin statement, which nobody may write in another way: each node would have its own.
 *
 * @throws CatalogError `RECORD_INVALID`
 */
export const readOrigin = readOnce('origin', (record): OriginBody => {
  const body = bodySchema.safeParse(record.statement.body)
  if (record.statement.kind !== ORIGIN_KIND || !body.success) {
    throw new CatalogError('RECORD_INVALID', 'This is not an origin statement.', { cause: body.error })
  }
  const { id } = draftRecord(originStatement(record.signer, body.data))
  if (!equalBytes(id, record.id)) throw new CatalogError('RECORD_INVALID', 'An origin statement says nothing more.')
  return body.data
})

/** Whether the origin has signed a statement; undefined when none of its keys is known that would say so. */
export function originSigned(record: CatalogRecord, keys: OriginKeys): boolean | undefined {
  const body = readOrigin(record)
  const known = record.signatures.flatMap(({ algorithm, key, value }) => {
    const found = algorithm === ALGORITHM_NPM ? keys.get(toHex(key)) : undefined
    return found ? [{ key: found, value }] : []
  })
  if (known.length === 0) return undefined
  return known.some(({ key, value }) => verify('sha256', wordsOf(body), key, value))
}

/** As registries give it, for clients that check it themselves. */
export function npmSignatures(record: CatalogRecord): RegistrySignature[] {
  return record.signatures
    .filter(({ algorithm }) => algorithm === ALGORITHM_NPM)
    .map(({ key, value }) => ({
      keyid: npmKeyId(key),
      sig: Buffer.from(value).toString('base64'),
    }))
}

/** What npm calls a key, by its fingerprint. */
export function npmKeyId(fingerprint: Uint8Array): string {
  return `SHA256:${Buffer.from(fingerprint).toString('base64').replace(/=$/, '')}`
}

export function encodeDerivation(derivation: Derivation): Uint8Array {
  const bytes = encodeCbor(derivation)
  if (bytes.length <= DERIVATION_BYTES_MAX) return bytes
  throw new CatalogError('LIMIT_EXCEEDED', `A package says at most ${DERIVATION_BYTES_MAX} bytes of itself.`)
}

/** @throws CatalogError `RECORD_INVALID` */
export function decodeDerivation(bytes: Uint8Array): Derivation {
  const derivation = derivationSchema.safeParse(decodeCanonicalCbor(bytes))
  if (derivation.success) return derivation.data
  throw new CatalogError('RECORD_INVALID', 'This is not a derivation.', { cause: derivation.error })
}

/** A statement and a derivation are together what a publisher signs as a release: from now on the record is read so. */
export function derive(record: CatalogRecord, derivation: Derivation): Release {
  const { type, name, version, integrity } = readOrigin(record)
  const { v: _, path, size, root, sha256, ...described } = derivation
  const artifact = { path, mediaType: 'application/gzip', size, root, sha256, sha512: digestOf({ integrity }) }
  const body = { type, name, version, artifacts: [artifact], ...described, category: '', tags: [], priority: 0 }
  return standAsRelease(record, body)
}

/** What npm's registry signs. Source: npm's documentation, "ECDSA registry signatures". */
function wordsOf({ name, version, integrity }: OriginBody): Buffer {
  return Buffer.from(`${name}@${version}:${integrity}`)
}
