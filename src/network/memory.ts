// The control plane in memory, for simulations: the same interface as libp2p's, on an injected clock and an injected
// source of randomness, so that a whole network of nodes runs in one process and one seed replays it. Nothing here
// waits but through the clock.
import { LRUCache } from 'lru-cache'
import { toHex } from '../base/bytes.ts'
import { type Clock, sleep } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { DIAL_TIMEOUT_MS, PROVIDERS_MAX } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import { addressInvalid } from './addresses.ts'
import { failure, reportFailure } from './failures.ts'
import { peerIdOf } from './identity.ts'
import { Lane, type StreamPair, streamPair } from './memory-stream.ts'
import type { MessageHandler, Network, PeerChange, PeerStream, StreamHandler } from './network.ts'

export interface MemoryHubOptions {
  /** One-way delay of each message, drawn evenly. Default 5 to 40 ms. */
  readonly latencyMs?: { readonly min: number; readonly max: number } | undefined
}

/** A connection between two nodes. */
interface Link {
  readonly streams: Set<StreamPair>
  /** Gossip to each of the two, in order. */
  readonly gossip: Map<string, Lane>
}

/** What the nodes of one simulated network share: who there is, who is connected, and how long things take. */
export class MemoryHub {
  readonly clock: Clock
  readonly #random: Random
  readonly #latencyMs: { readonly min: number; readonly max: number }
  readonly #nodes: MemoryNetwork[] = []
  readonly #byPeer = new Map<string, MemoryNetwork>()
  readonly #links = new Map<string, Link>()
  readonly #providers = new Map<string, Set<string>>()
  #sides: Map<string, number> | undefined

  constructor(components: { clock: Clock; random: Random }, options: MemoryHubOptions = {}) {
    this.clock = components.clock
    this.#random = components.random
    this.#latencyMs = options.latencyMs ?? { min: 5, max: 40 }
  }

  /** Break the connection between two peers, streams and all. Both may dial again. */
  disconnect(a: string, b: string): void {
    const key = linkKey(a, b)
    const link = this.#links.get(key)
    if (!link) return
    this.#links.delete(key)
    for (const pair of link.streams) pair.sever()
    this.#byPeer.get(a)?.tell({ peer: b, connected: false })
    this.#byPeer.get(b)?.tell({ peer: a, connected: false })
  }

  /** From now on only peers of one group reach each other; peers in no group form one more. `heal` ends it. */
  partition(...groups: string[][]): void {
    this.#sides = new Map(groups.flatMap((group, side) => group.map((peer) => [peer, side])))
    for (const key of [...this.#links.keys()]) {
      const [a, b] = key.split(' ') as [string, string]
      if (!this.reaches(a, b)) this.disconnect(a, b)
    }
  }

  heal(): void {
    this.#sides = undefined
  }

  /** Whether no partition stands between two peers. */
  reaches(a: string, b: string): boolean {
    return this.#sides === undefined || this.#sides.get(a) === this.#sides.get(b)
  }

  /** @returns the number in the node's address */
  enroll(node: MemoryNetwork): number {
    this.#byPeer.set(node.peerId, node)
    return this.#nodes.push(node) - 1
  }

  node(number: number): MemoryNetwork | undefined {
    return this.#nodes[number]
  }

  nodeOf(peer: string): MemoryNetwork | undefined {
    return this.#byPeer.get(peer)
  }

  /** Call back after one message's delay. */
  readonly later = (deliver: () => void): void => {
    this.clock.after(this.#delayMs(), deliver)
  }

  /** The time of a request and its answer. */
  roundTrip(signal?: AbortSignal): Promise<void> {
    return sleep(this.clock, this.#delayMs() + this.#delayMs(), signal)
  }

  link(a: string, b: string): Link | undefined {
    return this.#links.get(linkKey(a, b))
  }

  /** Connect two nodes and tell both; nothing when they are connected. */
  connect(dialler: MemoryNetwork, target: MemoryNetwork): Link {
    const known = this.link(dialler.peerId, target.peerId)
    if (known) return known
    const peers = [dialler.peerId, target.peerId]
    const link: Link = { streams: new Set(), gossip: new Map(peers.map((peer) => [peer, new Lane(this.later)])) }
    this.#links.set(linkKey(dialler.peerId, target.peerId), link)
    dialler.tell({ peer: target.peerId, connected: true, address: target.address })
    target.tell({ peer: dialler.peerId, connected: true, address: dialler.address })
    return link
  }

  neighbours(peer: string): string[] {
    const found: string[] = []
    for (const key of this.#links.keys()) {
      const [a, b] = key.split(' ') as [string, string]
      if (a === peer) found.push(b)
      else if (b === peer) found.push(a)
    }
    return found
  }

  addProvider(key: Uint8Array, peer: string): void {
    const name = toHex(key)
    this.#providers.set(name, (this.#providers.get(name) ?? new Set()).add(peer))
  }

  providersOf(key: Uint8Array): string[] {
    return [...(this.#providers.get(toHex(key)) ?? [])]
  }

  #delayMs(): number {
    const { min, max } = this.#latencyMs
    return min + this.#random.fraction() * (max - min)
  }
}

function linkKey(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`
}

/** Messages remembered, so that each is handled once however many neighbours bring it. */
const SEEN_MESSAGES_MAX = 10_000

interface GossipMessage {
  readonly id: string
  readonly topic: string
  readonly from: string
  readonly data: Uint8Array
}

export class MemoryNetwork implements Network {
  readonly peerId: string
  readonly address: string
  readonly #hub: MemoryHub
  readonly #streamHandlers = new Map<string, StreamHandler>()
  readonly #messageHandlers = new Map<string, MessageHandler>()
  readonly #listeners = new Set<(change: PeerChange) => void>()
  readonly #seen = new LRUCache<string, true>({ max: SEEN_MESSAGES_MAX })
  #running = false
  #published = 0

  /** @param options - `seed` is the node's Ed25519 private seed, as for the real network */
  constructor(components: { hub: MemoryHub }, options: { seed: Uint8Array }) {
    this.#hub = components.hub
    this.peerId = peerIdOf(options.seed)
    this.address = `/memory/${this.#hub.enroll(this)}/p2p/${this.peerId}`
  }

  get running(): boolean {
    return this.#running
  }

  async start(): Promise<void> {
    this.#running = true
  }

  async stop(): Promise<void> {
    this.#running = false
    for (const peer of this.peers()) this.#hub.disconnect(this.peerId, peer)
  }

  addresses(): string[] {
    return this.#running ? [this.address] : []
  }

  async dial(address: string, signal?: AbortSignal): Promise<string> {
    const [, number, peer] = /^\/memory\/(\d{1,9})(?:\/p2p\/(\w+))?$/.exec(address) ?? []
    if (number === undefined) throw addressInvalid(address, 'it is not an address of the network in memory')
    const target = this.#hub.node(Number(number))
    if (target === this || peer === this.peerId) throw addressInvalid(address, 'it is this node itself')
    const expected = peer === undefined || target?.peerId === peer
    await this.#connect(expected ? target : undefined, address, signal)
    return (target as MemoryNetwork).peerId
  }

  peers(): string[] {
    return this.#hub.neighbours(this.peerId)
  }

  addressOf(peer: string): string | undefined {
    return this.#hub.link(this.peerId, peer) && this.#hub.nodeOf(peer)?.address
  }

  onPeer(listener: (change: PeerChange) => void): () => void {
    const own = (change: PeerChange) => listener(change)
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  async handle(protocol: string, handler: StreamHandler): Promise<void> {
    this.#streamHandlers.set(protocol, handler)
  }

  async open(peer: string, protocol: string, signal?: AbortSignal): Promise<PeerStream> {
    const target = this.#hub.nodeOf(peer)
    await this.#connect(target, `the peer ${peer}`, signal)
    await this.#wait(signal)
    const link = this.#hub.link(this.peerId, peer)
    if (!link || !target) throw unreachable(`the peer ${peer}`, 'the connection is gone')
    const pair = streamPair([this.peerId, peer], this.#hub.later)
    if (!target.accept(protocol, pair.ends[1])) {
      throw new CatalogError('PEER_PROTOCOL', `The peer ${peer} does not speak ${protocol}.`, {
        details: { peer, protocol },
      })
    }
    for (const other of link.streams) if (other.finished()) link.streams.delete(other)
    link.streams.add(pair)
    return pair.ends[0]
  }

  async subscribe(topic: string, handler: MessageHandler): Promise<void> {
    this.#messageHandlers.set(topic, handler)
  }

  async publish(topic: string, data: Uint8Array): Promise<void> {
    this.#check()
    const id = `${this.peerId} ${this.#published++}`
    this.#seen.set(id, true)
    this.#relay({ id, topic, from: this.peerId, data: new Uint8Array(data) }, undefined)
  }

  async provide(key: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#wait(signal)
    this.#hub.addProvider(key, this.peerId)
  }

  async *findProviders(key: Uint8Array, signal?: AbortSignal): AsyncIterable<string> {
    await this.#wait(signal)
    let found = 0
    for (const peer of this.#hub.providersOf(key)) {
      if (peer === this.peerId || !this.#hub.reaches(this.peerId, peer)) continue
      yield peer
      if (++found === PROVIDERS_MAX) return
    }
  }

  /** The hub's way to report a peer that came or went. */
  tell(change: PeerChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change)
      } catch (thrown) {
        reportFailure('peer listener', thrown)
      }
    }
  }

  /** A peer opened a stream. @returns whether `protocol` is spoken here */
  accept(protocol: string, stream: PeerStream): boolean {
    const handler = this.#streamHandlers.get(protocol)
    if (!handler) return false
    const answer = async () => {
      try {
        await handler(stream)
      } catch (thrown) {
        reportFailure(`stream ${protocol}`, thrown)
        stream.abort(CatalogError.from(thrown))
      }
    }
    void answer()
    return true
  }

  /** A neighbour brought a message. */
  async receive(message: GossipMessage, neighbour: string): Promise<void> {
    const handler = this.#messageHandlers.get(message.topic)
    if (!this.#running || !handler || this.#seen.has(message.id)) return
    this.#seen.set(message.id, true)
    try {
      const verdict = await handler({ from: message.from, data: new Uint8Array(message.data) })
      if (verdict === 'accept' && this.#running) this.#relay(message, neighbour)
    } catch (thrown) {
      reportFailure(`messages ${message.topic}`, thrown)
    }
  }

  #relay(message: GossipMessage, source: string | undefined): void {
    for (const peer of this.peers()) {
      if (peer === source || peer === message.from) continue
      const link = this.#hub.link(this.peerId, peer)
      link?.gossip.get(peer)?.post(() => {
        // A connection that broke took its messages along.
        if (this.#hub.link(this.peerId, peer) === link) void this.#hub.nodeOf(peer)?.receive(message, this.peerId)
      })
    }
  }

  async #connect(target: MemoryNetwork | undefined, name: string, signal: AbortSignal | undefined): Promise<void> {
    this.#check()
    if (target && this.#hub.link(this.peerId, target.peerId)) return
    if (target && !this.#hub.reaches(this.peerId, target.peerId)) {
      await this.#sleep(sleep(this.#hub.clock, DIAL_TIMEOUT_MS, signal), signal)
      throw unreachable(name, 'it did not answer in time')
    }
    await this.#wait(signal)
    if (!target?.running || !this.#hub.reaches(this.peerId, target.peerId)) throw unreachable(name, 'nobody is there')
    this.#hub.connect(this, target)
  }

  #check(): void {
    if (!this.#running) throw new CatalogError('CLOSED', 'The network is not running.')
  }

  async #wait(signal: AbortSignal | undefined): Promise<void> {
    this.#check()
    await this.#sleep(this.#hub.roundTrip(signal), signal)
    this.#check()
  }

  async #sleep(sleeping: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    try {
      await sleeping
    } catch (cause) {
      throw failure(cause, signal, 'INTERNAL', 'Waiting failed')
    }
  }
}

function unreachable(name: string, reason: string): CatalogError {
  return new CatalogError('PEER_UNREACHABLE', `${name} cannot be reached: ${reason}.`)
}
