// Shelves: for each (audience, signer) the set of record ids, and its canonical trie kept up to date node by node.
// Every function here runs inside a write transaction of its caller, beside the records it is about.
import { compareBytes, concatBytes, sha256 } from '../base/bytes.ts'
import { EMPTY_ROOT, groupByNibble, innerHash, leafHash, nibbleAt, TRIE_LEAF_IDS_MAX } from '../model/trie.ts'
import { type Environment, endOf, type ShelfRow } from './environment.ts'

/** Keys of a shelf start with this many bytes of the hash of its name. */
const SHELF_KEY_BYTES = 16

interface TrieNode {
  count: number
  hash: Uint8Array
}

export interface Shelf extends ShelfRow {
  readonly audience: string
  readonly signer: string
}

export class Shelves {
  readonly #environment: Environment

  constructor({ environment }: { environment: Environment }) {
    this.#environment = environment
  }

  get(audience: string, signer: string): ShelfRow {
    return this.#environment.shelves.get([audience, signer]) ?? { count: 0, bytes: 0, root: EMPTY_ROOT }
  }

  list(): Shelf[] {
    const rows: Shelf[] = []
    for (const { key, value } of this.#environment.shelves.getRange({})) {
      const [audience = '', signer = ''] = key
      rows.push({ audience, signer, ...value })
    }
    return rows
  }

  count(): number {
    return this.#environment.shelves.getCount()
  }

  has(audience: string, signer: string, id: Uint8Array): boolean {
    return this.#environment.shelfIds.doesExist(concatBytes(shelfKey(audience, signer), id))
  }

  /** Add an id that is not there, or remove one that is. @param bytes - size of the record */
  change(op: 'add' | 'remove', audience: string, signer: string, id: Uint8Array, bytes: number): void {
    const { shelves, shelfIds } = this.#environment
    const shelf = shelfKey(audience, signer)
    const sign = op === 'add' ? 1 : -1
    const key = concatBytes(shelf, id)
    if (op === 'add') shelfIds.put(key, new Uint8Array(0))
    else shelfIds.remove(key)
    const { count, hash } = this.#update(shelf, id, 0, sign)
    const row = this.get(audience, signer)
    if (count === 0) shelves.remove([audience, signer])
    else shelves.put([audience, signer], { count, bytes: row.bytes + sign * bytes, root: hash })
  }

  /** Ids on a shelf, sorted. */
  ids(audience: string, signer: string): Uint8Array[] {
    return this.#idsUnder(shelfKey(audience, signer), [])
  }

  /** Recompute the node at `depth` on the way to `id`, whose set has just changed by `delta`. */
  #update(shelf: Uint8Array, id: Uint8Array, depth: number, delta: number): TrieNode {
    const path = pathOf(id, depth)
    const before = this.#node(shelf, path)?.count ?? 0
    const count = before + delta
    if (count > TRIE_LEAF_IDS_MAX && before > TRIE_LEAF_IDS_MAX) {
      this.#update(shelf, id, depth + 1, delta)
      const children = Array.from({ length: 16 }, (_, nibble) => this.#node(shelf, [...path, nibble])?.hash)
      return this.#write(shelf, path, { count, hash: innerHash(children) })
    }
    if (before > TRIE_LEAF_IDS_MAX) this.#removeUnder(shelf, path)
    return this.#build(shelf, path, this.#idsUnder(shelf, path))
  }

  /** Write the node for these ids, and its children when it has some. */
  #build(shelf: Uint8Array, path: number[], ids: readonly Uint8Array[]): TrieNode {
    if (ids.length <= TRIE_LEAF_IDS_MAX) return this.#write(shelf, path, { count: ids.length, hash: leafHash(ids) })
    const children = groupByNibble(ids, path.length).map((group, nibble) =>
      group.length === 0 ? undefined : this.#build(shelf, [...path, nibble], group).hash,
    )
    return this.#write(shelf, path, { count: ids.length, hash: innerHash(children) })
  }

  #node(shelf: Uint8Array, path: readonly number[]): TrieNode | undefined {
    const row = this.#environment.trie.get(concatBytes(shelf, Uint8Array.from(path)))
    if (!row) return undefined
    return { count: Buffer.from(row.buffer, row.byteOffset, 4).readUInt32BE(), hash: new Uint8Array(row.subarray(4)) }
  }

  #write(shelf: Uint8Array, path: readonly number[], node: TrieNode): TrieNode {
    const key = concatBytes(shelf, Uint8Array.from(path))
    if (node.count === 0) this.#environment.trie.remove(key)
    else {
      const row = Buffer.alloc(4 + node.hash.length)
      row.writeUInt32BE(node.count)
      row.set(node.hash, 4)
      this.#environment.trie.put(key, row)
    }
    return node
  }

  #removeUnder(shelf: Uint8Array, path: readonly number[]): void {
    const prefix = concatBytes(shelf, Uint8Array.from(path))
    const keys = [...this.#environment.trie.getKeys({ start: prefix, end: endOf(prefix) })]
    for (const key of keys) this.#environment.trie.remove(key)
  }

  #idsUnder(shelf: Uint8Array, path: readonly number[]): Uint8Array[] {
    const low = new Uint8Array(32)
    path.forEach((nibble, depth) => {
      low[depth >> 1] = (low[depth >> 1] as number) | (depth & 1 ? nibble : nibble << 4)
    })
    const start = concatBytes(shelf, low)
    const ids: Uint8Array[] = []
    for (const key of this.#environment.shelfIds.getKeys({ start })) {
      const id = new Uint8Array(key.subarray(SHELF_KEY_BYTES))
      const inside = compareBytes(key.subarray(0, SHELF_KEY_BYTES), shelf) === 0
      if (!inside || path.some((nibble, depth) => nibbleAt(id, depth) !== nibble)) break
      ids.push(id)
    }
    return ids
  }
}

function shelfKey(audience: string, signer: string): Uint8Array {
  return sha256(Buffer.from(`${audience}\n${signer}`)).slice(0, SHELF_KEY_BYTES)
}

function pathOf(id: Uint8Array, depth: number): number[] {
  return Array.from({ length: depth }, (_, at) => nibbleAt(id, at))
}
