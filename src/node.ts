// The composition root: every part is made here and given what it needs; no room looks another up.
import { join } from 'node:path'
import { type Clock, systemClock } from './base/clock.ts'
import { type Disk, type DiskOptions, systemDisk } from './base/disk.ts'
import { directEffects, type Effects } from './base/effects.ts'
import { CatalogError } from './base/errors.ts'
import { emit } from './base/events.ts'
import { type Random, systemRandom } from './base/random.ts'
import { together } from './base/together.ts'
import { UnderWay } from './base/under-way.ts'
import { loadCore } from './core/load.ts'
import { loadNativeFunctions } from './core/native-functions.ts'
import { WorkerPool } from './core/workers/pool.ts'
import { type DiscoveryRoom, openDiscovery } from './discovery/open.ts'
import { USAGE_CAPABILITY } from './discovery/usage-exchange.ts'
import { Logins } from './gateway/logins.ts'
import { RegistryKey } from './gateway/npm/registry-key.ts'
import { Gateway } from './gateway/server.ts'
import { readSettings, type Settings, type SettingsInput } from './model/config.ts'
import { nativeEd25519, openSsl, useEd25519 } from './model/ed25519.ts'
import { npmKeys } from './model/origin.ts'
import { peerAddress } from './network/addresses.ts'
import { Announcements } from './network/announce.ts'
import { Bootstrap } from './network/bootstrap.ts'
import { openBulkPlane } from './network/bulk.ts'
import { HelloService } from './network/hello.ts'
import { Libp2pNetwork } from './network/host.ts'
import { loadOrCreateSeed } from './network/identity.ts'
import type { Network } from './network/network.ts'
import { Providers } from './network/providers.ts'
import { Rpc } from './network/rpc.ts'
import { PackageView } from './package-view.ts'
import { Curation } from './publishing/curation.ts'
import { Derived } from './publishing/derived.ts'
import { Groups } from './publishing/groups.ts'
import { Hearing } from './publishing/hearing.ts'
import { Installing } from './publishing/install.ts'
import { Mending } from './publishing/mending.ts'
import { Packages } from './publishing/packages.ts'
import { Permissions } from './publishing/permissions.ts'
import { Publishing } from './publishing/publish.ts'
import { openUpstream } from './publishing/upstream/open.ts'
import type { Upstream } from './publishing/upstream/upstream.ts'
import { readSettingsFile } from './settings-file.ts'
import { type SharingComponents, SharingManager } from './sharing-manager.ts'
import { StorageManager } from './storage-manager.ts'
import { claimDirectory, type DataPaths, type DirectoryLock, dataPaths } from './store/data-directory.ts'
import { openStore, type StoreRoom } from './store/open.ts'
import type { Recovery } from './store/recovery.ts'
import type { Scratch } from './store/scratch.ts'
import type { Tokens } from './store/tokens.ts'
import { Synchronization } from './synchronization/service.ts'
import type { BulkSource } from './transfer/bulk-source.ts'
import type { Limits } from './transfer/limits.ts'
import { openTransfer } from './transfer/open.ts'
import { Access } from './trust/access.ts'
import { Devices } from './trust/devices.ts'
import { RecordExchange } from './trust/exchange.ts'
import { Notices } from './trust/notices.ts'
import { LocalPublisher } from './trust/publishers.ts'
import { Shares } from './trust/shares.ts'
import { VERSION } from './version.ts'

export interface NodeOptions extends SettingsInput {
  /** Everything the node writes is below it; one process at a time. */
  readonly dataDir: string
}

/** The world outside: what a simulation puts its own in place of. */
export interface Outside {
  readonly clock: Clock
  readonly random: Random
  readonly effects: Effects
  readonly disk: (effects: Effects, options: DiskOptions) => Disk
  readonly network: (seed: Uint8Array, settings: Settings) => Network
  readonly bulk: typeof openBulkPlane
}

const REAL_OUTSIDE: Outside = {
  clock: systemClock,
  random: systemRandom,
  effects: directEffects,
  disk: systemDisk,
  network: (seed, { host, controlPort, mdns, dht }) =>
    new Libp2pNetwork({ seed, listen: { host, controlPort }, mdns, dht }),
  bulk: openBulkPlane,
}

/** What `open` has made and `close` must end. */
interface Parts {
  readonly paths: DataPaths
  readonly lock: DirectoryLock
  readonly outside: Outside
  readonly store: StoreRoom
  readonly workers: WorkerPool
  readonly discovery: DiscoveryRoom
  readonly network: Network
  readonly mending: Mending
  readonly storage: StorageManager
  readonly view: PackageView
  readonly upstream: Upstream | undefined
  readonly packages: Packages
  readonly limits: Limits
  readonly bulk: BulkSource
  readonly exchange: RecordExchange
  readonly hello: HelloService
  /** What answers peers. */
  readonly services: readonly { start(): Promise<void> }[]
  readonly bootstrap: Bootstrap
  readonly synchronization: Synchronization
  readonly announcements: Announcements
  readonly hearing: Hearing
  readonly providers: Providers
  readonly rpc: Rpc
  readonly underWay: UnderWay
}

/** A Catalog node: opened on its data directory, started when it is to speak with others. */
export class CatalogNode implements AsyncDisposable {
  readonly settings: Settings
  /** All that can be done with the node. */
  readonly sharing: SharingManager
  /** Programs that wait for a token. */
  readonly logins: Logins
  readonly #parts: Parts
  readonly #startedAt: number
  #gateway: Gateway | undefined
  #online = false
  #closing: Promise<void> | undefined

  private constructor(settings: Settings, parts: Parts, sharing: (node: CatalogNode) => SharingManager) {
    this.settings = settings
    this.#parts = parts
    this.#startedAt = parts.outside.clock.now()
    this.sharing = sharing(this)
    this.logins = new Logins({ tokens: this.tokens, ...parts.outside })
  }

  /**
   * Open a data directory without touching the network.
   *
   * @throws CatalogError `DATA_DIR`, `DATA_DIR_LOCKED`, `STORE_FORMAT`, `CONFIG_INVALID`, `ADDRESS_INVALID`,
   *   `CORE_UNAVAILABLE`
   */
  static async open(options: NodeOptions, outside: Partial<Outside> = {}): Promise<CatalogNode> {
    const { dataDir, ...flags } = options
    const paths = dataPaths(dataDir)
    const world = { ...REAL_OUTSIDE, ...outside }
    // What the user wrote is checked before anything is written here.
    const settings = readSettings({ flags, environment: process.env, file: readSettingsFile(paths.settings) })
    for (const peer of settings.peers) peerAddress(peer)
    const lock = await world.effects.run(() => claimDirectory(paths))
    const undo: (() => Promise<void> | void)[] = [() => lock.release()]
    try {
      return await assemble(settings, paths, lock, world, undo)
    } catch (thrown) {
      for (const step of undo.reverse()) await step()
      throw thrown
    }
  }

  /** @internal */
  static create(settings: Settings, parts: Parts, sharing: (node: CatalogNode) => SharingManager): CatalogNode {
    return new CatalogNode(settings, parts, sharing)
  }

  /** All that can be done with what it keeps. */
  get storage(): StorageManager {
    return this.#parts.storage
  }

  /** What lets programs change something over HTTP. */
  get tokens(): Tokens {
    return this.#parts.store.tokens
  }

  /** What package managers read. */
  get view(): PackageView {
    return this.#parts.view
  }

  /** What opening did about how the last run ended. */
  get recovery(): Recovery {
    return this.#parts.store.recovery
  }

  /** Resolves when the database can write no more: the process should end then, and open it anew. Reads go on. */
  get failed(): Promise<CatalogError> {
    return this.#parts.store.failed
  }

  get peerId(): string {
    return this.#parts.network.peerId
  }

  get online(): boolean {
    return this.#online
  }

  /** Multiaddrs this node can be reached at. */
  addresses(): string[] {
    return this.#online ? this.#parts.network.addresses() : []
  }

  /** Where the HTTP server answers, once it does. */
  get http(): string | undefined {
    return this.#gateway?.url
  }

  get dataDir(): string {
    return this.#parts.paths.root
  }

  get startedAt(): number {
    return this.#startedAt
  }

  /**
   * Join the network: listen, answer peers, dial the configured ones in the background.
   *
   * @throws CatalogError `LISTEN_FAILED`
   */
  async start(): Promise<void> {
    const { store, bulk, services, announcements, network, discovery, mending, packages } = this.#parts
    await discovery.start()
    await bulk.start()
    for (const service of services) await service.start()
    await announcements.start((announcement) => this.#parts.hearing.hear(announcement))
    await network.start()
    this.#online = true
    store.scrubber.onDamage((damage) => void mending.mend(damage))
    store.maintenance.start()
    this.#parts.synchronization.schedule.start()
    const stop = this.#parts.hello.onHello(() => {
      stop()
      packages.provideAll()
    })
    for (const address of this.settings.peers.map(peerAddress)) void this.#keep(address)
    void this.#parts.bootstrap.tryKnown(this.#parts.store.peers.list())
  }

  /** Serve HTTP: the API on the Unix socket of the data directory, health and the page on 127.0.0.1. */
  async serveHttp(): Promise<string> {
    const { paths, outside } = this.#parts
    const seed = join(paths.keys, 'registry.key')
    const origins = npmKeys(this.settings.originKeys)
    const key = await outside.effects.run(() => RegistryKey.load(seed, outside.random, origins))
    this.#gateway = new Gateway(this, { port: this.settings.httpPort, socket: paths.socket, key })
    await this.#gateway.start()
    return this.#gateway.url
  }

  /** Resolves when every change made so far can be found by search. */
  catchUp(): Promise<void> {
    return this.#parts.discovery.settle()
  }

  /**
   * Stop serving, end what is under way and give the data directory back. Who waits for something is told `CLOSED`; a
   * publish whose transaction has begun is done.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const { hello, bootstrap, providers, network, rpc, underWay, discovery, lock } = this.#parts
    const { limits, bulk, store, upstream, workers } = this.#parts
    hello.stop()
    this.#parts.synchronization.schedule.stop()
    bootstrap.stop()
    providers.stop()
    limits.stop()
    // Before the connections of those who wait for it.
    await underWay.close(new CatalogError('CLOSED', 'The node is being closed.'))
    await this.#gateway?.close()
    await upstream?.close()
    // Either takes a few round trips to say goodbye, and neither needs the other.
    await together([bulk.stop(), this.#online ? network.stop() : Promise.resolve()])
    await rpc.settled()
    this.#online = false
    await discovery.close()
    await store.maintenance.stop()
    await workers.close()
    await store.close()
    lock.release()
  }

  async #keep(address: string): Promise<void> {
    const outcome = await this.#parts.bootstrap.keep(address)
    if (!('error' in outcome)) return
    const { code, message } = outcome.error
    emit('catalog:failure', { task: `dial ${address}`, code, message })
  }
}

/** Make every part. `undo` collects how to end what was made, for when a later part fails. */
async function assemble(
  settings: Settings,
  paths: DataPaths,
  lock: DirectoryLock,
  outside: Outside,
  undo: (() => Promise<void> | void)[],
): Promise<CatalogNode> {
  const { clock, random, effects } = outside
  const originKeys = npmKeys(settings.originKeys)
  const core = await effects.run(() => loadCore(settings.core))
  const native = core.backend === 'native' ? await effects.run(loadNativeFunctions) : undefined
  useEd25519(native ? nativeEd25519(native) : openSsl)
  const disk = outside.disk(effects, { readCached: native?.readCached })
  const workers = new WorkerPool({ effects }, { threads: settings.workers, core: settings.core })
  undo.push(() => workers.close())
  const storing = { paths, maxMirrorStorage: settings.maxMirrorStorage, originKeys }
  const store = await openStore({ clock, core, disk, effects, random, workers }, storing)
  undo.push(() => store.close())
  const { records, blobs, pins, kept, peers, heard, usage, scratch, ledger } = store
  const underWay = new UnderWay()
  const seed = await effects.run(() => loadOrCreateSeed(join(paths.keys, 'node.key'), random))
  const network = outside.network(seed, settings)
  const rpc = new Rpc({ network, clock })
  const bootstrap = new Bootstrap({ network, clock, random })
  const announcements = new Announcements({ network, clock })
  const providers = new Providers({ network, clock })
  const publisher = new LocalPublisher({ disk, clock, random, effects }, { keys: paths.keys })
  const shares = new Shares({ records, clock })
  const notices = new Notices({ records })
  const access = new Access({ records, shares })
  const devices = new Devices({ records, access }, { peerId: network.peerId })
  const agent = `catalog/${VERSION}`
  const introduction = {
    ...{ agent, bulkPort: () => transfer.bulk.port },
    capabilities: settings.shareUsage ? [USAGE_CAPABILITY] : [],
  }
  const hello = new HelloService({ network, rpc, peers, devices }, introduction)
  records.onChange((changes) => devices.areIn(changes) && void hello.renew())
  const exchange = new RecordExchange({ rpc, records, shares, notices, access, heard, peerId: network.peerId })
  const parties = { ...store, rpc, hello, network, access, core, clock, random, effects }
  const transfer = await openTransfer({ ...parties, openBulk: outside.bulk }, { seed, settings })
  const { fetcher, limits, bulk, transfers } = transfer
  undo.push(() => limits.stop())
  const looking = { records, shares, notices, access, blobs, pins, kept, exchange, hello, providers }
  const derived = new Derived({ records, effects })
  const packages = new Packages({ ...looking, fetcher, derived, clock, random, underWay })
  const pulling = { ...looking, packages, scratch, clock, random, effects }
  const upstream = openUpstream(pulling, { settings, originKeys, seed, peerId: network.peerId, root: paths.root })
  undo.push(async () => upstream?.close())
  const finding = { ...looking, heard, usage, rpc, clock, random, effects, underWay }
  const discovery = await openDiscovery(finding, { folder: paths.search, settings })
  undo.push(() => discovery.close())
  const { search, recommendations } = discovery
  const synchronization = new Synchronization({ ...parties, bootstrap, packages, exchange, underWay }, settings)
  const hearing = new Hearing({ records, exchange, packages, underWay, schedule: synchronization.schedule })
  const mending = new Mending({ records, packages, underWay })
  const storage = new StorageManager({ ...store, packages, clock, disk, effects, paths, underWay })
  const view = new PackageView({ ...store, packages, shares, notices, upstream, clock, underWay })
  const parts: Parts = {
    ...{ paths, lock, outside, store, workers, discovery, network, packages, mending, storage, view, upstream },
    services: [hello, exchange, synchronization, ...transfer.services, ...discovery.services],
    ...{ exchange, limits, bulk, hello, bootstrap, synchronization, announcements, hearing, providers, rpc, underWay },
  }
  const made: Made = {
    ...{ network, hello, bootstrap, packages, search, recommendations, records, shares, notices, blobs, pins },
    ...{ clock, effects, random, disk, scratch, ledger, usage, bulk, limits, transfers, underWay },
    ...{ announcements, providers, publisher, core, synchronization },
  }
  return CatalogNode.create(settings, parts, (node) => sharingOf(node, made))
}

type Made = Omit<SharingComponents, 'publishing' | 'permissions' | 'curation' | 'groups' | 'installing' | 'about'> &
  Pick<Parts, 'announcements' | 'providers'> & { disk: Disk; scratch: Scratch }

/** The façade, and those parts which tell the network only while the node is online. */
function sharingOf(node: CatalogNode, made: Made): SharingManager {
  const { peerId } = made.network
  const groups = new Groups(made, { peerId })
  const online = () => node.online
  const permissions = new Permissions({ ...made, groups, online }, { peerId })
  const curation = new Curation({ ...made, online })
  const publishing = new Publishing({ ...made, permissions, curation })
  const installing = new Installing(made)
  const about = () => {
    const { online, http, dataDir, startedAt } = node
    return { version: VERSION, online, http, dataDir, startedAt }
  }
  return new SharingManager({ ...made, publishing, permissions, curation, groups, installing, about })
}
