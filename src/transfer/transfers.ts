// What is being fetched and sent right now, and what came of the last ones: for people who want to know why it takes so
// long. Nothing is decided by it.
import { toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { ErrorCode } from '../base/errors.ts'
import { FETCH_PAUSE_MS, TRANSFERS_REMEMBERED_MAX, UPLOAD_PAUSE_MS } from '../base/limits.ts'
import { SECOND_MS } from '../base/units.ts'
import type { Ledger } from '../store/ledger.ts'
import type { Priority } from './gate.ts'
import { RateMeter } from './rate.ts'
import type { Plane } from './sources.ts'

export interface TransferSource {
  readonly peer: string
  readonly plane: Plane
  readonly bytes: number
  /** Bytes a second, over the last seconds; of one that has ended, over all of it. */
  readonly rate: number
}

/** A transfer as it stands. */
export interface TransferView {
  readonly id: number
  readonly direction: 'fetch' | 'send'
  /** Hexadecimal. */
  readonly root: string
  readonly purl?: string | undefined
  readonly state: 'running' | 'done' | 'failed'
  /** Of a fetch what is verified and here, of a sending what was sent. */
  readonly bytes: number
  readonly total: number
  readonly rate: number
  readonly priority: Priority
  /** Whom it comes from, or goes to. */
  readonly sources: readonly TransferSource[]
  readonly startedAt: number
  /** How much longer a fetch takes at this rate; absent when nobody can tell. */
  readonly etaMs?: number | undefined
  readonly endedAt?: number | undefined
  readonly failure?: { readonly code: ErrorCode; readonly message: string } | undefined
}

interface Named {
  readonly root: Uint8Array
  readonly purl?: string | undefined
  readonly total: number
  readonly priority?: Priority | undefined
}

export class Transfers {
  readonly #clock: Clock
  readonly #ledger: Pick<Ledger, 'count'>
  #nextId = 1
  readonly #running = new Map<number, Transfer>()
  /** Sendings by blob and peer: a peer asks for one blob in many pieces. */
  readonly #sendings = new Map<string, Transfer>()
  #ended: TransferView[] = []
  /** When sendings were looked through last. */
  #lookedAt = 0
  /** When the last fetch ended that was not of low priority. */
  #fetchedAt = Number.NEGATIVE_INFINITY

  constructor({ clock, ledger }: { clock: Clock; ledger: Pick<Ledger, 'count'> }) {
    this.#clock = clock
    this.#ledger = ledger
  }

  /** A fetch begins. Tell it how it goes, and `ended` once. */
  fetches(named: Named): Transfer {
    return this.#begin('fetch', named)
  }

  /** A piece of a blob is being sent; its end is when this is disposed of. */
  sends({ peer, plane, ...named }: Named & { peer: string; plane: Plane }): Disposable & { sent(bytes: number): void } {
    // Very many small blobs are sent in a moment: to look through all of them for each would take longer than sending.
    if (this.#clock.now() >= this.#lookedAt + UPLOAD_PAUSE_MS) this.#endIdle()
    const key = `${toHex(named.root)} ${peer}`
    const transfer = this.#sendings.get(key) ?? this.#begin('send', named)
    this.#sendings.set(key, transfer)
    transfer.open++
    return {
      sent: (bytes) => transfer.moved(peer, plane, bytes, transfer.bytes + bytes),
      [Symbol.dispose]: () => {
        transfer.open--
        transfer.idleSince = this.#clock.now()
      },
    }
  }

  /** Whether anything is being fetched that is not of low priority, or was a moment ago, and more of it may follow. */
  get isFetching(): boolean {
    if (this.#clock.now() < this.#fetchedAt + FETCH_PAUSE_MS) return true
    return [...this.#running.values()].some((transfer) => transfer.isAwaited)
  }

  /** Those under way, the oldest first. */
  list(): TransferView[] {
    this.#endIdle()
    return [...this.#running.values()].map((transfer) => transfer.view())
  }

  /** The last ones that have ended, the newest first. */
  recent(): TransferView[] {
    this.#endIdle()
    return this.#ended.toReversed()
  }

  #begin(direction: 'fetch' | 'send', named: Named): Transfer {
    const id = this.#nextId++
    const transfer = new Transfer({ clock: this.#clock, ledger: this.#ledger }, { id, direction, ...named }, (view) => {
      this.#running.delete(id)
      if (transfer.isAwaited) this.#fetchedAt = this.#clock.now()
      this.#ended.push(view)
      if (this.#ended.length > TRANSFERS_REMEMBERED_MAX) this.#ended.shift()
    })
    this.#running.set(id, transfer)
    return transfer
  }

  /** Between two pieces of a blob there are pauses; a long one is the end. */
  #endIdle(): void {
    this.#lookedAt = this.#clock.now()
    const before = this.#lookedAt - UPLOAD_PAUSE_MS
    for (const [key, transfer] of this.#sendings) {
      if (transfer.open > 0 || transfer.idleSince > before) continue
      this.#sendings.delete(key)
      transfer.ended()
    }
  }
}

/** One that is under way. */
export class Transfer {
  readonly #clock: Clock
  readonly #ledger: Pick<Ledger, 'count'>
  readonly #named: Named & { id: number; direction: 'fetch' | 'send' }
  readonly #onEnd: (view: TransferView) => void
  readonly #startedAt: number
  readonly #meter: RateMeter
  readonly #sources = new Map<string, { plane: Plane; bytes: number; meter: RateMeter }>()
  #bytes = 0
  /** Pieces being sent right now. */
  open = 0
  idleSince: number

  constructor(
    { clock, ledger }: { clock: Clock; ledger: Pick<Ledger, 'count'> },
    named: Named & { id: number; direction: 'fetch' | 'send' },
    onEnd: (view: TransferView) => void,
  ) {
    this.#clock = clock
    this.#ledger = ledger
    this.#named = named
    this.#onEnd = onEnd
    this.#startedAt = clock.now()
    this.idleSince = this.#startedAt
    this.#meter = new RateMeter(this.#startedAt)
  }

  get bytes(): number {
    return this.#bytes
  }

  get isAwaited(): boolean {
    return this.#named.direction === 'fetch' && this.#named.priority !== 'low'
  }

  /** Bytes a second, over the last seconds. */
  get rate(): number {
    return this.#meter.rate(this.#clock.now())
  }

  /** So much of it was here before. */
  had(bytes: number): void {
    this.#bytes = bytes
  }

  /** @param inAll - bytes of the whole that are through now */
  moved(peer: string, plane: Plane, bytes: number, inAll: number): void {
    const now = this.#clock.now()
    const source = this.#sources.get(peer) ?? { plane, bytes: 0, meter: new RateMeter(now) }
    this.#sources.set(peer, source)
    source.plane = plane
    this.#ledger.count(peer, this.#named.direction === 'send' ? 'sent' : 'received', bytes)
    source.bytes += bytes
    source.meter.add(bytes, now)
    this.#meter.add(bytes, now)
    this.#bytes = inAll
  }

  /** @param failure - why it did not come to a good end */
  ended(failure?: { code: ErrorCode; message: string }): void {
    const now = this.#clock.now()
    const overall = (bytes: number) => (bytes * SECOND_MS) / Math.max(1, now - this.#startedAt)
    const view = this.view()
    const sources = view.sources.map((source) => ({ ...source, rate: overall(source.bytes) }))
    const moved = sources.reduce((sum, { bytes }) => sum + bytes, 0)
    const state = failure ? ('failed' as const) : ('done' as const)
    this.#onEnd({ ...view, state, sources, rate: overall(moved), etaMs: undefined, endedAt: now, failure })
  }

  view(): TransferView {
    const { id, direction, root, purl, total, priority = 'normal' } = this.#named
    const now = this.#clock.now()
    const rate = this.#meter.rate(now)
    const left = Math.max(0, total - this.#bytes)
    return {
      ...{ id, direction, root: toHex(root), purl, state: 'running', bytes: this.#bytes, total, rate, priority },
      sources: [...this.#sources].map(([peer, { plane, bytes, meter }]) => ({
        peer,
        plane,
        bytes,
        rate: meter.rate(now),
      })),
      startedAt: this.#startedAt,
      etaMs: direction === 'fetch' && rate > 0 ? Math.round((left * SECOND_MS) / rate) : undefined,
    }
  }
}
