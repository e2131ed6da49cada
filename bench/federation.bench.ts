// Search across a network: twenty nodes on loopback, each a process, of which two are dead, two begin to answer and
// never end, and two offer packages made up for each query. Beside one node that holds everything and asks nobody.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { atMost } from '../src/base/together.ts'
import { quantile } from './harness.ts'
import type { Ask, NodeJob, Tell } from './mesh/messages.ts'
import { PUBLISHERS, publisherOf } from './mesh/records.ts'
import { type KnownItem, readCorpus } from './search-corpus.ts'
import type { Suite } from './suite.ts'

const HONEST = 16
const DEAD = 2
const STALLING = 2
const LYING = 2
/** Of a hundred packages, how many each honest node has: a network of mirrors, each package on about twelve of them. */
const SHARE = 60
const JUDGED = 10
/** Between two queries: peers answer ten a second. */
const PACE_MS = 125
const STARTED_AT_ONCE = 4

type Found = Extract<Tell, { type: 'found' }>

interface Outcome {
  /** Mean of 1 / rank. */
  readonly mrr: number
  readonly central: number
  /** Share of the answers with nothing made up among the first ten. */
  readonly clean: number
  readonly p50: number
  readonly p95: number
}

const federation: Suite = async (compare) => {
  await using ends = new AsyncDisposableStack()
  let made: Promise<Outcome> | undefined
  const outcome = () => (made ??= measured(ends))
  await compare({ name: 'p50 of a query', open: async () => ({ figure: (await outcome()).p50, most: 500 }) })
  await compare({ name: 'p95 of a query', open: async () => ({ figure: (await outcome()).p95, most: 500 }) })
  await compare({
    name: 'MRR@10, beside a central index',
    open: async () => ({ figure: (await outcome()).mrr, least: (await outcome()).central - 0.01 }),
  })
  await compare({
    name: 'answers with no fake in the first ten',
    open: async () => ({ figure: (await outcome()).clean, least: 1 }),
  })
}
export default federation

async function measured(ends: AsyncDisposableStack): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'catalog-bench-'))
  ends.defer(() => rm(folder, { recursive: true, force: true }))
  const start = async (script: string, argument: string) => {
    const child = new Child(script, argument)
    ends.defer(() => child.end())
    await child.ready
    return child
  }
  const nodeOf = (name: string, share: number) =>
    start('node', JSON.stringify({ folder: join(folder, name), share, name } satisfies NodeJob))
  const central = await nodeOf('central', 100)
  const honest: Child[] = []
  await atMost(
    STARTED_AT_ONCE,
    Array.from({ length: HONEST }, (_, i) => `node-${i}`),
    async (name) => void honest.push(await nodeOf(name, SHARE)),
  )
  const hostile: Child[] = []
  for (let i = 0; i < STALLING; i++) hostile.push(await start('hostile', 'stalls'))
  for (let i = 0; i < LYING; i++) hostile.push(await start('hostile', 'lies'))
  const [asker, ...others] = honest
  if (!asker) throw new Error('there is no node to ask')
  const addresses = await Promise.all([...others, ...hostile].map(({ ready }) => ready))
  await asker.dial(addresses.map((all) => all.find((address) => address.includes('/quic-v1')) ?? ''))
  for (const dead of others.slice(-DEAD)) dead.kill()
  return judged(asker, central)
}

async function judged(asker: Child, central: Child): Promise<Outcome> {
  const { queries } = readCorpus()
  const real = new Set(Array.from({ length: PUBLISHERS }, (_, i) => publisherOf(`${i}`).signer))
  const times: number[] = []
  let [sum, centralSum, clean] = [0, 0, 0]
  for (const query of queries) {
    const asked = performance.now()
    const found = await asker.search(query.q, false)
    times.push(found.ms)
    sum += worth(found, query)
    centralSum += worth(await central.search(query.q, true), query)
    if (found.results.slice(0, JUDGED).every(({ publisher }) => real.has(publisher))) clean++
    const left = PACE_MS - (performance.now() - asked)
    if (left > 0) await new Promise((resolve) => setTimeout(resolve, left))
  }
  const share = (of: number) => of / queries.length
  return {
    ...{ mrr: share(sum), central: share(centralSum), clean: share(clean) },
    ...{ p50: quantile(times, 0.5), p95: quantile(times, 0.95) },
  }
}

function worth({ results }: Found, { target }: KnownItem): number {
  const rank = results.slice(0, JUDGED).findIndex(({ name }) => name === target) + 1
  return rank > 0 ? 1 / rank : 0
}

/** A process of the mesh. */
class Child {
  /** Its addresses. */
  readonly ready: Promise<readonly string[]>
  readonly #process: ChildProcess

  constructor(script: string, argument: string) {
    this.#process = fork(fileURLToPath(new URL(`./mesh/${script}.ts`, import.meta.url)), [argument])
    this.ready = this.#next('ready').then(({ addresses }) => addresses)
  }

  async dial(addresses: readonly string[]): Promise<void> {
    this.#ask({ type: 'dial', addresses })
    await this.#next('dialled')
  }

  search(query: string, local: boolean): Promise<Found> {
    this.#ask({ type: 'search', query, local })
    return this.#next('found')
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  async end(): Promise<void> {
    const { exitCode, signalCode } = this.#process
    if (exitCode !== null || signalCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.disconnect()
    await exited
  }

  #ask(ask: Ask): void {
    this.#process.send(ask)
  }

  async #next<T extends Tell['type']>(type: T): Promise<Extract<Tell, { type: T }>> {
    const stop = new AbortController()
    const message = await Promise.race([
      once(this.#process, 'message', stop).then(([message]) => message as Tell),
      once(this.#process, 'exit', stop).then(() => undefined),
    ])
    stop.abort()
    if (!message) throw new Error(`a process of the mesh has ended before it was "${type}"`)
    if (message.type !== type) throw new Error(`a process of the mesh said "${message.type}" instead of "${type}"`)
    return message as Extract<Tell, { type: T }>
  }
}
