// File operations come in through constructors: the system's for a running node, one under control in a simulation.
import { constants, read, statfsSync, statSync } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Effects } from './effects.ts'
import { CatalogError, hasCode } from './errors.ts'
import { KiB } from './units.ts'

export interface DiskFile {
  /** Fill `buffer` from `position`. @returns bytes read, fewer only at the end of the file */
  read(buffer: Uint8Array, position: number): Promise<number>
  /** Write all of `buffer`, or of several one behind the other, at `position`. */
  write(buffer: Uint8Array | readonly Uint8Array[], position: number): Promise<void>
  /** Returns when the bytes written would survive a power cut. */
  sync(): Promise<void>
  size(): Promise<number>
  /** Cut the file, or extend it with zeros. */
  truncate(bytes: number): Promise<void>
  close(): Promise<void>
}

/** `read`: an existing file. `create`: a new one, an error when it exists. `update`: read and write, made if absent. */
export type OpenMode = 'read' | 'create' | 'update'

export interface Disk {
  open(path: string, mode: OpenMode): Promise<DiskFile>
  /** Make a folder and its parents. @param mode - 0700 unless it is for others to read */
  makeFolder(path: string, mode?: number): Promise<void>
  /** Move a file over whatever is at `to`; durable when it returns. */
  move(from: string, to: string): Promise<void>
  /** Remove a file or folder with all below it; nothing there is fine. */
  remove(path: string): Promise<void>
  /** Names in a folder, sorted. */
  list(path: string): Promise<string[]>
  exists(path: string): Promise<boolean>
  /** Make what was created, moved or removed in a folder survive a power cut. */
  syncFolder(path: string): Promise<void>
  /** Of the file system that holds `path`. */
  space(path: string): DiskSpace
  /** Bytes that a file takes up: fewer than its length while parts are not written; 0 when it is not there. */
  occupied(path: string): number
}

export interface DiskSpace {
  /** Bytes in all. */
  readonly total: number
  /** Bytes this user may still write. */
  readonly free: number
}

const FLAGS: Record<OpenMode, number> = {
  read: constants.O_RDONLY,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  update: constants.O_RDWR | constants.O_CREAT,
}

/**
 * Read what is in the system's cache, at once.
 *
 * @returns bytes read, from `position` on; -1, or fewer than asked, where the disk has to be waited for
 */
export type ReadCached = (descriptor: number, buffer: Uint8Array, position: number) => number

/** Longer reads go to a thread in any case: copying them here would keep everyone waiting. */
const CACHED_READ_BYTES_MAX = 256 * KiB

export interface DiskOptions {
  /** If there is one, small reads of what is in the cache take a tenth of the time. */
  readonly readCached?: ReadCached | undefined
}

export function systemDisk(effects: Effects, { readCached }: DiskOptions = {}): Disk {
  const run = <T>(path: string, work: () => Promise<T>) => effects.run(() => translated(path, work))
  return {
    open: (path, mode) =>
      run(path, async () => systemFile(path, await open(path, FLAGS[mode], 0o600), { run, readCached })),
    makeFolder: (path, mode = 0o700) => run(path, () => makeFolders(path, mode)),
    move: (from, to) =>
      run(to, async () => {
        await rename(from, to)
        await syncFolder(dirname(to))
      }),
    remove: (path) => run(path, () => rm(path, { recursive: true, force: true })),
    list: (path) => run(path, async () => (await readdir(path)).sort()),
    exists: (path) => run(path, () => stat(path).then(() => true, isAbsent)),
    syncFolder: (path) => run(path, () => syncFolder(path)),
    space: (path) => spaceOf(path),
    occupied: (path) => occupiedBy(path),
  }
}

/**
 * Make a folder and its parents. Node's own recursive `mkdir` never returns where a folder that exists takes no
 * new ones and says ENOENT, as those below /proc do.
 */
export async function makeFolders(path: string, mode = 0o700): Promise<void> {
  if ((await makeOne(path, mode)) || dirname(path) === path) return
  await makeFolders(dirname(path), mode)
  await mkdir(path, { mode }).catch(keepFolder(path))
}

/** @returns false when its parent is not there */
function makeOne(path: string, mode: number): Promise<boolean> {
  return mkdir(path, { mode })
    .catch(keepFolder(path))
    .then(() => true, isAbsent)
}

/** A folder that is there already is as good as a new one. */
function keepFolder(path: string) {
  return async (error: NodeJS.ErrnoException): Promise<void> => {
    const there = await stat(path).catch(() => undefined)
    if (there?.isDirectory()) return
    throw error.code === 'EEXIST' ? Object.assign(error, { code: 'ENOTDIR' }) : error
  }
}

function spaceOf(path: string): DiskSpace {
  try {
    const { bsize, blocks, bavail } = statfsSync(path)
    return { total: bsize * blocks, free: bsize * bavail }
  } catch (thrown) {
    throw fileError(path, thrown)
  }
}

/** The unit of `blocks`, whatever the file system has. */
const BLOCK_BYTES = 512

function occupiedBy(path: string): number {
  try {
    return (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * BLOCK_BYTES
  } catch (thrown) {
    throw fileError(path, thrown)
  }
}

type Run = <T>(path: string, work: () => Promise<T>) => Promise<T>

interface Means {
  readonly run: Run
  readonly readCached: ReadCached | undefined
}

function systemFile(path: string, handle: FileHandle, { run, readCached }: Means): DiskFile {
  return {
    read(buffer, position) {
      const isSmall = readCached !== undefined && buffer.length <= CACHED_READ_BYTES_MAX
      if (isSmall && readCached(handle.fd, buffer, position) === buffer.length) return Promise.resolve(buffer.length)
      return run(path, () => readAll(handle.fd, buffer, position))
    },
    write: (buffer, position) => run(path, () => writeAll(handle, Array.isArray(buffer) ? buffer : [buffer], position)),
    sync: () => run(path, () => handle.datasync()),
    size: () => run(path, async () => (await handle.stat()).size),
    truncate: (bytes) => run(path, () => handle.truncate(bytes)),
    close: () => run(path, () => handle.close()),
  }
}

/** By callbacks: a `FileHandle` takes several promises for what is done most. */
function readAll(fd: number, buffer: Uint8Array, position: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const readFrom = (done: number) =>
    read(fd, buffer, done, buffer.length - done, position + done, (error, bytes) => {
      if (error) reject(error)
      else if (bytes === 0 || done + bytes === buffer.length) resolve(done + bytes)
      else readFrom(done + bytes)
    })
  readFrom(0)
  return promise
}

async function writeAll(handle: FileHandle, buffers: readonly Uint8Array[], position: number): Promise<void> {
  let rest = buffers
  for (let at = position; rest.length > 0; ) {
    const { bytesWritten } = await handle.writev(rest, at)
    at += bytesWritten
    rest = behind(rest, bytesWritten)
  }
}

/** What is left of `buffers` after their first `bytes`. */
function behind(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes
  return buffers.flatMap((buffer) => {
    const skipped = Math.min(skip, buffer.length)
    skip -= skipped
    return skipped < buffer.length ? [buffer.subarray(skipped)] : []
  })
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function isAbsent(error: NodeJS.ErrnoException): boolean {
  if (error.code === 'ENOENT') return false
  throw error
}

function translated<T>(path: string, work: () => Promise<T>): Promise<T> {
  return work().catch((error) => {
    throw fileError(path, error)
  })
}

/** What the operating system said about a file, as a CatalogError with the path in it. */
export function fileError(path: string, thrown: unknown): CatalogError {
  const known = CatalogError.from(thrown, 'FILE_UNREADABLE')
  if (known.code !== 'FILE_UNREADABLE') return known
  const reasons: Record<string, string> = {
    ENOENT: 'it does not exist',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EISDIR: 'it is a folder',
    ENOTDIR: 'it, or a part of its path, is not a folder',
    EROFS: 'the file system is read-only',
    EEXIST: 'it exists already',
  }
  const code = (thrown as NodeJS.ErrnoException).code ?? ''
  return new CatalogError('FILE_UNREADABLE', `Cannot use ${path}: ${reasons[code] ?? known.message}.`, {
    details: { errno: code },
    cause: thrown,
  })
}

/** What a disk says of bytes that it cannot give back; all else that can go wrong says nothing about them. */
const LOST = ['EIO', 'ENODATA', 'EBADMSG', 'EUCLEAN']

/** Whether a read failed because the bytes are gone. */
export function isLost(thrown: unknown): boolean {
  return hasCode(thrown, 'FILE_UNREADABLE') && LOST.includes(String(thrown.details['errno']))
}
