// What a blob of 2 GiB costs in memory: first in a process that publishes it and reads it all back from a lease, then
// published by one node and fetched by another, both of them processes on loopback. Prints the most that each ever had
// resident (VmHWM), and fails when that is 200 MB or more. The nodes run as a user runs them, built and supervised:
// stripping types from the sources would take some 40 MB by itself.
// node test/soak/large-blob.ts [FOLDER]; up to 6 GiB are written there, and removed. CATALOG_GIB is another size.
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BLOB_FRAME_BYTES, CHUNK_BYTES } from '../../src/base/limits.ts'
import { seededRandom } from '../../src/base/random.ts'
import { GiB, KiB } from '../../src/base/units.ts'
import { openStand } from '../faults/stand.ts'
import { connected, startNode, type TestNode } from '../integration/processes.ts'
import { residentBytes } from '../proc.ts'

const SIZE = Number(process.env['CATALOG_GIB'] ?? 2) * GiB
/** At the beginning of each chunk; the rest are holes. */
const RANDOM_BYTES = 4 * KiB
const RESIDENT_BYTES_MAX = 200e6
const BUILT = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const THIS = fileURLToPath(import.meta.url)

if (process.argv[2] === 'alone') {
  await alone(process.argv[3] ?? '', process.argv[4] ?? '')
} else {
  const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'catalog-large-'))
  try {
    const source = join(folder, 'large.bin')
    makeSource(source)
    const store = join(folder, 'alone')
    mkdirSync(store)
    const args = [...process.execArgv, '--disable-warning=ExperimentalWarning', THIS, 'alone', store, source]
    const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' })
    if (status !== 0) process.exitCode = 1
    rmSync(store, { recursive: true })
    await asNodes(folder, source)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function alone(folder: string, source: string): Promise<void> {
  const stand = await openStand(folder)
  const say = (when: string) => console.log(`the store alone, ${when}: at most ${judged(process.pid)} resident`)
  say('opened')
  const options = { type: 'generic', name: 'large', version: '1.0.0' }
  const { release } = await timed('published', () => stand.publishing.publish(source, options))
  say('published')
  const [artifact] = release.body.artifacts
  if (!artifact) throw new Error('the release has no artifact')
  const buffer = Buffer.alloc(BLOB_FRAME_BYTES)
  await timed('read', async () => {
    using lease = stand.store.blobs.lease(artifact.root)
    if (!lease) throw new Error('the blob is not there')
    for (let at = 0; at < lease.length; at += buffer.length) await stand.store.blobs.readFrom(lease, at, buffer)
  })
  say('read through')
  await stand.close()
}

async function asNodes(folder: string, source: string): Promise<void> {
  process.env['CATALOG_TEST_MAIN'] = BUILT
  const ends: (() => Promise<void>)[] = []
  const owner = { teardown: (end: () => Promise<void>) => ends.push(end) }
  try {
    const open = (name: string) => startNode(owner, join(folder, name), { supervised: true })
    const [far, near] = [await open('far'), await open('near')]
    const say = (when: string) => {
      const [publishing, fetching] = [far, near].map(({ pid }) => judged(pid))
      console.log(
        `nodes, ${when}: at most ${publishing} resident in the publishing one, ${fetching} in the fetching one`,
      )
    }
    say('started')
    await timed('published', () => done(far, 'publish', source, '--name', 'large', '--version', '1.0.0'))
    say('published')
    await connected(near, far)
    await timed('fetched', () => done(near, 'pin', 'pkg:generic/large@1.0.0'))
    say('fetched')
    await timed('verified', () => done(near, 'verify', '--all'))
    say('verified')
  } finally {
    for (const end of ends) await end()
  }
}

async function done(node: TestNode, ...args: string[]): Promise<void> {
  const { status, stderr, lines } = await node.run(...args)
  if (status !== 0) throw new Error(`${args[0]} ended with ${status}: ${JSON.stringify(lines.at(-1))} ${stderr}`)
}

function makeSource(path: string): void {
  const random = seededRandom(1)
  const file = openSync(path, 'w')
  // One generator in JavaScript for all of it would take minutes; a number sets the chunks apart.
  const bytes = Buffer.from(random.bytes(RANDOM_BYTES))
  for (let at = 0; at < SIZE; at += CHUNK_BYTES) {
    bytes.writeDoubleBE(at + random.fraction(), 0)
    writeSync(file, bytes, 0, bytes.length, at)
  }
  writeSync(file, Uint8Array.of(1), 0, 1, SIZE - 1)
  closeSync(file)
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now()
  const result = await work()
  console.log(`${what} in ${((performance.now() - began) / 1000).toFixed(1)} s`)
  return result
}

/** The most a process ever had resident; too much of it is a failure. */
function judged(pid: number): string {
  const bytes = residentBytes(pid, 'VmHWM')
  const tooMuch = !(bytes < RESIDENT_BYTES_MAX)
  if (tooMuch) process.exitCode = 1
  return `${Math.round(bytes / 1e6)} MB${tooMuch ? ' (failed)' : ''}`
}
