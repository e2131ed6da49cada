// The native core: the Rust addon behind the common surface. Loading the addon is `load.ts`'s business.
import { CatalogError } from '../base/errors.ts'
import type { Core } from './surface.ts'

/** What the addon exports for the core; its other exports belong to other rooms. */
export interface NativeCoreModule {
  abi(): number
  features(): string[]
  sha256Many(buffer: Uint8Array, ranges: Uint32Array, out: Uint8Array): number
  merkleRoot(ids: Uint8Array, lengths: Uint32Array, profile: number, out: Uint8Array): number
}

export class NativeCore implements Core {
  readonly backend = 'native'
  readonly #addon: NativeCoreModule

  constructor(addon: NativeCoreModule) {
    this.#addon = addon
  }

  abi(): number {
    return this.#addon.abi()
  }

  features(): readonly string[] {
    return this.#addon.features()
  }

  sha256Many(buffer: Uint8Array, ranges: Uint32Array, out: Uint8Array): number {
    return translated(() => this.#addon.sha256Many(buffer, ranges, out))
  }

  merkleRoot(ids: Uint8Array, lengths: Uint32Array, profile: number, out: Uint8Array): number {
    return translated(() => this.#addon.merkleRoot(ids, lengths, profile, out))
  }
}

/** The addon throws plain Errors with a `code` of our table. */
function translated(call: () => number): number {
  try {
    return call()
  } catch (error) {
    throw CatalogError.from(error)
  }
}
