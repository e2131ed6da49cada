// Bytes that reached this process some other way than through a file: they lie in a slot that it has filled.
import { CatalogError } from '../../base/errors.ts'
import { type Bench, hashChunks, outlineBytes } from './bench.ts'
import { LocalFile } from './local-file.ts'
import type { PortionDigest, PortionTask } from './tasks.ts'

/**
 * Name a portion of a blob and, given a target, write it there.
 *
 * @param filled - the slot with the bytes
 * @throws CatalogError `DISK_FULL` or `STORE_FAILED`, `CORE_RANGE` for more bytes than a slot has or a state that is
 *   none
 */
export function hashPortion({ core }: Bench, task: PortionTask, filled: Uint8Array): PortionDigest {
  const { length, final, target } = task
  if (length > filled.length) {
    throw new CatalogError('CORE_RANGE', `a slot has ${filled.length} bytes, not ${length}`)
  }
  const portion = filled.subarray(0, length)
  const ids = new Uint8Array(outlineBytes(length))
  hashChunks(core, portion, ids)
  const state = task.state.slice() as Uint8Array<ArrayBuffer>
  core.sha256Update(state, portion, 0, length, final)
  if (target) {
    using file = LocalFile.toWrite(target.path)
    file.write(portion, target.offset ?? 0)
    if (target.sync) file.sync()
  }
  return { ids, state }
}
