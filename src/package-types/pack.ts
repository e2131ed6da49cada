// Packing a folder so that the same files always give the same bytes: paths in byte order, one time for all, no
// owners, two modes. Whoever packs the same content anywhere gets the same digest.
import { constants, createWriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { pack as createPack, type Pack } from 'tar-stream'
import { CatalogError, hasCode } from '../base/errors.ts'
import { formatBytes, KiB } from '../base/units.ts'
import { aborted, throwIfAborted, unreadable, writingError } from './archive.ts'
import { ARCHIVE_LIMITS, type ArchiveLimits, EntryTree, entryPath } from './entry-path.ts'
import type { UnpackReport } from './package-type.ts'

/** A header, an extended header and its body: what an entry costs besides its bytes, at most and rounded. */
const ENTRY_BYTES = 4 * KiB

export interface PackOptions {
  /** Written before every path, for example `package/`. */
  readonly prefix?: string
  /** The time of every entry. */
  readonly mtime: Date
  readonly gzip: boolean
  /** Paths marked executable whatever the disk says. */
  readonly executables?: ReadonlySet<string>
  readonly limits?: ArchiveLimits
  /** Throws when there is no room for so many bytes more. */
  readonly mayWrite?: ((bytes: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Pack files of a folder into a new tar at `output`, streaming.
 *
 * @param paths - relative to `folder`, with forward slashes, in any order; a trailing slash means an empty folder
 * @returns the number of files and their bytes, before packing
 * @throws CatalogError `FILE_UNREADABLE`; `ARCHIVE_UNSAFE` for paths that could not be unpacked again;
 *   `LIMIT_EXCEEDED`; `DISK_FULL`; `STORE_FAILED`; `ABORTED`
 */
export async function packFolder(
  folder: string,
  paths: readonly string[],
  output: string,
  options: PackOptions,
): Promise<UnpackReport> {
  const { signal, mayWrite } = options
  const tar = createPack()
  const gzip = options.gzip ? [createGzip({ level: 9 }), anyPlatform()] : []
  // tar-stream's types are streamx's, which Node's pipeline takes but Node's types do not know.
  const source = tar as unknown as NodeJS.ReadableStream
  const streams: (NodeJS.ReadableStream | NodeJS.WritableStream)[] = [source, ...gzip]
  if (mayWrite) streams.push(asking(mayWrite))
  streams.push(createWriteStream(output, { flags: 'wx' }))
  // The error that stopped the feeding, which the pipeline then meets as its own.
  let fault: unknown
  const feeding = feed(tar, folder, paths, options).catch((error: unknown) => {
    fault = error
    tar.destroy(error instanceof Error ? error : new Error(String(error)))
    return { files: 0, bytes: 0 }
  })
  try {
    await pipeline(streams, signal === undefined ? {} : { signal })
  } catch (error) {
    await feeding
    if (signal?.aborted) throw aborted(error)
    // A full disk ends the feeding too, with an error that would blame the file it was reading.
    if (error === fault || hasCode(error, 'DISK_FULL')) throw CatalogError.from(error)
    throw CatalogError.from(writingError(error, output), 'STORE_FAILED')
  }
  return await feeding
}

/** Passes bytes on that there is room for. */
function asking(mayWrite: (bytes: number) => void): Transform {
  return new Transform({
    transform(bytes: Buffer, _, done) {
      try {
        mayWrite(bytes.length)
      } catch (thrown) {
        done(CatalogError.from(thrown))
        return
      }
      done(null, bytes)
    },
  })
}

async function feed(tar: Pack, folder: string, paths: readonly string[], options: PackOptions): Promise<UnpackReport> {
  const { prefix = '', mtime, limits = ARCHIVE_LIMITS, signal } = options
  const tree = new EntryTree(limits)
  let tarBytes = 0
  let bytes = 0
  let files = 0
  for (const path of inByteOrder(paths)) {
    throwIfAborted(signal)
    const directory = path.endsWith('/')
    // Held against the rules for reading, so that no release is made which nobody could unpack.
    tree.add(entryPath(prefix + path, 0, limits), directory ? 'directory' : 'file')
    if (directory) {
      tar.entry({ name: prefix + path, type: 'directory', mode: 0o755, mtime })
      continue
    }
    const size = await addFile(tar, join(folder, path), (size, executable) => {
      tarBytes += size + ENTRY_BYTES
      if (tarBytes > limits.bytes) throw tooLarge(limits)
      const mode = executable || options.executables?.has(path) ? 0o755 : 0o644
      return { name: prefix + path, type: 'file', mode, mtime, size }
    })
    bytes += size
    files++
  }
  tar.finalize()
  return { files, bytes }
}

type HeaderOf = (size: number, executable: boolean) => Parameters<Pack['entry']>[0]

async function addFile(tar: Pack, path: string, headerOf: HeaderOf): Promise<number> {
  // Opened before it is looked at, and no link followed, so that what is checked is what is read.
  await using handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      throw unreadable(error, path)
    },
  )
  const stat = await handle.stat()
  if (!stat.isFile()) throw new CatalogError('FILE_UNREADABLE', `${path} is not a plain file.`)
  const header = headerOf(stat.size, (stat.mode & 0o100) !== 0)
  if (stat.size === 0) {
    tar.entry(header, Buffer.alloc(0))
    return 0
  }
  const entry = tar.entry(header)
  const input = handle.createReadStream({ start: 0, end: stat.size - 1, autoClose: false, highWaterMark: 256 * KiB })
  try {
    await pipeline(input, entry)
  } catch (error) {
    throw new CatalogError('FILE_UNREADABLE', `Cannot read ${path}, or it changed while it was packed.`, {
      hint: 'Run the same command again when nothing writes to the folder.',
      cause: error,
    })
  }
  return stat.size
}

function inByteOrder(paths: readonly string[]): string[] {
  const keyed = paths.map((path) => ({ path, key: Buffer.from(path) }))
  return keyed.sort((a, b) => Buffer.compare(a.key, b.key)).map(({ path }) => path)
}

/** A gzip header names the system that wrote it; 255 says "unknown", as npm's own tarballs do. RFC 1952 §2.3.1. */
function anyPlatform(): Transform {
  const OS_OFFSET = 9
  let at = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (at <= OS_OFFSET && OS_OFFSET < at + chunk.length) chunk[OS_OFFSET - at] = 255
      at += chunk.length
      done(null, chunk)
    },
  })
}

function tooLarge(limits: ArchiveLimits): CatalogError {
  return new CatalogError('LIMIT_EXCEEDED', `This folder holds more than ${formatBytes(limits.bytes)}.`, {
    hint: 'Publish large files one by one; a single file may be larger.',
  })
}
