// The lossy path of relay.rs for tests: compiled when it is first needed, and run between two nodes on loopback.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface PathOptions {
  /** UDP port of the node at the far end, on 127.0.0.1. */
  readonly port: number
  /** One way. */
  readonly delayMs: number
  readonly lossPerMillion?: number
  /** Of the bottleneck; none by default. */
  readonly bytesPerSecond?: number
  readonly queueBytes?: number
  readonly seed?: number
  /** Before all other processes, where the system allows it: a real path does not wait for a processor. */
  readonly urgent?: boolean
  /** It ends by itself after so long. */
  readonly seconds: number
}

export interface Relay extends AsyncDisposable {
  /** UDP port on 127.0.0.1 that leads to the node. */
  readonly port: number
  /** Ends it. @returns what it forwarded, lost and dropped, as a sentence */
  stop(): Promise<string>
}

/** The lowest of Linux's real-time priorities, for who may have it. */
const URGENTLY = ['chrt', '--fifo', '1']

let binary: string | undefined

/** A path to a node. It needs `rustc`, as the project itself does. */
export async function relayTo(path: PathOptions): Promise<Relay> {
  binary ??= compile()
  const { port, delayMs, lossPerMillion = 0, bytesPerSecond = 0, queueBytes = 1_000_000, seed = 1, seconds } = path
  const [command = '', ...before] = path.urgent && mayBeUrgent() ? [...URGENTLY, binary] : [binary]
  const numbers = [delayMs, lossPerMillion, bytesPerSecond, queueBytes, seed, seconds].map(String)
  const child = spawn(command, [...before, `127.0.0.1:${port}`, ...numbers], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const first = await lines.next()
  if (first.done) throw new Error('the relay ended before it had a port')
  const stop = async () => {
    child.stdin.end()
    const counts = await lines.next()
    await exited
    return counts.value ?? ''
  }
  return {
    port: Number(first.value),
    stop,
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await exited
    },
  }
}

function mayBeUrgent(): boolean {
  return spawnSync(URGENTLY[0] as string, [...URGENTLY.slice(1), 'true']).status === 0
}

function compile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'catalog-relay-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const output = join(folder, 'relay')
  const source = fileURLToPath(new URL('relay.rs', import.meta.url))
  execFileSync('rustc', ['-O', '--edition=2024', '-o', output, source], { stdio: 'inherit' })
  return output
}
