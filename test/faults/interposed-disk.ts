// A disk with somebody in between: whoever wants to kill, fail or watch is asked before each operation that changes
// something, and carries it out.
import type { Disk, DiskFile } from '../../src/base/disk.ts'

export type StepKind = 'create' | 'write' | 'sync' | 'truncate' | 'move' | 'remove' | 'make-folder' | 'sync-folder'

export interface Step {
  readonly kind: StepKind
  /** Of what is changed. */
  readonly path: string
  /** Carry out the first bytes only; of a write. @param share - 0 to 1 */
  readonly part?: (share: number) => Promise<void>
}

/** Called in place of each operation. `run` carries it out. */
export type Around = <T>(step: Step, run: () => Promise<T>) => Promise<T>

export function interposedDisk(disk: Disk, around: Around): Disk {
  return {
    async open(path, mode) {
      const isNew = mode !== 'read' && !(await disk.exists(path))
      const open = () => disk.open(path, mode)
      return interposedFile(path, isNew ? await around({ kind: 'create', path }, open) : await open(), around)
    },
    makeFolder: (path, mode) => around({ kind: 'make-folder', path }, () => disk.makeFolder(path, mode)),
    move: (from, to) => around({ kind: 'move', path: to }, () => disk.move(from, to)),
    remove: (path) => around({ kind: 'remove', path }, () => disk.remove(path)),
    list: (path) => disk.list(path),
    exists: (path) => disk.exists(path),
    syncFolder: (path) => around({ kind: 'sync-folder', path }, () => disk.syncFolder(path)),
    space: (path) => disk.space(path),
    occupied: (path) => disk.occupied(path),
  }
}

function interposedFile(path: string, file: DiskFile, around: Around): DiskFile {
  return {
    read: (buffer, position) => file.read(buffer, position),
    write(buffer, position) {
      const part = (share: number) => {
        const bytes = Buffer.concat(Array.isArray(buffer) ? buffer : [buffer])
        return file.write(bytes.subarray(0, Math.floor(bytes.length * share)), position)
      }
      return around({ kind: 'write', path, part }, () => file.write(buffer, position))
    },
    sync: () => around({ kind: 'sync', path }, () => file.sync()),
    size: () => file.size(),
    truncate: (bytes) => around({ kind: 'truncate', path }, () => file.truncate(bytes)),
    close: () => file.close(),
  }
}
