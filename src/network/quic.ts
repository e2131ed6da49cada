// libp2p's QUIC transport, with the defects of version 2.1.1 that matter here mended from outside: it is wrapped where
// it meets its own native part and the upgrader. Each mend says what it cures. Should a later version look different
// inside, the mends that no longer fit are left out, and test/conformance/network.test.ts says so.
import { quic } from '@chainsafe/libp2p-quic'
import type {
  CreateListenerOptions,
  DialTransportOptions,
  Listener,
  MultiaddrConnection,
  Stream,
  StreamMuxer,
  StreamMuxerFactory,
  Transport,
  Upgrader,
} from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { untilAborted } from '../base/clock.ts'
import { KiB } from '../base/units.ts'

/** The library reads 4 KiB a call, each one a promise and a thread hop; 64 KiB takes half the processor time. */
const READ_BYTES = 64 * KiB

/**
 * The listener accepts and handshakes one connection at a time, so that a single handshake that never goes on keeps
 * everybody out for 10 s. As many handshakes as there are loops go on side by side; one costs a pending promise.
 */
const ACCEPT_LOOPS = 256

const OPTIONS = {
  handshakeTimeout: 5_000,
  /** A peer that was killed is noticed after this long. */
  maxIdleTimeout: 10_000,
  keepAliveInterval: 5_000,
  maxConcurrentStreamLimit: 256,
  maxStreamData: 10_000_000,
  maxConnectionData: 15_000_000,
  // Not declared by 2.1.1. The native part 2.1.4, which has the security fixes, does not start without it.
  shutdownTimeout: 1_000,
}

type QuicComponents = Parameters<ReturnType<typeof quic>>[0]

/** A transport factory for `createLibp2p`. */
export function mendedQuic(): (components: QuicComponents) => Transport {
  // The published type names a class that the package does not export; these are its documented options.
  const create = quic(OPTIONS as Parameters<typeof quic>[0])
  return (components) => {
    const transport = create(components)
    const dial = transport.dial.bind(transport)
    const createListener = transport.createListener.bind(transport)
    transport.dial = async (address: Multiaddr, options: DialTransportOptions) => {
      options.signal?.throwIfAborted()
      // The library looks at the signal before it dials, not while: a silent address would hold a dial for 10 s.
      return untilAborted(dial(address, { ...options, upgrader: mendedUpgrader(options.upgrader) }), options.signal)
    }
    transport.createListener = (options: CreateListenerOptions) =>
      withAcceptLoops(createListener({ ...options, upgrader: mendedUpgrader(options.upgrader) }))
    return transport
  }
}

function withAcceptLoops(listener: Listener): Listener {
  const { awaitInboundConnections } = listener as { awaitInboundConnections?: () => Promise<void> }
  if (!awaitInboundConnections) return listener
  listener.addEventListener('listening', () => {
    // The library has started one itself. They end with the listener and never reject: errors are logged inside.
    for (let loops = 1; loops < ACCEPT_LOOPS; loops++) void awaitInboundConnections.call(listener)
  })
  return listener
}

/** The same upgrader for a QUIC connection whose streams are mended. */
function mendedUpgrader(upgrader: Upgrader): Upgrader {
  const mended = Object.create(upgrader) as Upgrader
  mended.upgradeOutbound = (connection: MultiaddrConnection, options: UpgradeOptions) =>
    upgrader.upgradeOutbound(connection, mendedOptions(options))
  mended.upgradeInbound = (connection: MultiaddrConnection, options: UpgradeOptions) =>
    upgrader.upgradeInbound(connection, mendedOptions(options))
  return mended
}

type UpgradeOptions = Parameters<Upgrader['upgradeInbound']>[1]

function mendedOptions(options: UpgradeOptions): UpgradeOptions {
  const factory = options.muxerFactory as QuicMuxerFactory | undefined
  const connection = factory?.init?.connection
  if (!factory || !connection?.inboundStream || !connection.outboundStream) return options
  return { ...options, muxerFactory: mendedMuxers(factory, connection) }
}

/** What is used of the library's inside. */
interface QuicMuxerFactory extends StreamMuxerFactory {
  readonly init?: { readonly connection?: NativeConnection; readonly logger?: unknown }
}

interface NativeConnection {
  id(): string
  inboundStream(): Promise<NativeStream>
  outboundStream(): Promise<NativeStream>
}

interface NativeStream {
  id(): string
  read(maxBytes: number): Promise<Uint8Array | null>
  write(bytes: Uint8Array): Promise<void>
  finishWrite(): Promise<void>
  resetWrite(): Promise<void>
  stopRead(): Promise<void>
}

/** What the stream class has beyond its interface. */
interface QuicStream extends Stream {
  onRemoteReset?(): void
  sendResume?(): void
}

function mendedMuxers(factory: QuicMuxerFactory, connection: NativeConnection): StreamMuxerFactory {
  const Factory = factory.constructor as new (init: object) => StreamMuxerFactory
  return {
    protocol: factory.protocol,
    createStreamMuxer(multiaddrConnection) {
      const streams = () => muxer.streams as QuicStream[]
      const mend = async (stream: Promise<NativeStream>) => mendedStream(await stream, streams)
      const mended: NativeConnection = {
        id: () => connection.id(),
        inboundStream: () => mend(connection.inboundStream()),
        outboundStream: () => mend(connection.outboundStream()),
      }
      const muxer: StreamMuxer = new Factory({ ...factory.init, connection: mended }).createStreamMuxer(
        multiaddrConnection,
      )
      return muxer
    },
  }
}

/**
 * The native stream, read in larger pieces, with the three things the library leaves out: it is not read while the
 * stream above it is paused, so that QUIC's flow control reaches the sender; a read that fails because the peer
 * gave up is a reset, where the library makes a clean end of it; and such a reset ends both halves.
 */
function mendedStream(native: NativeStream, streams: () => QuicStream[]): NativeStream {
  const id = native.id()
  let above: QuicStream | undefined
  const owner = () => {
    above ??= streams().find((stream) => stream.id === id)
    return above
  }
  return {
    id: () => id,
    write: (bytes) => native.write(bytes),
    finishWrite: () => native.finishWrite(),
    resetWrite: () => native.resetWrite(),
    stopRead: () => native.stopRead(),
    async read() {
      const stream = owner()
      if (stream?.readStatus === 'paused') await resumed(stream)
      try {
        return await native.read(READ_BYTES)
      } catch (cause) {
        const broken = owner()
        if (broken?.status === 'open') broken.onRemoteReset?.()
        // Without it this half stays open for good, and 256 of them are all that a connection takes.
        native.resetWrite().catch(() => undefined) // finished already, or gone with the connection
        throw cause
      }
    },
  }
}

function resumed(stream: QuicStream): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  // The class calls this when it is resumed; its own does nothing.
  stream.sendResume = () => resolve()
  stream.addEventListener('close', () => resolve(), { once: true })
  return promise
}
