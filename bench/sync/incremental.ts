// How long after ten releases were published in one process they stand, verified, in another one that is connected.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CatalogNode } from '../../src/node.ts'

const ROUNDS = 40
const RELEASES = 10
/** Announcements of one publisher are passed on sixty times a minute: a round is one of news, not of their limit. */
const PACE_MS = 1_000
const POLL_MS = 1
const PATIENCE_MS = 5_000

/** @returns milliseconds of each round, from the last acknowledgement to all ten being here */
export async function incremental(ends: AsyncDisposableStack): Promise<number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'catalog-bench-'))
  ends.defer(() => rm(folder, { recursive: true, force: true }))
  const child = fork(fileURLToPath(new URL('publisher.ts', import.meta.url)), [folder])
  ends.defer(async () => {
    child.disconnect()
    await once(child, 'exit')
  })
  const addresses = await heard<string[]>(child)
  const loopback = { host: '127.0.0.1', controlPort: 0, bulkPort: 0, mdns: false, dht: false }
  const node = await CatalogNode.open({ dataDir: join(folder, 'node'), upstream: 'none', ...loopback })
  ends.defer(() => node.close())
  await node.start()
  const address = addresses.find((each) => each.includes('/quic-v1')) ?? ''
  const { peer } = await node.sharing.connectPeer(address)
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const names = Array.from({ length: RELEASES }, (_, number) => `round-${round}-${number}`)
    child.send(names)
    const published = await heard<number>(child)
    // Each is announced as well; a session brings them all.
    await node.sharing.syncWithPeer(peer, { others: round === 0 })
    const isThere = async () => (await node.sharing.status()).releases >= (round + 1) * RELEASES
    const until = performance.now() + PATIENCE_MS
    while (!(await isThere()) && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    times.push(performance.timeOrigin + performance.now() - published)
    await new Promise((resolve) => setTimeout(resolve, PACE_MS))
  }
  return times.slice(1)
}

async function heard<T>(child: ChildProcess): Promise<T> {
  const [message] = await once(child, 'message')
  return message as T
}
