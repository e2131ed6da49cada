// Load on a registry over HTTP, by undici's pool: as many requests under way as there are connections, all kept alive.
// Answers are thrown away; what they say is checked once before.
import { Pool } from 'undici'
import type { Published } from './packages.ts'
import type { RegistryServer } from './servers.ts'

export interface Load {
  /** Below the registry; taken in turns. */
  readonly paths: readonly string[]
  readonly headers?: Record<string, string>
  readonly requests: number
  readonly connections: number
  /** What all answers must have; 200 by default. */
  readonly status?: number
}

export class Client implements AsyncDisposable {
  readonly server: RegistryServer
  readonly #path: string
  readonly #pools = new Map<number, Pool>()
  readonly #origin: string

  constructor(server: RegistryServer) {
    this.server = server
    const { origin, pathname } = new URL(server.registry)
    this.#origin = origin
    this.#path = pathname
  }

  /** @throws Error when one is answered otherwise */
  async run({ paths, headers = {}, requests, connections, status = 200 }: Load): Promise<void> {
    const pool = this.#pool(connections)
    let next = 0
    const work = async () => {
      while (next < requests) await this.#get(pool, paths[next++ % paths.length] as string, headers, status)
    }
    await Promise.all(Array.from({ length: connections }, work))
  }

  /** Publish as npm does, over a connection that is kept. @throws Error when it is refused */
  async publish({ name, body }: Published): Promise<void> {
    const headers = { authorization: `Bearer ${this.server.token}`, 'content-type': 'application/json' }
    const path = this.#path + name.replace('/', '%2f')
    const answer = await this.#pool(1).request({ method: 'PUT', path, headers, body })
    const text = await answer.body.text()
    if (answer.statusCode !== 201) throw new Error(`${this.#origin} refused ${name}: ${answer.statusCode} ${text}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.close()))
  }

  #pool(connections: number): Pool {
    const known = this.#pools.get(connections)
    if (known) return known
    const made = new Pool(this.#origin, { connections, pipelining: 1 })
    this.#pools.set(connections, made)
    return made
  }

  #get(pool: Pool, path: string, headers: Record<string, string>, wanted: number): Promise<void> {
    return new Promise((resolve, reject) => {
      pool.dispatch(
        { method: 'GET', path: this.#path + path, headers },
        {
          onConnect: () => undefined,
          onHeaders(status) {
            if (status !== wanted) reject(new Error(`${path}: status ${status}`))
            return true
          },
          onData: () => true,
          onComplete: () => resolve(),
          onError: reject,
        },
      )
    })
  }
}
