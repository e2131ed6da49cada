// The native core: the Rust addon behind the common surface. Loading the addon is `load.ts`'s business.
import { CatalogError } from '../base/errors.ts'
import { type Core, NEED_MORE } from './surface.ts'

/** What the addon exports for the core; its other exports belong to other rooms. */
export interface NativeCoreModule extends Omit<Core, 'backend' | 'features' | 'merkleRoot' | 'sketchDecode'> {
  features(): string[]
  merkleRoot(ids: Uint8Array, lengths: Uint32Array, profile: number, out: Uint8Array, nodes?: Uint8Array | null): number
  sketchDecode(diff: Uint8Array, symbols: number, outIds: BigUint64Array, outSigns: Int8Array): number | null
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

  sha256Update(state: Uint8Array, buffer: Uint8Array, offset: number, length: number, final: boolean): number {
    return translated(() => this.#addon.sha256Update(state, buffer, offset, length, final))
  }

  chunk(
    buffer: Uint8Array,
    offset: number,
    length: number,
    profile: number,
    final: boolean,
    cuts: Uint32Array,
  ): number {
    return translated(() => this.#addon.chunk(buffer, offset, length, profile, final, cuts))
  }

  merkleRoot(ids: Uint8Array, lengths: Uint32Array, profile: number, out: Uint8Array, nodes?: Uint8Array): number {
    return translated(() => this.#addon.merkleRoot(ids, lengths, profile, out, nodes))
  }

  merkleVerify(
    root: Uint8Array,
    profile: number,
    total: number,
    count: number,
    index: number,
    id: Uint8Array,
    length: number,
    proof: Uint8Array,
  ): boolean {
    return translated(() => this.#addon.merkleVerify(root, profile, total, count, index, id, length, proof))
  }

  rsEncode(k: number, m: number, shardBytes: number, data: Uint8Array, parity: Uint8Array): number {
    return translated(() => this.#addon.rsEncode(k, m, shardBytes, data, parity))
  }

  rsReconstruct(
    k: number,
    m: number,
    shardBytes: number,
    shards: Uint8Array,
    present: Uint8Array,
    want: Uint8Array,
  ): number {
    return translated(() => this.#addon.rsReconstruct(k, m, shardBytes, shards, present, want))
  }

  sketchUpdate(sketch: Uint8Array, symbols: number, ids: BigUint64Array, sign: 1 | -1): number {
    return translated(() => this.#addon.sketchUpdate(sketch, symbols, ids, sign))
  }

  sketchDecode(diff: Uint8Array, symbols: number, outIds: BigUint64Array, outSigns: Int8Array): number {
    return translated(() => this.#addon.sketchDecode(diff, symbols, outIds, outSigns)) ?? NEED_MORE
  }
}

/** The addon throws plain Errors with a `code` of our table. */
function translated<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw CatalogError.from(error)
  }
}
