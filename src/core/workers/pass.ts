// One pass over a file: every portion is read once into the arena, hashed there, and written from there, so that
// what is stored is what was named.
import { createHash } from 'node:crypto'
import { closeSync, constants, fdatasyncSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { CatalogError } from '../../base/errors.ts'
import { BLOB_BYTES_MAX, CHUNK_BYTES } from '../../base/limits.ts'
import { rootOf } from '../digest-tree.ts'
import { type Core, DIGEST_BYTES } from '../surface.ts'
import type { DigestTask, FileDigest } from './tasks.ts'

/**
 * Name a range of a file and, given a target, copy it there.
 *
 * @param arena - whole chunks; overwritten
 * @param target - an existing empty file; synchronized to disk before this returns
 * @throws CatalogError `FILE_UNREADABLE`, `DISK_FULL`, `STORE_FAILED` or `LIMIT_EXCEEDED`
 */
export function passOver(core: Core, arena: Uint8Array, task: DigestTask, target?: string): FileDigest {
  // Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
  const source = reading(() => openSync(task.path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)))
  try {
    const range = rangeOf(source, task)
    if (target === undefined) return hashRange(core, arena, source, range)
    const copy = writing(() => openSync(target, 'r+'))
    try {
      const digest = hashRange(core, arena, source, range, copy)
      writing(() => fdatasyncSync(copy))
      return digest
    } finally {
      closeSync(copy)
    }
  } finally {
    closeSync(source)
  }
}

interface Range {
  path: string
  offset: number
  size: number
  sha512: boolean
}

function rangeOf(fd: number, { path, offset = 0, length = -1, sha512 = false }: DigestTask): Range {
  const file = reading(() => fstatSync(fd))
  if (!file.isFile()) throw new CatalogError('FILE_UNREADABLE', `${path} is not a regular file.`)
  const size = length < 0 ? file.size - offset : length
  if (offset < 0 || size < 0 || offset + size > file.size) throw tooShort(path, offset + Math.max(size, 0), file.size)
  if (size > BLOB_BYTES_MAX) {
    throw new CatalogError('LIMIT_EXCEEDED', `${path}: ${size} bytes are more than a blob may have.`)
  }
  return { path, offset, size, sha512 }
}

function hashRange(core: Core, arena: Uint8Array, source: number, range: Range, copy?: number): FileDigest {
  const sha256 = createHash('sha256')
  const sha512 = range.sha512 ? createHash('sha512') : undefined
  const outline = new Uint8Array(Math.ceil(range.size / CHUNK_BYTES) * DIGEST_BYTES)
  for (let done = 0, chunk = 0; done < range.size; ) {
    const portion = arena.subarray(0, Math.min(arena.length, range.size - done))
    fill(portion, source, range, done)
    const ranges = chunkRanges(portion.length)
    const end = chunk + ranges.length / 2
    core.sha256Many(portion, ranges, outline.subarray(chunk * DIGEST_BYTES, end * DIGEST_BYTES))
    sha256.update(portion)
    sha512?.update(portion)
    if (copy !== undefined) writeAll(copy, portion)
    done += portion.length
    chunk = end
  }
  return {
    size: range.size,
    root: rootOf(core, outline, range.size),
    outline,
    sha256: new Uint8Array(sha256.digest()),
    ...(sha512 && { sha512: new Uint8Array(sha512.digest()) }),
  }
}

function chunkRanges(bytes: number): Uint32Array {
  const ranges = new Uint32Array(Math.ceil(bytes / CHUNK_BYTES) * 2)
  for (let i = 0, at = 0; at < bytes; i += 2, at += CHUNK_BYTES) {
    ranges[i] = at
    ranges[i + 1] = Math.min(CHUNK_BYTES, bytes - at)
  }
  return ranges
}

function fill(portion: Uint8Array, fd: number, { path, offset, size }: Range, done: number): void {
  for (let filled = 0; filled < portion.length; ) {
    const read = reading(() => readSync(fd, portion, filled, portion.length - filled, offset + done + filled))
    if (read === 0) throw tooShort(path, offset + size, offset + done + filled)
    filled += read
  }
}

function writeAll(fd: number, portion: Uint8Array): void {
  for (let written = 0; written < portion.length; ) {
    written += writing(() => writeSync(fd, portion, written))
  }
}

function tooShort(path: string, needed: number, actual: number): CatalogError {
  return new CatalogError('FILE_UNREADABLE', `${path} ends at byte ${actual}, before byte ${needed}.`, {
    hint: 'If something is still writing the file, wait until it is done.',
  })
}

function reading<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw CatalogError.from(error, 'FILE_UNREADABLE')
  }
}

function writing<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw CatalogError.from(error, 'STORE_FAILED')
  }
}
