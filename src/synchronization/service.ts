// Synchronizing with peers: carries out what a session asks, and answers those of others.
import { toHex } from '../base/bytes.ts'
import { type Clock, deadline, untilAborted } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { ANNOUNCERS_TRACKED_MAX } from '../base/limits.ts'
import { SYNC_REQUESTS_BURST, SYNC_REQUESTS_PER_MINUTE, SYNC_SESSION_MS_MAX } from '../base/sync-limits.ts'
import type { UnderWay } from '../base/under-way.ts'
import type { Core } from '../core/surface.ts'
import type { CatalogRecord } from '../model/record.ts'
import { isRelease, type Release, readRelease } from '../model/release.ts'
import { peerAddress } from '../network/addresses.ts'
import type { Bootstrap } from '../network/bootstrap.ts'
import { RateLimiter } from '../network/gate.ts'
import type { HelloService } from '../network/hello.ts'
import type { Network } from '../network/network.ts'
import type { Rpc } from '../network/rpc.ts'
import type { Follows } from '../store/follows.ts'
import type { Heard } from '../store/heard.ts'
import type { Pins } from '../store/pins.ts'
import type { Records } from '../store/records.ts'
import type { Sketches } from '../store/sketches.ts'
import type { Access } from '../trust/access.ts'
import type { Addressee } from '../trust/addressed.ts'
import { SYNC, type SyncFilter, type SyncReply, type SyncRequest } from '../wire/sync-messages.ts'
import { type Answering, answer } from './answers.ts'
import { Catalogue, shelfName } from './catalogue.ts'
import { changesFor } from './changes.ts'
import { Intake } from './intake.ts'
import { Parts } from './parts.ts'
import { type Outcome, type Replica, type ShelfName, type Step, synchronize } from './session.ts'

/** How two nodes come to the same: WIRE.md and README.md say when each is the right one. */
export const STRATEGIES = ['incremental', 'differential', 'full', 'priority', 'selective'] as const
export type Strategy = (typeof STRATEGIES)[number]

export interface SyncOptions {
  /** `incremental` by default, and `selective` with a filter. */
  readonly strategy?: Strategy | undefined
  readonly filter?: SyncFilter | undefined
  /** Find out what is missing, and change nothing. */
  readonly dryRun?: boolean | undefined
  /** Take up shelves that only the peer keeps; true by default. */
  readonly others?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

export interface SyncReport {
  readonly peer: string
  readonly strategy: Strategy
  /** Records that the peer took, and that were admitted here. */
  readonly sent: number
  readonly received: number
  /** Records that were missing there and here, when it began. */
  readonly surplus: number
  readonly lacking: number
  /** Of all messages, both ways. */
  readonly bytes: number
  /** Requests that were answered, one after the other. */
  readonly rounds: number
  readonly ms: number
  readonly shelves: number
  /** Shelves that are not equal after all. */
  readonly unequal: number
  /** Releases that came and compete with others of the same version. */
  readonly conflicts: number
}

interface Components {
  rpc: Rpc
  network: Network
  hello: HelloService
  bootstrap: Bootstrap
  records: Records
  sketches: Sketches
  follows: Follows
  pins: Pins
  heard: Heard
  access: Access
  core: Core
  clock: Clock
  underWay: UnderWay
  addressee: () => Addressee
}

export class Synchronization {
  readonly #components: Components
  readonly #catalogue: Catalogue
  readonly #intake: Intake
  readonly #parts: Parts
  readonly #limiter: RateLimiter

  constructor(components: Components) {
    const { records, access, follows, pins, clock } = components
    this.#components = components
    const followed = () => new Set([...follows.list(), ...pins.list()].map(({ signer }) => signer))
    this.#catalogue = new Catalogue({ records, access, followed })
    this.#intake = new Intake(components)
    this.#parts = new Parts(components)
    this.#limiter = new RateLimiter(clock, {
      perMinute: SYNC_REQUESTS_PER_MINUTE,
      burst: SYNC_REQUESTS_BURST,
      tracked: ANNOUNCERS_TRACKED_MAX,
    })
  }

  async start(): Promise<void> {
    const answering = (request: SyncRequest, peer: string, signal: AbortSignal) => this.#answer(request, peer, signal)
    await this.#components.rpc.serve(SYNC, (request, { peer, signal }) => answering(request, peer, signal))
  }

  /**
   * Make the shelves equal that this node and a peer both keep and may see.
   *
   * @param peer - its id when it is connected, else an address to connect to
   * @throws CatalogError as `Rpc.call`; `ADDRESS_INVALID`; `RECORD_INVALID`, `RECORD_SIGNATURE` for what does not hold
   */
  syncWithPeer(peer: string, options: SyncOptions = {}): Promise<SyncReport> {
    const { underWay, clock } = this.#components
    return underWay.run(async (stop) => {
      using whole = deadline(clock, SYNC_SESSION_MS_MAX, peer, stop)
      const id = await this.#reach(peer, whole.signal)
      const parts = { catalogue: this.#catalogue, intake: this.#intake, parts: this.#parts }
      return new Run({ ...this.#components, ...parts }, id, options).carryOut(whole.signal)
    }, options.signal)
  }

  async #reach(peer: string, signal: AbortSignal): Promise<string> {
    const { bootstrap, hello, network } = this.#components
    if (network.peers().includes(peer)) return peer
    const outcome = await untilAborted(bootstrap.keep(peerAddress(peer)), signal)
    if ('error' in outcome) throw outcome.error
    await hello.expect(outcome.peer, signal)
    return outcome.peer
  }

  async *#answer(request: SyncRequest, peer: string, signal: AbortSignal): AsyncGenerator<SyncReply> {
    if (!this.#limiter.take(peer)) throw new CatalogError('PEER_BUSY', 'You ask more often than is answered.')
    const { records } = this.#components
    const filter = 'filter' in request ? request.filter : undefined
    const here: Answering = {
      shelves: () => this.#catalogue.shelvesWith(peer),
      find: (key) => this.#catalogue.find(peer, key),
      set: (shelf) => this.#parts.of(shelf, filter),
      envelope: (id) => records.envelope(id),
      ordered: (shelf, ids, first) => this.#parts.ordered(shelf, ids, first),
      take: (shelf, envelopes) => this.#intake.take(shelf, envelopes, peer),
      changes: (after) => changesFor(records, after, ({ key }) => this.#catalogue.find(peer, key) !== undefined),
    }
    yield* answer(here, request, signal)
  }
}

interface RunComponents extends Components {
  catalogue: Catalogue
  intake: Intake
  parts: Parts
}

/** One synchronization under way. */
class Run implements Replica {
  readonly core: Core
  readonly #components: RunComponents
  readonly #peer: string
  readonly #options: SyncOptions
  readonly #came = new Map<string, Release>()
  #received = 0
  #bytes = 0
  #rounds = 0

  constructor(components: RunComponents, peer: string, options: SyncOptions) {
    this.core = components.core
    this.#components = components
    this.#peer = peer
    this.#options = options
  }

  async carryOut(signal: AbortSignal): Promise<SyncReport> {
    const { clock, follows } = this.#components
    const began = clock.now()
    const { filter, dryRun = false } = this.#options
    const { strategy = filter ? 'selective' : 'incremental' } = this.#options
    const since = follows.synced(this.#peer)?.cursor ?? 'none'
    const outcome = await this.#steps(
      synchronize(this, {
        everything: strategy === 'full',
        importantFirst: strategy === 'priority',
        others: this.#options.others ?? true,
        dryRun,
        ...(filter && { filter }),
        ...(strategy === 'incremental' && !dryRun && { since }),
      }),
      signal,
    )
    if (!dryRun && !filter && outcome.unequal.length === 0) await follows.noteSynced(this.#peer, outcome.cursor)
    return {
      ...{ peer: this.#peer, strategy, sent: outcome.sent, received: this.#received },
      ...{ surplus: outcome.surplus, lacking: outcome.lacking, bytes: this.#bytes, rounds: this.#rounds },
      ...{ ms: clock.now() - began, shelves: outcome.shelves, unequal: outcome.unequal.length },
      conflicts: this.#conflicts(),
    }
  }

  shelves(): readonly ShelfName[] {
    const publishers = this.#options.filter?.publishers
    const all = this.#components.catalogue.shelvesWith(this.#peer)
    return publishers ? all.filter(({ signer }) => publishers.includes(signer)) : all
  }

  set(shelf: ShelfName) {
    return this.#components.parts.of(shelf, this.#options.filter)
  }

  envelope(id: Uint8Array): Uint8Array | undefined {
    return this.#components.records.envelope(id)
  }

  wanted({ audience, signer }: { audience: string; signer: string }): ShelfName | undefined {
    const { filter } = this.#options
    if (filter?.publishers && !filter.publishers.includes(signer)) return undefined
    return shelfName(audience as ShelfName['audience'], signer)
  }

  async #steps(session: Generator<Step, Outcome, readonly SyncReply[]>, signal: AbortSignal): Promise<Outcome> {
    const { rpc } = this.#components
    const onBytes = (bytes: number) => {
      this.#bytes += bytes
    }
    let next = session.next()
    while (!next.done) {
      const { request, shelf } = next.value
      const replies: SyncReply[] = []
      for await (const reply of rpc.call(SYNC, this.#peer, request, { signal, onBytes })) {
        if (reply.is === 'records' && shelf) await this.#take(shelf, reply.records)
        else if (reply.is === 'changed') await this.#takeChanged(reply)
        else replies.push(reply)
      }
      this.#rounds++
      next = session.next(replies)
    }
    return next.value
  }

  /** Of a shelf that is not known here the record itself says whose it is; whether it is public shows by the key. */
  async #takeChanged({ key, records }: { key: Uint8Array; records: readonly Uint8Array[] }): Promise<void> {
    const shelf = this.#components.catalogue.find(this.#peer, key)
    if (shelf) await this.#take(shelf, records)
  }

  async #take(shelf: ShelfName, records: readonly Uint8Array[]): Promise<void> {
    const admitted = await this.#components.intake.take(shelf, records, this.#peer)
    this.#received += admitted.length
    this.#note(admitted)
  }

  #note(admitted: readonly CatalogRecord[]): void {
    for (const record of admitted) {
      if (isRelease(record)) this.#came.set(toHex(record.id), readRelease(record))
    }
  }

  #conflicts(): number {
    const { records } = this.#components
    const versions = new Map([...this.#came.values()].map((release) => [release.purl, release.body]))
    return [...versions.values()].filter((body) => records.releases(body, body.version).length > 1).length
  }
}
