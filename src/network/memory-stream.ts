// Streams of the network in memory: two channels of bytes, each delivering in order after a latency of its own.
import { untilAborted } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { KiB } from '../base/units.ts'
import { abortReason, failure } from './failures.ts'
import type { PeerStream } from './network.ts'

/** Bytes sent and not yet read at which a writer waits; a transport's window. */
const WINDOW_BYTES = 256 * KiB

/** Delivers actions one after the other, each some time after it was posted, never one before an earlier one. */
export class Lane {
  readonly #later: (deliver: () => void) => void
  readonly #posted: (() => void)[] = []

  /** @param later - calls back after a latency; callbacks may overtake each other */
  constructor(later: (deliver: () => void) => void) {
    this.#later = later
  }

  post(action: () => void): void {
    this.#posted.push(action)
    // Each callback delivers whatever has waited longest, so latencies differ and the order stays.
    this.#later(() => this.#posted.shift()?.())
  }
}

/** One direction of a stream. */
class Channel {
  readonly lane: Lane
  readonly delivered: Uint8Array[] = []
  /** Sent and not yet read. */
  held = 0
  ended = false
  failure: CatalogError | undefined
  #change = Promise.withResolvers<void>()

  constructor(lane: Lane) {
    this.lane = lane
  }

  get finished(): boolean {
    return this.ended || this.failure !== undefined
  }

  send(bytes: Uint8Array): void {
    this.held += bytes.length
    this.lane.post(() => {
      if (this.finished) return
      this.delivered.push(bytes)
      this.changed()
    })
  }

  take(): Uint8Array | undefined {
    const bytes = this.delivered.shift()
    if (!bytes) return undefined
    this.held -= bytes.length
    this.changed()
    return bytes
  }

  fail(error: CatalogError): void {
    if (this.finished) return
    this.failure = error
    this.changed()
  }

  end(): void {
    if (this.finished) return
    this.ended = true
    this.changed()
  }

  changed(): void {
    this.#change.resolve()
    this.#change = Promise.withResolvers()
  }

  async wait(signal: AbortSignal | undefined): Promise<void> {
    try {
      await untilAborted(this.#change.promise, signal)
    } catch (cause) {
      throw failure(cause, signal, 'INTERNAL', 'Waiting for a stream failed')
    }
  }
}

/** A stream between two nodes, seen by whoever can break it. */
export interface StreamPair {
  /** The dialling end, and the answering one. */
  readonly ends: readonly [PeerStream, PeerStream]
  /** The connection is gone: both ends fail at once and what was under way is lost. */
  sever(): void
  /** Whether nothing can happen on it any more. */
  finished(): boolean
}

/** @param peers - ids of the dialling and the answering node */
export function streamPair(peers: readonly [string, string], later: (deliver: () => void) => void): StreamPair {
  const there = new Channel(new Lane(later))
  const back = new Channel(new Lane(later))
  const ends = [new MemoryStream(peers[1], back, there), new MemoryStream(peers[0], there, back)] as const
  return {
    ends,
    sever() {
      for (const end of ends) end.lose('the connection is gone')
    },
    finished: () => there.finished && back.finished,
  }
}

class MemoryStream implements PeerStream {
  readonly peer: string
  readonly #incoming: Channel
  readonly #outgoing: Channel
  #closed = false
  #failure: CatalogError | undefined

  constructor(peer: string, incoming: Channel, outgoing: Channel) {
    this.peer = peer
    this.#incoming = incoming
    this.#outgoing = outgoing
  }

  async write(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    for (;;) {
      if (signal?.aborted) throw abortReason(signal)
      if (this.#failure) throw this.#failure
      if (this.#outgoing.failure) throw this.#outgoing.failure
      if (this.#closed) throw new CatalogError('CLOSED', 'This side of the stream is closed.')
      if (this.#outgoing.held < WINDOW_BYTES) break
      await this.#outgoing.wait(signal)
    }
    // A socket copies too: the caller may use its buffer again. (A Buffer's own slice would not copy.)
    if (bytes.length > 0) this.#outgoing.send(new Uint8Array(bytes))
  }

  async read(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    for (;;) {
      if (signal?.aborted) throw abortReason(signal)
      if (this.#failure) throw this.#failure
      const bytes = this.#incoming.take()
      if (bytes) return bytes
      if (this.#incoming.failure) throw this.#incoming.failure
      if (this.#incoming.ended) return undefined
      await this.#incoming.wait(signal)
    }
  }

  async close(): Promise<void> {
    if (this.#closed || this.#failure) return
    this.#closed = true
    this.#outgoing.lane.post(() => this.#outgoing.end())
  }

  abort(reason: Error): void {
    if (this.#failure) return
    this.#failure = CatalogError.from(reason, 'ABORTED')
    const reset = this.#reset('it was reset')
    this.#outgoing.lane.post(() => {
      this.#outgoing.fail(reset)
      this.#incoming.fail(reset)
    })
    // Whoever waits here hears of it now.
    this.#incoming.changed()
    this.#outgoing.changed()
  }

  /** Fail without the other end's doing. */
  lose(reason: string): void {
    this.#failure ??= this.#reset(reason)
    this.#incoming.fail(this.#failure)
    this.#outgoing.fail(this.#failure)
    this.#incoming.changed()
    this.#outgoing.changed()
  }

  #reset(reason: string): CatalogError {
    const { peer } = this
    return new CatalogError('PEER_UNREACHABLE', `The stream to ${peer} broke: ${reason}`, { details: { peer } })
  }
}
