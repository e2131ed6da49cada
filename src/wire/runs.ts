// Sets of chunks as runs: for each, the distance from the end of the one before and its length, both as unsigned
// varints. A blob that is being fetched has few runs, however many chunks it has.
import { bitmapFor, hasBit, setBit } from '../base/bitmap.ts'
import { CatalogError } from '../base/errors.ts'
import { BLOB_BYTES_MAX, CHUNK_BYTES } from '../base/limits.ts'

const CHUNKS_MAX = BLOB_BYTES_MAX / CHUNK_BYTES

/** Chunks [first, end). */
export type Run = readonly [first: number, end: number]

/** The set bits of the first `count` of a bitmap. */
export function* runsOf(bitmap: Uint8Array, count: number): Generator<Run> {
  for (let chunk = 0; chunk < count; chunk++) {
    if (!hasBit(bitmap, chunk)) continue
    const first = chunk
    while (chunk < count && hasBit(bitmap, chunk)) chunk++
    yield [first, chunk]
  }
}

/** @param runs - in order, none empty, none touching another. @param most - bytes; runs that do not fit are left out */
export function encodeRuns(runs: Iterable<Run>, most: number): Uint8Array {
  const bytes: number[] = []
  let at = 0
  for (const [first, end] of runs) {
    const pair = [...varint(first - at), ...varint(end - first)]
    if (bytes.length + pair.length > most) break
    bytes.push(...pair)
    at = end
  }
  return Uint8Array.from(bytes)
}

/**
 * @param count - chunks of the blob
 * @returns one bit a chunk, least significant first
 * @throws CatalogError `PEER_PROTOCOL` for anything that `encodeRuns` does not write, and for chunks beyond the end
 */
export function decodeRuns(bytes: Uint8Array, count: number): Uint8Array {
  const bitmap = bitmapFor(count)
  let [at, end] = [0, 0]
  const next = (): number => {
    let value = 0
    for (let shift = 0; shift < 21; shift += 7) {
      const byte = bytes[at++]
      if (byte === undefined) throw malformed('break off')
      value += (byte & 0x7f) << shift
      if (byte >= 0x80) continue
      if (byte === 0 && shift > 0) throw malformed('have a number that is not in its shortest form')
      return value
    }
    throw malformed('have a number that is too large')
  }
  while (at < bytes.length) {
    const began = at
    const gap = next()
    const length = next()
    if (length === 0 || (gap === 0 && began > 0)) throw malformed('are not apart')
    const first = end + gap
    end = first + length
    if (end > count) throw malformed('go beyond the end')
    for (let chunk = first; chunk < end; chunk++) setBit(bitmap, chunk)
  }
  return bitmap
}

function varint(value: number): number[] {
  if (value > CHUNKS_MAX) throw new RangeError(`no blob has ${value} chunks`)
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  bytes.push(rest)
  return bytes
}

function malformed(how: string): CatalogError {
  return new CatalogError('PEER_PROTOCOL', `Runs of chunks ${how}.`)
}
