// A libp2p stream as a PeerStream: bytes are pulled rather than pushed, and waiting is possible at both ends.
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { untilAborted } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { KiB, MiB, SECOND_MS } from '../base/units.ts'
import { abortReason, failure, reasonOf } from './failures.ts'
import type { PeerStream } from './network.ts'

/**
 * Unread bytes at which the stream is paused, and at which it goes on. The sender then fills the windows below and
 * waits. A transport that goes on delivering regardless is cut off by libp2p once `READ_BUFFER_BYTES_MAX` more are
 * unread, so a stream holds a few MiB at the worst; a protocol asks for no more than it reads at once all the same.
 */
const PAUSE_BYTES = MiB
const RESUME_BYTES = 256 * KiB
/** What may still come after a pause: a stream multiplexer's window must not be wider. */
export const READ_BUFFER_BYTES_MAX = 4 * MiB

/** Closing says goodbye to a peer that may not listen any more. */
const CLOSE_TIMEOUT_MS = 5 * SECOND_MS

export class Libp2pStream implements PeerStream {
  readonly peer: string
  readonly #stream: Stream
  readonly #unread: Uint8Array[] = []
  #unreadBytes = 0
  #ended = false
  #resuming = false
  #failure: CatalogError | undefined
  /** Settled, and renewed, when something changed that a reader or writer may wait for. */
  #change = Promise.withResolvers<void>()

  /** Takes over `stream`: nobody else may read it. */
  constructor(stream: Stream, peer: string) {
    this.#stream = stream
    this.peer = peer
    stream.maxReadBufferLength = READ_BUFFER_BYTES_MAX
    stream.addEventListener('end', () => this.#onEnd())
    stream.addEventListener('close', (event) => this.#onClose(event))
    stream.addEventListener('drain', () => this.#changed())
    stream.addEventListener('idle', () => this.#changed())
    stream.addEventListener('message', (event) => this.#onMessage(event))
    // Both may have happened before anybody listened.
    if (stream.readableEnded) this.#onEnd()
    if (stream.status === 'aborted' || stream.status === 'reset') this.#fail(this.#broken('it was reset'))
  }

  async write(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    this.#check(signal)
    try {
      this.#stream.send(bytes)
    } catch (cause) {
      throw this.#failure ?? this.#broken(reasonOf(cause), cause)
    }
    // `send` says whether more may be written, `onDrain()` only works once a stream; these two always hold true.
    while (!this.#failure && (this.#stream.writableNeedsDrain || this.#stream.writeBufferLength > 0)) {
      await this.#wait(signal)
    }
    if (this.#failure) throw this.#failure
  }

  async read(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    for (;;) {
      if (signal?.aborted) throw abortReason(signal)
      const chunk = this.#unread.shift()
      if (chunk) {
        this.#unreadBytes -= chunk.length
        if (this.#unreadBytes <= RESUME_BYTES && this.#stream.readStatus === 'paused') this.#resume()
        return chunk
      }
      if (this.#failure) throw this.#failure
      if (this.#ended) return undefined
      await this.#wait(signal)
    }
  }

  async close(): Promise<void> {
    if (this.#failure) return
    try {
      await this.#stream.close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) })
    } catch (cause) {
      this.abort(failure(cause, undefined, 'PEER_UNREACHABLE', `The stream to ${this.peer} could not be closed`))
    }
  }

  abort(reason: Error): void {
    this.#unread.length = 0
    this.#unreadBytes = 0
    this.#fail(CatalogError.from(reason, 'ABORTED'))
    this.#stream.abort(reason)
  }

  #onMessage(event: StreamMessageEvent): void {
    const bytes = event.data.subarray()
    if (this.#failure) return
    this.#unread.push(bytes)
    this.#unreadBytes += bytes.length
    if (!this.#resuming) this.#pauseIfFull()
    this.#changed()
  }

  #pauseIfFull(): void {
    if (this.#unreadBytes >= PAUSE_BYTES && this.#stream.readStatus === 'readable') this.#stream.pause()
  }

  /**
   * libp2p hands out what it held back before it tells the multiplexer to go on. A pause in between would be undone
   * there and stand here, and the sender would never hear of it: so it waits until the resuming is over.
   */
  #resume(): void {
    this.#resuming = true
    try {
      this.#stream.resume()
    } finally {
      this.#resuming = false
    }
    this.#pauseIfFull()
  }

  #onEnd(): void {
    // An abort ends reading too, just before it closes the stream with its reason.
    if (this.#stream.status === 'aborted' || this.#stream.status === 'reset') return
    this.#ended = true
    this.#changed()
  }

  #onClose(event: StreamCloseEvent): void {
    if (event.error) this.#fail(this.#broken(reasonOf(event.error), event.error))
    // What is still in libp2p's buffer comes first; 'end' follows it.
    else if (this.#stream.readBufferLength === 0) this.#onEnd()
    this.#changed()
  }

  #broken(reason: string, cause?: unknown): CatalogError {
    const { peer } = this
    return new CatalogError('PEER_UNREACHABLE', `The stream to ${peer} broke: ${reason}`, { details: { peer }, cause })
  }

  #check(signal: AbortSignal | undefined): void {
    if (signal?.aborted) throw abortReason(signal)
    if (this.#failure) throw this.#failure
  }

  #fail(error: CatalogError): void {
    this.#failure ??= error
    this.#changed()
  }

  #changed(): void {
    this.#change.resolve()
    this.#change = Promise.withResolvers()
  }

  async #wait(signal: AbortSignal | undefined): Promise<void> {
    try {
      await untilAborted(this.#change.promise, signal)
    } catch (cause) {
      throw failure(cause, signal, 'INTERNAL', 'Waiting for a stream failed')
    }
  }
}
