// Shelves: for each (audience, signer) the set of record ids as its canonical trie, node by node. A row is the very
// bytes that its node's hash is of, so nothing is ever computed twice. Changes are gathered and applied together:
// a thousand new records rehash the upper nodes once.
import { compareBytes, concatBytes, sha256, toHex } from '../base/bytes.ts'
import type { Audience } from '../model/audience.ts'
import { EMPTY_ROOT, groupByNibble, isBelow, nibbleAt, TRIE_LEAF_IDS_MAX, type TrieNode } from '../model/trie.ts'
import type { Environment } from './environment.ts'
import type { ShelfRow } from './tables.ts'
import {
  type Children,
  childrenOf,
  HEAD_BYTES,
  ID_BYTES,
  INNER,
  innerRow,
  LEAF,
  leafIds,
  leafRow,
  type Node,
  pathOf,
  preimage,
  SHELF_KEY_BYTES,
  shelfKey,
} from './trie-rows.ts'

export interface Shelf extends ShelfRow {
  readonly audience: string
  readonly signer: string
}

export class Shelves {
  readonly #environment: Environment
  /** Audiences beside the public one by signer; also some that have no shelf any more. */
  readonly #audiences = new Map<string, Set<Audience>>()
  /** How deep the leaf was that was looked at last. */
  #leafDepth = 0

  constructor({ environment }: { environment: Environment }) {
    this.#environment = environment
    // Public shelves sort last, and are by far the most.
    for (const [audience = '', signer = ''] of environment.shelves.getKeys({ end: ['public'] })) {
      this.noteAudience(audience as Audience, signer)
    }
  }

  /** Audiences for which records of a signer stand here, the public one always among them. */
  audiencesOf(signer: string): readonly Audience[] {
    return ['public', ...(this.#audiences.get(signer) ?? [])]
  }

  /** Every shelf that is not public. */
  *notPublic(): Generator<{ audience: Audience; signer: string }> {
    for (const [signer, audiences] of this.#audiences) for (const audience of audiences) yield { audience, signer }
  }

  /** A shelf is about to be there. */
  noteAudience(audience: Audience, signer: string): void {
    if (audience === 'public') return
    const audiences = this.#audiences.get(signer) ?? new Set()
    this.#audiences.set(signer, audiences.add(audience))
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

  /** Every shelf by name. */
  *names(): Generator<{ audience: Audience; signer: string }> {
    for (const [audience = '', signer = ''] of this.#environment.shelves.getKeys({})) {
      yield { audience: audience as Audience, signer }
    }
  }

  count(): number {
    return this.#environment.shelves.getCount()
  }

  has(audience: string, signer: string, id: Uint8Array): boolean {
    const shelf = shelfKey(audience, signer)
    // Leaves of a shelf lie about as deep as each other: the look begins where the last one ended.
    let depth = this.#leafDepth
    let row = this.#row(shelf, id, depth)
    while (!row && depth > 0) row = this.#row(shelf, id, --depth)
    // Above where it began, an inner node has been found that has nothing below in this direction.
    if (row?.[0] === INNER && depth < this.#leafDepth) return false
    while (row?.[0] === INNER) row = this.#row(shelf, id, ++depth)
    if (!row) return false
    this.#leafDepth = depth
    return leafIds(row).some((each) => compareBytes(each, id) === 0)
  }

  /** Ids on a shelf, sorted. */
  ids(audience: string, signer: string): Uint8Array[] {
    return this.idsBelow(audience, signer, new Uint8Array(0))
  }

  /** Those of a shelf's ids that start with the nibbles of a path, sorted. */
  idsBelow(audience: string, signer: string, path: Uint8Array): Uint8Array[] {
    const node = this.node(audience, signer, path)
    if ('ids' in node) return [...node.ids]
    const found: Uint8Array[] = []
    for (const ids of this.#leaves(shelfKey(audience, signer), path)) found.push(...ids)
    return found
  }

  /** Up to so many of a shelf's ids that come after one, or first of all; sorted. */
  idsAfter(audience: string, signer: string, id: Uint8Array | undefined, most: number): Uint8Array[] {
    const shelf = shelfKey(audience, signer)
    const found: Uint8Array[] = []
    for (const ids of this.#leaves(shelf, new Uint8Array(0), id && this.#pathTowards(shelf, id))) {
      found.push(...(id ? ids.filter((each) => compareBytes(each, id) > 0) : ids))
      if (found.length >= most) break
    }
    return found.slice(0, most)
  }

  /** The leaves below a path: depth first and by nibble is the order of ids, and rows come in that of their paths. */
  *#leaves(shelf: Uint8Array, path: Uint8Array, from = path): Generator<Uint8Array[]> {
    const end = concatBytes(shelf, path, new Uint8Array(2 * ID_BYTES + 1).fill(0xff))
    for (const { value } of this.#environment.trie.getRange({ start: concatBytes(shelf, from), end })) {
      if (value[0] === LEAF) yield leafIds(value)
    }
  }

  /** Of the deepest row on the way to an id. */
  #pathTowards(shelf: Uint8Array, id: Uint8Array): Uint8Array {
    let deepest = 0
    for (let depth = 0; depth <= 2 * ID_BYTES; depth++) {
      const row = this.#row(shelf, id, depth)
      if (row) deepest = depth
      if (row?.[0] !== INNER) break
    }
    return pathOf(id, deepest)
  }

  /** What stands below a path, whether the trie has a node there or ends in a leaf above it. */
  node(audience: string, signer: string, path: Uint8Array): TrieNode {
    const shelf = shelfKey(audience, signer)
    for (let depth = 0; depth <= path.length; depth++) {
      const row = this.#environment.trie.get(concatBytes(shelf, path.subarray(0, depth)))
      if (!row) return { ids: [] }
      if (row[0] === LEAF) return { ids: leafIds(row).filter((id) => isBelow(id, path)) }
      if (depth === path.length) return { children: childrenOf(row).map((child) => child?.hash) }
    }
    return { ids: [] }
  }

  /** To gather changes in inside a write transaction, and to `apply` before it ends. */
  batch(): ShelfBatch {
    return new ShelfBatch(this.#environment, this)
  }

  #row(shelf: Uint8Array, id: Uint8Array, depth: number): Uint8Array | undefined {
    return this.#environment.trie.get(concatBytes(shelf, pathOf(id, depth)))
  }
}

interface Pending {
  readonly audience: string
  readonly signer: string
  /** Its row before this transaction. */
  readonly before: ShelfRow
  readonly added: Map<string, Uint8Array>
  readonly removed: Map<string, Uint8Array>
  bytes: number
}

/** Changes to shelves that belong together. */
export class ShelfBatch {
  readonly #environment: Environment
  readonly #shelves: Shelves
  readonly #pending = new Map<string, Pending>()
  /** Of the shelf asked about last: records come many of one shelf at a time. */
  #last: Pending | undefined

  /** Made by `Shelves.batch`. */
  constructor(environment: Environment, shelves: Shelves) {
    this.#environment = environment
    this.#shelves = shelves
  }

  /** Records on a shelf, with what is gathered so far. */
  count(audience: string, signer: string): number {
    const { before, added, removed } = this.#of(audience, signer)
    return before.count + added.size - removed.size
  }

  /** Also asked outside of transactions, when nothing is gathered. */
  has(audience: string, signer: string, id: Uint8Array): boolean {
    if (this.#pending.size === 0) return this.#shelves.has(audience, signer, id)
    const [pending, name] = [this.#pending.get(`${audience}\n${signer}`), toHex(id)]
    if (pending?.added.has(name)) return true
    return !pending?.removed.has(name) && this.#shelves.has(audience, signer, id)
  }

  #of(audience: string, signer: string): Pending {
    if (this.#last?.audience === audience && this.#last.signer === signer) return this.#last
    const key = `${audience}\n${signer}`
    let pending = this.#pending.get(key)
    if (!pending) {
      const before = this.#shelves.get(audience, signer)
      pending = { audience, signer, before, added: new Map(), removed: new Map(), bytes: 0 }
      this.#pending.set(key, pending)
    }
    this.#last = pending
    return pending
  }

  /** Add an id that is not there, or remove one that is. @param bytes - size of the record */
  change(op: 'add' | 'remove', audience: Audience, signer: string, id: Uint8Array, bytes: number): void {
    if (op === 'add') this.#shelves.noteAudience(audience, signer)
    const pending = this.#of(audience, signer)
    const [to, from] = op === 'add' ? [pending.added, pending.removed] : [pending.removed, pending.added]
    const name = toHex(id)
    // What comes and goes in one batch leaves no trace.
    if (!from.delete(name)) to.set(name, id)
    pending.bytes += op === 'add' ? bytes : -bytes
  }

  /** Write tries and shelf rows. */
  apply(): void {
    for (const { audience, signer, before, added, removed, bytes } of this.#pending.values()) {
      if (added.size + removed.size === 0) continue
      const change: Change = { added: sorted(added), removed: sorted(removed) }
      const { count, hash } = new TrieWriter(this.#environment, shelfKey(audience, signer)).update(change)
      if (count === 0) this.#environment.shelves.remove([audience, signer])
      else this.#environment.shelves.put([audience, signer], { count, bytes: before.bytes + bytes, root: hash })
    }
    this.clear()
  }

  /** Forget what was gathered. */
  clear(): void {
    this.#pending.clear()
    this.#last = undefined
  }
}

/** Ids that come to a subtree and go from it, each list sorted. */
interface Change {
  readonly added: readonly Uint8Array[]
  readonly removed: readonly Uint8Array[]
}

/** The trie of one shelf, being changed. */
class TrieWriter {
  readonly #environment: Environment
  /** Key of the node at work: the shelf's, then the path down to it. Deeper nodes overwrite what lies behind. */
  readonly #key = Buffer.alloc(SHELF_KEY_BYTES + 2 * ID_BYTES)

  constructor(environment: Environment, shelf: Uint8Array) {
    this.#environment = environment
    this.#key.set(shelf)
  }

  update(change: Change): Node {
    return this.#update(0, change)
  }

  /** Change the node at `depth` on the current path. */
  #update(depth: number, change: Change): Node {
    const row = this.#environment.trie.get(this.#keyAt(depth))
    if (row?.[0] === INNER) return this.#updateInner(depth, row, change)
    return this.#build(depth, mergedIds(row, change))
  }

  #updateInner(depth: number, row: Uint8Array, { added, removed }: Change): Node {
    const children = childrenOf(row)
    const [coming, going] = [groupByNibble(added, depth), groupByNibble(removed, depth)]
    for (let nibble = 0; nibble < 16; nibble++) {
      const change = { added: coming[nibble] ?? [], removed: going[nibble] ?? [] }
      if (change.added.length + change.removed.length === 0) continue
      this.#key[SHELF_KEY_BYTES + depth] = nibble
      const child = this.#update(depth + 1, change)
      children[nibble] = child.count === 0 ? undefined : child
    }
    const count = children.reduce((sum, child) => sum + (child?.count ?? 0), 0)
    if (count > TRIE_LEAF_IDS_MAX) return this.#put(depth, innerRow(children), count)
    return this.#build(depth, this.#takeIds(depth, children))
  }

  /** Write the node of these ids, one behind the other, and the nodes below it when it has some. */
  #build(depth: number, ids: Uint8Array): Node {
    const count = ids.length / ID_BYTES
    if (count === 0) {
      this.#environment.trie.remove(this.#keyAt(depth))
      return { count: 0, hash: EMPTY_ROOT }
    }
    if (count <= TRIE_LEAF_IDS_MAX) return this.#put(depth, leafRow(ids), count)
    const children: Children = new Array(16).fill(undefined)
    for (let from = 0, to = 0; from < ids.length; from = to) {
      const nibble = nibbleAt(ids.subarray(from), depth)
      do to += ID_BYTES
      while (to < ids.length && nibbleAt(ids.subarray(to), depth) === nibble)
      this.#key[SHELF_KEY_BYTES + depth] = nibble
      children[nibble] = this.#build(depth + 1, ids.subarray(from, to))
    }
    return this.#put(depth, innerRow(children), count)
  }

  /** The ids below a node that has become small, in order; its children's rows go. */
  #takeIds(depth: number, children: Children): Uint8Array {
    const parts = children.flatMap((child, nibble) => {
      if (!child) return []
      this.#key[SHELF_KEY_BYTES + depth] = nibble
      const row = this.#environment.trie.get(this.#keyAt(depth + 1))
      if (!row) return []
      const ids = row[0] === INNER ? this.#takeIds(depth + 1, childrenOf(row)) : row.subarray(HEAD_BYTES)
      this.#key[SHELF_KEY_BYTES + depth] = nibble
      this.#environment.trie.remove(this.#keyAt(depth + 1))
      return [ids]
    })
    return Buffer.concat(parts)
  }

  #put(depth: number, row: Uint8Array, count: number): Node {
    this.#environment.trie.put(this.#keyAt(depth), row)
    return { count, hash: sha256(preimage(row)) }
  }

  #keyAt(depth: number): Uint8Array {
    return this.#key.subarray(0, SHELF_KEY_BYTES + depth)
  }
}

/** Ids of a leaf, if there is one, with those that come and without those that go; sorted, one behind the other. */
function mergedIds(row: Uint8Array | undefined, { added, removed }: Change): Uint8Array {
  const before = row?.subarray(HEAD_BYTES) ?? new Uint8Array(0)
  const ids = Buffer.allocUnsafe(before.length + added.length * ID_BYTES)
  let [length, coming, going] = [0, 0, 0]
  for (let at = 0; at < before.length; at += ID_BYTES) {
    const id = before.subarray(at, at + ID_BYTES)
    for (let next = added[coming]; next && compareBytes(next, id) < 0; next = added[++coming]) {
      ids.set(next, length)
      length += ID_BYTES
    }
    const gone = removed[going]
    if (gone && compareBytes(gone, id) === 0) {
      going++
      continue
    }
    ids.set(id, length)
    length += ID_BYTES
  }
  for (let next = added[coming]; next; next = added[++coming]) {
    ids.set(next, length)
    length += ID_BYTES
  }
  return ids.subarray(0, length)
}

function sorted(ids: ReadonlyMap<string, Uint8Array>): Uint8Array[] {
  return [...ids.values()].sort(compareBytes)
}
