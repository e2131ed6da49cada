// The two registries, each a process of its own on the same Node, with storage side by side on one file system. Neither
// asks anybody else for packages. Verdaccio is set up in its own favour: no page, no log of requests, tokens that are
// verified without hashing a password.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../test/free-port.ts'
import { cpuSeconds, residentBytes } from '../../test/proc.ts'

const CATALOG = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const VERDACCIO = fileURLToPath(new URL('../../node_modules/verdaccio/bin/verdaccio', import.meta.url))
const START_MS = 30_000

export class RegistryServer implements AsyncDisposable {
  readonly #child: ChildProcess
  /** Of the process that serves. */
  readonly pid: number
  readonly #ended: Promise<unknown>
  /** With a slash at its end. */
  readonly registry: string
  token = ''

  constructor(child: ChildProcess, registry: string, pid = child.pid ?? 0) {
    this.#child = child
    this.pid = pid
    this.#ended = once(child, 'exit')
    this.registry = registry
  }

  /** User and system, of all threads since it started; 0 where the system has no /proc. */
  cpuSeconds(): number {
    return cpuSeconds(this.pid)
  }

  /** Of the process that serves, or of that and the one that watches over it. */
  rssMegabytes(which: 'serving' | 'all'): number {
    const pids = new Set(which === 'all' ? [this.pid, this.#child.pid ?? this.pid] : [this.pid])
    return [...pids].reduce((sum, pid) => sum + residentBytes(pid, 'VmRSS'), 0) / 1e6
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill()
    await this.#ended
  }
}

/** A node as a user starts it: the process that would start it again is not counted. */
export async function startCatalog(folder: string): Promise<RegistryServer> {
  if (!existsSync(CATALOG)) throw new Error('the product is not built: npm run setup')
  const ports = ['--control-port', '0', '--bulk-port', '0', '--http-port', '0']
  const alone = ['--host', '127.0.0.1', '--no-mdns', '--no-upstream']
  const child = spawn(process.execPath, [CATALOG, 'up', '--json', '--data-dir', folder, ...ports, ...alone], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: child.stdout })) {
    const { http, pid } = JSON.parse(line) as { http?: string; pid?: number }
    if (http === undefined) continue
    child.stdout.resume()
    const server = new RegistryServer(child, `${http}/npm/`, pid)
    server.token = catalogToken(folder)
    return server
  }
  throw new Error('the node ended before it was up')
}

function catalogToken(folder: string): string {
  const args = [CATALOG, 'token', 'create', '--json', '--data-dir', folder]
  const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  return (JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { token: string }).token
}

export async function startVerdaccio(folder: string): Promise<RegistryServer> {
  await mkdir(folder, { recursive: true })
  const config = join(folder, 'config.yaml')
  await writeFile(config, settings(folder))
  const address = `127.0.0.1:${await freePort()}`
  const child = spawn(process.execPath, [VERDACCIO, '--config', config, '--listen', address], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  const server = new RegistryServer(child, `http://${address}/`)
  await answers(`${server.registry}-/ping`)
  server.token = await verdaccioToken(server)
  return server
}

function settings(folder: string): string {
  return JSON.stringify({
    storage: join(folder, 'storage'),
    auth: { htpasswd: { file: join(folder, 'htpasswd') } },
    security: { api: { jwt: { sign: { expiresIn: '1d' } } } },
    uplinks: {},
    packages: { '**': { access: '$all', publish: '$authenticated' } },
    max_body_size: '64mb',
    web: { enable: false },
    log: { type: 'stdout', format: 'json', level: 'fatal' },
  })
}

async function verdaccioToken({ registry }: RegistryServer): Promise<string> {
  const response = await fetch(`${registry}-/user/org.couchdb.user:bench`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'bench', password: 'a password of the bench' }),
  })
  const { token } = (await response.json()) as { token?: string }
  if (token === undefined) throw new Error(`Verdaccio gave no token: ${response.status}`)
  return token
}

async function answers(url: string): Promise<void> {
  for (const end = Date.now() + START_MS; Date.now() < end; ) {
    const there = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    )
    if (there) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`nothing answers at ${url}`)
}
