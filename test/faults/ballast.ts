// A file that takes up what is free of a small file system, and gives it back.
import { closeSync, fstatSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { KiB } from '../../src/base/units.ts'

export function freeBytes(folder: string): number {
  const { bsize, bavail } = statfsSync(folder)
  return bsize * bavail
}

export class Ballast {
  readonly #folder: string
  readonly #path: string

  /** @param folder - the top of the file system */
  constructor(folder: string) {
    this.#folder = folder
    this.#path = join(folder, 'ballast')
  }

  /** Grow until no more than `bytes` are free. */
  leave(bytes: number): void {
    const file = openSync(this.#path, 'a')
    const piece = Buffer.alloc(64 * KiB, 1)
    try {
      for (let more = freeBytes(this.#folder) - bytes; more > 0; more = freeBytes(this.#folder) - bytes) {
        const before = fstatSync(file).size
        writeSync(file, piece, 0, Math.min(more, piece.length))
        if (fstatSync(file).size === before) break
      }
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOSPC') throw thrown
    } finally {
      closeSync(file)
    }
  }

  drop(): void {
    rmSync(this.#path, { force: true })
  }
}
