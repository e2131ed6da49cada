// The data directory: everything a node writes, owned by one process at a time.
import { linkSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { chmod, readdir, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { sha256, toHex } from '../base/bytes.ts'
import { fileError, makeFolders } from '../base/disk.ts'
import { CatalogError } from '../base/errors.ts'

/** A Unix socket's path may be this long; Linux's limit less the terminating zero. */
const SOCKET_PATH_BYTES_MAX = 107

export interface DataPaths {
  readonly root: string
  readonly lock: string
  readonly socket: string
  readonly settings: string
  readonly keys: string
  readonly database: string
  readonly search: string
  readonly packs: string
  readonly scratch: string
}

export function dataPaths(folder: string): DataPaths {
  const root = resolve(folder)
  return {
    root,
    lock: join(root, 'node.lock'),
    socket: socketPath(root),
    settings: join(root, 'catalog.toml'),
    keys: join(root, 'keys'),
    database: join(root, 'database'),
    search: join(root, 'search'),
    packs: join(root, 'packs'),
    scratch: join(root, 'scratch'),
  }
}

/** The socket lies in the directory; where that path is too long, in the runtime directory under a name of its own. */
function socketPath(root: string): string {
  const beside = join(root, 'node.sock')
  if (Buffer.byteLength(beside) <= SOCKET_PATH_BYTES_MAX) return beside
  const runtime = process.env['XDG_RUNTIME_DIR'] ?? tmpdir()
  return join(runtime, `catalog-${toHex(sha256(Buffer.from(root))).slice(0, 16)}.sock`)
}

/** A hold on the directory; `release` gives it back. */
export interface DirectoryLock {
  release(): void
}

/**
 * Make the directory if need be (0700) and take it for this process.
 *
 * @throws CatalogError `DATA_DIR` when it cannot be used, `DATA_DIR_LOCKED` when another process has it
 */
export async function claimDirectory(paths: DataPaths): Promise<DirectoryLock> {
  try {
    await makeFolders(paths.root)
    const { mode } = await stat(paths.root)
    // A folder that holds other things keeps its mode: it may be everybody's. Keys and socket are closed by themselves.
    const names = await readdir(paths.root)
    const ours = names.length === 0 || names.includes('keys')
    if (ours && (mode & 0o077) !== 0) await chmod(paths.root, 0o700)
    await makeFolders(paths.keys)
    return takeLock(paths)
  } catch (thrown) {
    if (thrown instanceof CatalogError) throw thrown
    const { message } = fileError(paths.root, thrown)
    throw new CatalogError('DATA_DIR', `The data directory cannot be used. ${message}`, {
      hint: 'Choose a folder you can write to with --data-dir DIR.',
      cause: thrown,
    })
  }
}

/** Pid of the process that has the directory, if one has. */
export function ownerOf(paths: DataPaths): number | undefined {
  const owner = readOwner(paths)
  return owner !== undefined && isAlive(owner) ? owner.pid : undefined
}

/** @throws CatalogError `DATA_DIR_LOCKED` when a process has the directory */
export function mustBeFree(paths: DataPaths): void {
  const owner = ownerOf(paths)
  if (owner !== undefined) throw lockedError(paths, owner)
}

interface Owner {
  pid: number
  /** When that process began, so that a later one of the same pid is not taken for it. */
  began: string
}

function takeLock(paths: DataPaths): DirectoryLock {
  const mine: Owner = { pid: process.pid, began: beginOf(process.pid) }
  // Written aside and linked into place, so that nobody ever reads half a lock.
  const aside = `${paths.lock}.${process.pid}`
  writeFileSync(aside, JSON.stringify(mine), { mode: 0o600 })
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        linkSync(aside, paths.lock)
        return { release: () => unlinkSync(paths.lock) }
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown
        const owner = readOwner(paths)
        if (owner && isAlive(owner)) throw lockedError(paths, owner.pid)
        removeStale(paths.lock)
      }
    }
    throw new CatalogError('DATA_DIR_LOCKED', `Other processes keep taking the data directory ${paths.root}.`)
  } finally {
    unlinkSync(aside)
  }
}

function lockedError(paths: DataPaths, pid: number): CatalogError {
  return new CatalogError('DATA_DIR_LOCKED', `The data directory ${paths.root} is in use by process ${pid}.`, {
    hint: 'Stop that node, or give this one a --data-dir of its own.',
    details: { pid },
  })
}

function removeStale(lock: string): void {
  try {
    unlinkSync(lock)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown
  }
}

function readOwner(paths: DataPaths): Owner | undefined {
  let text: string
  try {
    text = readFileSync(paths.lock, 'utf8')
  } catch (thrown) {
    if (['ENOENT', 'ENOTDIR'].includes((thrown as NodeJS.ErrnoException).code ?? '')) return undefined
    throw fileError(paths.lock, thrown)
  }
  try {
    const owner = JSON.parse(text) as Partial<Owner>
    return typeof owner.pid === 'number' ? { pid: owner.pid, began: String(owner.began) } : undefined
  } catch {
    return undefined // not a lock of ours: nobody holds the directory by it
  }
}

function isAlive(owner: Owner): boolean {
  try {
    process.kill(owner.pid, 0)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  return beginOf(owner.pid) === owner.began
}

/** Start time of a process where the system tells it (Linux), else nothing. */
function beginOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return '' // no /proc here, or the process has just gone: the pid alone decides
  }
}
