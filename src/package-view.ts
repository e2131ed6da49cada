// What package managers read: the releases that a name means, and their bytes. Only what everybody may have: who asks
// over TCP has shown no right to more.
import { text } from 'node:stream/consumers'
import { LRUCache } from 'lru-cache'
import { streamOf } from './base/byte-source.ts'
import type { Clock } from './base/clock.ts'
import { CatalogError, hasCode } from './base/errors.ts'
import { tellFailure } from './base/failure.ts'
import { ATTESTATION_BYTES_MAX, STATES_RELEASES_MAX } from './base/http-limits.ts'
import { ABSENT_NAMES_MAX, ABSENT_NAMES_MS } from './base/limits.ts'
import type { UnderWay } from './base/under-way.ts'
import { chosenOf, ofOwners } from './model/conflict.ts'
import { isNoticeKind, LATEST } from './model/notice.ts'
import { NPM_ORIGIN, ORIGIN_KIND } from './model/origin.ts'
import { formatPurl, type PackageName, type Purl } from './model/purl.ts'
import { attestationOf, contentOf, type Release } from './model/release.ts'
import { packageType } from './package-types/all.ts'
import { type FetchedArtifact, onlyArtifact, type Packages } from './publishing/packages.ts'
import type { UpstreamDocument } from './publishing/upstream/documents.ts'
import type { PackumentForm } from './publishing/upstream/packument.ts'
import type { Upstream } from './publishing/upstream/upstream.ts'
import type { Blobs, Lease } from './store/blobs.ts'
import type { Pins } from './store/pins.ts'
import type { Records } from './store/records.ts'
import type { Scratch, ScratchFolders } from './store/scratch.ts'
import type { Usage } from './store/usage.ts'
import type { Judgement } from './trust/judgement.ts'
import type { Notices } from './trust/notices.ts'
import type { Shares } from './trust/shares.ts'
import { allowedOf, available, contested, isOfOrigin, newest, ofRegistry, signersOf } from './trust/view.ts'

const NPM = 'npm'
/** What the outside registry has was looked for before. */
const MESH_ALONE = { outside: false }
/** Kinds of records that may say of a name nobody knew. */
const TELLING_KINDS: ReadonlySet<string> = new Set(['release', 'share', ORIGIN_KIND])

interface Components {
  packages: Packages
  records: Records
  shares: Shares
  notices: Notices
  scratch: Scratch
  pins: Pins
  usage: Usage
  judgement: Judgement
  blobs: Blobs
  /** None where the user wants none. */
  upstream: Upstream | undefined
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
  /** Until then no share expires that counts, and no release begins to. */
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
      if (changes.some(({ kind }) => TELLING_KINDS.has(kind) || isNoticeKind(kind))) this.#absent.clear()
    })
  }

  /**
   * All that is public of a name, by the one publisher whose it is here; peers are asked when nothing is known here.
   *
   * @returns the same object as long as all is the same
   * @throws CatalogError `NOT_FOUND`, `UNTRUSTED` when several publishers claim the name, or one does and the outside
   *   registry may have it
   */
  async state(name: PackageName, signal?: AbortSignal): Promise<PackageState> {
    const { packages, pins, shares, clock, underWay } = this.#components
    const key = formatPurl(name)
    const last = this.#remembered.get(key)
    const pinned = pins.get(name)?.signer
    const isRight = last && last.revision === this.#current() && last.pinned === pinned && clock.now() < last.until
    if (isRight) {
      for (const release of last.state.releases.slice(0, 1)) packages.used(release)
      return last.state
    }
    return await underWay.run(async (signal) => {
      const revision = this.#current()
      const known = await this.#known(name, signal)
      const made = this.#state(name, known)
      const state = last && isSame(last.state, made) ? last.state : made
      // What is dated ahead may count only from some time on: with such a one nothing is remembered.
      const now = clock.now()
      const rightUntil = (release: Release) =>
        release.record.statement.at > now ? now : (shares.grantOf(release).expires ?? Number.POSITIVE_INFINITY)
      const until = Math.min(...known.map(rightUntil))
      this.#remembered.set(key, { state, revision, pinned, until })
      return state
    }, signal)
  }

  /**
   * What the outside registry says of a name that nobody has claimed.
   *
   * @param isOwner - whether it may be what that registry shows to this node's user alone
   * @returns nothing when it has no such package, when the name is claimed, and when there is no such registry
   * @throws CatalogError `UPSTREAM` when it cannot be asked and nothing is kept, `LIMIT_EXCEEDED`
   */
  document(
    { type, name }: PackageName,
    form: PackumentForm,
    isOwner: boolean,
    signal?: AbortSignal,
  ): Promise<UpstreamDocument | undefined> {
    const { upstream, underWay } = this.#components
    return underWay.run(async (signal) => {
      if (!upstream || type !== NPM || this.isClaimed({ type, name })) return undefined
      const document = await upstream.document(name, form, signal)
      return document?.isPrivate && !isOwner ? undefined : document
    }, signal)
  }

  /**
   * A version for whoever wants its bytes: known here, at the outside registry or at peers.
   *
   * @throws CatalogError `NOT_FOUND`, `UNTRUSTED`; as `Upstream.release`
   */
  release(name: PackageName, version: string, isOwner: boolean, signal?: AbortSignal): Promise<Release> {
    return this.#components.underWay.run((signal) => this.#release(name, version, isOwner, signal), signal)
  }

  /** Whether the user has given a name to a publisher: then no outside registry hears of it. */
  isClaimed(name: PackageName): boolean {
    const pin = this.#components.pins.get(name)
    return pin !== undefined && pin.signer !== NPM_ORIGIN
  }

  /**
   * Look whether a name may be published under. A registry that cannot be asked forbids nothing: others will not take
   * it from here while it has such a name.
   *
   * @param signer - who wants to
   * @throws CatalogError `UNTRUSTED`
   */
  async checkFree(name: PackageName, signer: string, signal?: AbortSignal): Promise<void> {
    const document = await this.document(name, 'install', true, signal).catch((thrown) => {
      if (!hasCode(thrown, 'UPSTREAM')) throw thrown
      tellFailure(formatPurl(name), thrown)
    })
    if (document) throw ofRegistry(name, signer)
  }

  /** As `Upstream.advisories`; empty where there is no outside registry. */
  advisories(body: string, signal?: AbortSignal): Promise<string> {
    const { upstream, underWay } = this.#components
    const mayTell = (name: string) => !this.isClaimed({ type: NPM, name })
    return underWay.run(async (signal) => upstream?.advisories(body, mayTell, signal) ?? '{}', signal)
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

  /**
   * The bundle that a release's publisher has attached: who built it from what. What is in it is for clients to check.
   *
   * @throws CatalogError `NOT_FOUND` where none is, or one that is too long; `NO_PROVIDERS`
   */
  attestation(release: Release, signal?: AbortSignal): Promise<{ predicateType: string; bundle: string }> {
    const { packages, underWay } = this.#components
    return underWay.run(async (signal) => {
      const artifact = attestationOf(release)
      if (!artifact || artifact.size > ATTESTATION_BYTES_MAX) {
        throw new CatalogError('NOT_FOUND', `Nothing is attested of ${release.purl}.`)
      }
      const { lease } = await packages.fetch(release, artifact, { signal })
      using held = lease
      return { predicateType: artifact.predicateType, bundle: await text(streamOf(held, signal)) }
    }, signal)
  }

  /** The same of a version of an outside registry, as that says it. @throws CatalogError as `Upstream.attestations` */
  attestationsOutside(
    document: UpstreamDocument,
    version: string,
    isOwner: boolean,
    signal?: AbortSignal,
  ): Promise<Buffer> {
    const { upstream, underWay } = this.#components
    return underWay.run(async (signal) => {
      if (upstream) return upstream.attestations(document, version, isOwner, signal)
      throw new CatalogError('NOT_FOUND', 'There is no outside registry.')
    }, signal)
  }

  /** Fill `buffer` from an opened release's bytes. @returns bytes read: fewer than asked where a pack is damaged */
  read(lease: Lease, at: number, buffer: Uint8Array): Promise<number> {
    return this.#components.blobs.readFrom(lease, at, buffer)
  }

  /** Folders for what is on its way in. */
  workspace(): ScratchFolders {
    return this.#components.scratch.open()
  }

  /** Moved by whatever a state is made of. */
  #current(): number {
    return this.#revision + this.#components.records.derivations.revision
  }

  async #release(name: PackageName, version: string, isOwner: boolean, signal: AbortSignal): Promise<Release> {
    const { records, blobs, packages } = this.#components
    if (!this.isClaimed(name)) {
      // With its bytes here nobody else need be asked, nor be there.
      const here = records.releases(name, version).find(({ record }) => record.signer === NPM_ORIGIN)
      if (here && blobs.isUnder(onlyArtifact(here).root, here.record.id)) return here
      const outside = await this.orMesh(name, this.#pulled(name, version, isOwner, signal), signal)
      if (outside) return outside
    }
    const isIt = ({ body }: Release) => body.version === version
    const kept = () => this.#withdrawn(name).find(isIt)
    const { releases } = await this.state(name, signal).catch((thrown) => {
      const release = hasCode(thrown, 'NOT_FOUND') ? kept() : undefined
      if (release) return { releases: [release] }
      throw thrown
    })
    const known = releases.find(isIt) ?? kept()
    if (known) return known
    // Others of its versions are known, and this one is not.
    const { release } = await packages.resolve({ ...name, version }, signal, MESH_ALONE)
    const found = (await this.state(name, signal)).releases.find(({ record }) => record === release.record)
    if (found) return found
    throw absent({ ...name, version })
  }

  /** From the outside registry. @throws CatalogError `UPSTREAM`, `NOT_FOUND` for another version of what it has */
  async #pulled(
    name: PackageName,
    version: string,
    isOwner: boolean,
    signal: AbortSignal,
  ): Promise<Release | undefined> {
    const document = await this.document(name, 'install', isOwner, signal)
    if (!document) return undefined
    const release = await this.#components.upstream?.release(document, version, isOwner, signal)
    if (release) return release
    throw absent({ ...name, version })
  }

  /**
   * What the outside registry answers; nothing where it fails and the mesh may do without.
   *
   * @throws what `asking` rejects with, where nobody else knows the name either
   */
  async orMesh<T>(name: PackageName, asking: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    try {
      return await asking
    } catch (thrown) {
      if (!hasCode(thrown, 'UPSTREAM')) throw thrown
      tellFailure(formatPurl(name), thrown)
      // That the registry cannot be asked says more than that nobody else knows the name.
      await this.state(name, signal).catch(() => {
        throw thrown
      })
      return undefined
    }
  }

  /**
   * Public releases that were withdrawn, and whose bytes are here all the same: lock files which name them hold as long
   * as that.
   */
  #withdrawn(name: PackageName): readonly Release[] {
    const { blobs, notices } = this.#components
    return this.#public(name).filter(
      (release) =>
        notices.isWithdrawn(release) && contentOf(release).every(({ root }) => blobs.isUnder(root, release.record.id)),
    )
  }

  #state(name: PackageName, known: readonly Release[]): PackageState {
    const own = this.#owned(name, known)
    const [first] = own
    if (!first) throw absent(name)
    const notices = this.#components.notices.of(name, first.record.signer, ['public'])
    const byVersion = Map.groupBy(available(own, notices), ({ body }) => body.version)
    const judging = this.#components.judgement.of(name)
    // Where nobody may choose between two releases of one version, nothing is said of it.
    const releases = [...byVersion.values()].flatMap((all) => chosenOf(all, judging) ?? [])
    const type = packageType(name.type)
    const latest = newest(releases, type, notices)?.body.version
    if (latest === undefined) throw absent(name)
    releases.sort((a, b) => type.compareVersions(a.body.version, b.body.version))
    const isThere = ([, version]: [string, string]) => releases.some(({ body }) => body.version === version)
    const tags = { ...Object.fromEntries([...notices.tags].filter(isThere)), [LATEST]: latest }
    const deprecated = new Map([...notices.deprecated].filter(([version]) => byVersion.has(version)))
    return { name: name.name, releases, tags, deprecated }
  }

  /** Releases of the publisher that is pinned for a name, else of the outside registry, else of the only publisher. */
  #owned(name: PackageName, known: readonly Release[]): readonly Release[] {
    const { pins, upstream } = this.#components
    const pin = pins.get(name)
    const allowed = allowedOf(known, pin)
    if (pin || allowed.some(isOfOrigin)) return allowed
    const signers = signersOf(known)
    const [signer] = signers
    if (signers.length > 1) {
      const owned = ofOwners(known, this.#components.judgement.of(name))
      if (owned.length === 0) throw contested(name, signers)
      return owned
    }
    if (signer !== undefined && name.type === NPM && upstream && !upstream.knowsNot(name.name)) {
      throw unclaimed(name, signer)
    }
    return known
  }

  async #known(name: PackageName, signal: AbortSignal): Promise<Release[]> {
    const { packages, clock } = this.#components
    const here = this.#public(name)
    // Who else claims a name that was given to nobody is to be asked first, now and then.
    if (here[0] && (this.isClaimed(name) || here.some(isOfOrigin))) {
      packages.used(here[0])
      return here
    }
    const key = formatPurl(name)
    const since = this.#absent.get(key)
    if (since !== undefined && clock.now() - since < ABSENT_NAMES_MS) return []
    try {
      // What is known here, and not public, is not asked for: peers would hear of it.
      await packages.resolve(name, signal, MESH_ALONE)
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

/** Nobody in the mesh takes a name that the outside registry may have. */
function unclaimed(name: PackageName, signer: string): CatalogError {
  const purl = formatPurl(name)
  const why = `${purl} is the outside registry's until that says that it has none such, and it cannot be asked now.`
  return new CatalogError('UNTRUSTED', why, {
    hint: `A publisher in the mesh has one. To take it from there: catalog trust ${purl} ${signer}`,
    details: { publishers: [signer] },
  })
}

function isSame(a: PackageState, b: PackageState): boolean {
  const said = ({ tags, deprecated }: PackageState) => JSON.stringify([tags, [...deprecated]])
  const hasSame = a.releases.length === b.releases.length && a.releases.every((one, i) => one === b.releases[i])
  return hasSame && said(a) === said(b)
}

function absent(name: Purl): CatalogError {
  return new CatalogError('NOT_FOUND', `${formatPurl(name)} is known neither here nor at the peers that were asked.`)
}
