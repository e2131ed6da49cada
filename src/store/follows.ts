// Whose public shelves the user follows, and how far this node has come with each peer it synchronizes with.
import type { Clock } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { FOLLOWS_MAX } from '../base/sync-limits.ts'
import type { Environment } from './environment.ts'
import type { SyncRow } from './tables.ts'

export interface Follow {
  readonly signer: string
  readonly at: number
}

export class Follows {
  readonly #environment: Environment
  readonly #clock: Clock

  constructor({ environment, clock }: { environment: Environment; clock: Clock }) {
    this.#environment = environment
    this.#clock = clock
  }

  list(): Follow[] {
    return [...this.#environment.follows.getRange({})].map(({ key, value }) => ({ signer: key, ...value }))
  }

  /** @returns false when it was followed already @throws CatalogError `LIMIT_EXCEEDED` */
  add(signer: string): Promise<boolean> {
    return this.#environment.transaction(() => {
      if (this.#environment.follows.doesExist(signer)) return false
      if (this.#environment.follows.getCount() >= FOLLOWS_MAX) {
        throw new CatalogError('LIMIT_EXCEEDED', `No more than ${FOLLOWS_MAX} can be followed.`)
      }
      this.#environment.follows.put(signer, { at: this.#clock.now() })
      return true
    })
  }

  /** @returns whether it was followed */
  remove(signer: string): Promise<boolean> {
    return this.#environment.transaction(() => {
      const was = this.#environment.follows.doesExist(signer)
      this.#environment.follows.remove(signer)
      return was
    })
  }

  synced(peer: string): SyncRow | undefined {
    return this.#environment.syncs.get(peer)
  }

  listSynced(): { peer: string; at: number }[] {
    return [...this.#environment.syncs.getRange({})].map(({ key, value: { at } }) => ({ peer: key, at }))
  }

  /** Note that a synchronization with a peer has ended well. */
  noteSynced(peer: string, cursor: SyncRow['cursor']): Promise<void> {
    const at = this.#clock.now()
    return this.#environment.transaction(() => this.#environment.syncs.put(peer, { at, ...(cursor && { cursor }) }))
  }
}
