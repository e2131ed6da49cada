// Four nodes fetch from one whose upload is as limited as their own: it need not send everybody a copy, since they
// serve one another what they have verified. CATALOG_SWARM_MB is the size of the blob, and CATALOG_SWARM_RATE_MB what
// each node sends a second, so little that a busy machine can do it: `npm run soak` has 200 and 20. All are at one
// address, because the bulk plane of a peer is looked for where its control connection comes from.
import { join } from 'node:path'
import tap, { test } from 'tap'
import { MB } from '../../src/base/units.ts'
import { CatalogNode } from '../../src/index.ts'
import { sha256Of, writeNoise } from './processes.ts'

tap.setTimeout(240_000)

const SIZE = Number(process.env['CATALOG_SWARM_MB'] ?? 40) * MB
const RATE = Number(process.env['CATALOG_SWARM_RATE_MB'] ?? 2) * MB
/** The seed has to send each byte once. Five nodes that send together have less to do each. */
const LOWER_BOUND_SECONDS = SIZE / RATE
const OPTIONS = {
  host: '127.0.0.1',
  controlPort: 0,
  bulkPort: 0,
  httpPort: 0,
  mdns: false,
  workers: 1,
  limitLocal: true,
  maxUpload: RATE,
  maxDownload: Number.POSITIVE_INFINITY,
  fairUseLimit: Number.POSITIVE_INFINITY,
}

test('four nodes have a blob in little more than the time its seed takes to send it once', async (t) => {
  const folder = t.testdir()
  await using opened = new AsyncDisposableStack()
  const file = join(folder, 'noise.bin')
  writeNoise(file, SIZE)
  const open = async (number: number) => {
    const node = opened.use(await CatalogNode.open({ dataDir: join(folder, `node${number}`), ...OPTIONS }))
    await node.start()
    return node
  }
  const seed = await open(0)
  const { purl } = await seed.sharing.sharePackage(file, { type: 'generic', version: '1.0.0' })
  const nodes = [await open(1), await open(2), await open(3), await open(4)]
  // They know of each other by the seed alone.
  for (const node of nodes) await node.sharing.connectPeer(String(seed.addresses()[0]))

  const outputs = nodes.map((_, number) => join(folder, `${number}.bin`))
  const ends = await Promise.all(nodes.map((node, i) => node.sharing.fetchPackage(purl, outputs[i] ?? '')))
  const sha256 = await sha256Of(file)
  for (const output of outputs) t.equal(await sha256Of(output), sha256)

  const fetches = nodes.flatMap(({ sharing }) =>
    sharing.transfers().recent.filter((each) => each.direction === 'fetch'),
  )
  t.equal(fetches.length, nodes.length)
  const startedAt = Math.min(...fetches.map((each) => each.startedAt))
  const seconds = (Math.max(...fetches.map((each) => Number(each.endedAt))) - startedAt) / 1000
  const copies = seed.sharing.accounts().reduce((sum, { sent }) => sum + sent, 0) / SIZE
  const sources = ends.map((end) => end.sources.map(({ bytes }) => (bytes / MB).toFixed(0)).join('+'))
  t.comment(`${seconds.toFixed(1)} s of at least ${LOWER_BOUND_SECONDS}, ${copies.toFixed(2)} copies; ${sources} MB`)
  t.ok(seconds <= 1.5 * LOWER_BOUND_SECONDS, `in ${seconds} s`)
  t.ok(copies <= 1.6, `the seed has sent ${copies} copies`)
  for (const end of ends) t.ok(end.sources.every(({ plane }) => plane === 'bulk'))
})
