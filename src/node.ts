// A node's life: opened, started, served over HTTP, closed. Its parts are made in assembly.ts.
import { join } from 'node:path'
import { type Assembled, assemble, type Outside, type Parts, REAL_OUTSIDE } from './assembly.ts'
import { CatalogError } from './base/errors.ts'
import { tellFailure } from './base/failure.ts'
import { together } from './base/together.ts'
import { Logins } from './gateway/logins.ts'
import { RegistryKey } from './gateway/npm/registry-key.ts'
import { Gateway } from './gateway/server.ts'
import { readSettings, type Settings, type SettingsInput } from './model/config.ts'
import { peerAddress } from './network/addresses.ts'
import type { PackageView } from './package-view.ts'
import { readSettingsFile } from './settings-file.ts'
import type { SharingManager } from './sharing-manager.ts'
import type { StorageManager } from './storage-manager.ts'
import { claimDirectory, dataPaths } from './store/data-directory.ts'
import type { Recovery } from './store/recovery.ts'
import type { Tokens } from './store/tokens.ts'

export interface NodeOptions extends SettingsInput {
  /** Everything the node writes is below it; one process at a time. */
  readonly dataDir: string
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

  private constructor(settings: Settings, { parts, sharing }: Assembled) {
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
      return new CatalogNode(settings, await assemble(settings, { paths, lock, outside: world }, undo))
    } catch (thrown) {
      for (const step of undo.reverse()) await step()
      throw thrown
    }
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
    this.#parts.outbox.start()
    const stop = this.#parts.hello.onHello(() => {
      stop()
      packages.provideAll()
    })
    for (const address of this.settings.peers.map(peerAddress)) void this.#keep(address)
    void this.#parts.bootstrap.tryKnown(this.#parts.store.peers.list())
  }

  /** Serve HTTP: the API on the Unix socket of the data directory, health and the page on 127.0.0.1. */
  async serveHttp(): Promise<string> {
    const { paths, outside, originKeys } = this.#parts
    const seed = join(paths.keys, 'registry.key')
    const key = await outside.effects.run(() => RegistryKey.load(seed, outside.random, originKeys))
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
    this.#parts.outbox.stop()
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
    if ('error' in outcome) tellFailure(`dial ${address}`, outcome.error)
  }
}
