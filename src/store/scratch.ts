// Folders for what is being made, emptied at each start.
import { join } from 'node:path'
import { toHex } from '../base/bytes.ts'
import type { Disk } from '../base/disk.ts'
import type { Random } from '../base/random.ts'

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

  /** A new empty folder; its maker removes it. */
  async folder(): Promise<string> {
    const path = join(this.#folder, toHex(this.#components.random.bytes(12)))
    await this.#components.disk.makeFolder(path)
    return path
  }
}
