// Ten whole nodes under virtual time. Partitions come and go, nodes are closed and come back, all publish meanwhile,
// everybody synchronizes with several at once, and a peer answers and sends in bad faith: some rounds after it is over
// all have the same, and all that was published.
import { randomInt } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { toHex } from '../../src/base/bytes.ts'
import type { Random } from '../../src/base/random.ts'
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts'
import { MemoryNetwork } from '../../src/network/memory.ts'
import { Rpc } from '../../src/network/rpc.ts'
import type { CatalogNode } from '../../src/node.ts'
import { shelfName } from '../../src/synchronization/catalogue.ts'
import { SYNC, type SyncReply, type SyncRequest } from '../../src/wire/sync-messages.ts'
import { publisherOf, releaseOf } from '../unit/model/made.ts'
import { World } from './world.ts'

const SEED = Number(process.env['SIMULATION_SEED'] ?? randomInt(2 ** 31))
const NODES = 10
const TURMOILS = 3
/** Rounds of the schedule, a minute each, until all are to have the same: as many as the longest way has steps. */
const ROUNDS_MAX = NODES
const OPTIONS = { mdns: false, dht: false, workers: 1, syncInterval: 60 }

tap.setTimeout(5 * MINUTE_MS)

class Swarm {
  readonly world: World
  readonly #folder: string
  readonly #random: Random
  readonly nodes: CatalogNode[] = []
  #published = 0

  constructor(folder: string, seed: number) {
    this.#folder = folder
    this.world = new World(seed)
    this.#random = this.world.random()
  }

  get published(): number {
    return this.#published
  }

  below(count: number): number {
    return Math.floor(this.#random.fraction() * count)
  }

  /** Open a node, for the first time or again; it keeps the one before it as a peer, and any other. */
  async start(number: number): Promise<void> {
    const others = this.nodes.filter((_, other) => other !== number)
    const before = this.nodes[(number + NODES - 1) % NODES]
    const chosen = [before, others[this.below(others.length)]].filter((node) => node !== undefined)
    const peers = [...new Set(chosen.flatMap((node) => node.addresses()))]
    const dataDir = join(this.#folder, `${number}`)
    this.nodes[number] = await this.world.start(`${number}`, { ...OPTIONS, dataDir, peers })
  }

  async publish(number: number): Promise<void> {
    const name = `package-${this.#published++}`
    const source = join(this.#folder, name)
    await mkdir(source)
    await writeFile(join(source, 'package.json'), JSON.stringify({ name, version: '1.0.0' }))
    await this.world.until(this.#node(number).sharing.sharePackage(source))
  }

  /** Two halves by lot; work on both sides; one node goes and comes back; then all reach each other again. */
  async turmoil(): Promise<void> {
    const left = this.nodes.filter(() => this.#random.fraction() < 0.5).map(({ peerId }) => peerId)
    this.world.hub.partition(left)
    for (let number = 0; number < NODES; number += 2) await this.publish(this.below(NODES))
    await Promise.all(Array.from({ length: 4 }, () => this.#syncSome()))
    const gone = this.below(NODES)
    await this.world.until(this.#node(gone).close())
    await this.world.pass(this.below(90) * SECOND_MS)
    await this.start(gone)
    await this.publish(gone)
    this.world.hub.heal()
  }

  /** Several at one time with the same: what comes twice, and in any order, changes nothing. */
  async #syncSome(): Promise<void> {
    const asked = this.#node(this.below(NODES))
    const askers = this.nodes.filter((node) => node !== asked && this.world.hub.link(node.peerId, asked.peerId))
    const syncing = askers.map((node) => node.sharing.syncWithPeer(asked.peerId, { strategy: 'full' }))
    const ended = await this.world.until(Promise.allSettled(syncing))
    for (const each of ended) if (each.status === 'rejected') throw each.reason
  }

  #node(number: number): CatalogNode {
    const node = this.nodes[number]
    if (!node) throw new Error(`There is no node ${number}.`)
    return node
  }
}

/** A peer of none of them, that asks what it likes, and answers with nonsense. */
async function stranger(world: World, nodes: readonly CatalogNode[]) {
  const network = new MemoryNetwork({ hub: world.hub }, { seed: new Uint8Array(32).fill(99) })
  const rpc = new Rpc({ network, clock: world.clock })
  await world.until(network.start())
  await world.until(network.handle(SYNC.id, (stream) => stream.write(new Uint8Array(512).fill(0xff))))
  for (const node of nodes) await world.until(network.dial(node.addresses()[0] as string))
  await world.pass(2 * SECOND_MS)
  const ask = async (peer: string, request: SyncRequest): Promise<SyncReply[]> => {
    const replies: SyncReply[] = []
    const asking = async () => {
      for await (const reply of rpc.call(SYNC, peer, request)) replies.push(reply)
    }
    await world.until(asking())
    return replies
  }
  return { ask, peerId: network.peerId, stop: () => world.until(network.stop()) }
}

/** Root and count of each public shelf that a node has, by publisher. */
async function shelvesOf(ask: (peer: string, request: SyncRequest) => Promise<SyncReply[]>, { peerId }: CatalogNode) {
  const [named] = await ask(peerId, { op: 'open', shelves: [], others: true })
  if (named?.is !== 'others') throw new Error('A node names its shelves.')
  return named.shelves.map(({ signer, root, count }) => `${signer} ${toHex(root)} ${count}`).sort()
}

test(`ten nodes come to the same whatever happened (SIMULATION_SEED=${SEED})`, async (t) => {
  const swarm = new Swarm(t.testdir({}), SEED)
  const { world, nodes } = swarm
  for (let number = 0; number < NODES; number++) await swarm.start(number)
  await world.pass(2 * SECOND_MS)
  for (let number = 0; number < NODES; number++) await swarm.publish(number)
  await world.pass(MINUTE_MS)
  for (let turn = 0; turn < TURMOILS; turn++) {
    await swarm.turmoil()
    await world.pass(swarm.below(120) * SECOND_MS)
  }
  const { ask, peerId, stop } = await stranger(world, nodes)
  for (const node of nodes.slice(0, 3)) {
    await t.rejects(world.until(node.sharing.syncWithPeer(peerId)), 'nonsense is no answer')
    const { publisher } = await world.until(node.sharing.status())
    const { key } = shelfName('public', publisher as string)
    const forged = releaseOf({ ...publisherOf(5), signer: publisher as string }, { name: 'forged' })
    const push: SyncRequest = { op: 'exchange', key, wants: new Uint8Array(), records: [forged.envelope] }
    await t.rejects(ask(node.peerId, push), { code: 'PEER_PROTOCOL' }, 'what is forged is not taken')
  }

  const states = async () => {
    const all: string[][] = []
    for (const node of nodes) all.push(await shelvesOf(ask, node))
    return all
  }
  let rounds = 0
  let all = await states()
  const differ = () => new Set(all.map((each) => each.join('\n'))).size > 1
  for (; differ() && rounds < ROUNDS_MAX; rounds++) {
    await world.pass(MINUTE_MS)
    all = await states()
  }
  t.comment(`${rounds} rounds`)
  t.notOk(differ(), 'all roots are equal')
  t.equal(all[0]?.length, NODES, 'of every publisher')
  for (const node of nodes) {
    const { releases } = await world.until(node.sharing.status())
    t.equal(releases, swarm.published, 'all that was published is there, and nothing else')
  }
  await stop()
  for (const node of nodes) await world.until(node.close())
})
