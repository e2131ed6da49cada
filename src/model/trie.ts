// The canonical Merkle trie over a shelf's record ids: radix 16, and its shape depends on the set alone, so two
// nodes with the same set have the same root. Here by definition; store/shelves.ts keeps it up to date on disk.
//
//   empty          32 zero bytes
//   ≤ 16 ids       H(0x10 ‖ u16be n ‖ sorted ids)
//   more           H(0x11 ‖ u16be bitmap ‖ hashes of the children present, by nibble); bit i of the bitmap = nibble i
import { compareBytes, concatBytes, sha256 } from '../base/bytes.ts'

/** A node with more ids than this has children. */
export const TRIE_LEAF_IDS_MAX = 16
export const EMPTY_ROOT = new Uint8Array(32)

/** What stands below a path: all ids when there are few, else the hashes of the children by nibble. */
export type TrieNode =
  | { readonly ids: readonly Uint8Array[] }
  | { readonly children: readonly (Uint8Array | undefined)[] }

/** @param ids - at most 16 ids of 32 bytes, sorted */
export function leafHash(ids: readonly Uint8Array[]): Uint8Array {
  if (ids.length === 0) return EMPTY_ROOT
  return sha256(concatBytes(Uint8Array.of(0x10, ids.length >> 8, ids.length & 255), ...ids))
}

/** @param children - 16 hashes by nibble, undefined where no id has it */
export function innerHash(children: readonly (Uint8Array | undefined)[]): Uint8Array {
  let bitmap = 0
  const present: Uint8Array[] = []
  children.forEach((child, nibble) => {
    if (!child) return
    bitmap |= 1 << nibble
    present.push(child)
  })
  return sha256(concatBytes(Uint8Array.of(0x11, bitmap >> 8, bitmap & 255), ...present))
}

/** Nibble `depth` of an id, the high half of a byte first. */
export function nibbleAt(id: Uint8Array, depth: number): number {
  const byte = id[depth >> 1] as number
  return depth & 1 ? byte & 15 : byte >> 4
}

/** Root of a set of ids, from the definition. */
export function trieRoot(ids: readonly Uint8Array[]): Uint8Array {
  return subtrieHash([...ids].sort(compareBytes), 0)
}

/** Hash of the node that ids stand below. @param sorted - all with the same first `depth` nibbles */
export function subtrieHash(sorted: readonly Uint8Array[], depth: number): Uint8Array {
  if (sorted.length <= TRIE_LEAF_IDS_MAX) return leafHash(sorted)
  const groups = groupByNibble(sorted, depth)
  return innerHash(groups.map((group) => (group.length === 0 ? undefined : subtrieHash(group, depth + 1))))
}

/** Sixteen lists, each in the order given. */
export function groupByNibble(ids: readonly Uint8Array[], depth: number): Uint8Array[][] {
  const groups: Uint8Array[][] = Array.from({ length: 16 }, () => [])
  for (const id of ids) groups[nibbleAt(id, depth)]?.push(id)
  return groups
}

/** Whether an id starts with the nibbles of a path. */
export function isBelow(id: Uint8Array, path: Uint8Array): boolean {
  return path.every((nibble, depth) => nibbleAt(id, depth) === nibble)
}
