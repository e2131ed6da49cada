// The control plane as the rest of the node sees it. Two implementations obey test/conformance/network.test.ts:
// libp2p over QUIC and TCP (host.ts), and one in memory for simulations (memory.ts).

/** A bidirectional byte stream to an authenticated peer. */
export interface PeerStream {
  readonly peer: string
  /** Resolves when the other side can take more; rejects when the stream is gone or `signal` aborts. */
  write(bytes: Uint8Array, signal?: AbortSignal): Promise<void>
  /** Bytes as they come; undefined at the end. Rejects when the stream breaks or `signal` aborts. */
  read(signal?: AbortSignal): Promise<Uint8Array | undefined>
  /** No more writes; the other side reads to the end. */
  close(): Promise<void>
  /** Give up both directions at once. */
  abort(reason: Error): void
}

export type StreamHandler = (stream: PeerStream) => void | Promise<void>

/** What becomes of a gossiped message: relayed further only when accepted. */
export type Verdict = 'accept' | 'ignore' | 'reject'

export type MessageHandler = (message: { from: string; data: Uint8Array }) => Promise<Verdict>

export interface PeerChange {
  readonly peer: string
  readonly connected: boolean
  /** The address this peer was reached at or came from, when connected. */
  readonly address?: string | undefined
}

export interface Network {
  /** This node's libp2p peer id. */
  readonly peerId: string
  start(): Promise<void>
  stop(): Promise<void>
  /** Multiaddrs this node can be dialled at, `/p2p/<peer id>` included. */
  addresses(): string[]
  /**
   * Connect, or find the connection that is already there.
   *
   * @param address - a multiaddr, with or without `/p2p/…`
   * @returns the peer id that authenticated itself
   * @throws CatalogError `ADDRESS_INVALID`, `PEER_UNREACHABLE`, `PEER_TIMEOUT`
   */
  dial(address: string, signal?: AbortSignal): Promise<string>
  /** Peers connected now. */
  peers(): string[]
  /** The address a connected peer was reached at or came from, as in `PeerChange`. */
  addressOf(peer: string): string | undefined
  /** Listen to peers coming and going; the returned function stops. */
  onPeer(listener: (change: PeerChange) => void): () => void
  /** Answer streams of `protocol`. */
  handle(protocol: string, handler: StreamHandler): Promise<void>
  /** @throws CatalogError `PEER_UNREACHABLE`, `PEER_PROTOCOL` when the peer does not speak it */
  open(peer: string, protocol: string, signal?: AbortSignal): Promise<PeerStream>
  /** Gossip. A handler sees each message once and decides whether it is relayed. */
  subscribe(topic: string, handler: MessageHandler): Promise<void>
  publish(topic: string, data: Uint8Array): Promise<void>
  /** Tell the DHT that this node has `key` (32 bytes). */
  provide(key: Uint8Array, signal?: AbortSignal): Promise<void>
  /** Peers that say they have `key`, as they are found; dialled on demand by `open`. */
  findProviders(key: Uint8Array, signal?: AbortSignal): AsyncIterable<string>
}
