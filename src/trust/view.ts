// What a name resolves to: a pure view of the records and this user's pins. Competing publishers of an unpinned name
// are a conflict to be shown, never a silent choice.
import { toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { chosenOf, type Judging, ofOwners } from '../model/conflict.ts'
import { LATEST } from '../model/notice.ts'
import { ORIGIN_KIND } from '../model/origin.ts'
import { formatPurl, type PackageName } from '../model/purl.ts'
import type { Release } from '../model/release.ts'
import type { PackageType } from '../package-types/package-type.ts'
import type { Pin } from '../store/pins.ts'
import { NO_NOTICES, type PackageNotices } from './notices.ts'

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

/** What a release is asked for by. */
interface Asked {
  /** An exact version, or a tag. */
  readonly version?: string | undefined
  /** In the type's own words, or a tag. */
  readonly range?: string | undefined
}

/** What is known of a package beside its releases. */
export interface Knowledge {
  /** What a publisher says of it. */
  notices(signer: string): PackageNotices
  /** Whether the user keeps a release, whatever becomes of it. */
  keeps(release: Release): boolean
  /** What a choice between several is made from; by default only the user chooses. */
  readonly judging?: Judging | undefined
}

const BY_HAND: Judging = {
  ...{ policy: 'manual', now: 0, attesters: 0 },
  ...{ attested: () => 0, resolved: () => undefined },
}
const NOTHING: Knowledge = { notices: () => NO_NOTICES, keeps: () => false }

export interface Resolution {
  readonly release: Release
  readonly trust: 'pinned' | 'origin' | 'unpinned'
}

/**
 * Choose the release a name and version, or range, mean. What was withdrawn is chosen only by its very version, and
 * where the user keeps it.
 *
 * @param wanted - an exact version, or a range in the type's own words, a tag as either, or neither for the newest
 * @param releases - all known releases of this name
 * @throws CatalogError `NOT_FOUND`, `WITHDRAWN`; `UNTRUSTED` when several publishers claim the name, or one contradicts
 *   itself
 */
export function resolve(
  name: PackageName,
  wanted: Asked,
  releases: readonly Release[],
  pin: Pin | undefined,
  type: PackageType,
  { notices: noticesOf, keeps, judging = BY_HAND }: Knowledge = NOTHING,
): Resolution {
  const purl = formatPurl(wanted.version === undefined ? name : { ...name, version: wanted.version })
  const allowed = allowedOf(releases, pin)
  // All who claim the name count, not only those with this version: who owns it is the question to be answered first.
  const owned = ofOwners(allowed, judging)
  const isOpen = allowed.length > 0 && owned.length === 0
  const eligible = isOpen ? allowed : owned
  const signers = signersOf(eligible)
  const [owner, ...others] = signers
  const notices = owner !== undefined && others.length === 0 ? noticesOf(owner) : NO_NOTICES
  const matching = matches(eligible, wanted, notices, type)
  if (matching.length === 0) throw notFound(purl, wanted.range, available(releases, notices), pin)
  if (isOpen) throw contested(name, signers)
  const version = highest(matching, type)?.body.version
  const rivals = matching.filter(({ body }) => body.version === version)
  const release = chosenOf(rivals, judging)
  if (!release) throw contradiction(rivals)
  const reason = notices.withdrawn.get(release.body.version)
  if (reason !== undefined && !keeps(release)) throw withdrawn(release, reason)
  if (pin) return { release, trust: 'pinned' }
  return { release, trust: isOfOrigin(release) ? 'origin' : 'unpinned' }
}

export function signersOf(releases: readonly Release[]): string[] {
  return [...new Set(releases.map(({ record }) => record.signer))]
}

function contradiction(rivals: readonly Release[]): CatalogError {
  const [{ purl } = { purl: '' }] = rivals
  const [, ...others] = signersOf(rivals)
  const who = others.length > 0 ? `${others.length + 1} publishers have` : 'The publisher has'
  return new CatalogError('UNTRUSTED', `${who} signed ${rivals.length} releases of ${purl}.`, {
    hint: `See them, and choose one: catalog conflicts show ${purl}`,
    details: { records: rivals.map(({ record }) => toHex(record.id)) },
  })
}

/** Whether an outside registry says that there is such a version, to everybody or to this node. */
export function isOfOrigin({ record }: Release): boolean {
  return record.statement.kind === ORIGIN_KIND
}

/**
 * Releases of those whose a name may be: of its pinned publisher, else of the outside registry where that has it, else
 * of all who claim it.
 */
export function allowedOf(releases: readonly Release[], pin: Pin | undefined): readonly Release[] {
  if (pin) return releases.filter(({ record }) => record.signer === pin.signer)
  const signed = releases.filter(isOfOrigin)
  return signed.length > 0 ? signed : releases
}

/** Releases of one publisher that it has not withdrawn. */
export function available(releases: readonly Release[], { withdrawn }: PackageNotices): readonly Release[] {
  return withdrawn.size === 0 ? releases : releases.filter(({ body }) => !withdrawn.has(body.version))
}

/** What the tag `latest` names; else the highest version, a pre-release only when there is nothing else. */
export function newest(
  releases: readonly Release[],
  type: PackageType,
  notices: PackageNotices = NO_NOTICES,
): Release | undefined {
  const all = available(releases, notices)
  const tagged = all.find(({ body }) => body.version === notices.tags.get(LATEST))
  if (tagged) return tagged
  const steady = all.filter(({ body }) => !type.isPrerelease(body.version))
  return highest(steady.length > 0 ? steady : all, type)
}

function highest(releases: readonly Release[], type: PackageType): Release | undefined {
  return releases.reduce<Release | undefined>(
    (best, release) => (best && type.compareVersions(best.body.version, release.body.version) >= 0 ? best : release),
    undefined,
  )
}

/** Of a name that nobody in the mesh is to take. @param signer - who wants it */
export function ofRegistry(name: PackageName, signer: string): CatalogError {
  const purl = formatPurl(name)
  return new CatalogError('UNTRUSTED', `${purl} is a package of the outside registry.`, {
    hint: `To have your own under this name, here and wherever users decide so: catalog trust ${purl} ${signer}`,
  })
}

/** Of a name that is pinned to nobody. */
export function contested(name: PackageName, signers: readonly string[]): CatalogError {
  const purl = formatPurl(name)
  return new CatalogError('UNTRUSTED', `${signers.length} publishers claim ${purl}, and none is trusted.`, {
    hint: `See who they are with "catalog search", then choose: catalog trust ${purl} PUBLISHER`,
    details: { publishers: signers },
  })
}

/** Releases that are meant, of one version or of several of which the highest is. */
function matches(
  eligible: readonly Release[],
  { version, range }: Asked,
  notices: PackageNotices,
  type: PackageType,
): readonly Release[] {
  const exactly = (version: string | undefined, all: readonly Release[]) =>
    all.filter(({ body }) => body.version === version)
  const standing = available(eligible, notices)
  const asked = version === undefined ? [] : exactly(version, eligible)
  if (asked.length > 0) return asked
  const tagged = exactly(notices.tags.get(version ?? range ?? LATEST), standing)
  if (tagged.length > 0 || version !== undefined) return tagged
  if (range === undefined) return standing.filter(({ body }) => !type.isPrerelease(body.version))
  return standing.filter(({ body }) => type.satisfies(body.version, range))
}

function withdrawn({ purl }: Release, reason: string): CatalogError {
  const why = reason === '' ? '' : `: ${reason}`
  return new CatalogError('WITHDRAWN', `${purl} was withdrawn by its publisher${why}.`, {
    hint: 'Choose another version; "catalog info" of the name without a version tells which there are.',
  })
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
