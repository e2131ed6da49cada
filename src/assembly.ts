// Makes every part of a node and gives it what it needs; no room looks another up.
import { join } from 'node:path'
import { type Clock, systemClock } from './base/clock.ts'
import { type Disk, type DiskOptions, systemDisk } from './base/disk.ts'
import { directEffects, type Effects } from './base/effects.ts'
import { type Random, systemRandom } from './base/random.ts'
import { UnderWay } from './base/under-way.ts'
import { loadCore } from './core/load.ts'
import { loadNativeFunctions } from './core/native-functions.ts'
import { WorkerPool } from './core/workers/pool.ts'
import { type DiscoveryRoom, openDiscovery } from './discovery/open.ts'
import { USAGE_CAPABILITY } from './discovery/usage-exchange.ts'
import type { Settings } from './model/config.ts'
import { conflictRules, policyFor } from './model/conflict.ts'
import { nativeEd25519, openSsl, useEd25519 } from './model/ed25519.ts'
import { npmKeys, type OriginKeys } from './model/origin.ts'
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
import { Disputes } from './publishing/disputes.ts'
import { Groups } from './publishing/groups.ts'
import { Hearing } from './publishing/hearing.ts'
import { Installing } from './publishing/install.ts'
import { Mending } from './publishing/mending.ts'
import { Outbox } from './publishing/outbox.ts'
import { Packages } from './publishing/packages.ts'
import { Permissions } from './publishing/permissions.ts'
import { Publishing } from './publishing/publish.ts'
import { openUpstream } from './publishing/upstream/open.ts'
import type { Upstream } from './publishing/upstream/upstream.ts'
import { type SharingComponents, SharingManager } from './sharing-manager.ts'
import { StorageManager } from './storage-manager.ts'
import type { DataPaths, DirectoryLock } from './store/data-directory.ts'
import { openStore, type StoreRoom } from './store/open.ts'
import type { Scratch } from './store/scratch.ts'
import type { SyncOptions } from './synchronization/options.ts'
import { Synchronization } from './synchronization/service.ts'
import type { BulkSource } from './transfer/bulk-source.ts'
import type { Limits } from './transfer/limits.ts'
import { openTransfer } from './transfer/open.ts'
import { Access } from './trust/access.ts'
import { Devices } from './trust/devices.ts'
import { RecordExchange } from './trust/exchange.ts'
import { Judgement } from './trust/judgement.ts'
import { Notices } from './trust/notices.ts'
import { LocalPublisher } from './trust/publishers.ts'
import { Shares } from './trust/shares.ts'
import { VERSION } from './version.ts'

/** The world outside: what a simulation puts its own in place of. */
export interface Outside {
  readonly clock: Clock
  readonly random: Random
  readonly effects: Effects
  readonly disk: (effects: Effects, options: DiskOptions) => Disk
  readonly network: (seed: Uint8Array, settings: Settings) => Network
  readonly bulk: typeof openBulkPlane
}

export const REAL_OUTSIDE: Outside = {
  clock: systemClock,
  random: systemRandom,
  effects: directEffects,
  disk: systemDisk,
  network: (seed, { host, controlPort, mdns, dht }) =>
    new Libp2pNetwork({ seed, listen: { host, controlPort }, mdns, dht }),
  bulk: openBulkPlane,
}

/** What `open` has made and `close` must end. */
export interface Parts {
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
  readonly originKeys: OriginKeys
  readonly hello: HelloService
  /** What answers peers. */
  readonly services: readonly { start(): Promise<void> }[]
  readonly bootstrap: Bootstrap
  readonly synchronization: Synchronization
  readonly announcements: Announcements
  readonly outbox: Outbox
  readonly hearing: Hearing
  readonly providers: Providers
  readonly rpc: Rpc
  readonly underWay: UnderWay
}

/** What the machine and its user have given. */
interface Place {
  readonly paths: DataPaths
  readonly lock: DirectoryLock
  readonly outside: Outside
}

/** How to end what was made, for when a later part fails. */
type Undo = (() => Promise<void> | void)[]

/** All parts, and the façade, which tells the network only while the node is online. */
export interface Assembled {
  readonly parts: Parts
  readonly sharing: (node: NodeState) => SharingManager
}

/** What the façade tells of a node, as it is then. */
interface NodeState {
  readonly online: boolean
  readonly http: string | undefined
  readonly dataDir: string
  readonly startedAt: number
}

/** Make every part. */
export async function assemble(settings: Settings, place: Place, undo: Undo): Promise<Assembled> {
  const { paths, lock, outside } = place
  const { clock, random, effects } = outside
  const base = await assembleBase(settings, place, undo)
  const { store, originKeys, seed, network, rpc, transfer, looking, underWay, hello, exchange } = base
  const { records, blobs, pins, usage, scratch, heard, ledger } = store
  const { fetcher, limits, bulk, transfers } = transfer
  const { shares, notices, judgement, providers } = looking
  const { workers, bootstrap, announcements, disk, core, parties, publisher } = base
  const derived = new Derived({ records, effects })
  const packages = new Packages({ ...looking, fetcher, derived, clock, random, underWay })
  const pulling = { ...looking, packages, scratch, clock, random, effects }
  const upstream = openUpstream(pulling, { settings, originKeys, seed, peerId: network.peerId, root: paths.root })
  undo.push(async () => upstream?.close())
  packages.outside = async (wanted, signal) => (wanted.type === 'npm' ? upstream?.bring(wanted, signal) : undefined)
  const finding = { ...looking, heard, usage, rpc, clock, random, effects, underWay }
  const discovery = await openDiscovery(finding, { folder: paths.search, settings })
  undo.push(() => discovery.close())
  const { search, recommendations } = discovery
  const syncing = { ...parties, bootstrap, packages, exchange, transfers, underWay }
  const synchronization = new Synchronization(syncing, settings)
  const hearing = new Hearing({ records, exchange, packages, underWay, schedule: synchronization.schedule })
  const mending = new Mending({ records, packages, underWay })
  const pin = (purl: string, signal: AbortSignal) => storage.pin(purl, { signal })
  const sync = (peer: string, options: SyncOptions) => synchronization.syncWithPeer(peer, options)
  const telling = { records, publisher, announcements, hello, clock, underWay, outboxRows: store.outbox }
  const outbox = new Outbox({ ...telling, sync, pin })
  const storage = new StorageManager({ ...store, packages, clock, disk, effects, paths, underWay })
  const view = new PackageView({ ...store, packages, shares, notices, judgement, upstream, clock, underWay })
  const parts: Parts = {
    ...{ paths, lock, outside, store, workers, discovery, network, packages, mending, storage, view, upstream },
    services: [hello, exchange, synchronization, ...transfer.services, ...discovery.services],
    ...{
      outbox,
      originKeys,
      limits,
      bulk,
      hello,
      bootstrap,
      synchronization,
      announcements,
      hearing,
      providers,
      rpc,
      underWay,
    },
  }
  const made: Made = {
    ...{
      network,
      hello,
      bootstrap,
      packages,
      search,
      recommendations,
      records,
      shares,
      notices,
      judgement,
      blobs,
      pins,
    },
    ...{ clock, effects, random, disk, scratch, ledger, usage, bulk, limits, transfers, underWay },
    ...{ outbox, providers, publisher, core, synchronization },
  }
  return { parts, sharing: (node) => sharingOf(node, made) }
}

/** What the rooms stand on: the store, the network, who may see what, and bytes. */
async function assembleBase(settings: Settings, { paths, outside }: Place, undo: Undo) {
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
  const { records, blobs, pins, kept, peers, heard } = store
  const underWay = new UnderWay()
  const seed = await effects.run(() => loadOrCreateSeed(join(paths.keys, 'node.key'), random))
  const network = outside.network(seed, settings)
  const rpc = new Rpc({ network, clock })
  const bootstrap = new Bootstrap({ network, clock, random })
  const announcements = new Announcements({ network, clock })
  const providers = new Providers({ network, clock })
  const publisher = new LocalPublisher({ disk, clock, random, effects }, { keys: paths.keys })
  const shares = new Shares({ records, clock })
  const rules = conflictRules(settings.conflictPolicy, settings.conflictAttesters)
  const notices = new Notices({ records }, (name) => policyFor(name, rules))
  const judgement = new Judgement({ records, clock }, { rules, owner: (await publisher.existing())?.signer })
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
  undo.push(() => transfer.limits.stop())
  const looking = { records, shares, notices, judgement, access, blobs, pins, kept, exchange, hello, providers }
  return {
    ...{ store, originKeys, seed, network, rpc, transfer, looking, underWay, hello, exchange, workers, bootstrap },
    ...{ announcements, disk, core, parties, publisher },
  }
}

type Made = Omit<
  SharingComponents,
  'publishing' | 'permissions' | 'curation' | 'disputes' | 'groups' | 'installing' | 'about'
> &
  Pick<Parts, 'outbox' | 'providers'> & { disk: Disk; scratch: Scratch; judgement: Judgement }

function sharingOf(node: NodeState, made: Made): SharingManager {
  const { peerId } = made.network
  const groups = new Groups(made, { peerId })
  const online = () => node.online
  const permissions = new Permissions({ ...made, groups, online }, { peerId })
  const curation = new Curation(made)
  const publishing = new Publishing({ ...made, permissions, curation })
  const installing = new Installing(made)
  const about = () => {
    const { online, http, dataDir, startedAt } = node
    return { version: VERSION, online, http, dataDir, startedAt }
  }
  const disputes = new Disputes(made)
  return new SharingManager({ ...made, publishing, permissions, curation, disputes, groups, installing, about })
}
