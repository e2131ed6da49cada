// Canonical DAG-CBOR: the one byte form of every record and message. Decoding refuses what is not canonical,
// too deep or too long, so that one value has one encoding and one hash.
import { decode } from '@ipld/dag-cbor'
import { z } from 'zod'
import { equalBytes } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { CBOR_DEPTH_MAX } from '../base/limits.ts'
import { encodeCbor } from './cbor-encode.ts'

export { encodeCbor }

/** Decode a message: bounded, but not required to be canonical. @throws CatalogError `RECORD_INVALID` */
export function decodeCbor(bytes: Uint8Array): unknown {
  let value: unknown
  try {
    value = decode(bytes)
  } catch (cause) {
    throw new CatalogError('RECORD_INVALID', 'These bytes are not DAG-CBOR.', { cause })
  }
  if (depthOf(value) > CBOR_DEPTH_MAX) throw new CatalogError('RECORD_INVALID', 'This CBOR is nested too deeply.')
  return value
}

/** Decode, and refuse any other encoding than the canonical one. @throws CatalogError `RECORD_INVALID` */
export function decodeCanonicalCbor(bytes: Uint8Array): unknown {
  const value = decodeCbor(bytes)
  let again: Uint8Array
  try {
    again = encodeCbor(value)
  } catch (cause) {
    throw new CatalogError('RECORD_INVALID', 'This CBOR holds values with no canonical form.', { cause })
  }
  if (!equalBytes(again, bytes)) throw new CatalogError('RECORD_INVALID', 'This CBOR is not in canonical form.')
  return value
}

/** A byte string of exactly `length` bytes, in a zod schema. */
export const bytesOf = (length: number) =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === length, `not ${length} bytes`)

/** A byte string of at most `length` bytes, in a zod schema. */
export const bytesUpTo = (length: number) =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= length, `not ≤ ${length} bytes`)

function depthOf(value: unknown): number {
  let deepest = 0
  const open: [unknown, number][] = [[value, 1]]
  for (let next = open.pop(); next; next = open.pop()) {
    const [item, depth] = next
    if (depth > deepest) deepest = depth
    if (deepest > CBOR_DEPTH_MAX) return deepest
    if (typeof item !== 'object' || item === null || item instanceof Uint8Array) continue
    for (const child of Object.values(item)) open.push([child, depth + 1])
  }
  return deepest
}
