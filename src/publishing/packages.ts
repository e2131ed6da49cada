// From a name to a release, and from a release to bytes on this disk. What is not known here is asked of the peers.
import { toHex } from '../base/bytes.ts'
import { type Clock, deadline, sleep, untilAborted } from '../base/clock.ts'
import { CatalogError, hasCode } from '../base/errors.ts'
import { tellFailure } from '../base/failure.ts'
import {
  GREETING_PATIENCE_MS,
  HELLO_DEADLINE_MS,
  PROVIDER_RETRY_MS,
  REVALIDATION_PEERS,
  SEARCH_FAN_OUT_MAX,
  SHOWN_RELEASES_MAX,
} from '../base/limits.ts'
import { type Random, shuffled } from '../base/random.ts'
import type { UnderWay } from '../base/under-way.ts'
import { NPM_ORIGIN } from '../model/origin.ts'
import type { PackageName } from '../model/purl.ts'
import { type Artifact, contentOf, type Release } from '../model/release.ts'
import { connectedTo, type HelloService, someConnected } from '../network/hello.ts'
import type { Providers } from '../network/providers.ts'
import { packageType } from '../package-types/all.ts'
import type { Blobs, Lease } from '../store/blobs.ts'
import type { Kept } from '../store/kept.ts'
import type { Pins } from '../store/pins.ts'
import type { Records } from '../store/records.ts'
import type { Fetcher, FetchOptions, FetchReport } from '../transfer/fetcher.ts'
import { isPassing } from '../transfer/segment-fetch.ts'
import type { Access } from '../trust/access.ts'
import type { RecordExchange } from '../trust/exchange.ts'
import type { Judgement } from '../trust/judgement.ts'
import type { Notices } from '../trust/notices.ts'
import type { Shares } from '../trust/shares.ts'
import { type Knowledge, type Resolution, resolve } from '../trust/view.ts'
import type { Derived } from './derived.ts'
import { Revalidation } from './revalidation.ts'

export interface Wanted extends PackageName {
  readonly version?: string | undefined
  /** In the words of the package type; for dependencies. */
  readonly range?: string | undefined
}

/** Who is asked for what is not here. */
export interface ResolveFrom {
  /** Also the outside registry; true by default. */
  readonly outside?: boolean
}

/** An artifact that is here, and how it came. */
export interface FetchedArtifact extends FetchReport {
  readonly artifact: Artifact
  readonly lease: Lease
}

/** What came of a name. */
export type Resolved =
  | { readonly resolution: Resolution; readonly error?: undefined }
  | { readonly error: CatalogError; readonly resolution?: undefined }

interface Components {
  records: Records
  shares: Shares
  notices: Notices
  kept: Kept
  access: Access
  blobs: Blobs
  pins: Pins
  judgement: Judgement
  exchange: RecordExchange
  hello: HelloService
  providers: Providers
  fetcher: Fetcher
  derived: Derived
  clock: Clock
  random: Random
  underWay: UnderWay
}

/** Why nobody looks for providers any more. One for all: an error of its own for each blob would be made for nobody. */
const ENOUGH_PROVIDERS = new CatalogError('ABORTED', 'No more providers are needed.')

export class Packages {
  readonly #components: Components
  /** Peers that showed a release, by record id: the first to be asked for its bytes. */
  readonly #shownBy = new Map<string, Set<string>>()
  readonly #revalidation: Revalidation
  /** Has here what the outside registry has of a package. */
  outside: ((wanted: Wanted, signal: AbortSignal) => Promise<void>) | undefined

  constructor(components: Components) {
    this.#components = components
    const ask = (names: readonly PackageName[], signal: AbortSignal) => this.#askAgain(names, signal)
    this.#revalidation = new Revalidation({ ...components, ask })
  }

  /**
   * The release that a name means, asking peers when it is not known here.
   *
   * @throws CatalogError `NOT_FOUND`, `UNTRUSTED`, `PURL_INVALID` for a type this build does not know
   */
  async resolve(wanted: Wanted, signal?: AbortSignal, from: ResolveFrom = {}): Promise<Resolution> {
    const [outcome] = await this.resolveAll([wanted], signal, from)
    if (outcome?.resolution) return outcome.resolution
    throw outcome?.error
  }

  /**
   * The same for many: each peer is asked for all that is not known here at once.
   *
   * @returns for each in order what `resolve` returns or throws
   * @throws CatalogError `PEER_BUSY`, `PEER_TIMEOUT`, `PEER_UNREACHABLE` when something is not known here and no peer
   *   that was asked gave an answer, which says nothing about what there is; the signal's reason
   */
  async resolveAll(
    wanted: readonly Wanted[],
    signal?: AbortSignal,
    { outside = true }: ResolveFrom = {},
  ): Promise<Resolved[]> {
    // Which version a name means is for the registry to say, where the name is its own.
    const unsaid = wanted.filter(({ version }) => version === undefined)
    if (outside) await this.#bring(unsaid, signal)
    let first = wanted.map((one) => this.#resolveHere(one))
    if (await this.#askForRivals(wanted, first, signal)) first = wanted.map((one) => this.#resolveHere(one))
    for (const { resolution } of first) if (resolution) this.used(resolution.release)
    const unknown = wanted.filter((_, index) => hasCode(first[index]?.error, 'NOT_FOUND'))
    if (unknown.length === 0) return first
    this.#revalidation.asked(unknown)
    await this.#askPeers(unknown, signal)
    const isLacking = (one: Wanted) => one.version !== undefined && hasCode(this.#resolveHere(one).error, 'NOT_FOUND')
    if (outside) await this.#bring(unknown.filter(isLacking), signal)
    return wanted.map((one, index) =>
      hasCode(first[index]?.error, 'NOT_FOUND') ? this.#resolveHere(one) : (first[index] as Resolved),
    )
  }

  /**
   * Who else claims a name that was given to nobody is asked before one who claims it is taken for its owner.
   *
   * @param here - what each resolves to so far
   * @returns whether anybody was asked
   */
  async #askForRivals(wanted: readonly Wanted[], here: readonly Resolved[], signal?: AbortSignal): Promise<boolean> {
    const { hello, shares } = this.#components
    const unsure = wanted.filter((one, index) => {
      const resolution = here[index]?.resolution
      const isOpen = resolution?.trust === 'unpinned' && shares.isKnown(resolution.release)
      return isOpen && !this.#revalidation.isFresh(one)
    })
    if (unsure.length === 0 || connectedTo(hello).length === 0) return false
    this.#revalidation.asked(unsure)
    // With all versions: a rival need not have this one.
    const names = unsure.map(({ type, name }) => ({ type, name }))
    await this.#askPeers(names, signal).catch((thrown) => {
      signal?.throwIfAborted()
      tellFailure('ask who else claims a name', thrown)
    })
    return true
  }

  /** From the outside registry: what nobody has claimed. */
  async #bring(wanted: readonly Wanted[], signal: AbortSignal = new AbortController().signal): Promise<void> {
    const { pins } = this.#components
    const unclaimed = wanted.filter((one) => (pins.get(one)?.signer ?? NPM_ORIGIN) === NPM_ORIGIN)
    await Promise.all(unclaimed.map((one) => this.outside?.(one, signal)))
  }

  /** Hear what is new of a package that is used, some time after this. Of what is not public nobody is asked. */
  used(release: Release): void {
    const { hello, pins, shares } = this.#components
    if (pins.get(release.body)?.reason === 'published' || connectedTo(hello).length === 0) return
    if (shares.isKnown(release)) this.#revalidation.used(release.body)
  }

  /** Have an artifact's bytes here, verified. @throws CatalogError as `Fetcher.fetch` and `Derived.confirm` */
  async fetch(release: Release, artifact: Artifact, options: FetchOptions = {}): Promise<FetchedArtifact> {
    const { fetcher, blobs, derived, shares, providers } = this.#components
    const id = release.record.id
    const here = blobs.isUnder(artifact.root, id) && blobs.lease(artifact.root)
    if (here) {
      // Who fetched it may have gone before it was looked at.
      await this.#confirmed(release, here, options.signal)
      return { bytes: artifact.size, sources: [], failures: [], artifact, lease: here }
    }
    const isPublic = shares.isPublic(release)
    const lookup = new AbortController()
    const signal = options.signal ? AbortSignal.any([options.signal, lookup.signal]) : lookup.signal
    const report = await fetcher
      .fetch(artifact, id, this.#providersOf(release, artifact, signal), { ...options, purl: release.purl })
      .catch(async (thrown) => {
        if (hasCode(thrown, 'BLOB_CORRUPT', 'NO_PROVIDERS')) await derived.doubt(release, thrown)
        throw thrown
      })
      .finally(() => lookup.abort(ENOUGH_PROVIDERS))
    const lease = blobs.lease(artifact.root)
    if (!lease) throw new CatalogError('INTERNAL', 'A blob that was fetched is not there.')
    await this.#confirmed(release, lease, options.signal)
    if (isPublic && report.sources.length > 0) providers.provide(artifact.root)
    return { ...report, artifact, lease }
  }

  /** Give the lease back unless what is said of a release follows from it. */
  async #confirmed(release: Release, lease: Lease, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#components.derived.confirm(release, lease, signal)
    } catch (thrown) {
      lease[Symbol.dispose]()
      throw thrown
    }
  }

  /** Tell the DHT of all that is here and that everybody may have. */
  provideAll(): void {
    const { blobs, records, shares, providers } = this.#components
    for (const id of blobs.releaseIds()) {
      const release = records.release(id)
      if (!release || !shares.isPublic(release)) continue
      for (const { root } of release.body.artifacts) if (blobs.isUnder(root, id)) providers.provide(root)
    }
  }

  /** Remember that a peer showed a release. */
  shown(release: Uint8Array, peer: string): void {
    const name = toHex(release)
    this.#shownBy.set(name, (this.#shownBy.get(name) ?? new Set()).add(peer))
    const oldest = this.#shownBy.keys().next().value
    if (this.#shownBy.size > SHOWN_RELEASES_MAX && oldest !== undefined) this.#shownBy.delete(oldest)
  }

  #wasShownBy(release: Release, peer: string): boolean {
    return this.#shownBy.get(toHex(release.record.id))?.has(peer) === true
  }

  #resolveHere(wanted: Wanted): Resolved {
    const { records, pins, notices, kept, judgement } = this.#components
    const knowledge: Knowledge = {
      notices: (signer) => notices.of(wanted, signer),
      keeps: ({ record }) => kept.has(record.id),
      judging: judgement.of(wanted),
    }
    try {
      const type = packageType(wanted.type)
      return { resolution: resolve(wanted, wanted, records.releases(wanted), pins.get(wanted), type, knowledge) }
    } catch (thrown) {
      return { error: CatalogError.from(thrown) }
    }
  }

  /** Have here what connected peers show of packages; those that give no answer get a second chance. */
  async #askPeers(names: readonly PackageName[], signal?: AbortSignal): Promise<void> {
    const { clock } = this.#components
    await this.#greeted(signal)
    const peers = someConnected(this.#components, SEARCH_FAN_OUT_MAX)
    const failures = await this.#askThese(peers, names, signal)
    if (peers.length === 0 || failures.size < peers.length) return
    const again = [...failures].flatMap(([peer, error]) => (isPassing(error) ? [peer] : []))
    if (again.length > 0) {
      await sleep(clock, PROVIDER_RETRY_MS, signal)
      if ((await this.#askThese(again, names, signal)).size < again.length) return
    }
    const [failure] = failures.values()
    throw failure
  }

  #askAgain(names: readonly PackageName[], signal: AbortSignal): Promise<unknown> {
    return this.#askThese(someConnected(this.#components, REVALIDATION_PEERS), names, signal)
  }

  /** Give those who have just come a moment to say hello, and where nobody else can be asked, all the time it takes. */
  async #greeted(signal?: AbortSignal): Promise<void> {
    const { hello, clock } = this.#components
    const wait = async (patienceMs: number) => {
      using patience = deadline(clock, patienceMs, 'who has just come', signal)
      await untilAborted(hello.settled(), patience.signal).catch(() => signal?.throwIfAborted())
    }
    await wait(GREETING_PATIENCE_MS)
    if (connectedTo(hello).length === 0) await wait(HELLO_DEADLINE_MS)
  }

  /** @returns why those gave no answer that may give one another time, by peer */
  async #askThese(
    peers: readonly string[],
    names: readonly PackageName[],
    signal?: AbortSignal,
  ): Promise<Map<string, CatalogError>> {
    const { exchange } = this.#components
    const failures = new Map<string, CatalogError>()
    const ask = async (peer: string) => {
      try {
        for (const id of await exchange.fetchPackages(peer, names, signal)) this.shown(id, peer)
      } catch (thrown) {
        signal?.throwIfAborted()
        const error = CatalogError.from(thrown)
        if (isPassing(error) || error.code === 'PEER_TIMEOUT') failures.set(peer, error)
        tellFailure(`records from ${peer}`, error)
      }
    }
    await Promise.all(peers.map(ask))
    return failures
  }

  /** Who may have an artifact, the likeliest first; some come twice. */
  async *#providersOf(release: Release, artifact: Artifact, signal?: AbortSignal): AsyncGenerator<string> {
    const { hello, providers, random, shares, access } = this.#components
    const isKnown = shares.isKnown(release)
    const shownBy = (peer: string) => this.#wasShownBy(release, peer)
    // Asking for it tells that it exists.
    const mayAsk = (peer: string) => isKnown || access.maySee(peer, release) || shownBy(peer)
    const connected = connectedTo(hello).filter(mayAsk)
    yield* shuffled(random, connected.filter(shownBy))
    yield* shuffled(
      random,
      connected.filter((peer) => !shownBy(peer)),
    )
    await this.#greeted(signal)
    yield* connectedTo(hello).filter(mayAsk)
    if (!isKnown) return
    try {
      yield* providers.find(artifact.root, signal)
    } catch (thrown) {
      signal?.throwIfAborted()
      tellFailure('find providers', thrown)
    }
  }
}

/** The file of a release that has one. @throws CatalogError `USAGE` */
export function onlyArtifact(release: Release): Artifact {
  const [artifact, ...more] = contentOf(release)
  if (!artifact || more.length > 0) {
    throw new CatalogError('USAGE', `${release.purl} has several artifacts.`, { hint: 'Use "catalog install" for it.' })
  }
  return artifact
}
