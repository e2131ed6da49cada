// The worker threads: what the way through the pool costs a piece of a file against the same pass on this thread, and
// whether two workers are nearly twice as fast as one.
import { fork } from 'node:child_process'
import { hash, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { equalBytes } from '../src/base/bytes.ts'
import { directEffects } from '../src/base/effects.ts'
import { formatBytes, KiB, MiB } from '../src/base/units.ts'
import { loadCore } from '../src/core/load.ts'
import { BATCH_BYTES } from '../src/core/workers/bench.ts'
import { digestFile } from '../src/core/workers/digest.ts'
import { WorkerPool } from '../src/core/workers/pool.ts'
import { type Contest, median } from './harness.ts'
import type { Suite } from './suite.ts'

const FILES = 8
const FILE_BYTES = 32 * MiB
const PIECES = [64 * KiB, 256 * KiB, MiB, 4 * MiB]
const GB = 1e9
const ROUNDS = 9

const SPIN = fileURLToPath(new URL('./spin.ts', import.meta.url))
/** About 0.1 s of them. */
const SPINS = 3000
const SPIN_ROUNDS = 7
/** Where two processes that share nothing gain less, two workers can hardly gain 1.6. */
const LEAST_SCALING = 1.8

const workers: Suite = async (compare) => {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-bench-'))
  await using ends = new AsyncDisposableStack()
  ends.defer(() => rm(folder, { recursive: true, force: true }))
  const [one, two] = [1, 2].map((threads) => {
    return ends.use(new WorkerPool({ effects: directEffects }, { threads, core: 'auto' }))
  }) as [WorkerPool, WorkerPool]
  for (const bytes of PIECES) {
    const name = `ingest by ${formatBytes(bytes)}`
    await compare({ name: `${name}, one worker`, open: () => pieceByPiece(one, folder, bytes) })
    await compare({ name: `${name}, two workers`, open: () => pieceByPiece(two, folder, bytes) })
  }
  await compare({ name: 'digest of 8 × 32 MiB, two workers', open: () => sideBySide(one, two, folder) })
}
export default workers

/** A file named and copied in pieces: all of them handed to the pool at once, or one after the other on this thread. */
async function pieceByPiece(pool: WorkerPool, folder: string, bytes: number): Promise<Contest> {
  const [source, target] = [makeFile(folder, 'source'), makeFile(folder, 'target')]
  const tasks = Array.from({ length: FILE_BYTES / bytes }, (_, i) => {
    return { path: source, offset: i * bytes, length: bytes, target: { path: target, offset: i * bytes } }
  })
  const core = await loadCore()
  const bench = { core, roots: core, bytes: new Uint8Array(BATCH_BYTES), mustStop: false }
  const inPool = () => Promise.all(tasks.map((task) => pool.ingest(task)))
  const inline = () => tasks.map((task) => digestFile(bench, task))
  const found = await inPool()
  const copied = equalBytes(readFileSync(source), readFileSync(target))
  const agreed = inline().every(({ root }, i) => found[i] && equalBytes(root, found[i].root))
  if (!copied || !agreed) throw new Error(`pieces of ${bytes} bytes: wrong answer`)
  return { amount: FILE_BYTES / GB, candidate: inPool, baseline: inline, seconds: 0, rounds: ROUNDS }
}

/** Warm files named by two workers, or by one. */
async function sideBySide(one: WorkerPool, two: WorkerPool, folder: string): Promise<Contest> {
  const paths = Array.from({ length: FILES }, (_, i) => makeFile(folder, `file-${i}`))
  const by = (pool: WorkerPool) => Promise.all(paths.map((path) => pool.digest({ path })))
  for (const pool of [one, two]) {
    const found = await by(pool)
    const right = paths.every((path, i) => found[i] && equalBytes(found[i].sha256, digestOf(path)))
    if (!right) throw new Error('wrong digests')
  }
  const scaling = await twoProcesses()
  const enough = scaling >= LEAST_SCALING
  const words = `two processes scale ${scaling.toFixed(2)}`
  return {
    amount: (FILES * FILE_BYTES) / GB,
    candidate: () => by(two),
    baseline: () => by(one),
    seconds: 0,
    rounds: ROUNDS,
    ...(enough ? { note: () => words } : { unjudged: `${words} only` }),
  }
}

/** How much more two processes hash at the same time than one alone: 2 where they do not disturb each other. */
async function twoProcesses(): Promise<number> {
  const processes = [fork(SPIN), fork(SPIN)] as const
  try {
    const seconds = (count: number) =>
      Promise.all(
        processes.slice(0, count).map(async (process) => {
          process.send(SPINS)
          const [took] = (await once(process, 'message')) as [number]
          return took
        }),
      )
    await seconds(2)
    const scalings: number[] = []
    for (let round = 0; round < SPIN_ROUNDS; round++) {
      const [alone = 0] = await seconds(1)
      scalings.push((2 * alone) / Math.max(...(await seconds(2))))
    }
    return median(scalings)
  } finally {
    for (const process of processes) process.kill()
  }
}

function makeFile(folder: string, name: string): string {
  const path = join(folder, name)
  writeFileSync(path, randomFillSync(Buffer.allocUnsafe(FILE_BYTES)))
  return path
}

function digestOf(path: string): Uint8Array {
  return hash('sha256', readFileSync(path), 'buffer')
}
