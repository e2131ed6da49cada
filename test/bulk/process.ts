// A process of its own with a bulk plane, for tests and measurements: `serve` gives a file as `stored` lays it out to
// whoever asks; `fetch` fetches such a blob, all segments at once, and exits in the midst of it when told to. What it
// knows it writes to stdout, a JSON object a line. It ends when its stdin closes.
import { once } from 'node:events'
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs'
import { systemClock } from '../../src/base/clock.ts'
import { directEffects } from '../../src/base/effects.ts'
import { CatalogError } from '../../src/base/errors.ts'
import { CHUNK_BYTES } from '../../src/base/limits.ts'
import { type BulkAuthorise, type BulkPlane, openBulkPlane } from '../../src/network/bulk.ts'
import { peerIdOf } from '../../src/network/identity.ts'

interface Orders {
  readonly mode: 'serve' | 'fetch'
  /** Of the file with 100 bytes, the data and the outline. */
  readonly path: string
  readonly size: number
  /** Hexadecimal. */
  readonly root: string
  readonly congestion?: 'cubic' | 'bbr'
  /** To fetch. */
  readonly port?: number
  readonly peer?: string
  readonly target?: string
  /** Leave the process with this much fetched. */
  readonly leaveAtChunk?: number
  readonly segmentChunks?: number
  /** Segments under way at once. */
  readonly lanes?: number
}

const orders: Orders = JSON.parse(process.argv[2] as string)
const say = (fact: object) => process.stdout.write(`${JSON.stringify(fact)}\n`)
const { mode, path, size, congestion } = orders
const chunks = Math.ceil(size / CHUNK_BYTES)

const authorise: BulkAuthorise = () => {
  if (mode === 'fetch') throw new CatalogError('NOT_FOUND', 'nothing is here')
  const outline = { path, offset: 100 + size }
  return { data: { path, offset: 100 }, outline, size, priority: 'normal', ended: (sent) => say({ sent }) }
}

const seed = new Uint8Array(32).fill(mode === 'serve' ? 11 : 12)
const components = { clock: systemClock, effects: directEffects, authorise }
const plane = (await openBulkPlane(components, { seed, host: '127.0.0.1', port: 0, congestion }, 'native')) as BulkPlane
say({ port: plane.port, peer: peerIdOf(seed) })
if (mode === 'fetch') await fetchAll()
process.stdin.resume()
await once(process.stdin, 'end')
const { user, system } = process.cpuUsage()
say({ cpuSeconds: (user + system) / 1e6, rssBytes: process.resourceUsage().maxRSS * 1024 })
process.exit()

async function fetchAll(): Promise<void> {
  const { port = 0, peer = '', target = '', segmentChunks = 256, lanes = 4, leaveAtChunk } = orders
  const outline = readOutline()
  const wanted = { root: Buffer.from(orders.root, 'hex'), release: new Uint8Array(32), size }
  writeFileSync(target, '')
  const before = process.cpuUsage()
  const began = performance.now()
  let next = 0
  const lane = async () => {
    while (next < chunks) {
      const first = next
      const count = Math.min(segmentChunks, chunks - first)
      next += count
      const segment = { first, count, outline: outline.subarray(32 * first, 32 * (first + count)) }
      const place = { path: target, offset: 0 }
      const { done } = plane.fetchSegment({ peer, host: '127.0.0.1', port }, wanted, segment, place)
      if (leaveAtChunk !== undefined && first >= leaveAtChunk) process.exit(0)
      const { error } = await done
      if (error) throw error
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  const { user, system } = process.cpuUsage(before)
  say({ seconds: (performance.now() - began) / 1000, fetchCpuSeconds: (user + system) / 1e6 })
}

function readOutline(): Uint8Array {
  const outline = new Uint8Array(32 * chunks)
  const file = openSync(path, 'r')
  readSync(file, outline, 0, outline.length, 100 + size)
  closeSync(file)
  return outline
}
