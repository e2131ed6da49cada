// Ed25519 by one strict rule, so that no two nodes disagree on a signature: single, cofactorless; encodings of A
// and R must be canonical and of large order, and S < L, before the library sees them.
// Source: RFC 8032 §5.1.7; "Taming the many EdDSAs" (Chalkias et al., 2020) for the edge cases.
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'
import { LRUCache } from 'lru-cache'
import { compareBytes, concatBytes, fromHex, toHex } from '../base/bytes.ts'

export const PUBLIC_KEY_BYTES = 32
export const SIGNATURE_BYTES = 64
export const SEED_BYTES = 32

/** DER around the raw key: SubjectPublicKeyInfo and PKCS #8 of RFC 8410. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Group order L and field prime p, big-endian, for comparing. */
const ORDER = fromHex('1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed') as Uint8Array
const PRIME = fromHex('7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed') as Uint8Array

/** y coordinates, big-endian, of the eight points whose order divides 8; each stands for both signs of x. */
const SMALL_ORDER_Y = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000001',
  '05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826',
  '7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7',
  '7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec',
])

export interface SigningKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  sign(message: Uint8Array): Uint8Array
  /** The same for many, on another thread. */
  signAll(messages: readonly Uint8Array[]): Promise<Uint8Array[]>
}

/** A message, and a signature over it that is said to be a key's. */
export interface Signed {
  readonly key: Uint8Array
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

/** One that obeys the strict rule; the published cases are run over each. */
export interface Ed25519 {
  /** @param seed - 32 bytes, the private key of RFC 8032 */
  signingKey(seed: Uint8Array): SigningKey
  /** @returns whether `signature` (64 bytes) is `publicKey`'s (32 bytes) over `message` */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** The same for many, on other threads. @returns whether each of them holds */
  verifyAll(all: readonly Signed[]): Promise<boolean[]>
}

/** Node's own OpenSSL, which takes twice to three times as long as the addon. */
export const openSsl: Ed25519 = {
  signingKey(seed) {
    const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
    const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
    const signLater = promisify(sign) as (algorithm: null, message: Uint8Array, key: KeyObject) => Promise<Buffer>
    return {
      publicKey: new Uint8Array(spki.subarray(SPKI_PREFIX.length)),
      sign: (message) => new Uint8Array(sign(null, message, key)),
      signAll: (messages) =>
        Promise.all(messages.map(async (message) => new Uint8Array(await signLater(null, message, key)))),
    }
  },
  verify: (publicKey, message, signature) =>
    isStrict(publicKey, signature) && verify(null, message, keyObject(publicKey), signature),
  verifyAll: (all) =>
    Promise.all(
      all.map(({ key, message, signature }) =>
        isStrict(key, signature) ? verifyLater(null, message, keyObject(key), signature) : false,
      ),
    ),
}

const verifyLater = promisify(verify) as (
  algorithm: null,
  message: Uint8Array,
  key: KeyObject,
  signature: Uint8Array,
) => Promise<boolean>

/** What the addon exports for signatures (`native/binding/src/signing.rs`). */
export interface NativeSigning {
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** @param ends - where each message ends @returns a byte for each, 1 where it holds */
  ed25519VerifyMany(
    publicKeys: Uint8Array,
    messages: Uint8Array,
    ends: number[],
    signatures: Uint8Array,
  ): Promise<Uint8Array>
  Ed25519Key: { fromSeed(seed: Uint8Array): NativeKey }
}

interface NativeKey {
  readonly publicKey: Uint8Array
  sign(message: Uint8Array): Uint8Array
  /** @param ends - where each message ends @returns 64 bytes for each */
  signMany(messages: Uint8Array, ends: number[]): Promise<Uint8Array>
}

/** The addon's. */
export function nativeEd25519({ ed25519Verify, ed25519VerifyMany, Ed25519Key }: NativeSigning): Ed25519 {
  return {
    verify: ed25519Verify,
    async verifyAll(all) {
      const holds = all.map(() => false)
      // What lies one behind the other has to have the length it should have.
      const checked = [...all.keys()].filter((at) => hasItsLengths(all[at] as Signed))
      const parts = checked.map((at) => all[at] as Signed)
      const messages = parts.map(({ message }) => message)
      const bytes = await ed25519VerifyMany(
        concatBytes(...parts.map(({ key }) => key)),
        concatBytes(...messages),
        endsOf(messages),
        concatBytes(...parts.map(({ signature }) => signature)),
      )
      for (const [index, at] of checked.entries()) holds[at] = bytes[index] === 1
      return holds
    },
    signingKey(seed) {
      const key = Ed25519Key.fromSeed(seed)
      return {
        publicKey: new Uint8Array(key.publicKey),
        sign: (message) => new Uint8Array(key.sign(message)),
        async signAll(messages) {
          const signatures = await key.signMany(concatBytes(...messages), endsOf(messages))
          return messages.map((_, i) => signatures.slice(i * SIGNATURE_BYTES, (i + 1) * SIGNATURE_BYTES))
        },
      }
    },
  }
}

function endsOf(messages: readonly Uint8Array[]): number[] {
  let end = 0
  return messages.map(({ length }) => (end += length))
}

let inUse = openSsl

/** Chosen once per process, as the kernels are: they decide alike, and differ in speed alone. */
export function useEd25519(implementation: Ed25519): void {
  inUse = implementation
}

/** @param seed - 32 bytes, the private key of RFC 8032 */
export function signingKey(seed: Uint8Array): SigningKey {
  return inUse.signingKey(seed)
}

/** @returns whether `signature` (64 bytes) is `publicKey`'s (32 bytes) over `message`, by the strict rule above */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return inUse.verify(publicKey, message, signature)
}

/** @returns which of them `verifyEd25519` would hold for, found out on other threads */
export function verifyAllEd25519(all: readonly Signed[]): Promise<boolean[]> {
  return inUse.verifyAll(all)
}

function hasItsLengths({ key, signature }: Pick<Signed, 'key' | 'signature'>): boolean {
  return key.length === PUBLIC_KEY_BYTES && signature.length === SIGNATURE_BYTES
}

/** What the strict rule asks beyond what OpenSSL does. */
function isStrict(key: Uint8Array, signature: Uint8Array): boolean {
  if (!hasItsLengths({ key, signature })) return false
  if (!isStrictPoint(key) || !isStrictPoint(signature.subarray(0, 32))) return false
  return compareBytes(signature.slice(32).reverse(), ORDER) < 0
}

/** Canonical encoding (y < p) of a point whose order does not divide 8. Points off the curve fail in `verify`. */
function isStrictPoint(encoded: Uint8Array): boolean {
  const y = encoded.slice().reverse()
  y[0] = (y[0] as number) & 0x7f
  return compareBytes(y, PRIME) < 0 && !SMALL_ORDER_Y.has(toHex(y))
}

/** Making a KeyObject costs as much as half a verification; publishers recur. */
const keyObjects = new LRUCache<string, KeyObject>({ max: 1_000 })

function keyObject(publicKey: Uint8Array): KeyObject {
  const name = toHex(publicKey)
  let key = keyObjects.get(name)
  if (!key) {
    key = createPublicKey({ key: Buffer.from(concatBytes(SPKI_PREFIX, publicKey)), format: 'der', type: 'spki' })
    keyObjects.set(name, key)
  }
  return key
}
