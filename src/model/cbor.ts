// Canonical DAG-CBOR: the one byte form of every record and message. Decoding refuses what is not canonical,
// too deep or too long, so that one value has one encoding and one hash.
import { z } from 'zod'
import { readCbor } from './cbor-decode.ts'
import { encodeCbor } from './cbor-encode.ts'

export { encodeCbor }

/** Decode a message: bounded, but not required to be canonical. @throws CatalogError `RECORD_INVALID` */
export function decodeCbor(bytes: Uint8Array): unknown {
  return readCbor(bytes, { canonical: false })
}

/**
 * Decode, and refuse any other encoding than the canonical one.
 *
 * @returns plain data, whose byte strings are views of `bytes`
 * @throws CatalogError `RECORD_INVALID`
 */
export function decodeCanonicalCbor(bytes: Uint8Array): unknown {
  return readCbor(bytes, { canonical: true })
}

/** A byte string of exactly `length` bytes, in a zod schema. */
export const bytesOf = (length: number) =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === length, `not ${length} bytes`)

/** A byte string of at most `length` bytes, in a zod schema. */
export const bytesUpTo = (length: number) =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= length, `not ≤ ${length} bytes`)
