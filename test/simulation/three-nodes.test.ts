// Three whole nodes in one process, from bootstrap to a fetch across a partition, played from one seed.
import { randomInt } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { sha256, toHex } from '../../src/base/bytes.ts'
import { MINUTE_MS, MiB, SECOND_MS } from '../../src/base/units.ts'
import type { CatalogNode } from '../../src/node.ts'
import { World } from './world.ts'

const SEED = Number(process.env['SIMULATION_SEED'] ?? randomInt(2 ** 31))

const LANTERN = 'pkg:npm/lantern@1.0.0'
const SEABED = 'pkg:generic/seabed@2.1.0'
const OFFLINE = { mdns: false, dht: false, workers: 1 }

interface Stage {
  readonly t: Test
  readonly world: World
  readonly folder: string
  readonly a: CatalogNode
  readonly b: CatalogNode
  readonly c: CatalogNode
  /** The larger package. */
  readonly bytes: Uint8Array
}

/** Play the story. @returns its trace */
async function play(t: Test, folder: string, seed: number): Promise<string[]> {
  const world = new World(seed)
  const stop = world.listen()
  try {
    const a = await world.start('A', { ...OFFLINE, dataDir: join(folder, 'a') })
    const b = await world.start('B', { ...OFFLINE, dataDir: join(folder, 'b'), peers: a.addresses() })
    const c = await world.start('C', { ...OFFLINE, dataDir: join(folder, 'c'), peers: b.addresses() })
    const stage = { t, world, folder, a, b, c, bytes: world.random().bytes(MiB + 12_345) }
    await connects(stage)
    await publishes(stage)
    await searches(stage)
    await fetches(stage)
    await fetchesAcrossAPartition(stage)
    await recommends(stage)
    world.note('end')
    for (const node of [a, b, c]) await world.until(node.close())
  } finally {
    stop()
  }
  return world.trace
}

/** Each knows one other: A ← B ← C. */
async function connects({ t, world, a, b, c }: Stage): Promise<void> {
  await world.pass(2 * SECOND_MS)
  const neighbours = (node: CatalogNode) =>
    node.sharing
      .connectedPeers()
      .map(({ peer }) => world.nameOf(peer))
      .sort()
  t.strictSame([a, b, c].map(neighbours), [['B'], ['A', 'C'], ['B']], 'the nodes found each other')
}

async function publishes({ t, world, folder, a, b, c, bytes }: Stage): Promise<void> {
  const source = join(folder, 'source')
  await mkdir(join(source, 'lantern'), { recursive: true })
  const description = 'A lamp for keepers of lighthouses'
  const manifest = { name: 'lantern', version: '1.0.0', description, main: 'index.js' }
  await writeFile(join(source, 'lantern/package.json'), JSON.stringify(manifest))
  await writeFile(join(source, 'lantern/index.js'), 'export const lit = true\n')
  await writeFile(join(source, 'seabed.bin'), bytes)
  const first = await world.until(a.sharing.sharePackage(join(source, 'lantern')))
  t.match(first, { purl: LANTERN, permission: 'public', fresh: true })
  world.note(`record ${first.record}`)
  const options = { type: 'generic', name: 'seabed', version: '2.1.0' }
  const second = await world.until(a.sharing.sharePackage(join(source, 'seabed.bin'), options))
  t.match(second, { purl: SEABED, fresh: true, artifacts: [{ size: bytes.length, sha256: toHex(sha256(bytes)) }] })
  world.note(`record ${second.record}`)
  await world.pass(2 * SECOND_MS)
  for (const node of [b, c]) {
    const name = world.nameOf(node.peerId)
    const { releases, blobs } = await world.until(node.sharing.status())
    t.strictSame({ releases, blobs }, { releases: 2, blobs: 0 }, `${name} heard of both releases`)
    const heard = world.trace.filter((event) => event.includes(` ${name} hears /catalog/announce/1 from A`))
    t.equal(heard.length, 2, `${name} heard each announcement once`)
  }
}

async function searches({ t, world, a, c }: Stage): Promise<void> {
  const byWord = await world.until(c.sharing.searchPackages('lighthouses'))
  t.strictSame(
    byWord.results.map(({ purl, verified, providers }) => ({ purl, verified, providers })),
    [{ purl: LANTERN, verified: true, providers: 2 }],
    'found by a word of its description, at both peers',
  )
  t.equal(byWord.peersAnswered, byWord.peersAsked)
  const byName = await world.until(c.sharing.searchPackages('seabed', { local: true }))
  t.equal(byName.results[0]?.purl, SEABED, 'found by its name, without asking')
  world.note(`search answers ${JSON.stringify([byWord, byName])}`)
  const info = await world.until(c.sharing.packageInfo(LANTERN))
  const { publisher } = await world.until(a.sharing.status())
  t.match(info, { publisher, trust: 'unpinned', local: false, versions: ['1.0.0'] })
}

async function fetches({ t, world, folder, a, c, bytes }: Stage): Promise<void> {
  const output = join(folder, 'c-seabed.bin')
  const fetched = await world.until(c.sharing.fetchPackage(SEABED, output))
  t.match(fetched.sources, [{ peer: a.peerId, plane: 'stream', bytes: bytes.length }], 'A delivered')
  t.equal(fetched.sha256, toHex(sha256(bytes)))
  t.equal(toHex(sha256(await readFile(output))), toHex(sha256(bytes)), 'the file has the bytes published')
  world.note(`C fetched in ${fetched.ms.toFixed(3)} ms`)
  const [installed] = await world.until(c.sharing.installPackage(LANTERN, { to: join(folder, 'c-modules') }))
  t.match(installed, { purl: LANTERN, files: 2 })
  t.match(await readFile(join(folder, 'c-modules/lantern/index.js'), 'utf8'), 'lit = true')
}

/** Connected as it is, the node asks nobody and tells nobody. */
async function recommends({ t, world, c }: Stage): Promise<void> {
  const before = world.trace.length
  const found = await world.until(c.sharing.recommendPackages(LANTERN))
  t.match(found, [{ purl: 'pkg:generic/seabed', reasons: [{ kind: 'same-publisher' }] }])
  await world.until(c.sharing.recommendPackages())
  await t.rejects(world.until(c.sharing.recommendPackages('pkg:npm/unheard-of')), { code: 'NOT_FOUND' })
  const sent = (trace: readonly string[]) => trace.filter((event) => / C (opens|says|writes)/.test(event))
  t.not(sent(world.trace.slice(0, before)).length, 0)
  t.strictSame(sent(world.trace.slice(before)), [], 'nothing leaves the node')
}

async function fetchesAcrossAPartition({ t, world, folder, a, b, c, bytes }: Stage): Promise<void> {
  world.hub.partition([a.peerId], [b.peerId, c.peerId])
  const fetched = await world.until(b.sharing.fetchPackage(SEABED, join(folder, 'b-seabed.bin')))
  t.match(fetched.sources, [{ peer: c.peerId, bytes: bytes.length }], 'C delivered what A published')
  t.equal(fetched.sources.length, 1)
  t.equal(toHex(sha256(await readFile(join(folder, 'b-seabed.bin')))), toHex(sha256(bytes)))
  world.note(`B fetched in ${fetched.ms.toFixed(3)} ms`)
  world.hub.heal()
  await world.pass(2 * MINUTE_MS)
  t.ok(
    b.sharing.connectedPeers().some(({ peer }) => peer === a.peerId),
    'B came back to A by itself',
  )
}

test('three nodes share a package, and the same seed plays the same story', async (t) => {
  t.comment(`SIMULATION_SEED=${SEED}`)
  const folder = t.testdir()
  const first = await play(t, join(folder, 'first'), SEED)
  const second = await play(t, join(folder, 'second'), SEED)
  const other = await play(t, join(folder, 'other'), (SEED + 1) % 2 ** 31)
  const parting = first.findIndex((event, at) => event !== second[at])
  t.equal(parting, -1, `the stories part: ${first[parting]} / ${second[parting]}`)
  t.equal(second.length, first.length)
  t.notSame(other, first)
  const digest = toHex(sha256(Buffer.from(first.join('\n')))).slice(0, 16)
  t.comment(`${first.length} events, the last at ${first.at(-1)}; digest of all ${digest}`)
})
