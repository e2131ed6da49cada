// The rows of a trie as bytes: leaves, inner nodes, and the keys that both stand under. A row is what its node's hash
// is of, with the counts of the children behind it.
import { sha256 } from '../base/bytes.ts'
import { nibbleAt } from '../model/trie.ts'

/** Keys of a shelf start with this many bytes of the hash of its name. */
export const SHELF_KEY_BYTES = 16
export const ID_BYTES = 32
export const LEAF = 0x10
export const INNER = 0x11
/** Tag, and number of ids or bitmap of children. */
export const HEAD_BYTES = 3
const COUNT_BYTES = 4

/** A subtree: how many ids, and the hash of its node. */
export interface Node {
  readonly count: number
  readonly hash: Uint8Array
}

export type Children = (Node | undefined)[]

/** @param ids - sorted, one behind the other */
export function leafRow(ids: Uint8Array): Uint8Array {
  // Of Buffer's pool: for memory of its own the database would have to look up where it lies.
  const row = Buffer.allocUnsafe(HEAD_BYTES + ids.length)
  row[0] = LEAF
  row.writeUInt16BE(ids.length / ID_BYTES, 1)
  row.set(ids, HEAD_BYTES)
  return row
}

/** Hashes of the children present, then their counts: these are no part of what is hashed. */
export function innerRow(children: Children): Uint8Array {
  let bitmap = 0
  const present = children.filter((child, nibble) => {
    if (child) bitmap |= 1 << nibble
    return child !== undefined
  }) as Node[]
  const row = Buffer.allocUnsafe(HEAD_BYTES + present.length * (ID_BYTES + COUNT_BYTES))
  const counts = HEAD_BYTES + present.length * ID_BYTES
  row[0] = INNER
  row.writeUInt16BE(bitmap, 1)
  present.forEach(({ count, hash }, index) => {
    row.set(hash, HEAD_BYTES + index * ID_BYTES)
    row.writeUInt32BE(count, counts + index * COUNT_BYTES)
  })
  return row
}

/** What a node's hash is of. */
export function preimage(row: Uint8Array): Uint8Array {
  if (row[0] === LEAF) return row
  return row.subarray(0, HEAD_BYTES + ((row.length - HEAD_BYTES) / (ID_BYTES + COUNT_BYTES)) * ID_BYTES)
}

export function leafIds(row: Uint8Array): Uint8Array[] {
  return splitIds(row.subarray(HEAD_BYTES))
}

/** Ids, or hashes, that stand one behind the other. */
export function splitIds(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length / ID_BYTES }, (_, i) => bytes.subarray(i * ID_BYTES, (i + 1) * ID_BYTES))
}

export function childrenOf(row: Uint8Array): Children {
  const view = new DataView(row.buffer, row.byteOffset, row.byteLength)
  const bitmap = view.getUint16(1)
  const present = (row.length - HEAD_BYTES) / (ID_BYTES + COUNT_BYTES)
  const counts = HEAD_BYTES + present * ID_BYTES
  const children: Children = new Array(16).fill(undefined)
  for (let nibble = 0, index = 0; nibble < 16; nibble++) {
    if ((bitmap & (1 << nibble)) === 0) continue
    const at = HEAD_BYTES + index * ID_BYTES
    children[nibble] = { count: view.getUint32(counts + index * COUNT_BYTES), hash: row.subarray(at, at + ID_BYTES) }
    index++
  }
  return children
}

export function shelfKey(audience: string, signer: string): Uint8Array {
  return sha256(Buffer.from(`${audience}\n${signer}`)).slice(0, SHELF_KEY_BYTES)
}

export function pathOf(id: Uint8Array, depth: number): Uint8Array {
  return Uint8Array.from({ length: depth }, (_, at) => nibbleAt(id, at))
}
