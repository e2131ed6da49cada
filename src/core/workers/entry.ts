// Main file of a worker thread. It has no buffers of its own: each task brings a slot of the arena.
import { move, transferableSymbol, valueSymbol, workerData } from 'piscina'
import { CatalogError } from '../../base/errors.ts'
import { LentSlot } from '../arena.ts'
import { loadCore } from '../load.ts'
import type { Core } from '../surface.ts'
import type { Bench } from './bench.ts'
import { digestFile, outlineFile } from './digest.ts'
import { encodeStripes as encode } from './encode.ts'
import { hashPortion } from './portion.ts'
import { repairStripes as repair } from './repair.ts'
import { readSmallFiles } from './small-files.ts'
import type { Kind, Order, Reply, Work, WorkerSetup } from './tasks.ts'

const setup = workerData as WorkerSetup
/** One for each slot this thread has worked in. */
const cores = new Map<number, Promise<Core>>()

// Called by the pool, by name.
export const digest = worker<'digest'>(digestFile)
export const outline = worker<'outline'>((bench, task) => outlineFile(bench, task))
export const smallFiles = worker<'smallFiles'>(readSmallFiles)
export const encodeStripes = worker<'encodeStripes'>(encode)
export const repairStripes = worker<'repairStripes'>(repair)
export const portion = worker<'portion'>((bench, task) => {
  using filled = new LentSlot(setup.slots, task.slot)
  return hashPortion(bench, task, filled.bytes)
})

function worker<K extends Kind>(work: (bench: Bench, task: Work[K]['task']) => Work[K]['result']) {
  return async ({ slot: index, task }: Order<K>): Promise<Reply<K>> => {
    try {
      using slot = new LentSlot(setup.slots, index)
      return moved({ result: work(await benchAt(slot, index), task) })
    } catch (error) {
      return { error: CatalogError.from(error).toJSON() }
    }
  }
}

async function benchAt(slot: LentSlot, index: number): Promise<Bench> {
  let core = cores.get(index)
  if (!core) {
    core = loadCore(setup.core, slot.scratch)
    cores.set(index, core)
    // A failure is not remembered, as in `loadCore`.
    core.catch(() => cores.delete(index))
  }
  return {
    core: await core,
    roots: await loadCore(setup.core),
    bytes: slot.bytes,
    get mustStop() {
      return slot.mustStop
    },
  }
}

/** The reply with its arrays moved to the receiver rather than cloned: an outline can be 32 MiB. */
function moved<K extends Kind>(reply: { result: Work[K]['result'] }): Reply<K> {
  const arrays = Object.values(reply.result).filter((value) => value instanceof Uint8Array)
  const transfer = { [transferableSymbol]: arrays.map((array) => array.buffer), [valueSymbol]: reply }
  return move(transfer) as unknown as Reply<K>
}
