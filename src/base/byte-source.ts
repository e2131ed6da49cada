// Bytes that lie somewhere: a part of a file, or in memory.
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { CatalogError } from './errors.ts'
import { KiB, MiB } from './units.ts'

const READ_BYTES = 256 * KiB
const COPY_BYTES = MiB

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

/**
 * Write the bytes to a new file. One buffer serves for all of them: streams take a fresh one for each piece, and those
 * of a large file pile up faster than they are collected.
 *
 * @param to - must not exist
 * @param options - `mode` of the new file, less the umask
 * @throws CatalogError `FILE_UNREADABLE` when the source ends too soon; what the system says; the signal's reason
 */
export async function copyToFile(
  source: ByteSource,
  to: string,
  options: { mode?: number; signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const { path, offset, length, bytes } = source
  const { mode = 0o666, signal } = options
  await using target = await open(to, 'wx', mode)
  if (bytes || path === undefined) {
    await target.writeFile(bytes ?? new Uint8Array(0))
    return
  }
  await using file = await open(path, 'r')
  const buffer = new Uint8Array(Math.min(COPY_BYTES, length))
  for (let done = 0; done < length; ) {
    signal?.throwIfAborted()
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, length - done), offset + done)
    if (bytesRead === 0) throw new CatalogError('FILE_UNREADABLE', `${path} ends before byte ${offset + length}.`)
    for (let written = 0; written < bytesRead; ) {
      written += (await target.write(buffer, written, bytesRead - written)).bytesWritten
    }
    done += bytesRead
  }
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
