// Commands on a data directory that no node may be running on: putting a backup there, and making the index of blobs
// anew before anything reads it.
import { systemClock } from '../base/clock.ts'
import { systemDisk } from '../base/disk.ts'
import { directEffects } from '../base/effects.ts'
import { loadCore } from '../core/load.ts'
import { WorkerPool } from '../core/workers/pool.ts'
import { type Line, withProgress } from '../gateway/api/operation.ts'
import { readSettings } from '../model/config.ts'
import { readSettingsFile } from '../settings-file.ts'
import { restore } from '../store/backup.ts'
import { Blobs } from '../store/blobs.ts'
import { claimDirectory, type DataPaths, dataPaths, mustBeFree } from '../store/data-directory.ts'
import { Environment } from '../store/environment.ts'
import { Packs } from '../store/packs.ts'
import { rebuildIndex } from '../store/rebuild.ts'
import { databaseGuard, Space } from '../store/space.ts'

/**
 * `progress` {bytes, total}, then `restored` {dataDir, files, bytes}.
 *
 * @throws CatalogError `DATA_DIR_LOCKED`, and as `restore`
 */
export function restoreInto(dataDir: string, backup: string, signal: AbortSignal): AsyncGenerator<Line> {
  const paths = dataPaths(dataDir)
  return withProgress(async (report) => {
    mustBeFree(paths)
    const { files, bytes } = await restore(backup, paths.root, {
      signal,
      onProgress: ({ bytes, total }) => void report({ type: 'progress', bytes, total }),
    })
    void report({ type: 'restored', dataDir: paths.root, files, bytes })
  })
}

/**
 * `rebuilt` {pack, blobs, bytes, damaged} for each pack, at the end `summary` {orphans, bytes, keptUntil}: artifacts
 * that no record here names, and until when they are kept all the same.
 *
 * @throws CatalogError `DATA_DIR`, `DATA_DIR_LOCKED`, `STORE_FAILED`, `STORE_FORMAT`, `ABORTED`
 */
export async function* rebuildIndexIn(dataDir: string, signal: AbortSignal): AsyncGenerator<Line> {
  const paths = dataPaths(dataDir)
  await using cleanup = new AsyncDisposableStack()
  const lock = await claimDirectory(paths)
  cleanup.defer(() => lock.release())
  const rebuilding = rebuildIndex(await openBlobs(paths, cleanup), signal)
  let step = await rebuilding.next()
  for (; !step.done; step = await rebuilding.next()) yield { type: 'rebuilt', ...step.value }
  const { blobs, bytes, keptUntil } = step.value
  yield { type: 'summary', orphans: blobs, bytes, keptUntil: new Date(keptUntil).toISOString() }
}

/** What the index of blobs is made from, and nothing that would first bring files and rows in line. */
async function openBlobs(paths: DataPaths, cleanup: AsyncDisposableStack) {
  const [clock, effects] = [systemClock, directEffects]
  const disk = systemDisk(effects)
  const settings = readSettings({ environment: process.env, file: readSettingsFile(paths.settings) })
  const core = await loadCore(settings.core)
  const guard = databaseGuard(disk, paths.root)
  const environment = new Environment({ effects }, { path: paths.database, guard })
  cleanup.defer(() => environment.close())
  await disk.makeFolder(paths.packs)
  const packs = new Packs({ environment, disk }, { folder: paths.packs })
  cleanup.defer(() => packs.close())
  const space = new Space({ disk, packs }, { folder: paths.root })
  const workers = new WorkerPool({ effects }, { threads: settings.workers, core: settings.core })
  cleanup.defer(() => workers.close())
  const blobs = new Blobs({ environment, packs, space, disk, workers, clock })
  return { environment, packs, blobs, core, clock }
}
