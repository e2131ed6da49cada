// Main file of a worker thread. Each worker has a core and an arena of its own; a task is one synchronous pass.
import { move, transferableSymbol, valueSymbol, workerData } from 'piscina'
import { CatalogError } from '../../base/errors.ts'
import { MiB } from '../../base/units.ts'
import { loadCore } from '../load.ts'
import type { Core } from '../surface.ts'
import { WasmCore } from '../wasm.ts'
import { passOver } from './pass.ts'
import type { DigestTask, IngestTask, Reply, WorkerSetup } from './tasks.ts'

/** Sixteen chunks: enough to keep every lane of either core busy, small enough to stay in the L2 cache. */
const ARENA_BYTES = MiB

interface Bench {
  core: Core
  arena: Uint8Array
}

let bench: Promise<Bench> | undefined

/** Called by the pool, as `ingest` is. */
export function digest(task: DigestTask): Promise<Reply> {
  return perform(task)
}

export function ingest(task: IngestTask): Promise<Reply> {
  return perform(task, task.target)
}

/** An empty task, see `#replaceThread` in the pool. */
export function wake(): void {}

async function perform(task: DigestTask, target?: string): Promise<Reply> {
  try {
    bench ??= setUp()
    const { core, arena } = await bench
    return moved({ digest: passOver(core, arena, task, target) })
  } catch (error) {
    return { error: CatalogError.from(error).toJSON() }
  }
}

async function setUp(): Promise<Bench> {
  const core = await loadCore((workerData as WorkerSetup).core)
  // Inside the core's own memory nothing is copied; the native core reads any buffer where it lies.
  const arena = core instanceof WasmCore ? core.arena(ARENA_BYTES) : new Uint8Array(new SharedArrayBuffer(ARENA_BYTES))
  return { core, arena }
}

/** The reply with its arrays moved to the receiver rather than cloned: an outline can be 32 MiB. */
function moved(reply: Reply & { digest: object }): Reply {
  const arrays = Object.values(reply.digest).filter((value) => value instanceof Uint8Array)
  const transfer = { [transferableSymbol]: arrays.map((array) => array.buffer), [valueSymbol]: reply }
  return move(transfer) as unknown as Reply
}
