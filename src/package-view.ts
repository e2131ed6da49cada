// What package managers read: the releases that a name means, and their bytes. Only what everybody may have: who asks
// over TCP has shown no right to more.
import { LRUCache } from 'lru-cache'
import type { Clock } from './base/clock.ts'
import { CatalogError, hasCode } from './base/errors.ts'
import { ABSENT_NAMES_MAX, ABSENT_NAMES_MS, STATES_RELEASES_MAX } from './base/limits.ts'
import type { UnderWay } from './base/under-way.ts'
import { newest } from './discovery/indexer.ts'
import { formatPurl, type PackageName } from './model/purl.ts'
import type { Release } from './model/release.ts'
import { packageType } from './package-types/all.ts'
import { type FetchedArtifact, onlyArtifact, type Packages } from './publishing/packages.ts'
import type { Blobs, Lease } from './store/blobs.ts'
import type { Pins } from './store/pins.ts'
import type { Records } from './store/records.ts'
import type { Scratch, ScratchFolders } from './store/scratch.ts'
import type { Usage } from './store/usage.ts'
import type { Shares } from './trust/shares.ts'
import { contested } from './trust/view.ts'

interface Components {
  blobs: Blobs
  packages: Packages
  records: Records
  shares: Shares
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

/** A state that was told, and as long as what it stays right. */
interface Remembered {
  readonly state: PackageState
  /** Of all records, when it was made. */
  readonly revision: number
  /** Who was pinned for the name. */
  readonly pinned: string | undefined
  /** Until then no share expires that counts. */
  readonly until: number
}

export class PackageView {
  readonly #components: Components
  /** Moves with each change of the records. */
  #revision = 0
  readonly #remembered = new LRUCache<string, Remembered>({
    maxSize: STATES_RELEASES_MAX,
    sizeCalculation: ({ state }) => state.releases.length,
  })
  /** Names that neither this node nor its peers knew, and when they were asked for. */
  readonly #absent = new LRUCache<string, number>({ max: ABSENT_NAMES_MAX })

  constructor(components: Components) {
    this.#components = components
    components.records.onChange((changes) => {
      this.#revision++
      if (changes.some(({ kind }) => kind === 'release' || kind === 'share')) this.#absent.clear()
    })
  }

  /**
   * All that is public of a name, by the one publisher whose it is here; peers are asked when nothing is known here.
   *
   * @returns the same object as long as all is the same
   * @throws CatalogError `NOT_FOUND`, `UNTRUSTED` when several publishers claim the name
   */
  async state(name: PackageName, signal?: AbortSignal): Promise<PackageState> {
    const { pins, shares, clock, underWay } = this.#components
    const key = formatPurl(name)
    const last = this.#remembered.get(key)
    const pinned = pins.get(name)?.signer
    const isRight = last && last.revision === this.#revision && last.pinned === pinned && clock.now() < last.until
    if (isRight) return last.state
    return await underWay.run(async (signal) => {
      const revision = this.#revision
      const known = await this.#known(name, signal)
      const made = this.#state(name, known)
      const state = last && isSame(last.state, made) ? last.state : made
      const until = Math.min(...known.map((release) => shares.grantOf(release).expires ?? Number.POSITIVE_INFINITY))
      this.#remembered.set(key, { state, revision, pinned, until })
      return state
    }, signal)
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

  /** Fill `buffer` from an opened release's bytes. @returns bytes read; fewer than asked and there mean a damaged pack */
  read(lease: Lease, at: number, buffer: Uint8Array): Promise<number> {
    return this.#components.blobs.readFrom(lease, at, buffer)
  }

  /** Folders for what is on its way in. */
  workspace(): ScratchFolders {
    return this.#components.scratch.open()
  }

  #state(name: PackageName, known: readonly Release[]): PackageState {
    const signer = this.#ownerOf(name, known)
    const byVersion = Map.groupBy(
      known.filter(({ record }) => record.signer === signer),
      ({ body }) => body.version,
    )
    // A publisher that signed two releases of one version has said nothing of what it is.
    const releases = [...byVersion.values()].flatMap((all) => (all.length === 1 ? all : []))
    const type = packageType(name.type)
    const latest = newest(releases, type)?.body.version
    if (latest === undefined) throw absent(name)
    releases.sort((a, b) => type.compareVersions(a.body.version, b.body.version))
    return { name: name.name, releases, tags: { latest }, deprecated: new Map() }
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
    if (here.length > 0) return here
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

function isSame(a: PackageState, b: PackageState): boolean {
  const said = ({ tags, deprecated }: PackageState) => JSON.stringify([tags, [...deprecated]])
  const hasSame = a.releases.length === b.releases.length && a.releases.every((one, i) => one === b.releases[i])
  return hasSame && said(a) === said(b)
}

function absent(name: PackageName): CatalogError {
  return new CatalogError('NOT_FOUND', `${formatPurl(name)} is known neither here nor at the peers that were asked.`)
}
