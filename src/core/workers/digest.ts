// One pass over a file: every portion is read once into the slot, hashed there, and written from there, so that what
// is stored is what was named.
import { createHash } from 'node:crypto'
import { CatalogError } from '../../base/errors.ts'
import { BLOB_BYTES_MAX } from '../../base/limits.ts'
import { rootOf } from '../digest-tree.ts'
import { BATCH_BYTES, type Bench, goOn, hashChunks, outlineBytes } from './bench.ts'
import { LocalFile } from './local-file.ts'
import type { DigestTask, FileDigest, FileTarget, Outline } from './tasks.ts'

/**
 * Name a range of a file and, given a target, copy it there.
 *
 * @throws CatalogError `FILE_UNREADABLE`, `DISK_FULL`, `STORE_FAILED`, `LIMIT_EXCEEDED` or `ABORTED`
 */
export function digestFile(bench: Bench, task: DigestTask & { target?: FileTarget }): FileDigest {
  const sha256 = createHash('sha256')
  const sha512 = task.sha512 ? createHash('sha512') : undefined
  const named = copied(task.target, (write) =>
    outlineFile(bench, task, (portion, at) => {
      sha256.update(portion)
      sha512?.update(portion)
      write(portion, at)
    }),
  )
  return {
    ...named,
    sha256: new Uint8Array(sha256.digest()),
    ...(sha512 && { sha512: new Uint8Array(sha512.digest()) }),
  }
}

/**
 * Chunk ids and root of a range of a file.
 *
 * @param each - sees every portion once it is hashed, and where in the range it begins; the bytes are valid during
 *   the call
 * @throws CatalogError `FILE_UNREADABLE`, `LIMIT_EXCEEDED` or `ABORTED`
 */
export function outlineFile(bench: Bench, task: DigestTask, each?: (portion: Uint8Array, at: number) => void): Outline {
  using file = LocalFile.toRead(task.path)
  const { offset, size } = rangeOf(file, task)
  const outline = new Uint8Array(outlineBytes(size))
  const batch = bench.bytes.subarray(0, BATCH_BYTES)
  for (let at = 0; at < size; at += batch.length) {
    goOn(bench)
    const portion = batch.subarray(0, size - at)
    file.read(portion, offset + at, offset + size)
    hashChunks(bench.core, portion, outline.subarray(outlineBytes(at), outlineBytes(at + portion.length)))
    each?.(portion, at)
  }
  return { size, root: rootOf(bench.roots, outline, size), outline }
}

function rangeOf(file: LocalFile, { path, offset = 0, length = -1 }: DigestTask): { offset: number; size: number } {
  const available = file.size
  const size = length < 0 ? available - offset : length
  if (offset < 0 || size < 0 || offset + size > available) throw file.endsBefore(offset + Math.max(size, 0), available)
  if (size > BLOB_BYTES_MAX) {
    throw new CatalogError('LIMIT_EXCEEDED', `${path}: ${size} bytes are more than a blob may have.`)
  }
  return { offset, size }
}

/** Does what `work` does, which can write to the target if there is one. */
function copied<T>(target: FileTarget | undefined, work: (write: (bytes: Uint8Array, at: number) => void) => T): T {
  if (!target) return work(() => undefined)
  const { path, offset = 0, sync } = target
  using file = LocalFile.toWrite(path)
  const result = work((bytes, at) => file.write(bytes, offset + at))
  if (sync) file.sync()
  return result
}
