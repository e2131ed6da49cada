// Sets of record ids as two nodes compare them: a shelf as it stands in the store, or ids in memory, which are a part
// of a shelf. Both have the root, the sketch and the nodes that the set's members alone give.
import { compareBytes, concatBytes, sha256 } from '../base/bytes.ts'
import { SYNC_SKETCH_KEPT_MIN } from '../base/sync-limits.ts'
import { type Core, SYMBOL_BYTES } from '../core/surface.ts'
import type { Audience } from '../model/audience.ts'
import { groupByNibble, nibbleAt, subtrieHash, TRIE_LEAF_IDS_MAX, type TrieNode, trieRoot } from '../model/trie.ts'
import type { Records } from '../store/records.ts'
import { type Sketches, sketchOf } from '../store/sketches.ts'
import { pathOf } from '../store/trie-rows.ts'
import { SHORT_ID_BYTES } from '../wire/sync-messages.ts'

export interface SyncSet {
  readonly root: Uint8Array
  readonly count: number
  /** The first `symbols` symbols of its sketch. */
  sketch(symbols: number): Uint8Array
  /** Ids that start with these nibbles, sorted. */
  idsBelow(path: Uint8Array): Uint8Array[]
  /** Up to so many ids that come after one, or first of all; sorted. */
  idsAfter(id: Uint8Array | undefined, most: number): Uint8Array[]
  node(path: Uint8Array): TrieNode
}

export const ROOT_PATH = new Uint8Array(0)

/** The ids with these first bytes: one, but for an attack on the hash. */
export function idsWith(set: SyncSet, short: Uint8Array): Uint8Array[] {
  return set.idsBelow(pathOf(short, 2 * SHORT_ID_BYTES))
}

/** Hashes of the children of a node, also where it stands inside of a leaf. */
export function childHashes(node: TrieNode, depth: number): readonly (Uint8Array | undefined)[] {
  if ('children' in node) return node.children
  return groupByNibble(node.ids, depth).map((ids) => (ids.length === 0 ? undefined : subtrieHash(ids, depth + 1)))
}

/** What stands for a shelf, as it is, in the list of all shelves. */
export function entryOf(key: Uint8Array, { root }: SyncSet): Uint8Array {
  return sha256(concatBytes(key, root))
}

/** A shelf of the store, as it is whenever it is asked. */
export class ShelfSet implements SyncSet {
  readonly #components: { records: Records; sketches: Sketches; core: Core }
  readonly #name: readonly [audience: Audience, signer: string]

  constructor(components: { records: Records; sketches: Sketches; core: Core }, audience: Audience, signer: string) {
    this.#components = components
    this.#name = [audience, signer]
  }

  get root(): Uint8Array {
    return this.#components.records.shelves.get(...this.#name).root
  }

  get count(): number {
    return this.#components.records.shelves.get(...this.#name).count
  }

  sketch(symbols: number): Uint8Array {
    const { sketches, core } = this.#components
    if (this.count < SYNC_SKETCH_KEPT_MIN) return sketchOf(core, this.idsBelow(ROOT_PATH), symbols)
    return sketches.of(...this.#name).subarray(0, symbols * SYMBOL_BYTES)
  }

  idsBelow(path: Uint8Array): Uint8Array[] {
    return this.#components.records.shelves.idsBelow(...this.#name, path)
  }

  idsAfter(id: Uint8Array | undefined, most: number): Uint8Array[] {
    return this.#components.records.shelves.idsAfter(...this.#name, id, most)
  }

  node(path: Uint8Array): TrieNode {
    return this.#components.records.shelves.node(...this.#name, path)
  }
}

/** Ids in memory. */
export class IdSet implements SyncSet {
  readonly #core: Core
  readonly #sorted: readonly Uint8Array[]
  #root: Uint8Array | undefined

  constructor(core: Core, ids: Iterable<Uint8Array>) {
    this.#core = core
    this.#sorted = [...ids].sort(compareBytes)
  }

  get root(): Uint8Array {
    this.#root ??= trieRoot(this.#sorted)
    return this.#root
  }

  get count(): number {
    return this.#sorted.length
  }

  sketch(symbols: number): Uint8Array {
    return sketchOf(this.#core, this.#sorted, symbols)
  }

  idsBelow(path: Uint8Array): Uint8Array[] {
    return this.#sorted.slice(
      this.#firstNot((id) => order(id, path) < 0),
      this.#firstNot((id) => order(id, path) <= 0),
    )
  }

  idsAfter(id: Uint8Array | undefined, most: number): Uint8Array[] {
    const from = id ? this.#firstNot((each) => compareBytes(each, id) <= 0) : 0
    return this.#sorted.slice(from, from + most)
  }

  /** Where a condition ends that holds up to some id. */
  #firstNot(holds: (id: Uint8Array) => boolean): number {
    let [low, high] = [0, this.#sorted.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (holds(this.#sorted[middle] as Uint8Array)) low = middle + 1
      else high = middle
    }
    return low
  }

  node(path: Uint8Array): TrieNode {
    const ids = this.idsBelow(path)
    if (ids.length <= TRIE_LEAF_IDS_MAX) return { ids }
    const children = groupByNibble(ids, path.length)
    return { children: children.map((each) => (each.length === 0 ? undefined : subtrieHash(each, path.length + 1))) }
  }
}

/** Where an id stands to those below a path: before them, among them or after. */
function order(id: Uint8Array, path: Uint8Array): number {
  for (const [depth, nibble] of path.entries()) {
    const apart = nibbleAt(id, depth) - nibble
    if (apart !== 0) return apart
  }
  return 0
}
