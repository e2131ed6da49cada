// The façade: what a user can do with a node, in the architecture's own words. The HTTP API, the command line and
// programs that import the library all come in here.
import { toHex } from './base/bytes.ts'
import { type Clock, sleep } from './base/clock.ts'
import type { Effects } from './base/effects.ts'
import { CatalogError } from './base/errors.ts'
import type { Random } from './base/random.ts'
import { SECOND_MS } from './base/units.ts'
import type { Core } from './core/surface.ts'
import type { Search, SearchAnswer, SearchOptions } from './discovery/search.ts'
import { parsePermission } from './model/permission.ts'
import { formatPurl, parsePurl } from './model/purl.ts'
import type { Artifact, Release } from './model/release.ts'
import { peerAddress } from './network/addresses.ts'
import type { Bootstrap } from './network/bootstrap.ts'
import type { HelloService } from './network/hello.ts'
import type { Network } from './network/network.ts'
import { packageType } from './package-types/all.ts'
import { copyOut, type Installed, type Installing, type InstallOptions } from './publishing/install.ts'
import type { FetchedArtifact, Packages } from './publishing/packages.ts'
import type { Publishing } from './publishing/publish.ts'
import type { Blobs } from './store/blobs.ts'
import type { Pin, Pins } from './store/pins.ts'
import type { Records } from './store/records.ts'
import type { FetchOptions } from './transfer/fetcher.ts'
import type { Limits } from './transfer/limits.ts'
import type { FetchSource, ProviderFailure } from './transfer/report.ts'
import type { Transfers, TransferView } from './transfer/transfers.ts'
import type { LocalPublisher } from './trust/publishers.ts'
import type { Shares } from './trust/shares.ts'
import { type TrustState, trustState } from './trust/view.ts'

export interface ShareOptions {
  /** `public` (default) or `private`. */
  readonly permission?: string | undefined
  /** `npm` or `generic`; recognised from the path by default. */
  readonly type?: string | undefined
  readonly name?: string | undefined
  readonly version?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ArtifactSummary {
  readonly path: string
  readonly size: number
  /** Hexadecimal. */
  readonly sha256: string
}

export interface SharedPackage {
  readonly purl: string
  /** Record id, hexadecimal. */
  readonly record: string
  readonly permission: string
  /** False when the same bytes were published before. */
  readonly fresh: boolean
  readonly artifacts: readonly ArtifactSummary[]
}

export interface PackageInfo extends Omit<SharedPackage, 'fresh'> {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly license: string
  readonly keywords: readonly string[]
  readonly publisher: string
  readonly trust: TrustState
  /** When it was signed, by the publisher's clock; ISO 8601. */
  readonly publishedAt: string
  readonly dependencies: readonly { purl: string; range: string }[]
  /** Whether all its bytes are on this node. */
  readonly local: boolean
  /** All versions known here, newest first. */
  readonly versions: readonly string[]
}

export interface FetchedPackage {
  readonly purl: string
  readonly output: string
  readonly bytes: number
  readonly sha256: string
  readonly sources: readonly FetchSource[]
  /** Peers that were asked and failed, and why. */
  readonly failures: readonly ProviderFailure[]
  readonly ms: number
}

export interface ConnectedPeer {
  readonly peer: string
  readonly agent: string
  readonly addresses: readonly string[]
}

export interface NodeStatus {
  readonly version: string
  readonly peerId: string
  readonly publisher: string | null
  readonly online: boolean
  readonly addresses: readonly string[]
  readonly http: string | null
  readonly peers: number
  readonly records: number
  readonly releases: number
  readonly blobs: number
  readonly bytes: number
  readonly core: { readonly backend: string; readonly features: readonly string[] }
  readonly dataDir: string
  readonly uptimeMs: number
}

export interface SharingComponents {
  network: Network
  hello: HelloService
  bootstrap: Bootstrap
  publishing: Publishing
  packages: Packages
  installing: Installing
  search: Search
  records: Records
  shares: Shares
  blobs: Blobs
  pins: Pins
  publisher: LocalPublisher
  limits: Limits
  core: Core
  clock: Clock
  effects: Effects
  random: Random
  transfers: Transfers
  /** What only the composition root knows. */
  about: () => { version: string; online: boolean; http: string | undefined; dataDir: string; startedAt: number }
}

/** Between two looks at transfers that are watched. */
const WATCH_INTERVAL_MS = SECOND_MS

export class SharingManager {
  readonly #components: SharingComponents

  constructor(components: SharingComponents) {
    this.#components = components
  }

  get peerId(): string {
    return this.#components.network.peerId
  }

  /** How many bytes a second may be sent and received. */
  get limits(): Limits {
    return this.#components.limits
  }

  /**
   * Connect to a peer, and stay connected.
   *
   * @param address - a multiaddr, or `host[:port]`
   * @throws CatalogError `ADDRESS_INVALID`, `PEER_UNREACHABLE`, `PEER_TIMEOUT`
   */
  async connectPeer(address: string, options: { signal?: AbortSignal | undefined } = {}): Promise<ConnectedPeer> {
    const { bootstrap, hello } = this.#components
    const outcome = await bootstrap.keep(peerAddress(address))
    if ('error' in outcome) throw outcome.error
    const { agent, addresses } = await hello.expect(outcome.peer, options.signal)
    return { peer: outcome.peer, agent, addresses }
  }

  /** Peers connected now. */
  connectedPeers(): ConnectedPeer[] {
    return this.#components.hello.peers()
  }

  /**
   * Publish a folder or a file.
   *
   * @throws CatalogError what is wrong with it; `RELEASE_EXISTS` for other bytes of a published version
   */
  async sharePackage(path: string, options: ShareOptions = {}): Promise<SharedPackage> {
    const permission = parsePermission(options.permission ?? 'public')
    const { release, fresh } = await this.#components.publishing.publish(path, { ...options, permission })
    return { ...this.#summary(release), fresh }
  }

  /** Find packages here and at connected peers. @throws CatalogError `SEARCH_QUERY` */
  searchPackages(query: string, options: SearchOptions = {}): Promise<SearchAnswer> {
    return this.#components.search.search(query, options)
  }

  /**
   * What is known of a package, its newest version unless one is named.
   *
   * @throws CatalogError `NOT_FOUND`, `UNTRUSTED`
   */
  async packageInfo(text: string, options: { signal?: AbortSignal | undefined } = {}): Promise<PackageInfo> {
    const { packages, pins, records, blobs } = this.#components
    const { release } = await packages.resolve(parsePurl(text), options.signal)
    const { body, record } = release
    const all = records.releases(body)
    const type = packageType(body.type)
    const claimants = new Set(all.map((other) => other.record.signer)).size
    const versions = new Set(all.map((other) => other.body.version))
    return {
      ...this.#summary(release),
      name: body.name,
      version: body.version,
      description: body.description,
      license: body.license,
      keywords: body.keywords,
      publisher: record.signer,
      trust: trustState(record.signer, pins.get(body), claimants),
      publishedAt: new Date(record.statement.at).toISOString(),
      dependencies: body.dependencies.map(({ type, name, range }) => ({ purl: formatPurl({ type, name }), range })),
      local: body.artifacts.every(({ root }) => blobs.get(root) !== undefined),
      versions: [...versions].sort((a, b) => type.compareVersions(b, a)),
    }
  }

  /** Fetch a package's artifact to a file. @throws CatalogError `NOT_FOUND`, `UNTRUSTED`, `NO_PROVIDERS` */
  async fetchPackage(text: string, output: string, options: FetchOptions = {}): Promise<FetchedPackage> {
    const { packages, clock, effects, random } = this.#components
    const startedAt = clock.now()
    const { release } = await packages.resolve(parsePurl(text), options.signal)
    const artifact = onlyArtifact(release)
    const fetched = await packages.fetch(release, artifact, options)
    using source = fetched.lease
    await copyOut({ effects, random }, source, output)
    return { ...fetchSummary(release, fetched), output, ms: clock.now() - startedAt }
  }

  /**
   * Install a package into a folder of its own below `options.to`, with what it needs when that is asked for.
   *
   * @returns the package asked for first
   */
  installPackage(text: string, options: InstallOptions): Promise<Installed[]> {
    return this.#components.installing.install(parsePurl(text), options)
  }

  /**
   * Decide who owns a name.
   *
   * @param publisher - `publisher:<id>`; the only one known by default
   * @throws CatalogError `NOT_FOUND` when nobody is known to publish it, `UNTRUSTED` when several do and none is named
   */
  async trustPublisher(text: string, publisher?: string): Promise<Pin> {
    const { records, pins } = this.#components
    const name = parsePurl(text)
    if (publisher !== undefined && !/^publisher:[0-9a-f]{64}$/.test(publisher)) {
      throw new CatalogError('USAGE', `"${publisher.slice(0, 80)}" is not a publisher.`, {
        hint: `A publisher is written publisher:<64 hexadecimal digits>; see: catalog info ${formatPurl(name)}`,
      })
    }
    const signers = [...new Set(records.releases(name).map(({ record }) => record.signer))]
    const [only] = signers
    const signer = publisher ?? only
    if (signer === undefined) throw new CatalogError('NOT_FOUND', `Nobody is known to publish ${formatPurl(name)}.`)
    if (publisher === undefined && signers.length > 1) {
      throw new CatalogError('UNTRUSTED', `Several publishers claim ${formatPurl(name)}: ${signers.join(', ')}.`, {
        hint: `Name the one you mean: catalog trust ${formatPurl(name)} ${signer}`,
      })
    }
    await pins.set(name, signer, 'trusted')
    return pins.get(name) as Pin
  }

  /** Take a decision about a name back. @returns whether there was one */
  untrust(text: string): Promise<boolean> {
    return this.#components.pins.remove(parsePurl(text))
  }

  trusted(): Pin[] {
    return this.#components.pins.list()
  }

  /** What is being fetched and sent, and what came of the last ones, the newest first. */
  transfers(): { running: TransferView[]; recent: TransferView[] } {
    const { transfers } = this.#components
    return { running: transfers.list(), recent: transfers.recent() }
  }

  /** The same, again and again until `signal` aborts. */
  async *watchTransfers(signal: AbortSignal): AsyncGenerator<{ running: TransferView[]; recent: TransferView[] }> {
    for (;;) {
      yield this.transfers()
      try {
        await sleep(this.#components.clock, WATCH_INTERVAL_MS, signal)
      } catch {
        // It only fails by the abort, which is how watching ends.
        return
      }
    }
  }

  async status(): Promise<NodeStatus> {
    const { network, hello, records, blobs, core, publisher, clock, about } = this.#components
    const { version, online, http, dataDir, startedAt } = about()
    const usage = blobs.usage()
    return {
      version,
      peerId: network.peerId,
      publisher: (await publisher.existing())?.signer ?? null,
      online,
      addresses: online ? network.addresses() : [],
      http: http ?? null,
      peers: hello.peers().length,
      records: records.count(),
      releases: records.releaseCount(),
      blobs: usage.blobs,
      bytes: usage.bytes,
      core: { backend: core.backend, features: core.features() },
      dataDir,
      uptimeMs: clock.now() - startedAt,
    }
  }

  #summary(release: Release): Omit<SharedPackage, 'fresh'> {
    return {
      purl: release.purl,
      record: toHex(release.record.id),
      permission: this.#components.shares.permissionOf(release),
      artifacts: release.body.artifacts.map(({ path, size, sha256 }) => ({ path, size, sha256: toHex(sha256) })),
    }
  }
}

function onlyArtifact(release: Release): Artifact {
  const [artifact, ...more] = release.body.artifacts
  if (!artifact || more.length > 0) {
    throw new CatalogError('USAGE', `${release.purl} has several artifacts.`, { hint: 'Use "catalog install" for it.' })
  }
  return artifact
}

function fetchSummary(release: Release, { artifact, sources, failures }: FetchedArtifact) {
  return { purl: release.purl, bytes: artifact.size, sha256: toHex(artifact.sha256), sources, failures }
}
