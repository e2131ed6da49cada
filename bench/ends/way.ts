// What the ends of the transfer suite have in common: the blob, and the two things that each way of moving it can do.

import { randomFillSync } from 'node:crypto'
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { equalBytes } from '../../src/base/bytes.ts'
import { CHUNK_BYTES } from '../../src/base/limits.ts'
import { MiB } from '../../src/base/units.ts'
import { loadCore } from '../../src/core/load.ts'

/** A blob in a file, with the ids of its chunks behind it. */
export interface Source {
  readonly path: string
  readonly size: number
  /** Hexadecimal. */
  readonly root: string
}

/** A way for a blob from the disk of one process to the disk of another. */
export interface Way {
  /** Gives the blob to whoever comes. @returns what `open` needs to know; JSON */
  serve(source: Source): Promise<object>
  /** Gets ready to fetch. @returns what fetches all of the blob into a file that is there and empty, verified */
  open(at: object, source: Source): Promise<(output: string) => Promise<void>>
}

/** How segments of a large blob are asked for: so many chunks each, so many at once. */
export const SEGMENT_CHUNKS = (8 * MiB) / CHUNK_BYTES
export const SEGMENTS_AT_ONCE = 4
/** What a verifier takes at once. */
const PIECE_BYTES_MAX = MiB

/** Random bytes, which nothing on the way can compress, over and over; the pieces differ in their first bytes. */
export async function writeSource(path: string, size: number): Promise<Source> {
  const core = await loadCore()
  const piece = randomFillSync(new Uint8Array(16 * MiB))
  const chunks = size / CHUNK_BYTES
  const ranges = Uint32Array.from({ length: (2 * piece.length) / CHUNK_BYTES }, (_, i) =>
    i % 2 ? CHUNK_BYTES : (i >> 1) * CHUNK_BYTES,
  )
  const outline = new Uint8Array(32 * chunks)
  const file = openSync(path, 'w')
  for (let at = 0; at < size; at += piece.length) {
    for (let chunk = 0; chunk < piece.length; chunk += CHUNK_BYTES) randomFillSync(piece, chunk, 16)
    writeSync(file, piece)
    core.sha256Many(piece, ranges, outline.subarray((32 * at) / CHUNK_BYTES, (32 * (at + piece.length)) / CHUNK_BYTES))
  }
  writeSync(file, outline)
  closeSync(file)
  const root = new Uint8Array(32)
  core.merkleRoot(outline, new Uint32Array(chunks).fill(CHUNK_BYTES), 0, root)
  return { path, size, root: Buffer.from(root).toString('hex') }
}

/** The ids of a blob's chunks. Every receiver knows them before it fetches, as a node does once it has the outline. */
export function outlineOf({ path, size }: Source): Uint8Array {
  const outline = new Uint8Array((32 * size) / CHUNK_BYTES)
  const file = openSync(path, 'r')
  readSync(file, outline, 0, outline.length, size)
  closeSync(file)
  return outline
}

/** Runs `work` on every segment of a blob, a few at a time. */
export async function bySegments(size: number, work: (first: number, count: number) => Promise<void>): Promise<void> {
  const chunks = size / CHUNK_BYTES
  let next = 0
  const lane = async () => {
    while (next < chunks) {
      const first = next
      const count = Math.min(SEGMENT_CHUNKS, chunks - first)
      next += count
      await work(first, count)
    }
  }
  await Promise.all(Array.from({ length: SEGMENTS_AT_ONCE }, lane))
}

/** Holds pieces of whole chunks against their ids. */
export async function verifier(outline: Uint8Array): Promise<(first: number, bytes: Uint8Array) => void> {
  const core = await loadCore()
  const ranges = new Uint32Array((2 * PIECE_BYTES_MAX) / CHUNK_BYTES).map((_, i) =>
    i % 2 ? CHUNK_BYTES : (i >> 1) * CHUNK_BYTES,
  )
  const found = new Uint8Array((32 * PIECE_BYTES_MAX) / CHUNK_BYTES)
  return (first, bytes) => {
    const count = bytes.length / CHUNK_BYTES
    const ids = found.subarray(0, 32 * count)
    core.sha256Many(bytes, ranges.subarray(0, 2 * count), ids)
    if (!equalBytes(ids, outline.subarray(32 * first, 32 * (first + count)))) throw new Error('a chunk is a lie')
  }
}
