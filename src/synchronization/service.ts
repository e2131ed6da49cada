// Synchronizing with peers: carries out what a session asks, and answers those of others.

import { deadline, untilAborted } from '../base/clock.ts'
import { CatalogError, hasCode } from '../base/errors.ts'
import { ANNOUNCERS_TRACKED_MAX } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import {
  SYNC_RECORDS_PER_TOKEN,
  SYNC_REQUESTS_BURST,
  SYNC_REQUESTS_PER_MINUTE,
  SYNC_SESSION_MS_MAX,
} from '../base/sync-limits.ts'
import type { UnderWay } from '../base/under-way.ts'
import { peerAddress } from '../network/addresses.ts'
import type { Bootstrap } from '../network/bootstrap.ts'
import { RateLimiter } from '../network/gate.ts'
import type { HelloService } from '../network/hello.ts'
import type { Network } from '../network/network.ts'
import type { Follow } from '../store/follows.ts'
import type { Heard } from '../store/heard.ts'
import type { Pins } from '../store/pins.ts'
import type { Transfers } from '../transfer/transfers.ts'
import type { Access } from '../trust/access.ts'
import type { RecordExchange } from '../trust/exchange.ts'
import { SYNC, type SyncReply, type SyncRequest } from '../wire/sync-messages.ts'
import { type Answering, answer } from './answers.ts'
import { Catalogue } from './catalogue.ts'
import { changesFor } from './changes.ts'
import { Intake } from './intake.ts'
import type { SyncOptions, SyncReport } from './options.ts'
import { Parts } from './parts.ts'
import { Run, type RunComponents } from './run.ts'
import { SyncSchedule } from './schedule.ts'
import type { ShelfName } from './session.ts'

interface Components extends Omit<RunComponents, 'catalogue' | 'intake' | 'parts'> {
  network: Network
  hello: HelloService
  bootstrap: Bootstrap
  access: Access
  pins: Pins
  heard: Heard
  transfers: Transfers
  random: Random
  underWay: UnderWay
  exchange: Pick<RecordExchange, 'addressee'>
}

export class Synchronization {
  readonly #components: Components
  readonly #catalogue: Catalogue
  readonly #intake: Intake
  readonly #parts: Parts
  readonly #limiter: RateLimiter
  /** When this node synchronizes by itself. */
  readonly schedule: SyncSchedule

  constructor(components: Components, { syncInterval }: { syncInterval: number }) {
    const { records, access, follows, pins, clock } = components
    this.#components = components
    const followed = () => new Set([...follows.list(), ...pins.list()].map(({ signer }) => signer))
    this.#catalogue = new Catalogue({ records, access, followed })
    this.schedule = new SyncSchedule({ ...components, synchronization: this }, { intervalMs: syncInterval })
    this.#intake = new Intake(components)
    this.#parts = new Parts(components)
    this.#limiter = new RateLimiter(clock, {
      perMinute: SYNC_REQUESTS_PER_MINUTE,
      burst: SYNC_REQUESTS_BURST,
      tracked: ANNOUNCERS_TRACKED_MAX,
    })
  }

  async start(): Promise<void> {
    await this.#components.rpc.serve(SYNC, (request, { peer, signal }) => this.#answer(request, peer, signal))
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

  /** The shelves that a request is about. */
  #about(request: SyncRequest, peer: string): ShelfName[] {
    if ('key' in request) return [this.#catalogue.find(peer, request.key)].filter((shelf) => shelf !== undefined)
    if (request.op !== 'open' || request.others) return this.#catalogue.shelvesWith(peer)
    return request.shelves.flatMap(({ key }) => this.#catalogue.find(peer, key) ?? [])
  }

  /** Whoever asks for much may ask less often. @throws CatalogError `PEER_BUSY` */
  #charge(request: SyncRequest, peer: string): void {
    const isLookedThrough = request.op === 'stream' || 'filter' in request
    const { shelves } = this.#components.records
    const looked = isLookedThrough ? this.#about(request, peer) : []
    const records = looked.reduce((sum, { audience, signer }) => sum + shelves.get(audience, signer).count, 0)
    const most = SYNC_REQUESTS_BURST / 4
    for (let cost = 1 + Math.min(most, Math.floor(records / SYNC_RECORDS_PER_TOKEN)); cost > 0; cost--) {
      if (!this.#limiter.take(peer)) throw new CatalogError('PEER_BUSY', 'You ask for more than is answered at a time.')
    }
  }

  /** Keep a signer's public records here from the next synchronization on. @throws CatalogError `USAGE` */
  follow(signer: string): Promise<boolean> {
    return this.#components.follows.add(checkedSigner(signer))
  }

  /** Records that are here already stay. @returns whether it was followed @throws CatalogError `USAGE` */
  unfollow(signer: string): Promise<boolean> {
    return this.#components.follows.remove(checkedSigner(signer))
  }

  followed(): Follow[] {
    return this.#components.follows.list()
  }

  /** When each peer was last synchronized with. */
  synced(): { peer: string; at: number }[] {
    return this.#components.follows.listSynced()
  }

  async *#answer(request: SyncRequest, peer: string, signal: AbortSignal): AsyncGenerator<SyncReply> {
    const { records } = this.#components
    const filter = 'filter' in request ? request.filter : undefined
    // A shelf that is known needs no look at whom the user follows.
    if (!('key' in request) || !this.#catalogue.find(peer, request.key)) this.#catalogue.refresh()
    this.#charge(request, peer)
    if (filter) {
      for (const shelf of this.#about(request, peer)) await this.#parts.prepare(shelf, filter, signal)
    }
    const here: Answering = {
      core: this.#components.core,
      shelves: () => this.#catalogue.shelvesWith(peer),
      find: (key) => this.#catalogue.find(peer, key),
      set: (shelf) => this.#parts.of(shelf, filter),
      envelope: (id) => records.envelope(id),
      documents: (shelf) => this.#parts.documents(shelf),
      ordered: (shelf, ids, first) => this.#parts.ordered(shelf, ids, first),
      take: (shelf, envelopes) => this.#intake.take(shelf, envelopes, peer).catch(told),
      changes: (after) => changesFor(records, after, ({ key }) => this.#catalogue.find(peer, key) !== undefined),
    }
    yield* answer(here, request, signal)
  }
}

/** What a peer is told of records that do not hold. */
function told(thrown: unknown): never {
  if (!hasCode(thrown, 'RECORD_INVALID', 'RECORD_SIGNATURE')) throw thrown
  throw new CatalogError('PEER_PROTOCOL', 'A record that was sent along does not hold.', { cause: thrown })
}

function checkedSigner(text: string): string {
  if (/^(publisher:[0-9a-f]{64}|origin:[a-z][a-z0-9.-]{0,31})$/.test(text)) return text
  throw new CatalogError('USAGE', `"${text.slice(0, 80)}" is nobody who can be followed.`, {
    hint: 'Follow a publisher, publisher:<64 hexadecimal digits>, or an outside registry, origin:npm.',
  })
}
