// Hello: the first request on a connection, in both directions. Says who speaks and where it can be dialled again.
import { LRUCache } from 'lru-cache'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { tellFailure } from '../base/failure.ts'
import { ADDRESSES_PER_PEER_MAX, CONNECTIONS_MAX } from '../base/limits.ts'
import { type Random, shuffled } from '../base/random.ts'
import type { Peers } from '../store/peers.ts'
import { HELLO, type Hello } from '../wire/messages.ts'
import { ipOf } from './addresses.ts'
import type { Network } from './network.ts'
import type { Rpc } from './rpc.ts'

/** Version of the protocols as a whole. */
const PROTOCOL_VERSION = 1

/** What proves whose nodes this one and others are; nothing by default. */
interface Proofs {
  own(): readonly Uint8Array[]
  take(peer: string, records: readonly Uint8Array[]): void
}

interface Components {
  network: Network
  rpc: Rpc
  peers: Peers
  devices?: Proofs
}

export class HelloService {
  readonly #components: Components
  readonly #agent: string
  readonly #bulkPort: () => number | undefined
  readonly #capabilities: readonly string[]
  readonly #known = new Map<string, Hello>()
  /** Hellos that peers were asked for when they came. */
  readonly #greetings = new Set<Promise<void>>()
  /** IP addresses by multiaddr. */
  readonly #hosts = new LRUCache<string, string>({ max: CONNECTIONS_MAX })
  readonly #listeners = new Set<(peer: string) => void>()
  #stopWatching: (() => void) | undefined

  /**
   * @param options - `bulkPort` is asked each time: the port is known only once it is bound; `capabilities` are those
   *   that not every node has
   */
  constructor(
    components: Components,
    options: { agent: string; bulkPort?: () => number | undefined; capabilities?: readonly string[] },
  ) {
    this.#components = components
    this.#agent = options.agent
    this.#bulkPort = options.bulkPort ?? (() => undefined)
    this.#capabilities = options.capabilities ?? []
  }

  async start(): Promise<void> {
    const answer = (asker: Hello, peer: string) => {
      // It says as much by asking as it would by answering, and may have come back elsewhere.
      if (this.#components.network.addressOf(peer) !== undefined) this.#learn(peer, asker)
      return this.#own()
    }
    await this.#components.rpc.serve(HELLO, async function* (request, { peer }) {
      yield answer(request, peer)
    })
    this.#stopWatching = this.#components.network.onPeer(({ peer, connected }) => {
      if (connected) this.#begin(this.#greet(peer))
      else this.#known.delete(peer)
      emit('catalog:peer', { peer, state: connected ? 'connected' : 'disconnected' })
    })
  }

  stop(): void {
    this.#stopWatching?.()
  }

  /** Peers that are connected and speak Catalog. */
  peers(): { peer: string; agent: string; addresses: string[] }[] {
    return [...this.#known].map(([peer, { agent, addresses }]) => ({ peer, agent, addresses }))
  }

  /** Whether a peer has said that it can do something. */
  offers(peer: string, capability: string): boolean {
    return this.#known.get(peer)?.capabilities.includes(capability) === true
  }

  /** Resolves when nobody who has come is still being greeted: `peers` then has all who can be asked. */
  async settled(): Promise<void> {
    while (this.#greetings.size > 0) await Promise.all(this.#greetings)
  }

  /** Where a peer's bulk plane answers: at the address of its connection, never at one that it names. */
  bulkAddress(peer: string): { host: string; port: number } | undefined {
    const port = this.#known.get(peer)?.bulkPort
    const address = this.#components.network.addressOf(peer)
    const host = address === undefined ? undefined : this.#hostOf(address)
    return port === undefined || host === undefined ? undefined : { host, port }
  }

  /** Reading an address takes longer than asking for a small blob over it, and the same one comes for each blob. */
  #hostOf(address: string): string | undefined {
    const known = this.#hosts.get(address)
    if (known !== undefined) return known
    const host = ipOf(address)
    if (host !== undefined) this.#hosts.set(address, host)
    return host
  }

  /** Called when a peer has said hello for the first time, or has another bulk plane than before. */
  onHello(listener: (peer: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Wait for a peer's hello, asking for it if need be. @throws CatalogError when it does not answer */
  async expect(peer: string, signal?: AbortSignal): Promise<Hello> {
    const known = this.#known.get(peer)
    if (known) return known
    return this.#ask(peer, signal)
  }

  /** Say hello again to all who are connected: what this node says of itself has changed. */
  async renew(): Promise<void> {
    const asked = [...this.#known.keys()].map(async (peer) => {
      try {
        await this.#ask(peer)
      } catch (thrown) {
        tellFailure(`say hello again to ${peer}`, thrown)
      }
    })
    await Promise.all(asked)
  }

  async #ask(peer: string, signal?: AbortSignal): Promise<Hello> {
    let said: Hello | undefined
    const call = this.#components.rpc.call(HELLO, peer, this.#own(), signal ? { signal } : {})
    // Read to the end: leaving early would tell the peer that the answer is not wanted.
    for await (const hello of call) said = hello
    if (!said) throw new CatalogError('PEER_PROTOCOL', `Peer ${peer} said nothing in its hello.`)
    this.#learn(peer, said)
    return said
  }

  #learn(peer: string, said: Hello): void {
    const { devices = [], bulkPort } = said
    if (devices.length > 0) this.#components.devices?.take(peer, devices)
    const before = this.#known.get(peer)
    this.#known.set(peer, said)
    if (before && before.bulkPort === bulkPort) return
    for (const listener of this.#listeners) listener(peer)
  }

  #begin(greeting: Promise<void>): void {
    const kept = greeting.finally(() => this.#greetings.delete(kept))
    this.#greetings.add(kept)
  }

  async #greet(peer: string): Promise<void> {
    try {
      const { addresses } = await this.expect(peer)
      // Only addresses that would prove to be this peer's: whoever answers there must have its key.
      await this.#components.peers.remember(
        peer,
        addresses.filter((address) => address.endsWith(`/p2p/${peer}`)),
      )
    } catch (thrown) {
      const { message } = CatalogError.from(thrown)
      emit('catalog:peer', { peer, state: 'refused', reason: message })
    }
  }

  #own(): Hello {
    const addresses = this.#components.network.addresses().slice(0, ADDRESSES_PER_PEER_MAX)
    const capabilities = ['records', 'search', 'blob', 'have', 'sync', ...this.#capabilities]
    const [bulkPort, devices] = [this.#bulkPort(), [...(this.#components.devices?.own() ?? [])]]
    return {
      ...{ version: PROTOCOL_VERSION, agent: this.#agent, capabilities, addresses },
      ...(bulkPort !== undefined && { bulkPort }),
      ...(devices.length > 0 && { devices }),
    }
  }
}

/** At most so many of those who are connected and speak Catalog, by lot. */
export function someConnected(
  { hello, random }: { hello: Pick<HelloService, 'peers'>; random: Random },
  most: number,
): string[] {
  return shuffled(random, connectedTo(hello)).slice(0, most)
}

/** Peer ids of those who are connected and speak Catalog. */
export function connectedTo(hello: Pick<HelloService, 'peers'>): string[] {
  return hello.peers().map(({ peer }) => peer)
}
