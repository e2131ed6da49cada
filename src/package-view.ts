// What package managers read: the releases that a name means, and their bytes. Only what everybody may have: who asks
// over TCP has shown no right to more.
import { LRUCache } from 'lru-cache'
import type { Clock } from './base/clock.ts'
import { CatalogError, hasCode } from './base/errors.ts'
import { ABSENT_NAMES_MAX, ABSENT_NAMES_MS } from './base/limits.ts'
import type { UnderWay } from './base/under-way.ts'
import { isNoticeKind, LATEST } from './model/notice.ts'
import { formatPurl, type PackageName } from './model/purl.ts'
import type { Release } from './model/release.ts'
import { packageType } from './package-types/all.ts'
import { type FetchedArtifact, onlyArtifact, type Packages } from './publishing/packages.ts'
import type { Blobs } from './store/blobs.ts'
import type { Pins } from './store/pins.ts'
import type { Records } from './store/records.ts'
import type { Scratch, ScratchFolders } from './store/scratch.ts'
import type { Usage } from './store/usage.ts'
import type { Notices } from './trust/notices.ts'
import type { Shares } from './trust/shares.ts'
import { available, contested, newest } from './trust/view.ts'

interface Components {
  packages: Packages
  records: Records
  shares: Shares
  notices: Notices
  blobs: Pick<Blobs, 'isUnder'>
  scratch: Scratch
  pins: Pins
  usage: Usage
  clock: Clock
  underWay: UnderWay
}

/** What is publicly known of a package, by the one publisher that counts. */
export interface PackageState {
  readonly name: string
  /** One a version, in the order of versions; at least one. */
  readonly releases: readonly Release[]
  /** Versions by tag; `latest` is always there. */
  readonly tags: Readonly<Record<string, string>>
  /** By version: why it should not be used. */
  readonly deprecated: ReadonlyMap<string, string>
}

export class PackageView {
  readonly #components: Components
  /** Names that neither this node nor its peers knew, and when they were asked for. */
  readonly #absent = new LRUCache<string, number>({ max: ABSENT_NAMES_MAX })

  constructor(components: Components) {
    this.#components = components
    components.records.onChange((changes) => {
      if (changes.some(({ kind }) => kind === 'release' || kind === 'share' || isNoticeKind(kind))) this.#absent.clear()
    })
  }

  /**
   * All that is public of a name, by the one publisher whose it is here; peers are asked when nothing is known here.
   *
   * @throws CatalogError `NOT_FOUND`, `UNTRUSTED` when several publishers claim the name
   */
  state(name: PackageName, signal?: AbortSignal): Promise<PackageState> {
    return this.#components.underWay.run((signal) => this.#state(name, signal), signal)
  }

  /** A release's bytes, here and verified; `lease` is to be given back. @throws CatalogError `NO_PROVIDERS` */
  open(release: Release, signal?: AbortSignal): Promise<FetchedArtifact> {
    const { packages, usage, underWay } = this.#components
    return underWay.run(async (signal) => {
      const fetched = await packages.fetch(release, onlyArtifact(release), { signal })
      usage.fetched(release.body)
      return fetched
    }, signal)
  }

  /** Folders for what is on its way in. */
  workspace(): ScratchFolders {
    return this.#components.scratch.open()
  }

  /**
   * Public releases that were withdrawn, and whose bytes are here all the same: lock files which name them hold as long
   * as that.
   */
  withdrawn(name: PackageName): readonly Release[] {
    const { blobs, notices } = this.#components
    return this.#public(name).filter(
      (release) =>
        notices.isWithdrawn(release) &&
        release.body.artifacts.every(({ root }) => blobs.isUnder(root, release.record.id)),
    )
  }

  async #state(name: PackageName, signal: AbortSignal): Promise<PackageState> {
    const known = await this.#known(name, signal)
    const signer = this.#ownerOf(name, known)
    if (signer === undefined) throw absent(name)
    const notices = this.#components.notices.of(name, signer, ['public'])
    const own = known.filter(({ record }) => record.signer === signer)
    const byVersion = Map.groupBy(available(own, notices), ({ body }) => body.version)
    // A publisher that signed two releases of one version has said nothing of what it is.
    const releases = [...byVersion.values()].flatMap((all) => (all.length === 1 ? all : []))
    const type = packageType(name.type)
    const latest = newest(releases, type, notices)?.body.version
    if (latest === undefined) throw absent(name)
    releases.sort((a, b) => type.compareVersions(a.body.version, b.body.version))
    const isThere = ([, version]: [string, string]) => byVersion.get(version)?.length === 1
    const tags = { ...Object.fromEntries([...notices.tags].filter(isThere)), [LATEST]: latest }
    const deprecated = new Map([...notices.deprecated].filter(([version]) => byVersion.has(version)))
    return { name: name.name, releases, tags, deprecated }
  }

  /** The publisher that is pinned for a name, or the only one. @throws CatalogError `UNTRUSTED` */
  #ownerOf(name: PackageName, known: readonly Release[]): string | undefined {
    const pin = this.#components.pins.get(name)
    if (pin) return pin.signer
    const signers = [...new Set(known.map(({ record }) => record.signer))]
    if (signers.length <= 1) return signers[0]
    throw contested(name, signers)
  }

  async #known(name: PackageName, signal: AbortSignal): Promise<Release[]> {
    const { packages, clock } = this.#components
    const here = this.#public(name)
    if (here[0]) {
      packages.used(here[0])
      return here
    }
    const key = formatPurl(name)
    const since = this.#absent.get(key)
    if (since !== undefined && clock.now() - since < ABSENT_NAMES_MS) return []
    try {
      // What is known here, and not public, is not asked for: peers would hear of it.
      await packages.resolve(name, signal)
    } catch (thrown) {
      if (!hasCode(thrown, 'NOT_FOUND', 'UNTRUSTED')) throw thrown
    }
    const asked = this.#public(name)
    if (asked.length === 0) this.#absent.set(key, clock.now())
    return asked
  }

  #public(name: PackageName): Release[] {
    const { records, shares } = this.#components
    return records.releases(name).filter((release) => shares.isPublic(release))
  }
}

function absent(name: PackageName): CatalogError {
  return new CatalogError('NOT_FOUND', `${formatPurl(name)} is known neither here nor at the peers that were asked.`)
}
