// The bulk plane: blobs between the disks of two nodes over QUIC, in native code (native/transfer). This file makes its
// certificate, says who may have what, and turns native failures and signals into the project's own. Without the native
// module there is no such plane, and blobs come over libp2p streams.
import { plain } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { Effects } from '../base/effects.ts'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import * as limits from '../base/limits.ts'
import { signingKey } from '../model/ed25519.ts'
import { type BulkAuthorise, BulkGrants, type BulkPriority, nativeError } from './bulk-grants.ts'
import { abortReason } from './failures.ts'

export type { BulkAsked, BulkAuthorise, BulkGrant, BulkPriority } from './bulk-grants.ts'

type Native = typeof import('../../artifacts/native/index.js')
type NativeEndpoint = InstanceType<Native['BulkEndpoint']>
type NativeCancel = InstanceType<Native['BulkCancel']>
type NativeTerms = Parameters<NativeEndpoint['fetchBlob']>[2]

/** Whom to ask, and where: the address of the control connection, with the port that the peer announced on it. */
export interface BulkProvider {
  readonly peer: string
  /** An IP address. */
  readonly host: string
  readonly port: number
}

/** What is wanted: a blob, named by a release. */
export interface BulkWanted {
  /** 32 bytes. */
  readonly root: Uint8Array
  /** As the release says; at least 1. */
  readonly size: number
  /** Record id of the release, 32 bytes. */
  readonly release: Uint8Array
}

export interface BulkTerms {
  readonly signal?: AbortSignal | undefined
  /** Without a verified byte for so long, the peer has stalled; `STALL_TIMEOUT_MS` by default. */
  readonly stallMs?: number | undefined
  /** For the whole; `BLOB_DEADLINE_MS` by default. */
  readonly deadlineMs?: number | undefined
  /** Against what else is received here; `normal` by default. */
  readonly priority?: BulkPriority | undefined
}

/** How a segment ended. */
export interface BulkSegmentEnd {
  /** Chunks from the first on that are verified and written; exact, also when it failed. */
  readonly chunks: number
  readonly bytes: number
  readonly micros: number
  /** Why it is not all of them. Faults of the disk here are `DISK_FULL` and `STORE_FAILED`, and never the peer's. */
  readonly error?: CatalogError | undefined
  /** The chunk of the blob that is not what its id says. */
  readonly lie?: number | undefined
}

/** A segment on its way. */
export interface BulkSegment {
  /** What is verified and written by now. */
  progress(): { readonly chunks: number; readonly bytes: number }
  /** Ends it by `ABORTED`. */
  cancel(): void
  /** Never rejects. Nothing is written to the file after it. */
  readonly done: Promise<BulkSegmentEnd>
}

/** A connection. Exact sums of bytes are those of `BulkGrant.ended` and of `BulkSegmentEnd`. */
export interface BulkConnection {
  readonly peer: string
  /** IP address and port. */
  readonly address: string
  /** Whether the other side dialled. */
  readonly inbound: boolean
  readonly requests: number
  readonly sent: number
  readonly received: number
  readonly roundTripMicros: number
}

export interface BulkOptions {
  /** The node's Ed25519 seed, 32 bytes. It stays on this side: the plane gets a signature. */
  readonly seed: Uint8Array
  /** An IP address. */
  readonly host: string
  /** UDP; 0 for any. */
  readonly port: number
  readonly congestion?: 'cubic' | 'bbr' | undefined
}

interface Components {
  clock: Clock
  effects: Effects
  authorise: BulkAuthorise
  /** The native `TransferGate`: before it, all bytes wait for their turn. Without one nothing limits them. */
  gate?: InstanceType<Native['TransferGate']> | undefined
}

/** What peers can push against, as the native side wants it. */
const LIMITS = {
  connections: limits.BULK_CONNECTIONS_MAX,
  connectionsPerAddress: limits.BULK_CONNECTIONS_PER_ADDRESS_MAX,
  handshakesUnproven: limits.BULK_HANDSHAKES_UNPROVEN_MAX,
  handshakes: limits.BULK_HANDSHAKES_MAX,
  handshakesPerAddress: limits.BULK_HANDSHAKES_PER_ADDRESS_MAX,
  handshakeTimeoutMs: limits.BULK_HANDSHAKE_TIMEOUT_MS,
  idleTimeoutMs: limits.BULK_IDLE_MS,
  unusedTimeoutMs: limits.BULK_UNUSED_MS,
  requestsPerConnection: limits.BULK_REQUESTS_PER_CONNECTION_MAX,
  requests: limits.BULK_REQUESTS_MAX,
  requestTimeoutMs: limits.BULK_REQUEST_TIMEOUT_MS,
  requestsPerSecond: limits.BULK_REQUESTS_PER_SECOND,
  refusalLifetimeMs: limits.BULK_REFUSAL_LIFETIME_MS,
  refusals: limits.BULK_REFUSALS_MAX,
  sendStallMs: limits.BULK_SEND_STALL_MS,
  sendBytes: limits.BULK_SEND_BYTES,
  sendBytesPerConnection: limits.BULK_SEND_BYTES_PER_CONNECTION,
  receiveBytes: limits.BULK_RECEIVE_BYTES,
  receiveBytesPerConnection: limits.BULK_RECEIVE_BYTES_PER_CONNECTION,
  fetches: limits.BULK_FETCHES_MAX,
  dialled: limits.BULK_DIALLED_MAX,
}

/**
 * Open the bulk plane, unless this process has no native module.
 *
 * @param backend - of the core that was chosen; with `wasm` nothing native is to be used
 * @returns undefined when there is none; the event `catalog:bulk` says why
 * @throws CatalogError `LISTEN_FAILED`, `ADDRESS_INVALID`
 */
export async function openBulkPlane(
  components: Components,
  options: BulkOptions,
  backend: 'native' | 'wasm',
): Promise<BulkPlane | undefined> {
  const absent = (reason: string) => {
    emit('catalog:bulk', { reason })
    return undefined
  }
  if (backend === 'wasm') return absent('the WebAssembly core was chosen, and nothing native is used with it')
  let native: Native
  try {
    native = await components.effects.run(() => import('../../artifacts/native/index.js'))
  } catch (cause) {
    return absent(`the native module cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
  const plane = await BulkPlane.open(components, options, native)
  emit('catalog:bulk', { port: plane.port })
  return plane
}

export class BulkPlane {
  readonly #native: Native
  readonly #endpoint: NativeEndpoint
  readonly #effects: Effects
  readonly #grants: BulkGrants

  private constructor(native: Native, endpoint: NativeEndpoint, effects: Effects, grants: BulkGrants) {
    this.#native = native
    this.#endpoint = endpoint
    this.#effects = effects
    this.#grants = grants
  }

  /** `openBulkPlane` is the way here. */
  static async open(components: Components, options: BulkOptions, native: Native): Promise<BulkPlane> {
    const { effects, gate } = components
    const { seed, host, port, congestion = 'cubic' } = options
    const node = signingKey(seed)
    const grants = new BulkGrants(components)
    try {
      const key = native.BulkKey.generate()
      const signature = node.sign(key.statement())
      const settings = { host, port, congestion, limits: LIMITS }
      const endpoint = await effects.run(() =>
        native.BulkEndpoint.open(
          key,
          node.publicKey,
          signature,
          settings,
          gate,
          (asked) => grants.decide(asked),
          (sent) => grants.sent(sent),
        ),
      )
      return new BulkPlane(native, endpoint, effects, grants)
    } catch (thrown) {
      throw CatalogError.from(thrown, 'LISTEN_FAILED')
    }
  }

  /** The UDP port it listens on. */
  get port(): number {
    return this.#endpoint.port()
  }

  /** Bytes of the socket's buffers as the system reports them: 4 MB are asked for. */
  get socketBuffers(): { receive: number; send: number } {
    const [receive = 0, send = 0] = this.#endpoint.socketBuffers()
    return { receive, send }
  }

  connections(): BulkConnection[] {
    return this.#endpoint.connections()
  }

  /** What was refused a moment ago may be granted now: a permission was given. */
  forgetRefusals(): void {
    this.#endpoint.forgetRefusals()
  }

  /**
   * Chunk ids, 32 bytes each, unchecked; all of them unless a range is named.
   *
   * @throws CatalogError what the peer refuses with, `PEER_UNREACHABLE`, `PEER_TIMEOUT`, `PEER_PROTOCOL`, `CLOSED`,
   *   the signal's reason
   */
  async fetchOutline(
    provider: BulkProvider,
    wanted: BulkWanted,
    terms: BulkTerms = {},
    range: { first: number; count: number } = { first: 0, count: Math.ceil(wanted.size / limits.CHUNK_BYTES) },
  ): Promise<Uint8Array> {
    const { first, count } = range
    const ids = await this.#fetch(terms, (native, cancel) =>
      this.#endpoint.fetchOutline(provider, wanted, first, count, native, cancel),
    )
    return plain(ids)
  }

  /**
   * A blob of at most `BULK_WHOLE_BYTES_MAX` and its outline in one round trip, both checked against the root.
   *
   * @throws CatalogError as `fetchOutline`; `BLOB_CORRUPT`, with `details.chunk` when it was a chunk that lied
   */
  async fetchBlob(
    provider: BulkProvider,
    wanted: BulkWanted,
    terms: BulkTerms = {},
  ): Promise<{ outline: Uint8Array; bytes: Uint8Array }> {
    if (wanted.size > limits.BULK_WHOLE_BYTES_MAX) {
      throw new CatalogError('USAGE', `A blob of ${wanted.size} bytes does not come whole.`)
    }
    const whole = await this.#fetch(terms, (native, cancel) =>
      this.#endpoint.fetchBlob(provider, wanted, native, cancel),
    )
    if (whole.failure) throw terms.signal?.aborted ? abortReason(terms.signal) : nativeError(whole.failure)
    const { outline, bytes } = whole
    emit('catalog:transfer', {
      peer: provider.peer,
      bytes: outline.length + bytes.length,
      direction: 'received',
      plane: 'bulk',
    })
    return { outline: plain(outline), bytes: plain(bytes) }
  }

  /**
   * Fetch chunks [first, first + count) to their place in a file; each is checked before it is written.
   *
   * @param outline - their ids, true to the root
   * @param target - a file that is there, and where the first byte of the blob belongs in it
   * @throws CatalogError `ADDRESS_INVALID`, `USAGE`
   */
  fetchSegment(
    provider: BulkProvider,
    wanted: BulkWanted,
    segment: { first: number; count: number; outline: Uint8Array },
    target: { path: string; offset: number },
    terms: BulkTerms = {},
  ): BulkSegment {
    const { first, count, outline } = segment
    const cancel = new this.#native.BulkCancel()
    const started = this.#start(() =>
      this.#endpoint.fetchSegment(provider, wanted, first, count, outline, target, nativeTerms(terms), cancel),
    )
    const follow = following(terms.signal, () => cancel.cancel())
    const ending = async (): Promise<BulkSegmentEnd> => {
      const { chunks, bytes, micros, failure } = await this.#effects.run(() => started.end()).finally(follow)
      if (bytes > 0) emit('catalog:transfer', { peer: provider.peer, bytes, direction: 'received', plane: 'bulk' })
      if (!failure) return { chunks, bytes, micros }
      // Who has lied, or what failed here, is told also of a segment that nobody wanted any more.
      const isCalledOff = terms.signal?.aborted && failure.code === 'ABORTED'
      const error = isCalledOff ? abortReason(terms.signal) : nativeError(failure)
      return { chunks, bytes, micros, error, ...(failure.lie === undefined ? {} : { lie: failure.lie }) }
    }
    return { progress: () => started.progress(), cancel: () => cancel.cancel(), done: ending() }
  }

  /** Ends all that is under way and gives the port free. Every grant has been given back when this is done. */
  async close(): Promise<void> {
    await this.#effects.run(() => this.#endpoint.close())
    await this.#grants.close()
  }

  #start<T>(work: () => T): T {
    try {
      return work()
    } catch (thrown) {
      throw CatalogError.from(thrown)
    }
  }

  async #fetch<T>(terms: BulkTerms, work: (native: NativeTerms, cancel: NativeCancel) => Promise<T>): Promise<T> {
    const { signal } = terms
    if (signal?.aborted) throw abortReason(signal)
    const cancel = new this.#native.BulkCancel()
    const follow = following(signal, () => cancel.cancel())
    try {
      return await this.#effects.run(() => work(nativeTerms(terms), cancel))
    } catch (thrown) {
      throw signal?.aborted ? abortReason(signal) : CatalogError.from(thrown)
    } finally {
      follow()
    }
  }
}

function nativeTerms({ stallMs, deadlineMs, priority }: BulkTerms): NativeTerms {
  return {
    stallMs: stallMs ?? limits.STALL_TIMEOUT_MS,
    deadlineMs: deadlineMs ?? limits.BLOB_DEADLINE_MS,
    priority: priority ?? 'normal',
  }
}

/** Call back when the signal aborts, also if it has; the returned function stops. */
function following(signal: AbortSignal | undefined, abort: () => void): () => void {
  if (signal?.aborted) abort()
  signal?.addEventListener('abort', abort, { once: true })
  return () => signal?.removeEventListener('abort', abort)
}
