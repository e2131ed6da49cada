// A consistent copy of a store while it runs. Packs only grow, and none is removed while the copy is made: so the
// packs as they are after the database was copied hold everything that copy knows. What they hold beyond it is cut
// off when the copy is opened.
import { constants } from 'node:fs'
import { chmod, copyFile, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Disk } from '../base/disk.ts'
import { makeFolders } from '../base/disk.ts'
import type { Effects } from '../base/effects.ts'
import { CatalogError } from '../base/errors.ts'
import type { DataPaths } from './data-directory.ts'
import type { Environment } from './environment.ts'
import type { Packs } from './packs.ts'

/** Written last: a folder without it is no backup. */
const MARK = 'backup.json'
const FORMAT = 1

export interface BackupProgress {
  readonly files: number
  readonly bytes: number
}

interface Components {
  environment: Environment
  packs: Packs
  disk: Disk
  effects: Effects
}

interface BackupOptions {
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
  { signal, onProgress }: BackupOptions = {},
): Promise<BackupProgress> {
  await effects.run(() => mustBeEmpty(target))
  const done = { files: 0, bytes: 0 }
  const copied = (bytes: number) => {
    done.files++
    done.bytes += bytes
    onProgress?.({ ...done })
    if (signal?.aborted) throw new CatalogError('ABORTED', 'Cancelled.', { cause: signal.reason })
  }
  using _ = packs.keepAll()
  await disk.makeFolder(join(target, 'database'))
  await disk.makeFolder(join(target, 'packs'))
  await environment.copyTo(join(target, 'database'))
  for (const { pack, size } of await packs.files()) {
    await effects.run(() => copyOne(packs.path(pack), join(target, 'packs'), 0o600))
    copied(size)
  }
  await effects.run(() => copyKeysAndSettings(paths, target))
  await effects.run(() => writeFile(join(target, MARK), `${JSON.stringify({ format: FORMAT })}\n`, { flush: true }))
  return done
}

/**
 * Put a backup in place of a data directory that does not exist yet, or is empty.
 *
 * @throws CatalogError `NOT_FOUND` when the folder is no backup, `TARGET_EXISTS`, `STORE_FORMAT`, `FILE_UNREADABLE`
 */
export async function restore(source: string, target: string): Promise<BackupProgress> {
  const mark = await readFile(join(source, MARK), 'utf8').catch(() => undefined)
  if (mark === undefined) {
    throw new CatalogError('NOT_FOUND', `${source} is not a backup, or not a whole one.`, {
      hint: 'A backup is a folder made by "catalog backup DIR".',
    })
  }
  if (JSON.parse(mark).format !== FORMAT) {
    throw new CatalogError('STORE_FORMAT', `The backup in ${source} was made by another version of Catalog.`)
  }
  await mustBeEmpty(target)
  // Made aside and moved: a restore that was cut off is not taken for a data directory.
  const aside = `${target}.restoring`
  await makeFolders(aside)
  const done = { files: 0, bytes: 0 }
  for (const folder of ['.', 'keys', 'database', 'packs']) {
    for (const entry of await entriesOf(join(source, folder))) {
      if (!entry.isFile() || entry.name === MARK || entry.name === 'lock.mdb') continue
      done.bytes += await copyOne(join(source, folder, entry.name), join(aside, folder), 0o600)
      done.files++
    }
  }
  await rename(aside, target)
  return done
}

async function copyKeysAndSettings({ keys, settings }: DataPaths, target: string): Promise<void> {
  for (const entry of await entriesOf(keys)) await copyOne(join(keys, entry.name), join(target, 'keys'), 0o600)
  if (await stat(settings).catch(() => undefined)) await copyOne(settings, target, 0o600)
}

async function entriesOf(folder: string) {
  return readdir(folder, { withFileTypes: true }).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return []
    throw thrown
  })
}

/** @returns its size */
async function copyOne(path: string, folder: string, mode: number): Promise<number> {
  await makeFolders(folder)
  const copy = join(folder, path.slice(path.lastIndexOf('/') + 1))
  await copyFile(path, copy, constants.COPYFILE_FICLONE)
  await chmod(copy, mode)
  return (await stat(copy)).size
}

async function mustBeEmpty(folder: string): Promise<void> {
  if ((await entriesOf(folder)).length === 0) return
  throw new CatalogError('TARGET_EXISTS', `${folder} is not empty.`, { hint: 'Name a folder that does not exist yet.' })
}
