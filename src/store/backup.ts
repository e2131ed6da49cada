// A consistent copy of a store while it runs. Packs only grow, and none is removed while the copy is made: so the
// packs as they are after the database was copied hold everything that copy knows. What they hold beyond it is cut
// off when the copy is opened.
import { constants } from 'node:fs'
import { chmod, copyFile, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { type Disk, fileError, makeFolders } from '../base/disk.ts'
import type { Effects } from '../base/effects.ts'
import { CatalogError } from '../base/errors.ts'
import type { DataPaths } from './data-directory.ts'
import type { Environment } from './environment.ts'
import type { Packs } from './packs.ts'
import { copyGuard } from './space.ts'

/** Written last: a folder without it is no backup. */
const MARK = 'backup.json'
const FORMAT = 1
/** Of a data directory, what a backup has; the rest is made anew. */
const FOLDERS = ['.', 'keys', 'database', 'packs']

/** What has been copied. */
export interface Copied {
  readonly files: number
  readonly bytes: number
}

export interface BackupProgress extends Copied {
  /** Bytes to be copied in all. */
  readonly total: number
}

interface Components {
  environment: Environment
  packs: Packs
  disk: Disk
  effects: Effects
}

export interface BackupOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined
}

/**
 * Copy a running store with its keys and settings to a new folder.
 *
 * @throws CatalogError `TARGET_EXISTS` unless the folder is absent or empty; `DISK_FULL`, `FILE_UNREADABLE`, `ABORTED`
 */
export async function backUp(
  { environment, packs, disk, effects }: Components,
  paths: DataPaths,
  target: string,
  options: BackupOptions = {},
): Promise<Copied> {
  const folder = resolve(target)
  await effects.run(() => mustBeEmpty(folder))
  using _ = packs.keepAll()
  try {
    for (const name of FOLDERS) await disk.makeFolder(join(folder, name))
    // It may well go to the disk that the store is on, which must not be full for that.
    const mayCopy = copyGuard(disk, folder)
    mayCopy((await filesIn(paths.database, 'database')).reduce((sum, { size }) => sum + size, 0))
    await copyDatabase(environment, join(folder, 'database'))
    const files = (await packs.files()).map(({ pack, size }) => ({ path: packs.path(pack), to: 'packs', size }))
    return await effects.run(async () => {
      const database = await filesIn(join(folder, 'database'), 'database')
      const wanted = [...files, ...(await keysAndSettings(paths))]
      const copied = await copyAll(wanted, folder, { ...options, mayCopy }, database)
      await onDisk(folder, () =>
        writeFile(join(folder, MARK), `${JSON.stringify({ format: FORMAT })}\n`, { mode: 0o600 }),
      )
      await toDisk(join(folder, MARK), folder)
      return copied
    })
  } catch (thrown) {
    // Half a backup is of no use, and would be in the way of the next one.
    await effects.run(() => removeIn(folder))
    throw thrown
  }
}

/**
 * Put a backup in place of a data directory that does not exist yet, or is empty.
 *
 * @throws CatalogError `NOT_FOUND` when the folder is no backup, `TARGET_EXISTS`, `STORE_FORMAT`, `DISK_FULL`,
 *   `FILE_UNREADABLE`, `ABORTED`
 */
export async function restore(source: string, target: string, options: BackupOptions = {}): Promise<Copied> {
  const folder = resolve(target)
  await mustBeBackup(source)
  await mustBeEmpty(folder)
  // Made aside and moved: a restore that was cut off is not taken for a data directory.
  const aside = `${folder}.restoring`
  await removeAll(aside)
  const files: File[] = []
  for (const name of FOLDERS) files.push(...(await filesIn(join(source, name), name)))
  const wanted = files.filter(({ path }) => ![MARK, 'lock.mdb'].includes(basename(path)))
  try {
    const copied = await copyAll(wanted, aside, options)
    await onDisk(folder, () => rename(aside, folder))
    await toDisk(dirname(folder))
    return copied
  } catch (thrown) {
    await removeAll(aside)
    throw thrown
  }
}

/** What lmdb throws has the system's sentence for the fault, and no code. */
async function copyDatabase(environment: Environment, folder: string): Promise<void> {
  try {
    await environment.copyTo(folder)
  } catch (thrown) {
    const isFull = thrown instanceof Error && /no space left|not enough space/i.test(thrown.message)
    throw fileError(folder, isFull ? Object.assign(thrown, { code: 'ENOSPC' }) : thrown)
  }
}

interface File {
  readonly path: string
  /** Folder of the copy, below the target. */
  readonly to: string
  readonly size: number
}

async function mustBeBackup(folder: string): Promise<void> {
  const hint = 'A backup is a folder made by "catalog backup DIR".'
  let mark: { format?: unknown } | null
  try {
    mark = JSON.parse(await readFile(join(folder, MARK), 'utf8'))
  } catch (cause) {
    throw new CatalogError('NOT_FOUND', `${folder} is not a backup, or not a whole one.`, { hint, cause })
  }
  if (mark?.format === FORMAT) return
  throw new CatalogError('STORE_FORMAT', `The backup in ${folder} was made by another version of Catalog.`, { hint })
}

async function keysAndSettings({ keys, settings }: DataPaths): Promise<File[]> {
  const there = await onDisk(settings, () => stat(settings).catch(absent))
  return [...(await filesIn(keys, 'keys')), ...(there ? [{ path: settings, to: '.', size: there.size }] : [])]
}

async function filesIn(folder: string, to: string): Promise<File[]> {
  const files: File[] = []
  for (const entry of await entriesOf(folder)) {
    const path = join(folder, entry.name)
    if (entry.isFile()) files.push({ path, to, size: (await onDisk(path, () => stat(path))).size })
  }
  return files
}

/**
 * Copies that only this user can read, and that have reached the disk.
 *
 * @param there - files that are in their places already
 */
async function copyAll(
  files: readonly File[],
  target: string,
  options: BackupOptions & { mayCopy?: (bytes: number) => void },
  there: readonly File[] = [],
): Promise<Copied> {
  const sum = (list: readonly File[]) => list.reduce((bytes, { size }) => bytes + size, 0)
  const done = { files: there.length, bytes: sum(there) }
  const total = done.bytes + sum(files)
  await toDisk(...there.map(({ path }) => path))
  for (const { path, to, size } of files) {
    if (options.signal?.aborted) throw new CatalogError('ABORTED', 'Cancelled.', { cause: options.signal.reason })
    options.mayCopy?.(size)
    const copy = join(target, to, basename(path))
    await onDisk(path, async () => {
      await makeFolders(join(target, to))
      await copyFile(path, copy, constants.COPYFILE_FICLONE)
      await chmod(copy, 0o600)
    })
    await toDisk(copy)
    done.files++
    done.bytes += size
    options.onProgress?.({ ...done, total })
  }
  await toDisk(...new Set([...there, ...files].map(({ to }) => join(target, to))))
  return done
}

/** Files and folders survive a power cut. */
async function toDisk(...paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await onDisk(path, async () => {
      const handle = await open(path)
      await handle.sync().finally(() => handle.close())
    })
  }
}

async function removeIn(folder: string): Promise<void> {
  for (const { name } of await entriesOf(folder)) await removeAll(join(folder, name))
}

async function removeAll(folder: string): Promise<void> {
  await onDisk(folder, () => rm(folder, { recursive: true, force: true }))
}

async function mustBeEmpty(folder: string): Promise<void> {
  if ((await entriesOf(folder)).length === 0) return
  throw new CatalogError('TARGET_EXISTS', `${folder} is not empty.`, { hint: 'Name a folder that does not exist yet.' })
}

/** Nothing for a folder that is not there. */
async function entriesOf(folder: string) {
  return (await onDisk(folder, () => readdir(folder, { withFileTypes: true }).catch(absent))) ?? []
}

function absent(thrown: NodeJS.ErrnoException): undefined {
  if (thrown.code !== 'ENOENT') throw thrown
}

async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    throw fileError(path, thrown)
  }
}
