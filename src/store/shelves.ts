// Shelves: for each (audience, signer) the set of record ids as its canonical trie, node by node. A row is the very
// bytes that its node's hash is of, so nothing is ever computed twice. Changes are gathered and applied together:
// a thousand new records rehash the upper nodes once.
import { compareBytes, concatBytes, sha256, toHex } from '../base/bytes.ts'
import type { Audience } from '../model/audience.ts'
import { EMPTY_ROOT, groupByNibble, nibbleAt, TRIE_LEAF_IDS_MAX } from '../model/trie.ts'
import type { Environment, ShelfRow } from './environment.ts'

/** Keys of a shelf start with this many bytes of the hash of its name. */
const SHELF_KEY_BYTES = 16
const ID_BYTES = 32
const LEAF = 0x10
const INNER = 0x11
/** Tag, and number of ids or bitmap of children. */
const HEAD_BYTES = 3
const COUNT_BYTES = 4

export interface Shelf extends ShelfRow {
  readonly audience: string
  readonly signer: string
}

/** A subtree: how many ids, and the hash of its node. */
interface Node {
  readonly count: number
  readonly hash: Uint8Array
}

type Children = (Node | undefined)[]

export class Shelves {
  readonly #environment: Environment
  /** Audiences beside the public one by signer; also some that have no shelf any more. */
  readonly #audiences = new Map<string, Set<Audience>>()

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

  count(): number {
    return this.#environment.shelves.getCount()
  }

  has(audience: string, signer: string, id: Uint8Array): boolean {
    const shelf = shelfKey(audience, signer)
    for (let depth = 0; depth <= 2 * ID_BYTES; depth++) {
      const row = this.#row(shelf, id, depth)
      if (!row) return false
      if (row[0] === LEAF) return leafIds(row).some((each) => compareBytes(each, id) === 0)
    }
    return false
  }

  /** Ids on a shelf, sorted. */
  ids(audience: string, signer: string): Uint8Array[] {
    const found: Uint8Array[] = []
    // Depth first and by nibble is the order of ids; the rows of a shelf come in the order of their paths.
    const shelf = shelfKey(audience, signer)
    const end = concatBytes(shelf, new Uint8Array(2 * ID_BYTES + 1).fill(0xff))
    for (const { value } of this.#environment.trie.getRange({ start: shelf, end })) {
      if (value[0] === LEAF) found.push(...leafIds(value))
    }
    return found
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
  readonly added: Map<string, Uint8Array>
  readonly removed: Map<string, Uint8Array>
  bytes: number
}

/** Changes to shelves that belong together. */
export class ShelfBatch {
  readonly #environment: Environment
  readonly #shelves: Shelves
  readonly #pending = new Map<string, Pending>()

  /** Made by `Shelves.batch`. */
  constructor(environment: Environment, shelves: Shelves) {
    this.#environment = environment
    this.#shelves = shelves
  }

  /** Records on a shelf, with what is gathered so far. */
  count(audience: string, signer: string): number {
    const pending = this.#pending.get(`${audience}\n${signer}`)
    return this.#shelves.get(audience, signer).count + (pending ? pending.added.size - pending.removed.size : 0)
  }

  has(audience: string, signer: string, id: Uint8Array): boolean {
    const [pending, name] = [this.#pending.get(`${audience}\n${signer}`), toHex(id)]
    if (pending?.added.has(name)) return true
    return !pending?.removed.has(name) && this.#shelves.has(audience, signer, id)
  }

  /** Add an id that is not there, or remove one that is. @param bytes - size of the record */
  change(op: 'add' | 'remove', audience: Audience, signer: string, id: Uint8Array, bytes: number): void {
    const key = `${audience}\n${signer}`
    if (op === 'add') this.#shelves.noteAudience(audience, signer)
    const pending = this.#pending.get(key) ?? { audience, signer, added: new Map(), removed: new Map(), bytes: 0 }
    this.#pending.set(key, pending)
    const [to, from] = op === 'add' ? [pending.added, pending.removed] : [pending.removed, pending.added]
    // What comes and goes in one batch leaves no trace.
    if (!from.delete(toHex(id))) to.set(toHex(id), id)
    pending.bytes += op === 'add' ? bytes : -bytes
  }

  /** Write tries and shelf rows. */
  apply(): void {
    for (const { audience, signer, added, removed, bytes } of this.#pending.values()) {
      const before = this.#shelves.get(audience, signer)
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
  readonly #shelf: Uint8Array

  constructor(environment: Environment, shelf: Uint8Array) {
    this.#environment = environment
    this.#shelf = shelf
  }

  update(change: Change): Node {
    return this.#update(new Uint8Array(0), change)
  }

  #update(path: Uint8Array, change: Change): Node {
    const row = this.#environment.trie.get(this.#key(path))
    if (row?.[0] === INNER) return this.#updateInner(path, childrenOf(row), change)
    return this.#build(path, merged(row ? leafIds(row) : [], change))
  }

  #updateInner(path: Uint8Array, children: Children, { added, removed }: Change): Node {
    const [coming, going] = [groupByNibble(added, path.length), groupByNibble(removed, path.length)]
    for (let nibble = 0; nibble < 16; nibble++) {
      const change = { added: coming[nibble] ?? [], removed: going[nibble] ?? [] }
      if (change.added.length + change.removed.length === 0) continue
      const child = this.#update(concatBytes(path, Uint8Array.of(nibble)), change)
      children[nibble] = child.count === 0 ? undefined : child
    }
    const count = children.reduce((sum, child) => sum + (child?.count ?? 0), 0)
    if (count > TRIE_LEAF_IDS_MAX) return this.#put(path, innerRow(children), count)
    return this.#build(path, this.#takeIds(path, children))
  }

  /** Write the node of these ids, and the nodes below it when it has some. */
  #build(path: Uint8Array, ids: readonly Uint8Array[]): Node {
    if (ids.length === 0) {
      this.#environment.trie.remove(this.#key(path))
      return { count: 0, hash: EMPTY_ROOT }
    }
    if (ids.length <= TRIE_LEAF_IDS_MAX) return this.#put(path, leafRow(ids), ids.length)
    const children = groupByNibble(ids, path.length).map((group, nibble) =>
      group.length === 0 ? undefined : this.#build(concatBytes(path, Uint8Array.of(nibble)), group),
    )
    return this.#put(path, innerRow(children), ids.length)
  }

  /** The ids below a node that has become small, in order; its children's rows go. */
  #takeIds(path: Uint8Array, children: Children): Uint8Array[] {
    return children.flatMap((child, nibble) => {
      if (!child) return []
      const below = concatBytes(path, Uint8Array.of(nibble))
      const row = this.#environment.trie.get(this.#key(below))
      if (!row) return []
      const ids = row[0] === INNER ? this.#takeIds(below, childrenOf(row)) : leafIds(row)
      this.#environment.trie.remove(this.#key(below))
      return ids
    })
  }

  #put(path: Uint8Array, row: Uint8Array, count: number): Node {
    this.#environment.trie.put(this.#key(path), row)
    return { count, hash: sha256(preimage(row)) }
  }

  #key(path: Uint8Array): Uint8Array {
    return concatBytes(this.#shelf, path)
  }
}

function leafRow(ids: readonly Uint8Array[]): Uint8Array {
  return concatBytes(Uint8Array.of(LEAF, ids.length >> 8, ids.length & 255), ...ids)
}

/** Hashes of the children present, then their counts: these are no part of what is hashed. */
function innerRow(children: Children): Uint8Array {
  let bitmap = 0
  const present = children.filter((child, nibble) => {
    if (child) bitmap |= 1 << nibble
    return child !== undefined
  }) as Node[]
  const row = new Uint8Array(HEAD_BYTES + present.length * (ID_BYTES + COUNT_BYTES))
  const counts = new DataView(row.buffer, HEAD_BYTES + present.length * ID_BYTES)
  row.set([INNER, bitmap >> 8, bitmap & 255])
  present.forEach(({ count, hash }, index) => {
    row.set(hash, HEAD_BYTES + index * ID_BYTES)
    counts.setUint32(index * COUNT_BYTES, count)
  })
  return row
}

/** What a node's hash is of. */
function preimage(row: Uint8Array): Uint8Array {
  if (row[0] === LEAF) return row
  return row.subarray(0, HEAD_BYTES + ((row.length - HEAD_BYTES) / (ID_BYTES + COUNT_BYTES)) * ID_BYTES)
}

/** Copies: a row's bytes are the database's, which uses them again. */
function leafIds(row: Uint8Array): Uint8Array[] {
  const ids = Uint8Array.from(row.subarray(HEAD_BYTES))
  return Array.from({ length: ids.length / ID_BYTES }, (_, i) => ids.subarray(i * ID_BYTES, (i + 1) * ID_BYTES))
}

function childrenOf(row: Uint8Array): Children {
  const bytes = Uint8Array.from(row)
  const bitmap = ((bytes[1] ?? 0) << 8) | (bytes[2] ?? 0)
  const present = (bytes.length - HEAD_BYTES) / (ID_BYTES + COUNT_BYTES)
  const counts = new DataView(bytes.buffer, HEAD_BYTES + present * ID_BYTES)
  let index = 0
  return Array.from({ length: 16 }, (_, nibble) => {
    if ((bitmap & (1 << nibble)) === 0) return undefined
    const at = HEAD_BYTES + index * ID_BYTES
    return { count: counts.getUint32(index++ * COUNT_BYTES), hash: bytes.subarray(at, at + ID_BYTES) }
  })
}

/** Sorted ids, with those that come and without those that go. */
function merged(ids: readonly Uint8Array[], { added, removed }: Change): Uint8Array[] {
  const gone = new Set(removed.map(toHex))
  const kept = ids.filter((id) => !gone.has(toHex(id)))
  return added.length === 0 ? kept : [...kept, ...added].sort(compareBytes)
}

function sorted(ids: ReadonlyMap<string, Uint8Array>): Uint8Array[] {
  return [...ids.values()].sort(compareBytes)
}

function shelfKey(audience: string, signer: string): Uint8Array {
  return sha256(Buffer.from(`${audience}\n${signer}`)).slice(0, SHELF_KEY_BYTES)
}

function pathOf(id: Uint8Array, depth: number): Uint8Array {
  return Uint8Array.from({ length: depth }, (_, at) => nibbleAt(id, at))
}
