// The control plane on libp2p: QUIC and TCP, a DHT and gossip of Catalog's own, and mDNS on a LAN.
import { TopicValidatorResult } from '@libp2p/gossipsub'
import type { Connection, Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import { code as RAW } from 'multiformats/codecs/raw'
import { create as createDigest } from 'multiformats/hashes/digest'
import { untilAborted } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { DIAL_TIMEOUT_MS, PROVIDERS_MAX, STREAMS_PER_PROTOCOL_MAX } from '../base/limits.ts'
import { SECOND_MS } from '../base/units.ts'
import { addressInvalid, bestConnection, leadsTo, peerOf, withoutPeer } from './addresses.ts'
import { abortReason, failure, printable, reasonOf, reportFailure } from './failures.ts'
import { type CatalogServices, createNode, type Libp2pNetworkOptions } from './host-node.ts'
import { peerIdOf } from './identity.ts'
import type { MessageHandler, Network, PeerChange, PeerStream, StreamHandler, Verdict } from './network.ts'
import { Libp2pStream } from './stream.ts'

export type { Libp2pNetworkOptions } from './host-node.ts'

/** A lookup goes on as long as peers answer; by then it has found what it will find. */
const LOOKUP_TIMEOUT_MS = 20 * SECOND_MS
/** libp2p takes about a second. What has not ended by then ends with the process. */
const STOP_TIMEOUT_MS = 5 * SECOND_MS
/** What failed, in an error message; an address may be long. */
const REASON_LENGTH = 300
/** Multihash code of sha2-256. */
const SHA2_256 = 0x12

export class Libp2pNetwork implements Network {
  readonly peerId: string
  readonly #options: Libp2pNetworkOptions
  readonly #streamHandlers = new Map<string, StreamHandler>()
  readonly #messageHandlers = new Map<string, MessageHandler>()
  readonly #listeners = new Set<(change: PeerChange) => void>()
  #node: Libp2p<CatalogServices> | undefined

  constructor(options: Libp2pNetworkOptions) {
    this.#options = options
    this.peerId = peerIdOf(options.seed)
  }

  /** Handlers registered before are in place when the first peer comes. @throws CatalogError `LISTEN_FAILED` */
  async start(): Promise<void> {
    if (this.#node) return
    const node = await createNode(this.#options, (peer) => this.#greet(peer))
    for (const [protocol, handler] of this.#streamHandlers) await this.#register(node, protocol, handler)
    node.addEventListener('peer:connect', (event) => this.#tell(event.detail, true))
    node.addEventListener('peer:disconnect', (event) => this.#tell(event.detail, false))
    this.#node = node
    try {
      await node.start()
    } catch (cause) {
      this.#node = undefined
      // One of the two sockets may be open.
      await endWithin(node.stop(), STOP_TIMEOUT_MS)
      const { host, controlPort } = this.#options.listen
      throw new CatalogError(
        'LISTEN_FAILED',
        `Nothing can listen on ${host}, port ${controlPort}: ${listenReason(cause)}.`,
        {
          hint: 'Another process may use this port for UDP or TCP: choose another one, or 0 for any.',
          details: { host, port: controlPort },
          cause,
        },
      )
    }
    for (const [topic, handler] of this.#messageHandlers) this.#join(node, topic, handler)
  }

  async stop(): Promise<void> {
    const node = this.#node
    if (!node) return
    this.#node = undefined
    await endWithin(node.stop(), STOP_TIMEOUT_MS)
  }

  addresses(): string[] {
    return this.#node?.getMultiaddrs().map(String) ?? []
  }

  async dial(address: string, signal?: AbortSignal): Promise<string> {
    const target = this.#target(address)
    const node = this.#running()
    const known = node.getConnections().find((open) => open.status === 'open' && leadsTo(open, target))
    if (known) return known.remotePeer.toString()
    const { remotePeer } = await this.#connect(node, target, address, signal)
    return remotePeer.toString()
  }

  peers(): string[] {
    return this.#node?.getPeers().map(String) ?? []
  }

  addressOf(peer: string): string | undefined {
    return bestConnection(this.#node?.getConnections(parsePeerId(peer)) ?? [])?.remoteAddr.toString()
  }

  onPeer(listener: (change: PeerChange) => void): () => void {
    const own = (change: PeerChange) => listener(change)
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  async handle(protocol: string, handler: StreamHandler): Promise<void> {
    this.#streamHandlers.set(protocol, handler)
    if (this.#node) await this.#register(this.#node, protocol, handler)
  }

  async open(peer: string, protocol: string, signal?: AbortSignal): Promise<PeerStream> {
    const node = this.#running()
    const id = parsePeerId(peer)
    const connection =
      bestConnection(node.getConnections(id)) ?? (await this.#connect(node, id, `the peer ${peer}`, signal))
    const limit = deadlineSignal(DIAL_TIMEOUT_MS, signal)
    try {
      // libp2p waits for the peer's stream limit without looking at the signal.
      const opening = connection.newStream(protocol, { signal: limit, maxOutboundStreams: STREAMS_PER_PROTOCOL_MAX })
      return new Libp2pStream(await untilAborted(opening, limit), peer)
    } catch (cause) {
      if (cause instanceof Error && cause.name === 'UnsupportedProtocolError') {
        throw new CatalogError('PEER_PROTOCOL', `The peer ${peer} does not speak ${protocol}.`, {
          details: { peer, protocol },
          cause,
        })
      }
      throw unreachable(cause, signal, `The peer ${peer} took no stream`, { peer, protocol })
    }
  }

  async subscribe(topic: string, handler: MessageHandler): Promise<void> {
    this.#messageHandlers.set(topic, handler)
    if (this.#node) this.#join(this.#node, topic, handler)
  }

  async publish(topic: string, data: Uint8Array): Promise<void> {
    const node = this.#running()
    try {
      await node.services.gossip.publish(topic, data)
    } catch (cause) {
      throw failure(cause, undefined, 'INTERNAL', `A message could not be published on ${topic}`)
    }
  }

  async provide(key: Uint8Array, signal?: AbortSignal): Promise<void> {
    const node = this.#running()
    if (!this.#options.dht) return
    const limit = deadlineSignal(LOOKUP_TIMEOUT_MS, signal)
    try {
      await untilAborted(node.contentRouting.provide(contentId(key), { signal: limit }), limit)
    } catch (cause) {
      throw unreachable(cause, signal, 'The DHT took no provider record', {})
    }
  }

  async *findProviders(key: Uint8Array, signal?: AbortSignal): AsyncIterable<string> {
    const node = this.#running()
    if (!this.#options.dht) return
    const limit = deadlineSignal(LOOKUP_TIMEOUT_MS, signal)
    let found = 0
    try {
      for await (const { id } of node.contentRouting.findProviders(contentId(key), { signal: limit })) {
        if (id.toString() === this.peerId) continue
        yield id.toString()
        if (++found === PROVIDERS_MAX) return
      }
    } catch (cause) {
      // A lookup that found nobody, or nobody more, has no more to say; only the caller's own signal is an error.
      if (signal?.aborted) throw failure(cause, signal, 'ABORTED', 'The lookup ended')
    }
  }

  #running(): Libp2p<CatalogServices> {
    if (this.#node) return this.#node
    throw new CatalogError('CLOSED', 'The network is not running.')
  }

  #target(address: string): Multiaddr {
    let target: Multiaddr
    try {
      target = multiaddr(address)
    } catch (cause) {
      throw addressInvalid(address, reasonOf(cause), cause)
    }
    const own = this.addresses()
    const bare = withoutPeer(target)
    if (peerOf(target) === this.peerId || own.some((one) => withoutPeer(multiaddr(one)) === bare)) {
      throw addressInvalid(address, 'it is this node itself')
    }
    return target
  }

  async #connect(
    node: Libp2p<CatalogServices>,
    target: Multiaddr | PeerId,
    name: string,
    signal: AbortSignal | undefined,
  ): Promise<Connection> {
    const limit = deadlineSignal(DIAL_TIMEOUT_MS, signal)
    let connection: Connection
    try {
      connection = await untilAborted(node.dial(target, { signal: limit }), limit)
    } catch (cause) {
      if (cause instanceof Error && cause.name === 'NoValidAddressesError') {
        if (typeof target === 'object' && 'getComponents' in target) {
          throw addressInvalid(name, 'neither QUIC nor TCP leads there', cause)
        }
        throw unreachable('no address of it is known', signal, `${name} cannot be reached`, {})
      }
      throw unreachable(cause, signal, `${name} cannot be reached`, { address: String(target) })
    }
    if (connection.remotePeer.toString() === this.peerId) {
      await connection.close()
      throw addressInvalid(name, 'it is this node itself')
    }
    return connection
  }

  async #register(node: Libp2p<CatalogServices>, protocol: string, handler: StreamHandler): Promise<void> {
    const answer = async (stream: PeerStream) => {
      try {
        await handler(stream)
      } catch (thrown) {
        reportFailure(`stream ${protocol}`, thrown)
        stream.abort(CatalogError.from(thrown))
      }
    }
    await node.handle(
      protocol,
      (stream, connection) => {
        void answer(new Libp2pStream(stream, connection.remotePeer.toString()))
      },
      {
        maxInboundStreams: STREAMS_PER_PROTOCOL_MAX,
        maxOutboundStreams: STREAMS_PER_PROTOCOL_MAX,
        force: true,
      },
    )
  }

  #join(node: Libp2p<CatalogServices>, topic: string, handler: MessageHandler): void {
    const { gossip } = node.services
    // gossipsub delivers and relays only what this accepts, and shows it each message once.
    gossip.topicValidators.set(topic, async (_neighbour, message) => {
      // The policy is StrictSign: a message without an author was dropped before.
      if (message.type !== 'signed') return VERDICTS.reject
      try {
        return VERDICTS[await handler({ from: message.from.toString(), data: message.data })]
      } catch (thrown) {
        reportFailure(`messages ${topic}`, thrown)
        return VERDICTS.ignore
      }
    })
    gossip.subscribe(topic)
  }

  #tell(peer: PeerId, connected: boolean): void {
    const address = connected ? this.addressOf(peer.toString()) : undefined
    for (const listener of this.#listeners) {
      try {
        listener({ peer: peer.toString(), connected, address })
      } catch (thrown) {
        reportFailure('peer listener', thrown)
      }
    }
  }

  /** A node on the same LAN said hello. */
  #greet(peer: PeerId): void {
    const node = this.#node
    if (!node || peer.toString() === this.peerId) return
    node.dial(peer, { signal: AbortSignal.timeout(DIAL_TIMEOUT_MS) }).catch((cause: unknown) => {
      reportFailure('dial on LAN', failure(cause, undefined, 'PEER_UNREACHABLE', `${peer} cannot be reached`))
    })
  }
}

const VERDICTS: Record<Verdict, TopicValidatorResult> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
}

/** The key is a SHA-256 digest already, so it becomes the content id's multihash as it is. */
function contentId(key: Uint8Array): CID {
  return CID.createV1(RAW, createDigest(SHA2_256, key))
}

function parsePeerId(peer: string): PeerId {
  try {
    return peerIdFromString(peer)
  } catch (cause) {
    throw addressInvalid(peer, 'it is not a peer id', cause)
  }
}

/** A signal for libp2p: the caller's, or `timeoutMs`, whichever is first. @throws when the caller's has aborted */
function deadlineSignal(timeoutMs: number, signal: AbortSignal | undefined): AbortSignal {
  if (signal?.aborted) throw abortReason(signal)
  const timeout = AbortSignal.timeout(timeoutMs)
  return signal ? AbortSignal.any([signal, timeout]) : timeout
}

function unreachable(
  thrown: unknown,
  signal: AbortSignal | undefined,
  what: string,
  details: Record<string, unknown>,
): CatalogError {
  if (signal?.aborted) return abortReason(signal)
  const timedOut = thrown instanceof Error && (thrown.name === 'TimeoutError' || thrown.name === 'AbortError')
  const reason = timedOut ? 'it did not answer in time' : reasonOf(thrown)
  return new CatalogError('PEER_UNREACHABLE', `${printable(what, REASON_LENGTH)}: ${reason}.`, {
    hint: 'Check that the node is running and that its UDP and TCP port is open.',
    details,
    cause: thrown,
  })
}

/** libp2p lists every address with a stack each; what the system said is enough. */
function listenReason(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause)
  return /EADDRINUSE|Address already in use/.test(text) ? 'the port is in use' : reasonOf(cause)
}

async function endWithin(work: Promise<void> | void, timeoutMs: number): Promise<void> {
  const limit = AbortSignal.timeout(timeoutMs)
  try {
    await untilAborted(Promise.resolve(work), limit)
  } catch (cause) {
    reportFailure('stop network', failure(cause, limit, 'INTERNAL', 'libp2p did not stop'))
  }
}
