// The system's disk with somebody looking on: every operation can be counted, held up or failed before it begins.
import { type Disk, type DiskFile, type DiskSpace, fileError, systemDisk } from '../../../src/base/disk.ts'
import { directEffects } from '../../../src/base/effects.ts'
import type { CatalogError } from '../../../src/base/errors.ts'

export type DiskOperation = 'open' | 'read' | 'write' | 'sync' | 'truncate' | 'close' | 'remove' | 'syncFolder'

/** What a test does to the disk; may be changed at any time. */
interface Watch {
  /** Called before an operation; what it throws is what the operation fails with. */
  before?: ((operation: DiskOperation, path: string, position?: number) => Promise<void> | void) | undefined
  /** Called when one has been done. */
  after?: ((operation: DiskOperation, path: string) => void) | undefined
  space?: (() => DiskSpace) | undefined
}

export interface WatchedDisk extends Disk {
  readonly watch: Watch
  /** Descriptors open now. */
  readonly opened: number
  /** How often an operation was begun. */
  count(operation: DiskOperation): number
}

export function watchedDisk(watch: Watch = {}): WatchedDisk {
  const disk = systemDisk(directEffects)
  const counts = new Map<DiskOperation, number>()
  let opened = 0
  const begin = async (operation: DiskOperation, path: string, position?: number) => {
    counts.set(operation, (counts.get(operation) ?? 0) + 1)
    await watch.before?.(operation, path, position)
  }
  const watched = (path: string, file: DiskFile): DiskFile => ({
    ...file,
    read: (buffer, position) => begin('read', path, position).then(() => file.read(buffer, position)),
    write: (buffer, position) => begin('write', path, position).then(() => file.write(buffer, position)),
    async sync() {
      await begin('sync', path)
      await file.sync()
      watch.after?.('sync', path)
    },
    truncate: (bytes) => begin('truncate', path).then(() => file.truncate(bytes)),
    close: async () => {
      await file.close()
      opened--
      // As the system does it: what close says, the descriptor is gone.
      await begin('close', path)
    },
  })
  return {
    ...disk,
    watch,
    get opened() {
      return opened
    },
    count: (operation) => counts.get(operation) ?? 0,
    async open(path, mode) {
      await begin('open', path)
      const file = watched(path, await disk.open(path, mode))
      opened++
      return file
    },
    remove: (path) => begin('remove', path).then(() => disk.remove(path)),
    syncFolder: (path) => begin('syncFolder', path).then(() => disk.syncFolder(path)),
    space: (path) => watch.space?.() ?? disk.space(path),
  }
}

/** What the system's disk fails with. */
export function diskError(errno: string): CatalogError {
  return fileError('/a/file', Object.assign(new Error(errno), { code: errno }))
}

/** Lets nothing through until it is opened. */
export interface Gate {
  readonly passed: Promise<void>
  /** Resolves when somebody waits. */
  readonly reached: Promise<void>
  wait(): Promise<void>
  open(): void
}

export function gate(): Gate {
  const [reached, passed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  return {
    passed: passed.promise,
    reached: reached.promise,
    wait() {
      reached.resolve()
      return passed.promise
    },
    open: passed.resolve,
  }
}
