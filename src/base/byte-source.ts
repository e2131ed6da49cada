// Bytes that lie somewhere: a part of a file, or in memory.
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { KiB } from './units.ts'

const READ_BYTES = 256 * KiB

/** Either has a path or the bytes themselves. */
export interface ByteSource {
  readonly path?: string
  /** First byte in the file. */
  readonly offset: number
  readonly length: number
  readonly bytes?: Uint8Array
}

/** The bytes in order; the stream opens the file and closes it again. */
export function streamOf({ path, offset, length, bytes }: ByteSource, signal?: AbortSignal): Readable {
  // A read stream cannot be told to read nothing: its end is inclusive.
  if (bytes || path === undefined || length === 0) return Readable.from(bytes?.length ? [asBuffer(bytes)] : [])
  return createReadStream(path, { start: offset, end: offset + length - 1, highWaterMark: READ_BYTES, signal })
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
