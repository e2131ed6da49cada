// A world for whole nodes: virtual time, seeded randomness, a network in memory. Disk, database, index and workers are
// the real ones; while one of them is at work time stands still, and what they have done is told in the order it was
// asked for, so that one seed always plays the same story.
import { systemDisk } from '../../src/base/disk.ts'
import type { Effects } from '../../src/base/effects.ts'
import { listen } from '../../src/base/events.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { MemoryHub, MemoryNetwork } from '../../src/network/memory.ts'
import type { MessageHandler, Network, PeerStream, StreamHandler } from '../../src/network/network.ts'
import { CatalogNode, type NodeOptions } from '../../src/node.ts'
import { ManualClock } from '../manual-clock.ts'

interface Work {
  done: boolean
  deliver: () => void
}

/**
 * Work starts when it is asked for and ends when the machine pleases, but nobody hears of it before `deliver`. All that
 * is outstanding ends before the first result is told: who hears of one must not see another half done.
 */
export class OrderedEffects implements Effects {
  readonly #outstanding: Work[] = []
  #change = Promise.withResolvers<void>()

  run<T>(work: () => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const entry: Work = { done: false, deliver: () => undefined }
    this.#outstanding.push(entry)
    const end = (deliver: () => void) => {
      Object.assign(entry, { done: true, deliver })
      this.#change.resolve()
      this.#change = Promise.withResolvers()
    }
    started(work).then(
      (value) => end(() => resolve(value)),
      (reason) => end(() => reject(reason)),
    )
    return promise
  }

  get outstanding(): number {
    return this.#outstanding.length
  }

  /** Wait until all that is outstanding has ended, and tell the result that was asked for first. */
  async deliver(): Promise<void> {
    while (this.#outstanding.some(({ done }) => !done)) await this.#change.promise
    this.#outstanding.shift()?.deliver()
  }
}

async function started<T>(work: () => Promise<T>): Promise<T> {
  return work()
}

/** Requests to the operating system that end some time; outside of `Effects` nobody may have any. */
const ESCAPES = /^(?:FSReq|FSEvent|GetAddrInfo|TCP|UDP)/

export class World {
  readonly clock = new ManualClock()
  readonly effects = new OrderedEffects()
  readonly hub: MemoryHub
  /** What happened, each with its virtual time in milliseconds since the beginning. */
  readonly trace: string[] = []
  readonly #seeds: Random
  readonly #names = new Map<string, string>()
  readonly #startedAt = this.clock.now()

  constructor(seed: number) {
    this.#seeds = seededRandom(seed)
    this.hub = new MemoryHub({ clock: this.clock, random: this.random() })
  }

  /** A source of randomness of its own: how much one part draws changes nothing for the others. */
  random(): Random {
    return seededRandom(Math.floor(this.#seeds.fraction() * 2 ** 32))
  }

  /** Virtual milliseconds since the beginning. */
  get elapsedMs(): number {
    return this.clock.now() - this.#startedAt
  }

  note(event: string): void {
    this.trace.push(`${this.elapsedMs.toFixed(3)} ${event}`)
  }

  /** What a peer is called in the trace. */
  nameOf(peer: string): string {
    return this.#names.get(peer) ?? peer
  }

  /** Open a node and let it join the network. */
  async start(name: string, options: NodeOptions): Promise<CatalogNode> {
    const network = (seed: Uint8Array) => {
      const inner = new MemoryNetwork({ hub: this.hub }, { seed })
      this.#names.set(inner.peerId, name)
      return new WatchedNetwork({ world: this, inner })
    }
    const random = this.random()
    const { clock, effects } = this
    // Nothing is read at once: whether the system's cache holds it is no fact of this world.
    const disk = (effects: Effects) => systemDisk(effects)
    const bulk = async () => undefined
    const node = await this.until(CatalogNode.open(options, { clock, effects, random, network, disk, bulk }))
    await this.until(node.start())
    this.note(`${name} is ${node.peerId}`)
    return node
  }

  /** Write the facts that nodes publish into the trace; the returned function stops it. */
  listen(): () => void {
    const stops = [
      listen('catalog:record', ({ state, kind, purl }) => this.note(`record ${state}: ${kind} ${purl}`)),
      listen('catalog:peer', ({ peer, state }) => this.note(`${this.nameOf(peer)} ${state}`)),
      listen('catalog:transfer', ({ peer, bytes, direction }) => {
        this.note(`${bytes} bytes ${direction}, ${this.nameOf(peer)}`)
      }),
      listen('catalog:search', ({ ms, results, peersAnswered }) => {
        this.note(`search: ${results} results, ${peersAnswered} peers answered, ${ms.toFixed(3)} ms`)
      }),
      listen('catalog:failure', ({ task, code }) => this.note(`failure: ${task} ${code}`)),
    ]
    return () => {
      for (const stop of stops) stop()
    }
  }

  /**
   * Let as much time pass as `work` needs.
   *
   * @throws Error when it waits for something that is neither a timer nor an effect
   */
  async until<T>(work: Promise<T>): Promise<T> {
    let done = false
    const finish = () => {
      done = true
    }
    work.then(finish, finish)
    await this.#step(() => done)
    return work
  }

  /** Let `ms` pass. */
  async pass(ms: number): Promise<void> {
    let over = false
    this.clock.after(ms, () => {
      over = true
    })
    await this.#step(() => over)
  }

  async #step(over: () => boolean): Promise<void> {
    await settled()
    while (!over()) {
      if (this.effects.outstanding > 0) await this.effects.deliver()
      else this.#fire()
      await settled()
    }
  }

  #fire(): void {
    const escaped = process.getActiveResourcesInfo().filter((resource) => ESCAPES.test(resource))
    if (escaped.length > 0) throw new Error(`Time would pass during ${escaped.join(', ')}: that is not an effect.`)
    if (!this.clock.fire()) throw new Error('Nothing is left to wait for, and the work is not done.')
  }
}

/** Resolves when all promises that can go on have gone on, and what they put off to the next turn has run too. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** A node's network, with everything that goes through it written into the trace. */
class WatchedNetwork implements Network {
  readonly #world: World
  readonly #inner: MemoryNetwork

  constructor({ world, inner }: { world: World; inner: MemoryNetwork }) {
    this.#world = world
    this.#inner = inner
  }

  get peerId(): string {
    return this.#inner.peerId
  }

  start = () => this.#inner.start()
  stop = () => this.#inner.stop()
  addresses = () => this.#inner.addresses()
  peers = () => this.#inner.peers()
  addressOf = (peer: string) => this.#inner.addressOf(peer)
  onPeer: Network['onPeer'] = (listener) => this.#inner.onPeer(listener)
  dial: Network['dial'] = (address, signal) => this.#inner.dial(address, signal)
  provide: Network['provide'] = (key, signal) => this.#inner.provide(key, signal)
  findProviders: Network['findProviders'] = (key, signal) => this.#inner.findProviders(key, signal)

  handle(protocol: string, handler: StreamHandler): Promise<void> {
    return this.#inner.handle(protocol, (stream) => handler(this.#watched(stream)))
  }

  async open(peer: string, protocol: string, signal?: AbortSignal): Promise<PeerStream> {
    this.#note(`opens ${protocol} to ${this.#world.nameOf(peer)}`)
    return this.#watched(await this.#inner.open(peer, protocol, signal))
  }

  subscribe(topic: string, handler: MessageHandler): Promise<void> {
    return this.#inner.subscribe(topic, async (message) => {
      this.#note(`hears ${topic} from ${this.#world.nameOf(message.from)}, ${message.data.length} bytes`)
      const verdict = await handler(message)
      this.#note(`${verdict}s it`)
      return verdict
    })
  }

  publish(topic: string, data: Uint8Array): Promise<void> {
    this.#note(`says ${topic}, ${data.length} bytes`)
    return this.#inner.publish(topic, data)
  }

  #watched(stream: PeerStream): PeerStream {
    return {
      peer: stream.peer,
      write: (bytes, signal) => {
        this.#note(`writes ${bytes.length} bytes to ${this.#world.nameOf(stream.peer)}`)
        return stream.write(bytes, signal)
      },
      read: (signal) => stream.read(signal),
      close: () => stream.close(),
      abort: (reason) => stream.abort(reason),
    }
  }

  #note(event: string): void {
    this.#world.note(`${this.#world.nameOf(this.peerId)} ${event}`)
  }
}
