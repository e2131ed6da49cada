// How fast many small packages come: a node publishes N of them, of some 5 KB each, and one that depends on all;
// another node installs that one with its dependencies. Both are processes on loopback. A blob counts when its package
// is in its place: resolved, fetched, verified, durable in the store and unpacked. The time is that of the whole
// install, from the request to the answer. Prints blobs a second, CPU time a blob of either side, by which planes the
// blobs came, what each node has resident and how long the nodes take to stop, processes and all; fails below 500 blobs
// a second, and from 200 MB of a node's own on. The nodes run as a user runs them, built and supervised; the one that
// has published starts anew before it sends, so that what it has then is for sending.
// node test/soak/small-blobs.ts [N, 2000 by default]
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { seededRandom } from '../../src/base/random.ts'
import { atMost } from '../../src/base/together.ts'
import { ask, connected, type NodeOptions, startNode, type TestNode } from '../integration/processes.ts'
import { cpuSeconds, residentBytes } from '../proc.ts'

const PACKAGES = Number(process.argv[2] ?? 2_000)
const BLOB_BYTES = 5_000
const BLOBS_PER_SECOND_MIN = 500
const OWN_BYTES_MAX = 200e6
/** What a release holds of dependencies is bounded: the many are named by a few. */
const DEPENDENCIES_EACH = 400
const PROFILES = process.env['CATALOG_SOAK_PROFILES']

process.env['CATALOG_TEST_MAIN'] = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'catalog-small-'))
const ends: (() => Promise<void>)[] = []
try {
  const owner = { teardown: (end: () => Promise<void>) => ends.push(end) }
  const publisher = await startNode(owner, join(folder, 'far'), profiled('publisher'))
  await timed(`published ${PACKAGES} packages`, () => publishAll(publisher))
  console.log(`resident: ${resident(publisher)} after publishing`)
  await publisher.stop()
  const far = await startNode(owner, join(folder, 'far'), profiled('far'))
  const near = await startNode(owner, join(folder, 'near'), profiled('near'))
  await connected(near, far)
  await install(far, near)
  await timed('the installing node stopped', () => near.stop())
  await timed('the publishing node stopped', () => far.stop())
} finally {
  for (const end of ends) await end()
  rmSync(folder, { recursive: true, force: true })
}

/** The last of them depends on all the others. */
async function publishAll(node: TestNode): Promise<void> {
  const random = seededRandom(1)
  const hubs = Math.ceil(PACKAGES / DEPENDENCIES_EACH)
  const leaves = Array.from({ length: PACKAGES - hubs - 1 }, (_, index) => `small-${index}`)
  await atMost(24, leaves, async (name) => {
    const path = join(folder, `${name}.bin`)
    writeFileSync(path, random.bytes(BLOB_BYTES))
    await ask(node, 'publish', { path, type: 'generic', name, version: '1.0.0' })
  })
  const names = Array.from({ length: hubs }, (_, index) => `hub-${index}`)
  for (const [index, name] of names.entries()) {
    await publishHub(node, name, leaves.slice(index * DEPENDENCIES_EACH, (index + 1) * DEPENDENCIES_EACH))
  }
  await publishHub(node, 'all', names)
}

async function publishHub(node: TestNode, name: string, needs: readonly string[]): Promise<void> {
  const path = join(folder, name)
  mkdirSync(path)
  const lines = needs.map((need) => `"${need}" = "^1.0.0"`)
  writeFileSync(join(path, 'asset.toml'), ['[dependencies]', ...lines, ''].join('\n'))
  await ask(node, 'publish', { path, type: 'generic', name, version: '1.0.0' })
}

async function install(far: TestNode, near: TestNode): Promise<void> {
  const to = join(folder, 'installed')
  const before = [far, near].map(({ pid }) => cpuSeconds(pid))
  const began = performance.now()
  const lines = await ask(near, 'install', { purl: 'pkg:generic/all', to, withDependencies: true })
  const seconds = (performance.now() - began) / 1000
  const spent = [far, near].map(({ pid }, index) => cpuSeconds(pid) - (before[index] ?? 0))
  const installed = lines.filter(({ type }) => type === 'installed')
  if (installed.length !== PACKAGES || readdirSync(to).length !== PACKAGES) {
    throw new Error(`${installed.length} packages were installed, and ${readdirSync(to).length} folders made`)
  }
  const planes = new Map<string, number>()
  for (const { sources } of installed as unknown as { sources: { plane: string }[] }[]) {
    for (const { plane } of sources) planes.set(plane, (planes.get(plane) ?? 0) + 1)
  }
  const rate = PACKAGES / seconds
  const [sending = 0, receiving = 0] = spent.map((cpu) => (cpu * 1000) / PACKAGES)
  console.log(`installed ${PACKAGES} packages in ${seconds.toFixed(1)} s: ${rate.toFixed(0)} blobs/s`)
  console.log(`CPU a blob: ${sending.toFixed(2)} ms to send, ${receiving.toFixed(2)} ms to receive`)
  console.log(`by plane: ${JSON.stringify(Object.fromEntries(planes))}`)
  console.log(`resident: ${resident(far)} to send, ${resident(near)} to receive`)
  const own = [far, near].map(({ pid }) => residentBytes(pid, 'RssAnon'))
  if (rate < BLOBS_PER_SECOND_MIN || Math.max(...own) >= OWN_BYTES_MAX) process.exitCode = 1
}

function resident({ pid }: TestNode): string {
  const [own, mapped] = [residentBytes(pid, 'RssAnon'), residentBytes(pid, 'RssFile')]
  return `${inMb(own)} MB and ${inMb(mapped)} MB mapped, ${inMb(residentBytes(pid, 'VmHWM'))} MB at the most,`
}

function inMb(bytes: number): number {
  return Math.round(bytes / 1e6)
}

async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  const began = performance.now()
  await work()
  console.log(`${what} in ${((performance.now() - began) / 1000).toFixed(2)} s`)
}

/** With a folder in CATALOG_SOAK_PROFILES, where each node spent its time is written there. */
function profiled(name: string): NodeOptions {
  if (PROFILES === undefined) return { supervised: true }
  return { supervised: true, env: { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${join(PROFILES, name)}` } }
}
