// Both ends of a way, each a process with a core of its own where the system can bind it to one.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Order, Spent, WAYS } from './end.ts'
import type { Source } from './way.ts'

const END = fileURLToPath(new URL('./end.ts', import.meta.url))
const pinned = cpus().length > 1 && spawnSync('taskset', ['--version']).error === undefined

export type WayName = keyof typeof WAYS

/** What both ends have used: the sender and the receiver. */
type Both = readonly [sender: number, receiver: number]

export class Pair implements AsyncDisposable {
  readonly #sender: End
  readonly #receiver: End
  #cpuSeconds: Both = [0, 0]
  /** How often the blob was fetched. */
  fetches = 0
  /** The largest of both ends so far. */
  rssBytes = 0
  /** The worst of 99 in 100, of both ends and all fetches so far. */
  delayP99Ms = 0

  private constructor(sender: End, receiver: End) {
    this.#sender = sender
    this.#receiver = receiver
  }

  /** @param through - makes a relay to the sender's port, and returns the port that leads there */
  static async open(way: WayName, source: Source, through?: (port: number) => Promise<number>): Promise<Pair> {
    const [sender, receiver] = [new End(0), new End(1)]
    const at = (await sender.ask({ way, serve: source })) as { port: number }
    await receiver.ask({ way, open: source, at: through ? { ...at, port: await through(at.port) } : at })
    return new Pair(sender, receiver)
  }

  /** All of the blob into this file, onto the disk. */
  async fetch(output: string): Promise<string> {
    await this.#spent()
    await this.#receiver.ask({ fetch: output })
    const [sender, receiver] = await this.#spent()
    this.#cpuSeconds = [this.#cpuSeconds[0] + sender.cpuSeconds, this.#cpuSeconds[1] + receiver.cpuSeconds]
    this.rssBytes = Math.max(sender.rssBytes, receiver.rssBytes)
    this.delayP99Ms = Math.max(this.delayP99Ms, sender.delayP99Ms, receiver.delayP99Ms)
    this.fetches++
    return output
  }

  /** Spent by both on fetches so far, starting up excluded. */
  cpuSeconds(): number {
    return this.#cpuSeconds[0] + this.#cpuSeconds[1]
  }

  /** CPU seconds of one fetch, on average, of the sender and of the receiver. */
  costs(): string {
    return this.#cpuSeconds.map((seconds) => (seconds / this.fetches).toFixed(2)).join(' + ')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#sender.close(), this.#receiver.close()])
  }

  async #spent(): Promise<readonly [Spent, Spent]> {
    const [sender, receiver] = await Promise.all([
      this.#sender.ask({ spent: true }),
      this.#receiver.ask({ spent: true }),
    ])
    return [sender as Spent, receiver as Spent]
  }
}

/** A process that does what it is told, one order after the other. */
class End {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>

  constructor(core: number) {
    const call = [process.execPath, '--disable-warning=ExperimentalWarning', END]
    const [command = '', ...args] = pinned ? ['taskset', '--cpu-list', `${core}`, ...call] : call
    this.#child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#ended = once(this.#child, 'exit')
  }

  async ask(order: Order): Promise<object> {
    const died = this.#ended.then(() => {
      throw new Error(`an end of the transfer died at ${JSON.stringify(order)}`)
    })
    const answer = once(this.#child, 'message')
    this.#child.send(order)
    const [reply] = await Promise.race([answer, died])
    return reply as object
  }

  async close(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.#ended
  }
}
