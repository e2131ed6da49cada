// When this node synchronizes by itself: with each peer that it stays connected to, now and then, at different times
// for each; soon after the peer told of something new; less and less often while that fails; and while a user waits for
// bytes a little later, as both would take the same processor.
import type { Clock } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { tellFailure } from '../base/failure.ts'
import type { Random } from '../base/random.ts'
import { SYNC_BACK_OFF_MS_MAX, SYNC_POSTPONED_MAX, SYNC_SOON_MS } from '../base/sync-limits.ts'
import type { Bootstrap } from '../network/bootstrap.ts'
import type { HelloService } from '../network/hello.ts'
import type { Transfers } from '../transfer/transfers.ts'
import type { SyncReport } from './options.ts'
import type { Synchronization } from './service.ts'

interface Components {
  synchronization: Pick<Synchronization, 'syncWithPeer'>
  hello: Pick<HelloService, 'onHello' | 'offers'>
  bootstrap: Pick<Bootstrap, 'keptPeers'>
  transfers: Pick<Transfers, 'isFetching'>
  clock: Clock
  random: Random
}

/** How it goes with one peer. */
export interface PeerSchedule {
  readonly peer: string
  readonly nextAt: number
  readonly failures: number
  readonly last?: SyncReport
  readonly failure?: string
}

type Entry = { -readonly [Key in keyof PeerSchedule]: PeerSchedule[Key] } & { postponed: number; cancel: () => void }
type State = Omit<Entry, 'nextAt' | 'postponed' | 'cancel'> & Partial<Pick<Entry, 'postponed' | 'cancel'>>

/** What a hello says of a node that synchronizes. */
export const SYNC_CAPABILITY = 'sync'

export class SyncSchedule {
  readonly #components: Components
  readonly #intervalMs: number
  readonly #peers = new Map<string, Entry>()
  #stopListening: (() => void) | undefined

  /** @param options - `intervalMs` 0 for never */
  constructor(components: Components, { intervalMs }: { intervalMs: number }) {
    this.#components = components
    this.#intervalMs = intervalMs
  }

  start(): void {
    const { hello } = this.#components
    if (this.#intervalMs === 0) return
    this.#stopListening = hello.onHello((peer) => {
      if (!hello.offers(peer, SYNC_CAPABILITY)) return
      const entry = this.#peers.get(peer)
      if (!entry) this.#next({ peer, failures: 0 })
      // It was away, and is back.
      else if (entry.failures > 0) this.#next({ ...entry, failures: 0 }, SYNC_SOON_MS)
    })
  }

  stop(): void {
    this.#stopListening?.()
    for (const { cancel } of this.#peers.values()) cancel()
    this.#peers.clear()
  }

  list(): PeerSchedule[] {
    return [...this.#peers.values()].map(({ cancel: _, postponed: __, ...schedule }) => schedule)
  }

  /** A peer has told of something new; more of it may follow. */
  soon(peer: string): void {
    const entry = this.#peers.get(peer)
    const { clock } = this.#components
    if (entry && entry.failures === 0 && entry.nextAt > clock.now() + SYNC_SOON_MS) this.#next(entry, SYNC_SOON_MS)
  }

  #next({ postponed = 0, ...state }: State, delayMs?: number): void {
    const { clock, random } = this.#components
    state.cancel?.()
    const steady = Math.min(this.#intervalMs * 2 ** state.failures, Math.max(this.#intervalMs, SYNC_BACK_OFF_MS_MAX))
    const waitMs = delayMs ?? steady * (0.9 + random.fraction() / 5)
    const cancel = clock.after(waitMs, () => void this.#run(state.peer))
    this.#peers.set(state.peer, { ...state, postponed, nextAt: clock.now() + waitMs, cancel })
  }

  async #run(peer: string): Promise<void> {
    const entry = this.#peers.get(peer)
    if (!entry) return
    // Who is not kept any more comes back with a hello.
    if (!this.#components.bootstrap.keptPeers().includes(peer)) {
      this.#peers.delete(peer)
      return
    }
    if (this.#components.transfers.isFetching && entry.postponed < SYNC_POSTPONED_MAX) {
      this.#next({ ...entry, postponed: entry.postponed + 1 }, SYNC_SOON_MS)
      return
    }
    const { failure: _, postponed: __, ...before } = entry
    try {
      const last = await this.#components.synchronization.syncWithPeer(peer, { others: false })
      if (this.#peers.has(peer)) this.#next({ ...before, last, failures: 0 })
    } catch (thrown) {
      tellFailure(`synchronize with ${peer}`, thrown, 'CLOSED', 'PEER_UNREACHABLE')
      const failure = CatalogError.from(thrown).message
      if (this.#peers.has(peer)) this.#next({ ...before, failure, failures: entry.failures + 1 })
    }
  }
}
