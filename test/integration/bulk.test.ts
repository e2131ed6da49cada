// The bulk plane between processes, and what becomes of the others when one of them dies.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Test, test } from 'tap'
import { toHex } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { directEffects } from '../../src/base/effects.ts'
import { CatalogError } from '../../src/base/errors.ts'
import { type BulkPlane, openBulkPlane } from '../../src/network/bulk.ts'
import { blobOf, stored } from '../bulk/blobs.ts'
import { relayTo } from '../relay/relay.ts'

const PROCESS = fileURLToPath(new URL('../bulk/process.ts', import.meta.url))
const SIZE = 48_000_000
const blob = await blobOf(SIZE, 1)
const root = toHex(blob.wanted.root)

function start(t: Test, orders: object) {
  const child = spawn(process.execPath, [PROCESS, JSON.stringify(orders)], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (name: string) => {
    for (;;) {
      const { value, done } = await lines.next()
      if (done) throw new Error(`the process ended before it told its ${name}`)
      const fact = JSON.parse(value)
      if (name in fact) return fact
    }
  }
  return { child, exited, next }
}

async function seedOf(t: Test, options: object = {}) {
  const path = join(t.testdir(), 'seed')
  stored(blob, path)
  const seed = start(t, { mode: 'serve', path, size: SIZE, root, ...options })
  const { port, peer } = await seed.next('port')
  return { seed, path, port, peer, target: join(t.testdirName, 'target') }
}

test('a blob goes from one process to another', async (t) => {
  const { path, port, peer, target } = await seedOf(t)
  const fetcher = start(t, { mode: 'fetch', path, size: SIZE, root, port, peer, target })
  t.ok((await fetcher.next('seconds')).seconds > 0)
  t.ok(readFileSync(target).equals(blob.bytes))
  fetcher.child.stdin.end()
  t.strictSame(await fetcher.exited, [0, null])
})

test('and over a long path that loses packets', async (t) => {
  const { path, port, peer, target } = await seedOf(t, { congestion: 'bbr' })
  await using relay = await relayTo({ port, delayMs: 25, lossPerMillion: 1_000, bytesPerSecond: 125e6, seconds: 120 })
  const fetcher = start(t, { mode: 'fetch', path, size: SIZE, root, port: relay.port, peer, target })
  await fetcher.next('seconds')
  t.ok(readFileSync(target).equals(blob.bytes))
  t.match(await relay.stop(), /lost [1-9]/)
})

test('a process with transfers in flight exits cleanly, and its peer serves on', async (t) => {
  const { path, port, peer, target, seed } = await seedOf(t)
  const orders = { mode: 'fetch', path, size: SIZE, root, port, peer, target, segmentChunks: 64 }
  const leaving = start(t, { ...orders, leaveAtChunk: 192 })
  t.strictSame(await leaving.exited, [0, null])
  const staying = start(t, orders)
  await staying.next('seconds')
  t.ok(readFileSync(target).equals(blob.bytes))
  seed.child.stdin.end()
  t.strictSame(await seed.exited, [0, null])
})

test('a provider that is killed midway leaves what was verified', async (t) => {
  const { seed, port, peer, target } = await seedOf(t)
  const components = {
    clock: systemClock,
    effects: directEffects,
    authorise: () => {
      throw new CatalogError('NOT_FOUND', 'nothing is here')
    },
  }
  const options = { seed: new Uint8Array(32).fill(13), host: '127.0.0.1', port: 0 }
  const plane = (await openBulkPlane(components, options, 'native')) as BulkPlane
  t.teardown(() => plane.close())
  writeFileSync(target, '')
  const fetch = (first: number, count: number) => {
    const outline = blob.outline.subarray(32 * first, 32 * (first + count))
    const place = { path: target, offset: 0 }
    const provider = { peer, host: '127.0.0.1', port }
    return plane.fetchSegment(provider, blob.wanted, { first, count, outline }, place, { stallMs: 1_000 })
  }
  t.match(await fetch(0, 16).done, { chunks: 16, error: undefined })
  seed.child.kill('SIGKILL')
  await seed.exited
  const end = await fetch(16, 700).done
  t.match(end, { chunks: 0, error: { code: /PEER_TIMEOUT|PEER_UNREACHABLE/ } })
  t.ok(readFileSync(target).equals(blob.bytes.subarray(0, 16 * 65_536)))
})
