// Who may have what over the bulk plane: each request is put to the node's own decision, and each grant is out until
// native code says that its reply has ended.
import { type Clock, deadline, untilAborted } from '../base/clock.ts'
import { CatalogError, type ErrorCode, hasCode } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { SECOND_MS } from '../base/units.ts'
import { reportFailure } from './failures.ts'

export type BulkPriority = 'critical' | 'high' | 'normal' | 'low'

/** A request of a peer. */
export interface BulkAsked {
  /** Peer id, authenticated. */
  readonly peer: string
  /** The IP address it asks from. */
  readonly address: string
  /** 32 bytes. */
  readonly root: Uint8Array
  /** Record id of the release it is asked for under, 32 bytes. */
  readonly release: Uint8Array
  /** Whether chunk ids are wanted, and whether bytes are. */
  readonly outline: boolean
  readonly data: boolean
  /** Of the chunks [first, first + count). */
  readonly first: number
  readonly count: number
}

/** Where bytes lie: in a file from an offset on, or all of them in memory, from where they are copied. */
type BulkPlace = { readonly path: string; readonly offset: number } | { readonly bytes: Uint8Array }

/** Leave to send. */
export interface BulkGrant {
  readonly data: BulkPlace
  readonly size: number
  /** Ids of all chunks of the blob; needed when `outline` is asked for. */
  readonly outline?: BulkPlace | undefined
  /** Of a blob that is not here whole: one bit a chunk, least significant first, as it is now. */
  readonly held?: Uint8Array | undefined
  readonly priority: BulkPriority
  /** Called now and then while the reply goes on. @param sent - bytes of ids and chunks given to QUIC by now */
  sent?(sent: number): void
  /**
   * Called exactly once, when the reply has ended, whatever happened.
   *
   * @param sent - bytes of ids and chunks given to QUIC; without `error` all of them, and acknowledged by the peer
   */
  ended(sent: number, error: CatalogError | undefined): void
}

/**
 * Decides about a request.
 *
 * @throws CatalogError `NOT_FOUND`, `REFUSED`, `PEER_BUSY`, `LIMIT_EXCEEDED` to refuse; the peer is told `INTERNAL` for
 *   all others, and nothing of what happened
 */
export type BulkAuthorise = (asked: BulkAsked) => BulkGrant | Promise<BulkGrant>

/** As native code wants it. */
export type Decision = { refused: string } | Counted

interface Counted {
  id: number
  data: { path?: string; offset?: number; bytes?: Uint8Array }
  size: number
  outline?: { path?: string; offset?: number; bytes?: Uint8Array }
  held?: Uint8Array
  priority: BulkPriority
}

/** As native code tells it. */
export interface Sent {
  id: number
  sent: number
  ended: boolean
  code?: string
  message?: string
}

/** What only says no, and nothing of a failure here. */
const REFUSALS: readonly ErrorCode[] = ['NOT_FOUND', 'REFUSED', 'PEER_BUSY', 'LIMIT_EXCEEDED']
/** The ends of replies are on their way already when an endpoint has closed. */
const DRAIN_MS = SECOND_MS

interface GrantOut {
  readonly peer: string
  readonly grant: BulkGrant
}

export class BulkGrants {
  readonly #authorise: BulkAuthorise
  readonly #clock: Clock
  readonly #out = new Map<number, GrantOut>()
  #ids = 0
  #closed = false
  #drained: (() => void) | undefined

  constructor({ authorise, clock }: { authorise: BulkAuthorise; clock: Clock }) {
    this.#authorise = authorise
    this.#clock = clock
  }

  /** Never rejects. */
  async decide(asked: BulkAsked): Promise<Decision> {
    try {
      const grant = await this.#authorise(asked)
      if (!this.#closed) return this.#count(asked.peer, grant)
      grant.ended(0, closed())
      return { refused: 'PEER_BUSY' }
    } catch (thrown) {
      if (!hasCode(thrown, ...REFUSALS)) reportFailure('answer a bulk request', thrown)
      return { refused: CatalogError.from(thrown).code }
    }
  }

  /** Never throws. */
  sent({ id, sent, ended, code, message }: Sent): void {
    const out = this.#out.get(id)
    if (!out) return
    const error = code === undefined ? undefined : nativeError({ code, message: message ?? '' })
    if (ended) this.#ended(id, out, { sent, error })
    else out.grant.sent?.(sent)
  }

  #ended(id: number, out: GrantOut, { sent, error }: { sent: number; error: CatalogError | undefined }): void {
    this.#out.delete(id)
    if (sent > 0) emit('catalog:transfer', { peer: out.peer, bytes: sent, direction: 'sent', plane: 'bulk' })
    if (error && hasCode(error, 'FILE_UNREADABLE', 'INTERNAL')) reportFailure('send a blob', error)
    try {
      out.grant.ended(sent, error)
    } catch (thrown) {
      reportFailure('give a blob back', thrown)
    }
    if (this.#out.size === 0) this.#drained?.()
  }

  /** The endpoint is closed: take every grant back. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#out.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#drained = resolve
      using limit = deadline(this.#clock, DRAIN_MS, 'the bulk plane')
      await untilAborted(promise, limit.signal).catch((thrown) => reportFailure('close the bulk plane', thrown))
    }
    for (const [id, out] of this.#out) this.#ended(id, out, { sent: 0, error: closed() })
  }

  #count(peer: string, grant: BulkGrant): Counted {
    const id = ++this.#ids
    this.#out.set(id, { peer, grant })
    const { data, size, outline, held, priority } = grant
    return { id, data, size, priority, ...(outline && { outline }), ...(held && { held }) }
  }
}

/** A native failure that came as data. */
export function nativeError({ code, message, lie }: { code: string; message: string; lie?: number }): CatalogError {
  const details = lie === undefined ? undefined : { chunk: lie }
  return CatalogError.fromJSON({ code: code as ErrorCode, message, ...(details && { details }) })
}

function closed(): CatalogError {
  return new CatalogError('CLOSED', 'The bulk plane is closed.')
}
