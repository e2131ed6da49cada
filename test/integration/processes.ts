// Real processes for the integration tests: nodes started with `catalog up`, and commands run against them. They run
// from source under Node's own type stripping, so that what is tested is what is written; CATALOG_TEST_MAIN names
// another main file, for what stripping itself would falsify.
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, createReadStream, openSync, writeSync } from 'node:fs'
import { request } from 'node:http'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { dataPaths } from '../../src/store/data-directory.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const NOISE_BLOCK_BYTES = 1_000_000
const mainFile = () => process.env['CATALOG_TEST_MAIN'] ?? MAIN

/** Settings of a node that sends so slowly, also to this machine, that a transfer can be caught in the middle of it. */
export function slowUpload(rate: string): Record<string, string> {
  return { CATALOG_LIMIT_LOCAL: 'true', CATALOG_MAX_UPLOAD: rate, CATALOG_FAIR_USE_LIMIT: 'unlimited' }
}

export type Line = { type: string } & Record<string, unknown>

export interface CommandResult {
  /** Exit status, or the signal's name. */
  readonly status: number | string
  /** Every line of stdout, parsed. */
  readonly lines: Line[]
  readonly stderr: string
}

/** A command that is running. */
export interface RunningCommand {
  readonly process: ChildProcess
  /** Resolves with the first line that `wanted` accepts; rejects when the command ends without one. */
  line(wanted: (line: Line) => boolean): Promise<Line>
  readonly result: Promise<CommandResult>
}

export interface CommandOptions {
  readonly env?: Record<string, string> | undefined
  readonly uid?: number | undefined
  readonly cwd?: string | undefined
  /** As a terminal starts a command: in a process group of its own, which gets the terminal's signals. */
  readonly ownGroup?: boolean | undefined
  /** No file may grow beyond this, as on a disk that is full. */
  readonly fileKiBMax?: number | undefined
}

/** Start `catalog ARGS --json`. */
export function start(args: readonly string[], options: CommandOptions = {}): RunningCommand {
  const [program = '', ...before] = [...limited(options), process.execPath, '--disable-warning=ExperimentalWarning']
  const child = spawn(program, [...before, mainFile(), ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Nobody outside of this machine is to be asked for anything.
    env: { ...process.env, NO_COLOR: '1', CATALOG_UPSTREAM: 'none', ...options.env },
    cwd: options.cwd,
    detached: options.ownGroup === true,
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  })
  const lines: Line[] = []
  const waiting = new Set<{
    wanted: (line: Line) => boolean
    resolve: (line: Line) => void
    reject: (e: Error) => void
  }>()
  let stderr = ''
  child.stderr?.on('data', (chunk) => {
    stderr += chunk
  })
  const reader = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  reader.on('line', (text) => {
    const line = JSON.parse(text) as Line
    lines.push(line)
    for (const waiter of waiting) {
      if (!waiter.wanted(line)) continue
      waiting.delete(waiter)
      waiter.resolve(line)
    }
  })
  const closed = Promise.all([once(child, 'exit'), once(reader, 'close')])
  const result = closed.then(([[code, signal]]) => {
    const said = `${stderr}${lines
      .slice(-3)
      .map((line) => JSON.stringify(line))
      .join('\n')}`
    for (const { reject } of waiting) reject(new Error(`ended without the line waited for:\n${said}`))
    return { status: code ?? signal, lines, stderr }
  })
  return {
    process: child,
    result,
    line(wanted) {
      const there = lines.find(wanted)
      if (there) return Promise.resolve(there)
      const { promise, resolve, reject } = Promise.withResolvers<Line>()
      waiting.add({ wanted, resolve, reject })
      return promise
    },
  }
}

function limited({ fileKiBMax }: CommandOptions): string[] {
  return fileKiBMax === undefined ? [] : ['bash', '-c', `ulimit -f ${fileKiBMax}; exec "$0" "$@"`]
}

/** Run `catalog ARGS --json` to its end. */
export function run(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return start(args, options).result
}

export interface PlainResult {
  readonly status: number | string
  readonly stdout: string
  readonly stderr: string
}

/** Run `catalog ARGS` as a person does, without --json and into a pipe, not knowing what the runner says of colours. */
export async function runPlain(args: readonly string[], options: CommandOptions = {}): Promise<PlainResult> {
  const { CI: _ci, FORCE_COLOR: _force, NO_COLOR: _no, ...inherited } = process.env
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', mainFile(), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...inherited, CATALOG_UPSTREAM: 'none', ...options.env },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    stderr += chunk
  })
  const [code, signal] = await once(child, 'close')
  return { status: code ?? signal, stdout, stderr }
}

/**
 * Try until `attempt` has something, and give that back. Each attempt asks a process, which takes its own time: no
 * pause is needed between two.
 */
export async function eventually<T>(
  what: string,
  attempt: () => Promise<T | undefined>,
  withinMs = 20_000,
): Promise<T> {
  const end = performance.now() + withinMs
  for (;;) {
    const got = await attempt()
    if (got !== undefined) return got
    if (performance.now() > end) throw new Error(`within ${withinMs} ms it did not happen: ${what}`)
  }
}

/** SHA-256 of a file, hexadecimal. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

/** A token for programs that use a node over HTTP. */
export async function tokenOf(node: Pick<TestNode, 'run'>): Promise<string> {
  return `${(await node.run('token', 'create')).lines[0]?.['token']}`
}

/** Bytes that no compression and no second chunk has anything of, in a new file. */
export function writeNoise(path: string, bytes: number): void {
  const file = openSync(path, 'wx')
  const block = Buffer.alloc(NOISE_BLOCK_BYTES)
  for (let left = bytes; left > 0; left -= block.length) {
    writeSync(file, randomFillSync(block), 0, Math.min(left, block.length))
  }
  closeSync(file)
}

export interface TestNode {
  readonly dataDir: string
  /** Of the node itself, which a supervisor may run in a process of its own. */
  readonly pid: number
  readonly peerId: string
  /** Over QUIC. */
  readonly address: string
  readonly addresses: readonly string[]
  readonly http: string
  readonly command: RunningCommand
  /** Run a command against this node. */
  run(...args: string[]): Promise<CommandResult>
  /** As Ctrl-C does. */
  stop(): Promise<CommandResult>
  /** SIGKILL. */
  kill(): Promise<void>
}

export interface NodeOptions extends CommandOptions {
  readonly peers?: readonly string[] | undefined
  readonly controlPort?: number | undefined
  /** UDP; when it is taken, the node has no bulk plane. */
  readonly bulkPort?: number | undefined
  /** Whether it is started again when it dies; the process is the node itself otherwise. */
  readonly supervised?: boolean | undefined
}

interface Teardown {
  teardown(stop: () => Promise<void>): unknown
}

/** Start a node on loopback and wait until it serves. It is stopped when the test ends. */
export async function startNode(t: Teardown, dataDir: string, options: NodeOptions = {}): Promise<TestNode> {
  const { peers = [], controlPort = 0, bulkPort = 0, supervised = false, env } = options
  const ports = ['--control-port', String(controlPort), '--bulk-port', String(bulkPort), '--http-port', '0']
  const how = [
    ...ports,
    '--host',
    '127.0.0.1',
    ...peers.flatMap((peer) => ['--peer', peer]),
    ...(supervised ? [] : ['--no-supervise']),
  ]
  const command = start(['up', '--data-dir', dataDir, ...how], options)
  t.teardown(async () => {
    if (command.process.exitCode === null && command.process.signalCode === null) command.process.kill('SIGKILL')
    await command.result
  })
  const ready = await command.line(({ type }) => type === 'ready')
  const addresses = ready['addresses'] as string[]
  return {
    dataDir,
    pid: ready['pid'] as number,
    peerId: ready['peerId'] as string,
    address: addresses.find((address) => address.includes('/quic-v1')) as string,
    addresses,
    http: ready['http'] as string,
    command,
    run: (...args) => run([...args, '--data-dir', dataDir], { env }),
    stop() {
      command.process.kill('SIGINT')
      return command.result
    },
    async kill() {
      command.process.kill('SIGKILL')
      await command.result
    },
  }
}

/** Resolves when two nodes have greeted each other. */
export async function connected(node: TestNode, other: TestNode): Promise<void> {
  const { status, lines } = await node.run('peers', 'add', other.address)
  if (status !== 0) throw new Error(`not connected: ${JSON.stringify(lines)}`)
}

/** Run an operation on a node over its socket. @returns all its lines */
export async function ask(node: TestNode, name: string, input: Record<string, unknown>): Promise<Line[]> {
  const call = request({
    socketPath: dataPaths(node.dataDir).socket,
    path: `/api/v1/${name}`,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  })
  call.end(JSON.stringify(input))
  const [response] = await once(call, 'response')
  const lines: Line[] = []
  for await (const line of createInterface({ input: response })) lines.push(JSON.parse(line))
  const last = lines.at(-1)
  if (last === undefined || last.type === 'error') throw new Error(`${name}: ${JSON.stringify(last)}`)
  return lines
}
