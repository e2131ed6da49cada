// Peers the user named, dialled at the start and again whenever they are away, less and less often.
import { type Clock, sleep } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { tellFailure } from '../base/failure.ts'
import type { Random } from '../base/random.ts'
import { MINUTE_MS, SECOND_MS } from '../base/units.ts'
import type { KnownPeer } from '../store/peers.ts'
import type { Network } from './network.ts'

const FIRST_PAUSE_MS = SECOND_MS
const LONGEST_PAUSE_MS = MINUTE_MS
/** Peers of earlier runs that are tried at the start, and addresses of each. */
const KNOWN_PEERS_TRIED = 8
const KNOWN_ADDRESSES_TRIED = 2
/** How often a peer that is there is looked at. */
const WATCH_MS = 5 * SECOND_MS

interface Components {
  network: Network
  clock: Clock
  random: Random
}

export class Bootstrap {
  readonly #components: Components
  readonly #stop = new AbortController()
  readonly #kept = new Set<string>()
  /** Whom the kept addresses have led to. */
  readonly #keptPeers = new Set<string>()

  constructor(components: Components) {
    this.#components = components
  }

  /**
   * Keep a connection to the peer at `address` from now on.
   *
   * @returns how the first attempt ended; the keeping goes on whatever it was
   */
  async keep(address: string): Promise<{ peer: string } | { error: CatalogError }> {
    const first = await this.#dial(address)
    if ('peer' in first) this.#keptPeers.add(first.peer)
    if (!this.#kept.has(address)) {
      this.#kept.add(address)
      void this.#watch(address, 'peer' in first ? first.peer : undefined)
    }
    return first
  }

  /** Peers that this node stays connected to. */
  keptPeers(): string[] {
    return [...this.#keptPeers]
  }

  /** Dial peers of earlier runs once, the last seen first, so that a restart finds its way back by itself. */
  async tryKnown(known: readonly KnownPeer[]): Promise<void> {
    const { network } = this.#components
    const latest = [...known].sort((a, b) => b.seenAt - a.seenAt).slice(0, KNOWN_PEERS_TRIED)
    await Promise.all(
      latest.map(async ({ peer, addresses }) => {
        for (const address of addresses.slice(0, KNOWN_ADDRESSES_TRIED)) {
          // That one is away is no news: these were not asked for by anybody.
          if (network.peers().includes(peer) || 'peer' in (await this.#dial(address))) return
        }
      }),
    )
  }

  stop(): void {
    this.#stop.abort(new CatalogError('CLOSED', 'The node is stopping.'))
  }

  async #dial(address: string): Promise<{ peer: string } | { error: CatalogError }> {
    try {
      return { peer: await this.#components.network.dial(address, this.#stop.signal) }
    } catch (thrown) {
      return { error: CatalogError.from(thrown, 'PEER_UNREACHABLE') }
    }
  }

  async #watch(address: string, connected: string | undefined): Promise<void> {
    const { network, clock, random } = this.#components
    let peer = connected
    let pauseMs = FIRST_PAUSE_MS
    while (!this.#stop.signal.aborted) {
      const here = peer !== undefined && network.peers().includes(peer)
      const waitMs = here ? WATCH_MS : pauseMs * (0.75 + random.fraction() / 2)
      const woken = await sleep(clock, waitMs, this.#stop.signal).then(
        () => true,
        () => false,
      )
      if (!woken) return
      if (peer !== undefined && network.peers().includes(peer)) {
        pauseMs = FIRST_PAUSE_MS
        continue
      }
      const dialled = await this.#dial(address)
      if ('peer' in dialled) {
        peer = dialled.peer
        this.#keptPeers.add(peer)
        pauseMs = FIRST_PAUSE_MS
      } else {
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
        tellFailure(`dial ${address}`, dialled.error)
      }
    }
  }
}
