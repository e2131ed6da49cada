// A node as npm's registry beside Verdaccio: the same packages are published into both, and the same requests made to
// both in turns. Servers and load generator are processes of their own, on as many cores as there are.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Contest, median, type Reading, type Side } from './harness.ts'
import { Client, type Load } from './registry/load.ts'
import { json, madePackage, ownProject, type Package, type Published, published } from './registry/packages.ts'
import { startCatalog, startVerdaccio } from './registry/servers.ts'
import type { Suite } from './suite.ts'

const INSTALL_FORM = 'application/vnd.npm.install-v1+json'
/** What npm sends when it installs. */
const AS_NPM = { accept: `${INSTALL_FORM}; q=1.0, application/json; q=0.8, */*`, 'accept-encoding': 'gzip,deflate' }
const VERSIONS = 30
const SMALL = { count: 40, bytes: 50 * 1_024, path: (i: number) => `bench-small-${i}/-/bench-small-${i}-1.0.0.tgz` }
const LARGE = { count: 3, bytes: 20e6, path: (i: number) => `bench-large-${i}/-/bench-large-${i}-1.0.0.tgz` }
/** In one turn, and how large each is. */
const PUBLISHED = 20
const PUBLISHED_BYTES = 8 * 1_024
const CONNECTIONS = 16
/** Longer than the index waits for more, and than it then takes. */
const REST_MS = 300
const INSTALLS = 3
const LINUX = { features: [`os:${platform()}`] }
const INSTALL = 'cold npm ci of this repository’s dependencies'

type Sides = Record<Side, Client>

const registry: Suite = async (compare) => {
  await using ends = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'catalog-bench-'))
  ends.defer(() => rm(folder, { recursive: true, force: true }))
  const servers = {
    candidate: ends.use(await startCatalog(join(folder, 'catalog'))),
    baseline: ends.use(await startVerdaccio(join(folder, 'verdaccio'))),
  }
  const sides = {
    candidate: ends.use(new Client(servers.candidate)),
    baseline: ends.use(new Client(servers.baseline)),
  }
  const small = indices(SMALL.count).map(SMALL.path)
  const large = indices(LARGE.count).map(LARGE.path)
  await fill(Object.values(sides))
  await check(sides, [...small, ...large])

  const packuments = { paths: ['bench-packument'], requests: 400, connections: CONNECTIONS }
  const installForm = { ...packuments, headers: AS_NPM }
  const tarballs = { paths: small, requests: 800, connections: CONNECTIONS }
  const largeOnes = { paths: large, requests: 12, connections: 4 }
  const megabytes = (largeOnes.requests * LARGE.bytes) / 1e6
  await compare({ name: 'packument, as npm installs', open: () => requests(sides, installForm) })
  await compare({ name: 'packument, in full and not packed', open: () => requests(sides, packuments) })
  await compare({ name: 'packument that has not changed', open: () => unchanged(sides, installForm) })
  await compare({ name: 'tarballs of 50 KiB', open: () => requests(sides, tarballs) })
  await compare({ name: 'tarballs of 20 MB', open: () => ({ ...requests(sides, largeOnes), amount: megabytes }) })
  const clocks = { candidate: () => servers.candidate.cpuSeconds(), baseline: () => servers.baseline.cpuSeconds() }
  await compare({
    name: 'tarballs of 20 MB: CPU',
    ...LINUX,
    open: () => ({ ...requests(sides, largeOnes), amount: megabytes, clocks }),
  })
  await compare({ name: 'publish, one after the other', open: () => publishing(sides) })
  const installs = new Installs(sides, folder)
  await compare({ name: INSTALL, open: () => installs.contest() })
  await compare({ name: `${INSTALL}: CPU of the server`, ...LINUX, open: () => installs.cpu() })
  const loads = [installForm, tarballs, largeOnes]
  await compare({ name: 'memory under load', ...LINUX, open: () => memory(sides, loads, 'serving') })
  await compare({ name: 'memory under load, of both processes', ...LINUX, open: () => memory(sides, loads, 'all') })
}
export default registry

async function fill(clients: readonly Client[]): Promise<void> {
  const { dependencies, scripts, keywords } = json('package.json')
  const packages: Package[] = []
  for (const i of indices(VERSIONS)) {
    const manifest = { name: 'bench-packument', version: `1.${i}.0`, description: 'A release.', dependencies }
    packages.push(await madePackage({ ...manifest, scripts, keywords }, 1_024))
  }
  for (const { count, bytes, path } of [SMALL, LARGE]) {
    for (const i of indices(count)) {
      const [name = ''] = path(i).split('/')
      packages.push(await madePackage({ name, version: '1.0.0' }, bytes))
    }
  }
  for (const client of clients) for (const one of packages) await client.publish(published(one, client.server))
}

/** Both must say the same of the packument, and have the same bytes. */
async function check({ candidate, baseline }: Sides, tarballs: readonly string[]): Promise<void> {
  const read = async ({ server }: Client, headers: Record<string, string>) => {
    const response = await fetch(`${server.registry}bench-packument`, { headers })
    return (await response.json()) as {
      versions: Record<string, { dependencies: object; dist: { integrity: string } }>
    }
  }
  const told = async (client: Client, headers: Record<string, string>) =>
    Object.entries((await read(client, headers)).versions)
      .map(([version, { dependencies, dist }]) => `${version} ${dist.integrity} ${Object.keys(dependencies).length}`)
      .sort()
      .join()
  for (const headers of [AS_NPM, {}]) mustBeEqual(await told(candidate, headers), await told(baseline, headers))
  const hash = async ({ server }: Client, path: string) =>
    createHash('sha256')
      .update(Buffer.from(await (await fetch(server.registry + path)).arrayBuffer()))
      .digest('hex')
  for (const path of tarballs) mustBeEqual(await hash(candidate, path), await hash(baseline, path))
}

function mustBeEqual(one: string, other: string): void {
  if (one !== other) throw new Error(`the registries differ: ${one.slice(0, 200)} and ${other.slice(0, 200)}`)
}

/** So many requests to each, with what they cost the servers and this process a request. */
function requests({ candidate, baseline }: Sides, load: Load): Contest {
  const costs: Record<Side | 'load', number[]> = { candidate: [], baseline: [], load: [] }
  const turn = async (side: Side, client: Client) => {
    const before = { server: client.server.cpuSeconds(), own: process.cpuUsage() }
    await client.run(load)
    costs[side].push((client.server.cpuSeconds() - before.server) / load.requests)
    const { user, system } = process.cpuUsage(before.own)
    costs.load.push((user + system) / 1e6 / load.requests)
  }
  const micros = (values: readonly number[]) => `${(mean(values) * 1e6).toFixed(0)} µs`
  return {
    ...{ amount: load.requests, rounds: 7, seconds: 0 },
    candidate: () => turn('candidate', candidate),
    baseline: () => turn('baseline', baseline),
    note: () =>
      `CPU a request: ${micros(costs.candidate)} against ${micros(costs.baseline)}; of who asks, ${micros(costs.load)}`,
  }
}

/** Each is asked whether what it said last has changed. */
async function unchanged(sides: Sides, load: Load): Promise<Contest> {
  const conditional = async ({ server }: Client) => {
    const response = await fetch(server.registry + load.paths[0], { headers: load.headers ?? {} })
    const tag = response.headers.get('etag')
    if (tag === null) throw new Error(`${server.registry} gives no entity tag`)
    return { ...load, status: 304, headers: { ...load.headers, 'if-none-match': tag } }
  }
  const [ours, its] = [await conditional(sides.candidate), await conditional(sides.baseline)]
  return {
    ...{ amount: load.requests, rounds: 7, seconds: 0 },
    candidate: () => sides.candidate.run(ours),
    baseline: () => sides.baseline.run(its),
  }
}

/** New packages each time. Turns begin at rest: what the one before left to do, indexing or dirty pages, is done. */
function publishing(sides: Sides): Contest {
  let count = 0
  const ready: Record<Side, Published[]> = { candidate: [], baseline: [] }
  const prepare = async (side: Side) => {
    const made = indices(PUBLISHED).map(() => {
      const manifest = { name: `bench-published-${count++}`, version: '1.0.0', description: 'One of many.' }
      return madePackage(manifest, PUBLISHED_BYTES)
    })
    ready[side] = (await Promise.all(made)).map((one) => published(one, sides[side].server))
    await promisify(execFile)('sync')
    await new Promise((resolve) => setTimeout(resolve, REST_MS))
  }
  const turn = async (side: Side) => {
    for (const one of ready[side]) await sides[side].publish(one)
  }
  return {
    ...{ amount: PUBLISHED, rounds: 9, seconds: 0, once: true },
    candidate: () => turn('candidate'),
    baseline: () => turn('baseline'),
    prepare: () => prepare('candidate'),
    prepareBaseline: () => prepare('baseline'),
    note: ({ value, baseline }) => `${(1e3 / value).toFixed(1)} ms against ${(1e3 / baseline).toFixed(1)} ms each`,
  }
}

/** npm with nothing in its cache, for each registry in turns. */
class Installs {
  readonly #sides: Sides
  readonly #folder: string
  readonly #cpu: Record<Side, number[]> = { candidate: [], baseline: [] }
  #files: Awaited<ReturnType<typeof ownProject>>['files'] | undefined
  #count = 0

  constructor(sides: Sides, folder: string) {
    this.#sides = sides
    this.#folder = folder
  }

  async contest(): Promise<Contest> {
    await this.#fill()
    const turn = (side: Side) => () => this.#install(side)
    const turns = { candidate: turn('candidate'), baseline: turn('baseline') }
    return { amount: 1, rounds: INSTALLS, seconds: 0, once: true, ...turns }
  }

  async cpu(): Promise<Reading> {
    if (this.#cpu.candidate.length === 0) {
      const { candidate, baseline } = await this.contest()
      for (let round = 0; round < INSTALLS; round++) {
        await candidate()
        await baseline()
      }
    }
    return { figure: median(this.#cpu.candidate), most: median(this.#cpu.baseline) / 2 }
  }

  async #fill(): Promise<void> {
    const { files, packages } = await ownProject()
    this.#files = files
    for (const client of Object.values(this.#sides)) {
      for (const one of packages) await client.publish(published(one, client.server))
    }
  }

  async #install(side: Side): Promise<void> {
    const { server } = this.#sides[side]
    const folder = join(this.#folder, `install-${this.#count++}`)
    await mkdir(join(folder, 'home'), { recursive: true })
    for (const [name, text] of Object.entries(this.#files ?? {})) await writeFile(join(folder, name), text)
    const settings = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error']
    const where = [`--registry=${server.registry}`, `--cache=${join(folder, 'cache')}`]
    const kept = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))
    const env = { ...Object.fromEntries(kept), HOME: join(folder, 'home') }
    const before = server.cpuSeconds()
    await promisify(execFile)('npm', ['ci', ...settings, ...where], { cwd: folder, env })
    this.#cpu[side].push(server.cpuSeconds() - before)
  }
}

async function memory(sides: Sides, loads: readonly Load[], which: 'serving' | 'all'): Promise<Reading> {
  for (const client of Object.values(sides)) for (const load of loads) await client.run(load)
  const { candidate, baseline } = sides
  return { figure: candidate.server.rssMegabytes(which), most: baseline.server.rssMegabytes(which) * 0.6 }
}

function indices(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
