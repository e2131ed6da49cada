// What a name resolves to: a pure view of the records and this user's pins. Competing publishers of an unpinned name
// are a conflict to be shown, never a silent choice.
import { toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { ORIGIN_KIND } from '../model/origin.ts'
import { formatPurl, type PackageName } from '../model/purl.ts'
import type { Release } from '../model/release.ts'
import type { PackageType } from '../package-types/package-type.ts'
import type { Pin } from '../store/pins.ts'

export type TrustState =
  /** The name is pinned to this release's signer. */
  | 'pinned'
  /** The user has given the name to nobody, and it is what the outside registry has signed. */
  | 'origin'
  /** Nobody owns the name here yet, and there is one claimant. */
  | 'unpinned'
  /** The name is pinned to somebody else. */
  | 'foreign'
  /** Nobody owns the name here yet, and several claim it. */
  | 'contested'

export function trustState(signer: string, pin: Pin | undefined, claimants: number): TrustState {
  if (pin) return pin.signer === signer ? 'pinned' : 'foreign'
  if (signer.startsWith('origin:')) return 'origin'
  return claimants > 1 ? 'contested' : 'unpinned'
}

export interface Resolution {
  readonly release: Release
  readonly trust: 'pinned' | 'origin' | 'unpinned'
}

/**
 * Choose the release a name and version, or range, mean.
 *
 * @param wanted - an exact version, or a range in the type's own words, or neither for the newest
 * @param releases - all known releases of this name
 * @throws CatalogError `NOT_FOUND`; `UNTRUSTED` when several publishers claim the name, or one contradicts itself
 */
export function resolve(
  name: PackageName,
  wanted: { version?: string | undefined; range?: string | undefined },
  releases: readonly Release[],
  pin: Pin | undefined,
  type: PackageType,
): Resolution {
  const purl = formatPurl(wanted.version === undefined ? name : { ...name, version: wanted.version })
  const eligible = pin ? releases.filter(({ record }) => record.signer === pin.signer) : unclaimed(releases)
  const matching = eligible.filter(({ body }) => matches(body.version, wanted, type))
  if (matching.length === 0) throw notFound(purl, wanted.range, releases, pin)
  // All who claim the name count, not only those with this version: who owns it is the question to be answered first.
  const signers = [...new Set(eligible.map(({ record }) => record.signer))]
  if (signers.length > 1) throw contested(name, signers)
  const newest = matching.reduce((best, release) =>
    type.compareVersions(release.body.version, best.body.version) > 0 ? release : best,
  )
  const rivals = matching.filter(({ body }) => body.version === newest.body.version)
  if (rivals.length > 1) {
    throw new CatalogError('UNTRUSTED', `The publisher of ${newest.purl} signed ${rivals.length} releases of it.`, {
      hint: 'Ask the publisher for a new version.',
      details: { records: rivals.map(({ record }) => toHex(record.id)) },
    })
  }
  if (pin) return { release: newest, trust: 'pinned' }
  return { release: newest, trust: isOfOrigin(newest) ? 'origin' : 'unpinned' }
}

/** Whether an outside registry says that there is such a version, to everybody or to this node. */
export function isOfOrigin({ record }: Release): boolean {
  return record.statement.kind === ORIGIN_KIND
}

/** A name that the user has given to nobody is the outside registry's, where that has it. */
function unclaimed(releases: readonly Release[]): readonly Release[] {
  const signed = releases.filter(isOfOrigin)
  return signed.length > 0 ? signed : releases
}

/** Of a name that is pinned to nobody. */
export function contested(name: PackageName, signers: readonly string[]): CatalogError {
  const purl = formatPurl(name)
  return new CatalogError('UNTRUSTED', `${signers.length} publishers claim ${purl}, and none is trusted.`, {
    hint: `See who they are with "catalog search", then choose: catalog trust ${purl} PUBLISHER`,
    details: { publishers: signers },
  })
}

function matches(
  version: string,
  wanted: { version?: string | undefined; range?: string | undefined },
  type: PackageType,
): boolean {
  if (wanted.version !== undefined) return version === wanted.version
  if (wanted.range !== undefined) return type.satisfies(version, wanted.range)
  return !type.isPrerelease(version)
}

function notFound(
  purl: string,
  range: string | undefined,
  releases: readonly Release[],
  pin: Pin | undefined,
): CatalogError {
  const what = range === undefined ? purl : `${purl} in the range ${range}`
  const others = new Set(releases.map(({ record }) => record.signer))
  if (pin && others.size > 0 && !others.has(pin.signer)) {
    return new CatalogError('UNTRUSTED', `${purl} is only known from publishers you have not trusted with it.`, {
      hint: `It is pinned to ${pin.signer}. To change that: catalog trust ${purl} PUBLISHER`,
      details: { publishers: [...others] },
    })
  }
  const versions = releases.slice(0, 10).map(({ body }) => body.version)
  return new CatalogError('NOT_FOUND', `No peer asked knows ${what}.`, {
    hint:
      versions.length > 0
        ? `Versions known here: ${versions.join(', ')}.`
        : 'Look for it with: catalog search NAME. See who is connected with: catalog peers.',
  })
}
