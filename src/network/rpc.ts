// Requests to peers: a fresh stream each, one request frame, any number of reply frames, and an end that is said, since
// a stream that broke can look like one that ended. Everything a peer may make large or long has the protocol's bound.
// WIRE.md describes the frames.
import { type Clock, type Deadline, deadline, untilAborted } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { REQUESTS_PER_PEER_MAX } from '../base/limits.ts'
import { SECOND_MS } from '../base/units.ts'
import { encodeCbor } from '../model/cbor.ts'
import { encodeFrame, FrameReader } from '../wire/frame.ts'
import type { Protocol } from '../wire/messages.ts'
import { abortReason, failure, reportFailure } from './failures.ts'
import { RequestGate } from './gate.ts'
import type { Network, PeerStream } from './network.ts'
import {
  CONTROL_FRAME_BYTES,
  decodeReply,
  decodeRequest,
  encodeEnd,
  encodeError,
  encodeItem,
  errorForPeer,
} from './rpc-frames.ts'

/** Both sides have said all they have to say; what is left is the transport's goodbye. */
const LINGER_MS = 5 * SECOND_MS

export interface RpcOptions {
  /** Requests of one peer answered at once, and requests to one peer under way at once. */
  readonly requestsPerPeer?: number | undefined
}

export interface RequestContext {
  /** Who asks; authenticated by the connection. */
  readonly peer: string
  /** Aborts when the asker gives up or a bound is reached. */
  readonly signal: AbortSignal
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  /** Told of the bytes of each message, sent and received, without the frames around them. */
  readonly onBytes?: ((bytes: number) => void) | undefined
}

/**
 * @returns replies in order. A thrown `NOT_FOUND`, `REFUSED`, `PEER_BUSY`, `LIMIT_EXCEEDED` or `PEER_PROTOCOL` reaches
 *   the asker with its message; of anything else it only hears that something failed here. Each is encoded before the
 *   next one is asked for, so they may share a buffer
 */
export type RequestHandler<Request, Reply> = (request: Request, context: RequestContext) => AsyncIterable<Reply>

export class Rpc {
  readonly #network: Network
  readonly #clock: Clock
  readonly #answering: RequestGate
  readonly #asking: RequestGate
  /** Handlers at work, with what they hold of the store. */
  readonly #handling = new Set<Promise<unknown>>()

  constructor(components: { network: Network; clock: Clock }, options: RpcOptions = {}) {
    this.#network = components.network
    this.#clock = components.clock
    const places = options.requestsPerPeer ?? REQUESTS_PER_PEER_MAX
    this.#answering = new RequestGate(places)
    this.#asking = new RequestGate(places)
  }

  /** Answer requests of `protocol` from now on. */
  async serve<Request, Reply>(
    protocol: Protocol<Request, Reply>,
    handler: RequestHandler<Request, Reply>,
  ): Promise<void> {
    await this.#network.handle(protocol.id, (stream) => this.#answer(protocol, handler, stream))
  }

  /** Resolves when no handler is at work any more; to be asked once the network has stopped. */
  async settled(): Promise<void> {
    while (this.#handling.size > 0) await Promise.allSettled(this.#handling)
  }

  /**
   * Ask `peer`. The stream opens with the first `next()`; returning early, or an abort of `signal`, tells the peer to
   * stop. Replies are to be taken as they come: time the caller spends between them counts against the deadline of
   * the whole, not against the peer's silence.
   *
   * @throws CatalogError the code the peer answered with; `PEER_BUSY`, also when too much is asked of it from here;
   *   `PEER_PROTOCOL` for what no honest peer sends; `PEER_TIMEOUT`; `PEER_UNREACHABLE` when the connection or the
   *   reply broke off; `LIMIT_EXCEEDED` for a request over its bound. `details.peer` is the peer
   */
  async *call<Request, Reply>(
    protocol: Protocol<Request, Reply>,
    peer: string,
    request: Request,
    options: CallOptions = {},
  ): AsyncGenerator<Reply, void, undefined> {
    const message = encodeCbor(request)
    if (message.length > protocol.requestBytesMax) {
      throw new CatalogError(
        'LIMIT_EXCEEDED',
        `A request of ${protocol.id} is at most ${protocol.requestBytesMax} bytes.`,
      )
    }
    const leave = this.#asking.enter(peer)
    if (!leave)
      throw new CatalogError('PEER_BUSY', `Too many requests to ${peer} are under way.`, { details: { peer } })
    using whole = deadline(this.#clock, protocol.deadlineMs, peer, options.signal)
    let stream: PeerStream | undefined
    let ended = false
    // Also while nobody waits for a reply, so that the peer hears of it at once.
    const abort = () => stream?.abort(abortReason(whole.signal))
    whole.signal.addEventListener('abort', abort, { once: true })
    try {
      using opening = this.#silence(protocol, peer, whole)
      stream = await this.#network.open(peer, protocol.id, opening.signal)
      await stream.write(encodeFrame(message), opening.signal)
      options.onBytes?.(message.length)
      yield* this.#replies(protocol, stream, whole, options)
      ended = true
      this.#end(stream)
    } catch (thrown) {
      const error = failure(
        thrown,
        whole.signal.aborted ? whole.signal : undefined,
        'PEER_UNREACHABLE',
        `Asking ${peer} failed`,
      )
      ended = true
      stream?.abort(error)
      throw withPeer(error, peer)
    } finally {
      leave()
      whole.signal.removeEventListener('abort', abort)
      // Only a caller that stopped iterating comes here with the reply unfinished.
      if (!ended) stream?.abort(new CatalogError('ABORTED', 'No more replies are wanted.'))
    }
  }

  async *#replies<Request, Reply>(
    protocol: Protocol<Request, Reply>,
    stream: PeerStream,
    whole: Deadline,
    { onBytes }: CallOptions,
  ): AsyncGenerator<Reply, void, undefined> {
    const reader = new FrameReader(Math.max(protocol.replyFrameBytesMax, CONTROL_FRAME_BYTES))
    let total = 0
    for (;;) {
      const frame = await this.#nextFrame(protocol, stream, reader, whole)
      onBytes?.(frame.length)
      const reply = decodeReply(protocol, stream.peer, frame)
      if (reply === undefined) return
      total += frame.length
      if (total > protocol.replyBytesMax) {
        throw new CatalogError('PEER_PROTOCOL', `The reply is longer than ${protocol.replyBytesMax} bytes.`)
      }
      yield reply.item
    }
  }

  async #nextFrame<Request, Reply>(
    protocol: Protocol<Request, Reply>,
    stream: PeerStream,
    reader: FrameReader,
    whole: Deadline,
  ): Promise<Uint8Array> {
    const ready = reader.next()
    if (ready) return ready
    // Renewed by frames, not by bytes: one byte every few seconds is no progress.
    using silence = this.#silence(protocol, stream.peer, whole)
    for (;;) {
      const chunk = await stream.read(silence.signal)
      if (!chunk) {
        throw new CatalogError('PEER_UNREACHABLE', `The reply of ${stream.peer} broke off before its end.`)
      }
      reader.push(chunk)
      const frame = reader.next()
      if (frame) return frame
    }
  }

  #silence<Request, Reply>(protocol: Protocol<Request, Reply>, peer: string, whole: Deadline): Deadline {
    return deadline(this.#clock, protocol.silenceMs, peer, whole.signal)
  }

  async #answer<Request, Reply>(
    protocol: Protocol<Request, Reply>,
    handler: RequestHandler<Request, Reply>,
    stream: PeerStream,
  ): Promise<void> {
    const { peer } = stream
    const gaveUp = new AbortController()
    using whole = deadline(this.#clock, protocol.deadlineMs, peer, gaveUp.signal)
    using silence = deadline(this.#clock, protocol.silenceMs, peer, whole.signal)
    const leave = this.#answering.enter(peer)
    try {
      if (!leave) throw new CatalogError('PEER_BUSY', 'Too many requests of yours are under way here.')
      const request = await readRequest(protocol, stream, silence.signal)
      // The asker's side stays open until it has the end; its closing before that means it gave up.
      const watch = watchAsker(stream, gaveUp)
      const context = { peer, signal: silence.signal }
      await this.#writeReplies(protocol, handler(request, context), stream, silence)
      watch.stop()
      await stream.write(encodeEnd(), silence.signal)
      this.#end(stream)
    } catch (thrown) {
      await this.#refuse(protocol, stream, thrown, silence)
    } finally {
      leave?.()
    }
  }

  async #writeReplies<Request, Reply>(
    protocol: Protocol<Request, Reply>,
    replies: AsyncIterable<Reply>,
    stream: PeerStream,
    silence: Deadline,
  ): Promise<void> {
    const iterator = replies[Symbol.asyncIterator]()
    let total = 0
    let done = false
    // The next reply is made while this one is written: neither the disk nor the network waits for the other.
    let next = this.#advance(iterator)
    try {
      for (;;) {
        const { value, done: last } = await untilAborted(next, silence.signal)
        done = last === true
        if (last) return
        const { frame, bytes } = encodeItem(protocol, value)
        total += bytes
        if (total > protocol.replyBytesMax) throw new CatalogError('LIMIT_EXCEEDED', 'The reply is too long.')
        next = this.#advance(iterator)
        await stream.write(frame, silence.signal)
        silence.renew()
      }
    } catch (thrown) {
      // A generator that threw is finished; returning it does nothing.
      const task = `answer ${protocol.id}`
      if (!done) this.#handle(iterator.return?.()?.catch((error: unknown) => reportFailure(task, error)))
      throw thrown
    }
  }

  /** Whoever awaits the result hears of its failure; when nobody does any more, that is no failure of the process. */
  #advance<T>(iterator: AsyncIterator<T>): Promise<IteratorResult<T>> {
    const next = iterator.next()
    this.#handle(next)
    return next
  }

  #handle(work: Promise<unknown> | undefined): void {
    const ended: Promise<unknown> = Promise.allSettled([work]).then(() => this.#handling.delete(ended))
    this.#handling.add(ended)
  }

  /** Tell the asker why there is no (further) reply, if it is still there to hear it. */
  async #refuse<Request, Reply>(
    protocol: Protocol<Request, Reply>,
    stream: PeerStream,
    thrown: unknown,
    silence: Deadline,
  ): Promise<void> {
    const told = errorForPeer(thrown)
    if (told.code === 'INTERNAL') reportFailure(`answer ${protocol.id}`, thrown)
    if (silence.signal.aborted) {
      stream.abort(failure(thrown, silence.signal, 'ABORTED', 'The request ended'))
      return
    }
    try {
      await stream.write(encodeError(told), silence.signal)
      this.#end(stream)
    } catch (cause) {
      stream.abort(failure(cause, undefined, 'PEER_UNREACHABLE', 'The asker is gone'))
    }
  }

  /** Close this side, and let go of the stream when the other has closed its own, or does not for a while. */
  #end(stream: PeerStream): void {
    const finish = async () => {
      using lingering = deadline(this.#clock, LINGER_MS, stream.peer)
      try {
        await stream.close()
        let rest: Uint8Array | undefined
        // Bytes after the end are dropped.
        do rest = await stream.read(lingering.signal)
        while (rest)
      } catch (cause) {
        stream.abort(failure(cause, undefined, 'ABORTED', 'The stream did not end'))
      }
    }
    void finish()
  }
}

async function readRequest<Request, Reply>(
  protocol: Protocol<Request, Reply>,
  stream: PeerStream,
  signal: AbortSignal,
): Promise<Request> {
  const reader = new FrameReader(protocol.requestBytesMax)
  for (;;) {
    const chunk = await stream.read(signal)
    if (!chunk) throw new CatalogError('PEER_PROTOCOL', 'The request broke off.')
    reader.push(chunk)
    const frame = reader.next()
    if (!frame) continue
    if (reader.pending > 0) throw new CatalogError('PEER_PROTOCOL', 'More than one request came on a stream.')
    return decodeRequest(protocol, frame)
  }
}

/** Abort `gaveUp` when the asker closes, breaks off or goes on talking. The reading ends with the stream. */
function watchAsker(stream: PeerStream, gaveUp: AbortController): { stop(): void } {
  let watching = true
  const report = () => {
    if (watching) gaveUp.abort(new CatalogError('ABORTED', 'The asker gave up.'))
  }
  stream.read().then(report, report)
  return {
    stop() {
      watching = false
    },
  }
}

function withPeer(error: CatalogError, peer: string): CatalogError {
  if (error.details['peer'] !== undefined) return error
  return new CatalogError(error.code, error.message, {
    hint: error.hint,
    details: { ...error.details, peer },
    cause: error.cause ?? error,
  })
}
