// What a byte costs on the bulk plane (ends/), and one file from node to node against the same file through a plain TCP
// connection: what verification, framing and libp2p cost together. All four ends are processes of their own on
// loopback, and either side's work is done when the file is on the receiver's disk.
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { MiB } from '../src/base/units.ts'
import { cpuSeconds } from '../test/proc.ts'
import { bulkContests } from './ends/contests.ts'
import type { Suite } from './suite.ts'

const BLOB_BYTES = 256 * MiB
const ROUNDS = 5
const NAME = 'one blob of 256 MiB'
const PURL = 'pkg:generic/blob@1.0.0'
const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
const TCP_COPY = fileURLToPath(new URL('./tcp-copy.ts', import.meta.url))
const UP = ['--json', '--host', '127.0.0.1', '--control-port', '0', '--bulk-port', '0', '--http-port', '0']

const transfer: Suite = async (compare) => {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-bench-'))
  await using ends = new AsyncDisposableStack()
  ends.defer(() => rm(folder, { recursive: true, force: true }))
  const input = join(folder, 'blob')
  writeFileSync(input, randomFillSync(Buffer.allocUnsafe(BLOB_BYTES)))
  const pair = ends.use(await Pair.open(folder, input))
  const copy = ends.use(await Copy.open(folder, input))
  const digest = await sha256Of(input)
  // Answers before times.
  await pair.prepare()
  for (const output of [await pair.fetch(), await copy.copy()]) {
    if ((await sha256Of(output)) !== digest) throw new Error(`${output} is not what was sent`)
  }
  await compare({
    name: NAME,
    open: () => ({
      amount: BLOB_BYTES / MiB,
      candidate: () => pair.fetch(),
      baseline: () => copy.copy(),
      prepare: () => pair.prepare(),
      cpuSeconds: () => pair.cpuSeconds(),
      note: () => `CPU seconds of one: ${pair.costs()}; ${copy.costs()}`,
      rounds: ROUNDS,
      seconds: 0,
    }),
  })
  await bulkContests(compare, folder)
}
export default transfer

/** A node that has the blob, and one that fetches it: a new one each time, since a node fetches a blob only once. */
class Pair implements AsyncDisposable {
  readonly #folder: string
  readonly #sender: Running
  readonly #address: string
  readonly #spent = { sender: 0, receiver: 0, fetches: 0 }
  #receiver: Running | undefined

  private constructor(folder: string, sender: Running, address: string) {
    this.#folder = folder
    this.#sender = sender
    this.#address = address
  }

  static async open(folder: string, input: string): Promise<Pair> {
    const data = join(folder, 'sender')
    const sender = new Running([MAIN, 'up', '--no-supervise', '--data-dir', data, ...UP])
    const { addresses } = await sender.json(({ type }) => type === 'ready')
    await ask(data, 'publish', { path: input, type: 'generic', name: 'blob', version: '1.0.0' })
    const [address = ''] = (addresses as string[]).filter((one) => one.includes('/quic-v1'))
    return new Pair(folder, sender, address)
  }

  /** A fresh receiver that knows the release and has none of its bytes. */
  async prepare(): Promise<void> {
    const data = join(this.#folder, 'receiver')
    await this.#receiver?.[Symbol.asyncDispose]()
    await rm(data, { recursive: true, force: true })
    this.#receiver = new Running([MAIN, 'up', '--no-supervise', '--data-dir', data, ...UP])
    await this.#receiver.json(({ type }) => type === 'ready')
    await ask(data, 'connect', { address: this.#address })
    await ask(data, 'info', { purl: PURL })
  }

  async fetch(): Promise<string> {
    const output = join(this.#folder, 'fetched')
    const before = this.#cpu()
    await ask(join(this.#folder, 'receiver'), 'fetch', { purl: PURL, output })
    const after = this.#cpu()
    this.#spent.sender += after.sender - before.sender
    this.#spent.receiver += after.receiver - before.receiver
    this.#spent.fetches++
    return output
  }

  /** Spent on fetches by both nodes so far. */
  cpuSeconds(): number {
    return this.#spent.sender + this.#spent.receiver
  }

  costs(): string {
    const { sender, receiver, fetches } = this.#spent
    return `sending node ${(sender / fetches).toFixed(2)}, receiving node ${(receiver / fetches).toFixed(2)}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#receiver?.[Symbol.asyncDispose]()
    await this.#sender[Symbol.asyncDispose]()
  }

  #cpu(): { sender: number; receiver: number } {
    return { sender: this.#sender.cpuSeconds(), receiver: this.#receiver?.cpuSeconds() ?? 0 }
  }
}

/** The same file through TCP, between two processes that live as long as the suite. */
class Copy implements AsyncDisposable {
  readonly #server: Running
  readonly #taker: Running
  readonly #call: string
  readonly #output: string
  #copies = 0

  private constructor(server: Running, port: string, output: string) {
    this.#server = server
    this.#taker = new Running([TCP_COPY, 'take'])
    this.#call = `${port} ${output}\n`
    this.#output = output
  }

  static async open(folder: string, input: string): Promise<Copy> {
    const server = new Running([TCP_COPY, 'serve', input])
    return new Copy(server, await server.line(), join(folder, 'copied'))
  }

  async copy(): Promise<string> {
    const answer = this.#taker.line()
    this.#taker.say(this.#call)
    await answer
    this.#copies++
    return this.#output
  }

  costs(): string {
    const [sent, taken] = [this.#server, this.#taker].map((end) => end.cpuSeconds() / this.#copies)
    return `TCP sender ${sent?.toFixed(2)}, TCP receiver ${taken?.toFixed(2)}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#taker[Symbol.asyncDispose]()
    await this.#server[Symbol.asyncDispose]()
  }
}

/** A process that prints lines. */
class Running implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #ended: Promise<unknown>

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#ended = once(this.#child, 'exit')
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  }

  say(text: string): void {
    this.#child.stdin?.write(text)
  }

  /** The next line. */
  async line(): Promise<string> {
    const { done, value } = await this.#lines.next()
    if (done) throw new Error(`${this.#child.spawnargs.slice(2).join(' ')} has ended`)
    return value
  }

  async json(wanted: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
    for (;;) {
      const line = JSON.parse(await this.line()) as Record<string, unknown>
      if (wanted(line)) return line
    }
  }

  cpuSeconds(): number {
    return cpuSeconds(this.#child.pid ?? 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill('SIGKILL')
    await this.#ended
  }
}

/** Run an operation on a node over its socket. @returns its last line */
async function ask(dataDir: string, name: string, input: Record<string, unknown>): Promise<Record<string, unknown>> {
  const call = request({
    socketPath: join(dataDir, 'node.sock'),
    path: `/api/v1/${name}`,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  })
  call.end(JSON.stringify(input))
  const [response] = await once(call, 'response')
  let last: Record<string, unknown> = {}
  for await (const line of createInterface({ input: response })) last = JSON.parse(line)
  if (last['type'] === 'error' || last['type'] === undefined) throw new Error(`${name}: ${JSON.stringify(last)}`)
  return last
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: MiB }), hash)
  return hash.digest('hex')
}
