// From a name to a release, and from a release to bytes on this disk. What is not known here is asked of the peers.
import { toHex } from '../base/bytes.ts'
import { CatalogError, hasCode } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { SEARCH_FAN_OUT_MAX, SHOWN_RELEASES_MAX } from '../base/limits.ts'
import { type Random, shuffled } from '../base/random.ts'
import type { PackageName } from '../model/purl.ts'
import { type Artifact, type Release, readRelease } from '../model/release.ts'
import type { HelloService } from '../network/hello.ts'
import type { Providers } from '../network/providers.ts'
import { packageType } from '../package-types/all.ts'
import type { Blobs, Lease } from '../store/blobs.ts'
import type { Pins } from '../store/pins.ts'
import type { Records } from '../store/records.ts'
import type { Fetcher, FetchOptions, FetchReport } from '../transfer/fetcher.ts'
import type { Access } from '../trust/access.ts'
import type { RecordExchange } from '../trust/exchange.ts'
import type { Shares } from '../trust/shares.ts'
import { type Resolution, resolve } from '../trust/view.ts'

export interface Wanted extends PackageName {
  readonly version?: string | undefined
  /** In the words of the package type; for dependencies. */
  readonly range?: string | undefined
}

/** An artifact that is here, and how it came. */
export interface FetchedArtifact extends FetchReport {
  readonly artifact: Artifact
  readonly lease: Lease
}

interface Components {
  records: Records
  shares: Shares
  access: Access
  blobs: Blobs
  pins: Pins
  exchange: RecordExchange
  hello: HelloService
  providers: Providers
  fetcher: Fetcher
  random: Random
}

export class Packages {
  readonly #components: Components
  /** Peers that showed a release, by record id: the first to be asked for its bytes. */
  readonly #shownBy = new Map<string, Set<string>>()

  constructor(components: Components) {
    this.#components = components
  }

  /**
   * The release that a name means, asking peers when it is not known here.
   *
   * @throws CatalogError `NOT_FOUND`, `UNTRUSTED`, `PURL_INVALID` for a type this build does not know
   */
  async resolve(wanted: Wanted, signal?: AbortSignal): Promise<Resolution> {
    try {
      return this.#resolveHere(wanted)
    } catch (thrown) {
      if (!hasCode(thrown, 'NOT_FOUND')) throw thrown
      if ((await this.#askPeers(wanted, signal)) === 0) throw thrown
      return this.#resolveHere(wanted)
    }
  }

  /** Have an artifact's bytes here, verified. @throws CatalogError as `Fetcher.fetch` */
  async fetch(release: Release, artifact: Artifact, options: FetchOptions = {}): Promise<FetchedArtifact> {
    const { fetcher, blobs, shares, providers } = this.#components
    const id = release.record.id
    const isPublic = shares.isPublic(release)
    const lookup = new AbortController()
    const signal = options.signal ? AbortSignal.any([options.signal, lookup.signal]) : lookup.signal
    const report = await fetcher
      .fetch(artifact, id, this.#providersOf(release, artifact, signal), { ...options, purl: release.purl })
      .finally(() => lookup.abort(new CatalogError('ABORTED', 'No more providers are needed.')))
    const lease = blobs.lease(artifact.root)
    if (!lease) throw new CatalogError('INTERNAL', 'A blob that was fetched is not there.')
    if (isPublic && report.sources.length > 0) providers.provide(artifact.root)
    return { ...report, artifact, lease }
  }

  /** Tell the DHT of all that is here and that everybody may have. */
  provideAll(): void {
    const { blobs, records, shares, providers } = this.#components
    for (const id of blobs.releaseIds()) {
      const record = records.get(id)
      if (!record) continue
      const release = readRelease(record)
      if (!shares.isPublic(release)) continue
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

  #resolveHere(wanted: Wanted): Resolution {
    const { records, pins } = this.#components
    const type = packageType(wanted.type)
    return resolve(wanted, wanted, records.releases(wanted), pins.get(wanted), type)
  }

  /** @returns how many peers knew something of the package */
  async #askPeers(name: PackageName, signal?: AbortSignal): Promise<number> {
    const { hello, random, exchange, records } = this.#components
    const peers = shuffled(
      random,
      hello.peers().map(({ peer }) => peer),
    ).slice(0, SEARCH_FAN_OUT_MAX)
    const before = new Set(records.releases(name).map(({ record }) => toHex(record.id)))
    const told = await Promise.all(
      peers.map(async (peer) => {
        try {
          await exchange.fetchPackage(peer, { type: name.type, name: name.name }, signal)
          return [peer]
        } catch (thrown) {
          signal?.throwIfAborted()
          const { code, message } = CatalogError.from(thrown)
          if (code !== 'NOT_FOUND') emit('catalog:failure', { task: `records from ${peer}`, code, message })
          return []
        }
      }),
    )
    for (const { record } of records.releases(name)) {
      if (!before.has(toHex(record.id))) for (const peer of told.flat()) this.shown(record.id, peer)
    }
    return told.flat().length
  }

  /** Who may have an artifact, the likeliest first. */
  async *#providersOf(release: Release, artifact: Artifact, signal?: AbortSignal): AsyncGenerator<string> {
    const { hello, providers, random, shares, access } = this.#components
    const isKnown = shares.isKnown(release)
    const connected = hello
      .peers()
      .map(({ peer }) => peer)
      // Asking for it tells that it exists.
      .filter((peer) => isKnown || access.maySee(peer, release) || this.#wasShownBy(release, peer))
    const shownBy = (peer: string) => this.#wasShownBy(release, peer)
    yield* shuffled(random, connected.filter(shownBy))
    yield* shuffled(
      random,
      connected.filter((peer) => !shownBy(peer)),
    )
    if (!isKnown) return
    try {
      yield* providers.find(artifact.root, signal)
    } catch (thrown) {
      signal?.throwIfAborted()
      const { code, message } = CatalogError.from(thrown)
      emit('catalog:failure', { task: 'find providers', code, message })
    }
  }
}
