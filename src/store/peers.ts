// The address book: peers met before, to be tried again after a restart.
import type { Clock } from '../base/clock.ts'
import { ADDRESSES_PER_PEER_MAX, KNOWN_PEERS_MAX } from '../base/limits.ts'
import type { Environment } from './environment.ts'
import type { PeerRow } from './tables.ts'

export interface KnownPeer extends PeerRow {
  readonly peer: string
}

export class Peers {
  readonly #environment: Environment
  readonly #clock: Clock

  constructor({ environment, clock }: { environment: Environment; clock: Clock }) {
    this.#environment = environment
    this.#clock = clock
  }

  /** Remember addresses that led to a peer, newest first. */
  remember(peer: string, addresses: readonly string[]): Promise<void> {
    return this.#environment.transaction(() => {
      const known = this.#environment.peers.get(peer)
      if (!known && this.#environment.peers.getCount() >= KNOWN_PEERS_MAX) return
      const merged = [...new Set([...addresses, ...(known?.addresses ?? [])])].slice(0, ADDRESSES_PER_PEER_MAX)
      this.#environment.peers.put(peer, { addresses: merged, seenAt: this.#clock.now() })
    })
  }

  list(): KnownPeer[] {
    return [...this.#environment.peers.getRange({})].map(({ key, value }) => ({ peer: key, ...value }))
  }
}
