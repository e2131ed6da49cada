// The composition root: every part is made here and given what it needs; no room looks another up.
import { join } from 'node:path'
import { equalBytes } from './base/bytes.ts'
import { type Clock, systemClock } from './base/clock.ts'
import { type Disk, systemDisk } from './base/disk.ts'
import { directEffects, type Effects } from './base/effects.ts'
import { CatalogError } from './base/errors.ts'
import { emit } from './base/events.ts'
import { type Random, systemRandom } from './base/random.ts'
import { loadCore } from './core/load.ts'
import { WorkerPool } from './core/workers/pool.ts'
import { Federation } from './discovery/federation.ts'
import { Indexer } from './discovery/indexer.ts'
import { openNativeIndex, type TextIndex } from './discovery/native-index.ts'
import { Search } from './discovery/search.ts'
import { Gateway } from './gateway/server.ts'
import { readSettings, type Settings, type SettingsInput } from './model/config.ts'
import { readRelease } from './model/release.ts'
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
import { PACKAGE_TYPES } from './package-types/all.ts'
import { Installing } from './publishing/install.ts'
import { Packages } from './publishing/packages.ts'
import { Publishing } from './publishing/publish.ts'
import { readSettingsFile } from './settings-file.ts'
import { SharingManager } from './sharing-manager.ts'
import { StorageManager } from './storage-manager.ts'
import { Blobs } from './store/blobs.ts'
import { claimDirectory, type DataPaths, type DirectoryLock, dataPaths } from './store/data-directory.ts'
import { Environment } from './store/environment.ts'
import { GarbageCollector } from './store/gc.ts'
import { Kept } from './store/kept.ts'
import { Maintenance } from './store/maintenance.ts'
import { Packs } from './store/packs.ts'
import { Peers } from './store/peers.ts'
import { Pins } from './store/pins.ts'
import { Quota } from './store/quota.ts'
import { Records } from './store/records.ts'
import { type Recovery, recover } from './store/recovery.ts'
import { Repacker } from './store/repack.ts'
import { Scratch } from './store/scratch.ts'
import { type Damage, Scrubber } from './store/scrub.ts'
import { databaseGuard, Space } from './store/space.ts'
import type { BulkSource } from './transfer/bulk-source.ts'
import type { Limits } from './transfer/limits.ts'
import { openTransfer } from './transfer/open.ts'
import { RecordExchange } from './trust/exchange.ts'
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
  readonly disk: (effects: Effects) => Disk
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
  readonly environment: Environment
  readonly failed: Promise<CatalogError>
  readonly workers: WorkerPool
  readonly index: TextIndex
  readonly indexer: Indexer
  readonly network: Network
  readonly records: Records
  readonly blobs: Blobs
  readonly packs: Packs
  readonly scrubber: Scrubber
  readonly maintenance: Maintenance
  readonly storage: StorageManager
  readonly recovery: Recovery
  readonly shares: Shares
  readonly packages: Packages
  readonly limits: Limits
  readonly bulk: BulkSource
  readonly exchange: RecordExchange
  readonly hello: HelloService
  /** What answers peers. */
  readonly services: readonly { start(): Promise<void> }[]
  readonly bootstrap: Bootstrap
  readonly peers: Peers
  readonly announcements: Announcements
  readonly providers: Providers
}

/** A Catalog node: opened on its data directory, started when it is to speak with others. */
export class CatalogNode implements AsyncDisposable {
  readonly settings: Settings
  /** All that can be done with the node. */
  readonly sharing: SharingManager
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

  /** What opening did about how the last run ended. */
  get recovery(): Recovery {
    return this.#parts.recovery
  }

  /** Resolves when the database can write no more: the process should end then, and open it anew. Reads go on. */
  get failed(): Promise<CatalogError> {
    return this.#parts.failed
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
    const { bulk, services, announcements, network, indexer, scrubber, maintenance } = this.#parts
    await indexer.start()
    await bulk.start()
    for (const service of services) await service.start()
    await announcements.start((announcement) => this.#hear(announcement))
    await network.start()
    this.#online = true
    scrubber.onDamage((damage) => void this.#mend(damage))
    maintenance.start()
    const stop = this.#parts.hello.onHello(() => {
      stop()
      void this.#provideOwn()
    })
    for (const address of this.settings.peers.map(peerAddress)) void this.#keep(address)
    void this.#parts.bootstrap.tryKnown(this.#parts.peers.list())
  }

  /** Serve HTTP: the API on the Unix socket of the data directory, health and the page on 127.0.0.1. */
  async serveHttp(): Promise<string> {
    const { paths } = this.#parts
    this.#gateway = new Gateway(this, { port: this.settings.httpPort, socket: paths.socket })
    await this.#gateway.start()
    return this.#gateway.url
  }

  /** Resolves when every change made so far can be found by search. */
  catchUp(): Promise<void> {
    return this.#parts.indexer.settle()
  }

  /** Stop serving, end what is under way and give the data directory back. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const { hello, bootstrap, providers, network, indexer, index, lock } = this.#parts
    const { limits, bulk, maintenance, workers, packs, environment } = this.#parts
    await this.#gateway?.close()
    hello.stop()
    bootstrap.stop()
    providers.stop()
    limits.stop()
    await bulk.stop()
    if (this.#online) await network.stop()
    this.#online = false
    await indexer.stop()
    await index.close()
    await maintenance.stop()
    await workers.close()
    await packs.close()
    await environment.close()
    lock.release()
  }

  /** A damaged blob: fetch what is damaged of it from whoever has it. */
  async #mend({ root, releases }: Damage): Promise<void> {
    const { records, packages } = this.#parts
    for (const id of releases) {
      const record = records.get(id)
      const release = record && readRelease(record)
      const artifact = release?.body.artifacts.find((each) => equalBytes(each.root, root))
      if (!release || !artifact) continue
      try {
        const fetched = await packages.fetch(release, artifact)
        fetched.lease[Symbol.dispose]()
        return
      } catch (thrown) {
        const { code, message } = CatalogError.from(thrown)
        emit('catalog:failure', { task: `mend ${release.purl}`, code, message })
      }
    }
  }

  async #keep(address: string): Promise<void> {
    const outcome = await this.#parts.bootstrap.keep(address)
    if (!('error' in outcome)) return
    const { code, message } = outcome.error
    emit('catalog:failure', { task: `dial ${address}`, code, message })
  }

  /** An announcement: get the record from who announced it; pass it on only when it holds. */
  async #hear({ id, peer }: { id: Uint8Array; peer: string }): Promise<'accept' | 'ignore' | 'reject'> {
    const { records, exchange, packages } = this.#parts
    try {
      if (!records.get(id)) await exchange.fetchRecords(peer, [id])
      if (!records.get(id)) return 'ignore'
      packages.shown(id, peer)
      return 'accept'
    } catch (thrown) {
      const { code, message } = CatalogError.from(thrown)
      emit('catalog:failure', { task: `announcement from ${peer}`, code, message })
      return code === 'RECORD_INVALID' || code === 'RECORD_SIGNATURE' ? 'reject' : 'ignore'
    }
  }

  /** Tell the DHT what this node keeps and may show. */
  async #provideOwn(): Promise<void> {
    const { blobs, records, shares, providers } = this.#parts
    for (const id of blobs.releaseIds()) {
      const record = records.get(id)
      if (!record) continue
      const release = readRelease(record)
      if (!shares.isPublic(release)) continue
      for (const { root } of release.body.artifacts) if (blobs.isUnder(root, id)) providers.provide(root)
    }
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
  const disk = outside.disk(effects)
  const core = await effects.run(() => loadCore(settings.core))
  const guard = databaseGuard(disk, paths.root)
  const { promise: failed, resolve: onFailure } = Promise.withResolvers<CatalogError>()
  const environment = new Environment({ effects }, { path: paths.database, guard, onFailure })
  undo.push(() => environment.close())
  const records = new Records({ environment })
  const pins = new Pins({ environment, clock })
  const peers = new Peers({ environment, clock })
  const workers = new WorkerPool({ effects }, { threads: settings.workers, core: settings.core })
  undo.push(() => workers.close())
  const packs = new Packs({ environment, disk }, { folder: paths.packs })
  undo.push(() => packs.close())
  const space = new Space({ disk, packs }, { folder: paths.root })
  const blobs = new Blobs({ environment, packs, space, disk, workers, clock })
  const scratch = new Scratch({ disk, random }, { folder: paths.scratch })
  const recovery = await recover({ environment, packs, scratch })
  const seed = await effects.run(() => loadOrCreateSeed(join(paths.keys, 'node.key'), random))
  const network = outside.network(seed, settings)
  const rpc = new Rpc({ network, clock })
  const hello = new HelloService(
    { network, rpc, peers },
    { agent: `catalog/${VERSION}`, bulkPort: () => transfer.bulk.port },
  )
  const bootstrap = new Bootstrap({ network, clock, random })
  const announcements = new Announcements({ network, clock })
  const providers = new Providers({ network })
  const publisher = new LocalPublisher({ disk, clock, random, effects }, { keys: paths.keys })
  const shares = new Shares({ records })
  const kept = new Kept({ environment, clock })
  const quota = new Quota({ environment, blobs, packs, kept }, { max: settings.maxMirrorStorage })
  const collector = new GarbageCollector({ environment, blobs, packs, records, kept, clock })
  const repacker = new Repacker({ environment, blobs, packs, space, clock })
  const scrubber = new Scrubber({ blobs, workers, core, clock })
  const exchange = new RecordExchange({ rpc, records, shares })
  const parties = { rpc, hello, network, blobs, records, shares, quota, environment, core, clock, random, effects }
  const transfer = await openTransfer({ ...parties, openBulk: outside.bulk }, { seed, settings })
  const { fetcher, limits, bulk, transfers } = transfer
  undo.push(() => limits.stop())
  const packages = new Packages({ records, shares, blobs, pins, exchange, hello, providers, fetcher, random })
  const index = await openNativeIndex({ effects }, paths.search)
  undo.push(() => index.close())
  const packageType = (type: string) => PACKAGE_TYPES.find((candidate) => candidate.type === type)
  const indexer = new Indexer({ index, records, shares, clock, packageType })
  const federation = new Federation({ rpc, hello, clock, random })
  const search = new Search({ index, records, shares, blobs, pins, exchange, federation, rpc, clock, packageType })
  const maintenance = new Maintenance({ blobs, collector, repacker, clock })
  const storage = new StorageManager({
    ...{ blobs, collector, environment, kept, packages, packs, quota, records, recovery, repacker, scrubber, space },
    ...{ clock, disk, effects, paths },
  })
  const parts: Parts = {
    ...{ packs, scrubber, maintenance, storage, recovery, failed },
    ...{ paths, lock, outside, environment, workers, index, indexer, network, records, blobs, shares, packages },
    services: [hello, exchange, ...transfer.services, search],
    ...{ exchange, limits, bulk, hello, bootstrap, peers, announcements, providers },
  }
  const sharing = (node: CatalogNode) => {
    const told = { publisher, announcements, providers, online: () => node.online }
    const publishing = new Publishing({ records, shares, blobs, pins, scratch, effects, ...told })
    const installing = new Installing({ packages, pins, disk, effects, random, clock })
    const { dataDir, startedAt } = node
    const about = () => ({ version: VERSION, online: node.online, http: node.http, dataDir, startedAt })
    const rooms = { network, hello, bootstrap, publishing, packages, installing, search, records, shares, blobs }
    return new SharingManager({ ...rooms, pins, publisher, limits, core, clock, effects, random, transfers, about })
  }
  return CatalogNode.create(settings, parts, sharing)
}
