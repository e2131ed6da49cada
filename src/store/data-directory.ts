// The data directory: everything a node writes, owned by one process at a time.
import { readdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { chmod, readdir, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
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
  const owner = readOwner(paths.lock)
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

/** Claims made by this process so far: sets those of one process apart. */
let claims = 0
/** At the end of a claim's name while it is being written. */
const UNWRITTEN = '.new'
/** A starter whose claim another one has removed looks again: by then that one, or a third, has the directory. */
const CLAIMS_MAX = 10

/**
 * Nobody can see from a lock whose owner has died that somebody else is about to take it over. So who wants the
 * directory first says so, in a file of its own, and goes on only when no other claim is left: of two starters at least
 * the one that has said so later sees the other. The first by name removes the claims of others, who then have nothing
 * to move over the lock; all others give way. Who comes so far looks at the lock once more, since whoever was there
 * before may be its owner by now, and moves its claim over it.
 */
function takeLock(paths: DataPaths): DirectoryLock {
  const mine: Owner = { pid: process.pid, began: beginOf(process.pid) }
  for (let attempt = 0; attempt < CLAIMS_MAX; attempt++) {
    mustBeFree(paths)
    const path = `${paths.lock}.${process.pid}-${++claims}`
    try {
      // Under another name first, so that nobody ever reads half a claim.
      writeFileSync(path + UNWRITTEN, JSON.stringify(mine), { mode: 0o600 })
      renameSync(path + UNWRITTEN, path)
      removeOtherClaims(paths, basename(path))
      mustBeFree(paths)
      renameSync(path, paths.lock)
      return { release: () => unlinkSync(paths.lock) }
    } catch (thrown) {
      rmSync(path, { force: true })
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown
    }
  }
  throw new CatalogError('DATA_DIR_LOCKED', `Other processes keep taking the data directory ${paths.root}.`)
}

/** @throws CatalogError `DATA_DIR_LOCKED` to give way to a claim before one's own */
function removeOtherClaims(paths: DataPaths, mine: string): void {
  const prefix = `${basename(paths.lock)}.`
  for (const name of readdirSync(paths.root).sort()) {
    if (!name.startsWith(prefix) || name === mine) continue
    const path = join(paths.root, name)
    const owner = readOwner(path)
    const isDead = owner === undefined || !isAlive(owner)
    const isWritten = !name.endsWith(UNWRITTEN)
    if (!isDead && isWritten && name < mine) throw lockedError(paths, owner.pid)
    // What is just being written is not a claim yet.
    if (isWritten || (owner && isDead)) rmSync(path, { force: true })
  }
}

function lockedError(paths: DataPaths, pid: number): CatalogError {
  return new CatalogError('DATA_DIR_LOCKED', `The data directory ${paths.root} is in use by process ${pid}.`, {
    hint: 'Stop that node, or give this one a --data-dir of its own.',
    details: { pid },
  })
}

function readOwner(path: string): Owner | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (thrown) {
    if (['ENOENT', 'ENOTDIR'].includes((thrown as NodeJS.ErrnoException).code ?? '')) return undefined
    throw fileError(path, thrown)
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
