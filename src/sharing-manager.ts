// The façade: what a user can do with a node, in the architecture's own words. The HTTP API, the command line and
// programs that import the library all come in here.
import { resolve } from 'node:path'
import { toHex } from './base/bytes.ts'
import { type Clock, sleep, untilAborted } from './base/clock.ts'
import type { Effects } from './base/effects.ts'
import { CatalogError } from './base/errors.ts'
import type { Random } from './base/random.ts'
import type { UnderWay } from './base/under-way.ts'
import { SECOND_MS } from './base/units.ts'
import type { Core } from './core/surface.ts'
import type { Completion } from './discovery/hints.ts'
import type { Recommendation, Recommendations, RecommendOptions } from './discovery/recommendations.ts'
import type { CompletionOptions, Search, SearchAnswer, SearchOptions } from './discovery/search.ts'
import type { Group } from './model/group.ts'
import { NPM_ORIGIN } from './model/origin.ts'
import { formatPurl, parsePurl } from './model/purl.ts'
import type { Release } from './model/release.ts'
import { peerAddress } from './network/addresses.ts'
import type { Bootstrap } from './network/bootstrap.ts'
import type { HelloService } from './network/hello.ts'
import type { Network } from './network/network.ts'
import type { PreparedArtifact } from './package-types/package-type.ts'
import type { ConnectedPeer, FetchedPackage, NodeStatus, PackageInfo, SharedPackage } from './publishing/answers.ts'
import type { Curation } from './publishing/curation.ts'
import type { Disputes } from './publishing/disputes.ts'
import type { Groups } from './publishing/groups.ts'
import { infoOf, summaryOf } from './publishing/info.ts'
import { copyOut, type Installed, type Installing, type InstallOptions } from './publishing/install.ts'
import type { Outbox } from './publishing/outbox.ts'
import { type FetchedArtifact, onlyArtifact, type Packages } from './publishing/packages.ts'
import type { PermissionOptions, Permissions, SharedSubject } from './publishing/permissions.ts'
import type { Publishing } from './publishing/publish.ts'
import { statusOf } from './publishing/status.ts'
import type { Blobs } from './store/blobs.ts'
import type { Account, Ledger } from './store/ledger.ts'
import type { Pin, Pins } from './store/pins.ts'
import type { Records } from './store/records.ts'
import type { Usage } from './store/usage.ts'
import type { SyncOptions, SyncReport } from './synchronization/options.ts'
import type { Synchronization } from './synchronization/service.ts'
import type { BulkSource } from './transfer/bulk-source.ts'
import type { FetchOptions } from './transfer/fetcher.ts'
import type { Limits } from './transfer/limits.ts'
import type { Transfers, TransferView } from './transfer/transfers.ts'
import type { Notices } from './trust/notices.ts'
import type { LocalPublisher } from './trust/publishers.ts'
import type { Shares } from './trust/shares.ts'
import { signersOf } from './trust/view.ts'

export interface ShareOptions extends PermissionOptions {
  /** `npm` or `generic`; recognised from the path by default. */
  readonly type?: string | undefined
  readonly name?: string | undefined
  readonly version?: string | undefined
  /** Of an npm tarball that is at hand: its path is then only what it is called. */
  readonly bytes?: Uint8Array | undefined
  /** What is to name it, as `latest` or `beta`. */
  readonly tag?: string | undefined
  /** What is said of it beside: attestations. */
  readonly attachments?: readonly PreparedArtifact[] | undefined
  readonly signal?: AbortSignal | undefined
}

export interface SharingComponents {
  network: Network
  hello: HelloService
  bootstrap: Bootstrap
  publishing: Publishing
  permissions: Permissions
  curation: Curation
  disputes: Disputes
  outbox: Outbox
  notices: Notices
  groups: Groups
  packages: Packages
  installing: Installing
  search: Search
  recommendations: Recommendations
  records: Records
  shares: Shares
  blobs: Blobs
  pins: Pins
  publisher: LocalPublisher
  ledger: Ledger
  usage: Usage
  bulk: BulkSource
  limits: Limits
  core: Core
  clock: Clock
  effects: Effects
  random: Random
  transfers: Transfers
  synchronization: Synchronization
  underWay: UnderWay
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

  /** What is said of releases afterwards: tags, deprecations, withdrawals. */
  get curation(): Curation {
    return this.#components.curation
  }

  /** What waits for a peer, and makes it wait. */
  get outbox(): Outbox {
    return this.#components.outbox
  }

  /** Records that compete, and choosing among them. */
  get disputes(): Disputes {
    return this.#components.disputes
  }

  /**
   * Connect to a peer, and stay connected.
   *
   * @param address - a multiaddr, or `host[:port]`
   * @throws CatalogError `ADDRESS_INVALID`, `PEER_UNREACHABLE`, `PEER_TIMEOUT`
   */
  connectPeer(address: string, options: { signal?: AbortSignal | undefined } = {}): Promise<ConnectedPeer> {
    const { bootstrap, hello, underWay } = this.#components
    return underWay.run(async (signal) => {
      const outcome = await untilAborted(bootstrap.keep(peerAddress(address)), signal)
      if ('error' in outcome) throw outcome.error
      const { agent, addresses } = await hello.expect(outcome.peer, signal)
      return { peer: outcome.peer, agent, addresses, ...this.#given(outcome.peer) }
    }, options.signal)
  }

  /** Peers connected now. */
  connectedPeers(): ConnectedPeer[] {
    return this.#components.hello.peers().map((known) => ({ ...known, ...this.#given(known.peer) }))
  }

  /** What ever went to and came from each peer, connected or not; those with the most bytes first. */
  accounts(): Account[] {
    return this.#components.ledger.list()
  }

  #given(peer: string): Pick<Account, 'sent' | 'received' | 'ratio' | 'contribution'> {
    const nothing = { sent: 0, received: 0, ratio: null, contribution: 0 }
    const { sent, received, ratio, contribution } = this.#components.ledger.get(peer) ?? nothing
    return { sent, received, ratio, contribution }
  }

  /**
   * Publish a folder or a file. Without a permission it gets the one that its name was shared with, else it is public.
   *
   * @throws CatalogError what is wrong with it; `RELEASE_EXISTS` for other bytes of a published version
   */
  async sharePackage(path: string, options: ShareOptions = {}): Promise<SharedPackage> {
    const { publishing, permissions, underWay } = this.#components
    const grant = await permissions.grantOf(options)
    const { type, name, version, tag, bytes, attachments } = options
    const { release, fresh } = await underWay.run(
      (signal) => publishing.publish(path, { grant, type, name, version, tag, bytes, attachments, signal }),
      options.signal,
    )
    return { ...summaryOf(this.#components, release), fresh }
  }

  /**
   * Say who may have a release of this node's publisher, or all releases whose names match a glob. It holds from the
   * next request on.
   *
   * @param subject - `pkg:npm/name@1.0.0`, `pkg:npm/name` or `pkg:npm/@scope/*`
   * @throws CatalogError `USAGE`, `PURL_INVALID`, `PERMISSION_UNSUPPORTED`, `NOT_FOUND`
   */
  async share(subject: string, options: PermissionOptions): Promise<SharedSubject> {
    const { permissions } = this.#components
    const grant = await permissions.grantOf(options)
    if (!grant) throw new CatalogError('USAGE', 'A permission is missing.', { hint: 'As in: --permission public' })
    return permissions.share(subject, grant)
  }

  /** Keep a release, or names, to this publisher's own devices. @throws CatalogError as `share` */
  unshare(subject: string): Promise<SharedSubject> {
    return this.#components.permissions.unshare(subject)
  }

  /** Groups of this node's publisher, for `friends`. */
  groups(): Promise<Group[]> {
    return this.#components.groups.list()
  }

  /** @param name - or id @throws CatalogError `NOT_FOUND` */
  group(name: string): Promise<Group> {
    return this.#components.groups.get(name)
  }

  /** @throws CatalogError `NAME_INVALID`, `TARGET_EXISTS` */
  createGroup(name: string): Promise<Group> {
    return this.#components.groups.create(name)
  }

  /** @param members - peer ids, or `publisher:<id>` for all its devices @throws CatalogError `USAGE`, `NOT_FOUND` */
  addToGroup(name: string, members: readonly string[]): Promise<Group> {
    return this.#components.groups.add(name, members)
  }

  /** @throws CatalogError `USAGE`, `NOT_FOUND` */
  removeFromGroup(name: string, members: readonly string[]): Promise<Group> {
    return this.#components.groups.remove(name, members)
  }

  /** Peer ids of the nodes that are this publisher's own; none as long as it is this one alone. */
  devices(): Promise<readonly string[]> {
    return this.#components.groups.devices()
  }

  /** Let a node have what is private here. @param peer - this node by default @throws CatalogError `USAGE` */
  addDevice(peer = this.peerId): Promise<readonly string[]> {
    return this.#components.groups.addDevice(peer)
  }

  /** @throws CatalogError `USAGE`, `NOT_FOUND` */
  removeDevice(peer: string): Promise<readonly string[]> {
    return this.#components.groups.removeDevice(peer)
  }

  /** Whose public records are kept up to date here, and when this node synchronizes by itself. */
  get synchronization(): Synchronization {
    return this.#components.synchronization
  }

  /** Make what this node and a peer keep the same. @param peer - the id of a connected one, or an address */
  syncWithPeer(peer: string, options: SyncOptions = {}): Promise<SyncReport> {
    return this.#components.synchronization.syncWithPeer(peer, options)
  }

  /** Find packages here and at connected peers. @throws CatalogError `SEARCH_QUERY` */
  searchPackages(query: string, options: SearchOptions = {}): Promise<SearchAnswer> {
    const { search, underWay } = this.#components
    return underWay.run((signal) => search.search(query, { ...options, signal }), options.signal)
  }

  /**
   * What goes well with a package, or with what is used here, and why. Nobody else hears of the question.
   *
   * @throws CatalogError `NOT_FOUND`, `PURL_INVALID`, `USAGE`
   */
  recommendPackages(purl?: string, options: RecommendOptions = {}): Promise<Recommendation[]> {
    const { recommendations, underWay } = this.#components
    return underWay.run(() => recommendations.recommend(purl, options))
  }

  /**
   * Names of packages known here that begin so: the most popular first, then the shortest.
   *
   * @param prefix - of a name or a package URL; empty for all
   * @throws CatalogError `SEARCH_QUERY`
   */
  completeNames(prefix: string, options: CompletionOptions = {}): Promise<readonly Completion[]> {
    const { search, underWay } = this.#components
    return underWay.run(() => search.complete(prefix, options))
  }

  /**
   * What is known of a package, its newest version unless one is named.
   *
   * @throws CatalogError `NOT_FOUND`, `UNTRUSTED`
   */
  async packageInfo(text: string, options: { signal?: AbortSignal | undefined } = {}): Promise<PackageInfo> {
    const { packages, underWay } = this.#components
    const purl = parsePurl(text)
    const { release } = await underWay.run((signal) => packages.resolve(purl, signal), options.signal)
    return infoOf(this.#components, release)
  }

  /** Fetch a package's artifact to a file. @throws CatalogError `NOT_FOUND`, `UNTRUSTED`, `NO_PROVIDERS` */
  fetchPackage(text: string, output: string, options: FetchOptions = {}): Promise<FetchedPackage> {
    const { packages, usage, clock, effects, random, underWay } = this.#components
    const startedAt = clock.now()
    return underWay.run(async (signal) => {
      const { release } = await packages.resolve(parsePurl(text), signal)
      const artifact = onlyArtifact(release)
      const fetched = await packages.fetch(release, artifact, { ...options, signal })
      using source = fetched.lease
      await copyOut({ effects, random }, source, output, signal)
      usage.fetched(release.body)
      return { ...fetchSummary(release, fetched), output, ms: clock.now() - startedAt }
    }, options.signal)
  }

  /**
   * Install a package into a folder of its own below `options.to`, with what it needs when that is asked for.
   *
   * @returns the package asked for first
   */
  installPackage(text: string, options: InstallOptions): Promise<Installed[]> {
    const { installing, usage, underWay } = this.#components
    const wanted = parsePurl(text)
    const onInstalled = (installed: Installed) => {
      usage.installed(parsePurl(installed.purl), resolve(options.to))
      options.onInstalled?.(installed)
    }
    return underWay.run((signal) => installing.install(wanted, { ...options, onInstalled, signal }), options.signal)
  }

  /**
   * Decide who owns a name, or a scope: `pkg:npm/@scope/*`.
   *
   * @param publisher - `publisher:<id>`, or `origin:npm` for npm's registry; the only one known by default
   * @throws CatalogError `NOT_FOUND` when nobody is known to publish it, `UNTRUSTED` when several do and none is named
   */
  async trustPublisher(text: string, publisher?: string): Promise<Pin> {
    const { records, pins, underWay } = this.#components
    const name = parsePurl(text)
    if (publisher !== undefined && publisher !== NPM_ORIGIN && !/^publisher:[0-9a-f]{64}$/.test(publisher)) {
      throw new CatalogError('USAGE', `"${publisher.slice(0, 80)}" is not a publisher.`, {
        hint: `A publisher is written publisher:<64 hexadecimal digits>; see: catalog info ${formatPurl(name)}`,
      })
    }
    const claimants = records.releases(name).filter(({ record }) => !record.signer.startsWith('node:'))
    const signers = signersOf(claimants)
    const [only] = signers
    const signer = publisher ?? only
    if (signer === undefined) throw new CatalogError('NOT_FOUND', `Nobody is known to publish ${formatPurl(name)}.`)
    if (publisher === undefined && signers.length > 1) {
      throw new CatalogError('UNTRUSTED', `Several publishers claim ${formatPurl(name)}: ${signers.join(', ')}.`, {
        hint: `Name the one you mean: catalog trust ${formatPurl(name)} ${signer}`,
      })
    }
    await underWay.run(() => pins.set(name, signer, 'trusted'))
    return pins.get(name) as Pin
  }

  /** Take a decision about a name back. @returns whether there was one */
  async untrust(text: string): Promise<boolean> {
    const { pins, underWay } = this.#components
    const name = parsePurl(text)
    return underWay.run(() => pins.remove(name))
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

  /** Whether it runs, and with how many peers. */
  health(): Pick<NodeStatus, 'version' | 'online' | 'peers'> {
    const { hello, about } = this.#components
    const { version, online } = about()
    return { version, online, peers: hello.peers().length }
  }

  /** Who publishes here, if anybody has yet. */
  async publisher(): Promise<string | undefined> {
    return (await this.#components.publisher.existing())?.signer
  }

  status(): Promise<NodeStatus> {
    return statusOf(this.#components)
  }
}

function fetchSummary(release: Release, { artifact, sources, failures }: FetchedArtifact) {
  return { purl: release.purl, bytes: artifact.size, sha256: toHex(artifact.sha256), sources, failures }
}
