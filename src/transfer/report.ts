// What became of a fetch, peer by peer: who was asked, over which plane, what each sent and how fast, or what it said.
import type { Clock } from '../base/clock.ts'
import type { CatalogError, ErrorCode } from '../base/errors.ts'
import { SECOND_MS } from '../base/units.ts'
import type { Plane } from './sources.ts'

export interface FetchSource {
  readonly peer: string
  /** Over which it was asked last. */
  readonly plane: Plane
  readonly bytes: number
  /** While it was asked for something. */
  readonly ms: number
  /** Bytes a second. */
  readonly rate: number
}

export interface ProviderFailure {
  readonly peer: string
  /** Nothing when no plane was tried. */
  readonly plane?: Plane | undefined
  readonly code: ErrorCode
  readonly message: string
}

interface PeerAccount {
  plane: Plane | undefined
  bytes: number
  ms: number
  /** Requests under way, and since when there is one. */
  open: number
  since: number
  failure: CatalogError | undefined
}

export class FetchAccounts {
  readonly #clock: Clock
  readonly #peers = new Map<string, PeerAccount>()

  constructor({ clock }: { clock: Clock }) {
    this.#clock = clock
  }

  asks(peer: string): void {
    const account = this.#of(peer)
    if (account.open++ === 0) account.since = this.#clock.now()
  }

  answered(peer: string): void {
    const account = this.#of(peer)
    if (--account.open === 0) account.ms += this.#clock.now() - account.since
  }

  over(peer: string, plane: Plane): void {
    this.#of(peer).plane = plane
  }

  planeOf(peer: string): Plane {
    return this.#of(peer).plane ?? 'stream'
  }

  came(peer: string, bytes: number): void {
    this.#of(peer).bytes += bytes
  }

  /** Of several failures of one peer the last is told. */
  failed(peer: string, failure: CatalogError): void {
    this.#of(peer).failure = failure
  }

  sources(): FetchSource[] {
    const now = this.#clock.now()
    return [...this.#peers]
      .filter(([, { bytes }]) => bytes > 0)
      .map(([peer, { plane = 'stream', bytes, ms, open, since }]) => {
        const busy = ms + (open > 0 ? now - since : 0)
        return { peer, plane, bytes, ms: busy, rate: Math.round((bytes * SECOND_MS) / Math.max(1, busy)) }
      })
  }

  failures(): ProviderFailure[] {
    return [...this.#peers].flatMap(([peer, { plane, failure }]) => {
      if (!failure) return []
      return [{ peer, ...(plane && { plane }), code: failure.code, message: failure.message }]
    })
  }

  #of(peer: string): PeerAccount {
    const known = this.#peers.get(peer)
    if (known) return known
    const account = { plane: undefined, bytes: 0, ms: 0, open: 0, since: 0, failure: undefined }
    this.#peers.set(peer, account)
    return account
  }
}
