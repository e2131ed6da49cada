// The key with which this gateway answers for what it lists, as npm's registry does: clients hold each version's
// integrity against it ("npm audit signatures"). It says that this gateway told so; who published what is signed apart,
// by publishers' own keys.
import { createECDH, createPrivateKey, createPublicKey, hkdfSync, type KeyObject, sign as signAside } from 'node:crypto'
import { promisify } from 'node:util'
import { LRUCache } from 'lru-cache'
import { toHex } from '../../base/bytes.ts'
import { REGISTRY_SIGNATURES_MAX } from '../../base/http-limits.ts'
import type { Random } from '../../base/random.ts'
import { fingerprintOf, npmKeyId, npmSignatures, type OriginKeys } from '../../model/origin.ts'
import type { Release } from '../../model/release.ts'
import { loadOrCreateSeed } from '../../network/identity.ts'
import { isOfOrigin } from '../../trust/view.ts'

const ALGORITHM = 'ecdsa-sha2-nistp256'
const CURVE = 'prime256v1'
/** Points of the curve, SP 800-186 §3.2.1.3. */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
/** So many more bits than the order has that what is left over favours no key, FIPS 186-5 §A.2.1. */
const SCALAR_SOURCE_BYTES = 48

interface Signature {
  readonly keyid: string
  readonly sig: string
}

export type Signatures = ReadonlyMap<Release, readonly Signature[]>

/** A key as npm's clients read it from `/-/npm/v1/keys`. */
interface ListedKey {
  readonly expires: string | null
  readonly keyid: string
  readonly keytype: string
  readonly scheme: string
  /** SPKI, DER, base64. */
  readonly key: string
}

export class RegistryKey {
  /** This one, and those of outside registries whose signatures are passed on. */
  readonly listed: readonly ListedKey[]
  readonly #key: KeyObject
  readonly #keyid: string
  /** By record id: ECDSA says the same twice in different words, and a packument that changes is fetched again. */
  readonly #signatures = new LRUCache<string, Signature>({ max: REGISTRY_SIGNATURES_MAX })

  private constructor(key: KeyObject, origins: OriginKeys) {
    this.#key = key
    const own = listedKey(createPublicKey(key))
    this.#keyid = own.keyid
    this.listed = [own, ...[...origins.values()].map(listedKey)]
  }

  /** The key whose seed is at `path`; it is made when it is not there. @throws CatalogError as `loadOrCreateSeed` */
  static async load(path: string, random: Random, origins: OriginKeys): Promise<RegistryKey> {
    return new RegistryKey(privateKey(await loadOrCreateSeed(path, random)), origins)
  }

  /**
   * What stands under `dist.signatures` of each release that has an integrity: an outside registry's own where it comes
   * from there, else one of this gateway, made on another thread, once.
   */
  async signatures(releases: readonly Release[]): Promise<Signatures> {
    const signed = releases.filter((release) => integrityOf(release) !== undefined)
    return new Map(await Promise.all(signed.map(async (release) => [release, await this.#of(release)] as const)))
  }

  async #of(release: Release): Promise<readonly Signature[]> {
    return isOfOrigin(release) ? npmSignatures(release.record) : [await this.#signature(release)]
  }

  async #signature(release: Release): Promise<Signature> {
    const id = toHex(release.record.id)
    const known = this.#signatures.get(id)
    if (known) return known
    const { name, version } = release.body
    const sig = await sign('sha256', Buffer.from(`${name}@${version}:${integrityOf(release)}`), this.#key)
    const made = this.#signatures.get(id) ?? { keyid: this.#keyid, sig: sig.toString('base64') }
    this.#signatures.set(id, made)
    return made
  }
}

const sign = promisify<string, Buffer, KeyObject, Buffer>(signAside)

function listedKey(key: KeyObject): ListedKey {
  const spki = key.export({ type: 'spki', format: 'der' })
  const keyid = npmKeyId(fingerprintOf(spki))
  return { expires: null, keyid, keytype: ALGORITHM, scheme: ALGORITHM, key: spki.toString('base64') }
}

/** As npm has it; nothing for a release that was signed without the digest. */
export function integrityOf({ body: { artifacts } }: Release): string | undefined {
  const sha512 = artifacts[0]?.sha512
  return sha512 && `sha512-${Buffer.from(sha512).toString('base64')}`
}

function privateKey(seed: Uint8Array): KeyObject {
  const source = Buffer.from(hkdfSync('sha256', seed, '', 'catalog registry key', SCALAR_SOURCE_BYTES))
  const scalar = (BigInt(`0x${source.toString('hex')}`) % (ORDER - 1n)) + 1n
  const d = Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex')
  const pair = createECDH(CURVE)
  pair.setPrivateKey(d)
  const [x, y] = [pair.getPublicKey().subarray(1, 33), pair.getPublicKey().subarray(33)]
  const jwk = Object.fromEntries(
    Object.entries({ d, x, y }).map(([part, bytes]) => [part, bytes.toString('base64url')]),
  )
  return createPrivateKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', ...jwk } })
}
