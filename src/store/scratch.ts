// Folders for what is being made, emptied at each start.
import { join } from 'node:path'
import { toHex } from '../base/bytes.ts'
import { type Disk, makeFolders } from '../base/disk.ts'
import type { Random } from '../base/random.ts'
import { copyGuard } from './space.ts'

interface Components {
  disk: Disk
  random: Random
}

export class Scratch {
  readonly #components: Components
  readonly #folder: string

  constructor(components: Components, { folder }: { folder: string }) {
    this.#components = components
    this.#folder = folder
  }

  /** @returns how many things were left behind when the process last ended */
  async recover(): Promise<number> {
    const { disk } = this.#components
    const left = (await disk.exists(this.#folder)) ? await disk.list(this.#folder) : []
    await disk.remove(this.#folder)
    await disk.makeFolder(this.#folder)
    return left.length
  }

  /** Folders for one piece of work, made when asked for and removed together. */
  open(): ScratchFolders {
    const { disk, random } = this.#components
    const made: string[] = []
    return {
      folder: async () => {
        const path = join(this.#folder, toHex(random.bytes(12)))
        made.push(path)
        // Past `disk`: who asks is at work inside an effect already.
        await makeFolders(path)
        return path
      },
      mayWrite: copyGuard(disk, this.#folder),
      [Symbol.asyncDispose]: async () => {
        for (const path of made) await disk.remove(path)
      },
    }
  }
}

export interface ScratchFolders extends AsyncDisposable {
  /** A new empty folder. */
  folder(): Promise<string>
  /** @throws CatalogError `DISK_FULL` when so many bytes more would use up the reserve of the disk */
  readonly mayWrite: (bytes: number) => void
}
