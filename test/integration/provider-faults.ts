// What goes wrong on the way while several nodes have a blob: one of them dies, falls silent, has rotted, or loses the
// end of its file, and the others finish it. The fetching node dies, and asks again for no more than what was on its
// way. The same for each plane, in a file of its own. What a full disk does to a fetch is shown in test/faults.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { CHUNK_BYTES, SEGMENT_BYTES_MAX } from '../../src/base/limits.ts'
import { HEADER_BYTES } from '../../src/store/extent.ts'
import type { Plane } from '../../src/transfer/sources.ts'
import {
  connected,
  type Line,
  type NodeOptions,
  type RunningCommand,
  sha256Of,
  slowUpload,
  start,
  startNode,
  type TestNode,
  writeNoise,
} from './processes.ts'

const BYTES = 48_000_000
/** So slow that a transfer can be caught in the middle of it, on any machine. */
const SLOW = { ...slowUpload('6 MB/s'), CATALOG_MAX_DOWNLOAD: 'unlimited' }
const PACK = 'packs/00000001.pack'

export function testProviderFaults(plane: Plane): void {
  tap.setTimeout(300_000)

  test('a provider dies midway, and another finishes; the fetching node dies, and goes on where it was', async (t) => {
    const { first, second, node, purl, sha256, folder, open } = await twoProviders(t, plane)
    const output = join(folder, 'fetched.bin')
    const fetching = fetchOn(node, purl, output)
    await from(fetching, 0.2)
    await first.kill()
    await from(fetching, 0.7)
    await node.kill()
    t.match((await fetching.result).lines.at(-1), { type: 'error', code: 'CLOSED' })
    const held = Math.max(...(await fetching.result).lines.map(({ bytes }) => Number(bytes ?? 0)))
    const received = await counted(node, 'received')
    for (const each of [first, second]) {
      const [sent = 0, came = 0] = [(await counted(each, 'sent')).get(node.peerId), received.get(each.peerId)]
      t.comment(`${sent} bytes counted as sent, ${came} as received`)
      t.ok(Math.abs(sent - came) <= SEGMENT_BYTES_MAX, 'what either side has counted differs by a segment at most')
    }

    const again = await open('node')
    await connected(again, second)
    await unlimit(second)
    const { status, lines } = await fetchOn(again, purl, output).result
    t.match({ status, last: lines.at(-1) }, { status: 0, last: { type: 'fetched', sha256, sources: [{ plane }] } })
    t.equal(await sha256Of(output), sha256)
    const kept = BYTES - sourceBytes(lines.at(-1))
    const credited = [...received.values()].reduce((sum, bytes) => sum + bytes, 0)
    t.comment(`${held} bytes were there, ${kept} of them were kept, ${credited} were counted`)
    t.ok(held - kept <= SEGMENT_BYTES_MAX, 'no more than a segment of the provider that was left comes again')
    t.ok(Math.abs(credited - kept) <= SEGMENT_BYTES_MAX, 'nor is more counted, or less, than was kept')
  })

  test('a provider falls silent, and another finishes', async (t) => {
    const { first, second, node, purl, sha256, folder } = await twoProviders(t, plane)
    const fetching = fetchOn(node, purl, join(folder, 'fetched.bin'))
    await from(fetching, 0.2)
    first.command.process.kill('SIGSTOP')
    await unlimit(second)
    const { status, lines } = await fetching.result
    first.command.process.kill('SIGCONT')
    t.match({ status, last: lines.at(-1) }, { status: 0, last: { sha256 } })
    t.ok(bytesFrom(lines.at(-1), second) > BYTES / 2)
  })

  test('a provider whose chunks have rotted, or whose file has lost its end, is left for a sound one', async (t) => {
    const { first, second, node, purl, sha256, folder, open } = await twoProviders(t, plane)
    for (const each of [first, second]) await unlimit(each)
    // So many that each segment has one of them, whoever is asked for which.
    const pack = join(first.dataDir, PACK)
    const bytes = readFileSync(pack)
    for (let at = HEADER_BYTES; at < BYTES; at += 50 * CHUNK_BYTES) bytes[at] = (bytes[at] as number) ^ 1
    writeFileSync(pack, bytes)
    const { status, lines } = await fetchOn(node, purl, join(folder, 'fetched.bin')).result
    t.match({ status, last: lines.at(-1) }, { status: 0, last: { sha256 } })
    const failures = (lines.at(-1)?.['failures'] ?? []) as { peer: string }[]
    const ofFirst = failures.find(({ peer }) => peer === first.peerId)
    t.match(ofFirst, { plane, code: 'BLOB_CORRUPT' })

    const other = await open('other')
    for (const each of [second, node]) await connected(other, each)
    t.match(await second.run('limits', '--clear'), { status: 0 })
    const fetching = fetchOn(other, purl, join(folder, 'again.bin'))
    await from(fetching, 0.2)
    truncateSync(join(second.dataDir, PACK), 5_000_000)
    t.match(await fetching.result, { status: 0 })
    t.equal(await sha256Of(join(folder, 'again.bin')), sha256)
    t.match(await second.run('status'), { status: 0 }, 'it goes on')
  })
}

/** Two nodes that have a blob and send it slowly, and one that knows them both. */
async function twoProviders(t: Test, plane: Plane) {
  const folder = t.testdir()
  const file = join(folder, 'noise.bin')
  writeNoise(file, BYTES)
  const how: NodeOptions = plane === 'bulk' ? {} : { bulkPort: await takenPort(t) }
  const open = (name: string, env: Record<string, string> = {}) =>
    startNode(t, join(folder, name), { ...how, env: { CATALOG_CORE: 'native', ...env } })
  const [first, second, node] = await Promise.all([open('first', SLOW), open('second', SLOW), open('node')])
  const args = ['publish', file, '--type', 'generic', '--version', '1.0.0']
  const { lines } = await first.run(...args)
  const purl = String(lines[0]?.['purl'])
  await connected(second, first)
  await unlimit(first)
  t.match(await second.run('pin', purl), { status: 0 })
  t.match(await first.run('limits', '--clear'), { status: 0 })
  for (const each of [first, second]) await connected(node, each)
  return { folder, first, second, node, open, purl, sha256: await sha256Of(file) }
}

/** A UDP port that nobody else can have before the test ends. */
async function takenPort(t: Test): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  t.teardown(() => void socket.close())
  await once(socket, 'listening')
  return (socket.address() as AddressInfo).port
}

async function unlimit(node: TestNode): Promise<void> {
  await node.run('limits', '--up', 'unlimited')
}

/** What a node has written down of the bytes that went to its peers, or came from them. */
async function counted(node: TestNode, what: 'sent' | 'received'): Promise<Map<unknown, number>> {
  const { lines } = await node.run('peers', 'accounts')
  return new Map(lines.filter(({ type }) => type === 'account').map((line) => [line['peer'], Number(line[what])]))
}

function fetchOn({ dataDir }: TestNode, purl: string, output: string): RunningCommand {
  return start(['fetch', purl, '--output', output, '--data-dir', dataDir])
}

function from(fetching: RunningCommand, share: number): Promise<Line> {
  return fetching.line(({ type, bytes }) => type === 'progress' && Number(bytes) >= share * BYTES)
}

function bytesFrom(fetched: Line | undefined, { peerId }: TestNode): number {
  const sources = (fetched?.['sources'] ?? []) as { peer: string; bytes: number }[]
  return sources.find(({ peer }) => peer === peerId)?.bytes ?? 0
}

function sourceBytes(fetched: Line | undefined): number {
  return ((fetched?.['sources'] ?? []) as { bytes: number }[]).reduce((sum, { bytes }) => sum + bytes, 0)
}
