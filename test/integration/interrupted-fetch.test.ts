// Fetches that are cut off, by the death of the provider, of the fetching node, or by the user: nothing half done is
// ever visible, and the same command goes on where it stopped.
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { freePort } from '../free-port.ts'
import {
  connected,
  eventually,
  type Line,
  sha256Of,
  slowUpload,
  start,
  startNode,
  type TestNode,
  writeNoise,
} from './processes.ts'

tap.setTimeout(180_000)

const LONG_BYTES = 100_000_000
const SHORT_BYTES = 60_000_000
/** So slow that a fetch can be caught in the middle of it. */
const SLOW = slowUpload('20 MB/s')

test('a fetch resumes after its provider was killed and came back', async (t) => {
  const { folder, a, b, purl, sha256, output } = await publishedNoise(t, LONG_BYTES)
  await connected(b, a)
  const fetching = fetchFrom(b, purl, output)
  await progressOf(fetching, 0.4)
  await a.kill()
  const { status, lines } = await fetching.result
  t.equal(status, 6)
  const details = { failures: [{ peer: a.peerId }], bytes: LONG_BYTES }
  t.match(lines.at(-1), { type: 'error', code: 'NO_PROVIDERS', message: new RegExp(a.peerId), details })
  await nothingVisible(t, b, output)

  // B comes up although the peer it is told of is away, and finds it again when it is back on the same port.
  t.match(await b.stop(), { status: 0 })
  const again = await startNode(t, b.dataDir, { peers: [a.address] })
  await startNode(t, a.dataDir, { controlPort: Number(/\/udp\/(\d+)\//.exec(a.address)?.[1]) })
  await eventually('B is connected to A again', async () => {
    const { lines } = await again.run('peers')
    return lines.some(({ peer }) => peer === a.peerId) || undefined
  })
  await resumes(t, again, purl, output, sha256)
  const { status: sound, lines: verified } = await again.run('verify')
  t.match({ sound, last: verified.at(-1) }, { sound: 0, last: { type: 'summary', artifacts: 1, damaged: 0 } })
  rmSync(folder, { recursive: true })
})

test('a fetch over TCP resumes after Ctrl-C, and after the death of the fetching node', async (t) => {
  const { folder, a, b, purl, sha256, output } = await publishedNoise(t, SHORT_BYTES)
  const overTcp = String(a.addresses.find((address) => address.includes('/tcp/')))
  t.match(await b.run('peers', 'add', overTcp), { status: 0 })
  const fetching = fetchFrom(b, purl, output)
  await progressOf(fetching, 0.1)
  fetching.process.kill('SIGINT')
  const { status, lines } = await fetching.result
  t.equal(status, 130)
  t.match(lines.at(-1), { type: 'error', code: 'ABORTED' })
  await nothingVisible(t, b, output)

  const going = fetchFrom(b, purl, output)
  const first = await going.line(({ type }) => type === 'progress')
  t.ok(Number(first['bytes']) > 0, `goes on from ${first['bytes']} bytes`)
  await progressOf(going, 0.6)
  await b.kill()
  t.match((await going.result).lines.at(-1), { type: 'error', code: 'CLOSED' })
  t.notOk(existsSync(output))

  const again = await startNode(t, b.dataDir)
  await nothingVisible(t, again, output)
  t.match(await again.run('peers', 'add', overTcp), { status: 0 })
  await resumes(t, again, purl, output, sha256)
  rmSync(folder, { recursive: true })
})

/** A keeps a package of random bytes; B knows nobody yet. */
async function publishedNoise(t: Test, bytes: number) {
  const folder = t.testdir({ a: {}, b: {} })
  const file = join(folder, 'noise.bin')
  writeNoise(file, bytes)
  const controlPort = await freePort()
  const slow = startNode(t, join(folder, 'a'), { controlPort, env: SLOW })
  const [a, b] = await Promise.all([slow, startNode(t, join(folder, 'b'))])
  const { lines } = await a.run('publish', file, '--type', 'generic', '--version', '1.0.0')
  const [artifact] = (lines[0]?.['artifacts'] ?? []) as { sha256: string }[]
  const output = join(folder, 'fetched.bin')
  return { folder, a, b, purl: String(lines[0]?.['purl']), sha256: artifact?.sha256, output }
}

function fetchFrom({ dataDir }: TestNode, purl: string, output: string) {
  return start(['fetch', purl, '--output', output, '--data-dir', dataDir])
}

function progressOf(fetching: ReturnType<typeof start>, share: number): Promise<Line> {
  return fetching.line(({ type, bytes, total }) => type === 'progress' && Number(bytes) >= share * Number(total))
}

async function nothingVisible(t: Test, node: TestNode, output: string): Promise<void> {
  t.notOk(existsSync(output), 'no output')
  t.match((await node.run('status')).lines[0], { blobs: 0, bytes: 0 })
  t.match(await node.run('verify'), { status: 0, lines: [{ type: 'summary', artifacts: 0 }] })
}

async function resumes(t: Test, node: TestNode, purl: string, output: string, sha256: string | undefined) {
  const { status, lines } = await node.run('fetch', purl, '--output', output)
  t.match({ status, line: lines.at(-1) }, { status: 0, line: { type: 'fetched', sha256 } })
  t.equal(await sha256Of(output), sha256)
  const sources = (lines.at(-1)?.['sources'] ?? []) as { bytes: number }[]
  const sent = sources.reduce((sum, { bytes }) => sum + bytes, 0)
  const total = Number(lines.at(-1)?.['bytes'])
  t.ok(sent > 0 && sent < total, `only ${sent} of ${total} bytes were sent this time`)
}
