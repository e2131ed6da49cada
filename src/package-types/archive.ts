// Reading and unpacking tar and tar.gz files from outside, within limits. Everything streams: memory holds a few
// chunks and the list of paths, whatever the archive claims.
import { lstat, mkdir, open, readdir, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createGunzip } from 'node:zlib'
import { type ByteSource, streamOf } from '../base/byte-source.ts'
import { CatalogError } from '../base/errors.ts'
import { formatBytes, KiB } from '../base/units.ts'
import { ARCHIVE_LIMITS, type ArchiveLimits, EntryTree, entryPath, quote, unsafe } from './entry-path.ts'
import type { UnpackReport } from './package-type.ts'
import { readTar } from './tar.ts'

const READ_BYTES = 256 * KiB
/** The least that is unpacked at a time. */
const SMALL_READ_BYTES = 16 * KiB
/** Source text is packed about as well as that. */
const USUAL_RATIO = 4

export interface ArchiveOptions {
  /** `detect` looks at the first two bytes. */
  readonly gzip: boolean | 'detect'
  /** Leading path segments to drop; entries with no more than these are skipped. */
  readonly strip?: number
  readonly limits?: ArchiveLimits
  readonly signal?: AbortSignal | undefined
}

export interface ArchiveEntry {
  /** Below the target, with forward slashes; checked. */
  readonly path: string
  readonly kind: 'file' | 'directory'
  readonly size: number
  /** Its owner-execute bit. */
  readonly executable: boolean
  /** Folders this entry needs and none before it needed, outermost first. */
  readonly newDirectories: readonly string[]
  /** A file of this path came before; the later one counts. */
  readonly replaces: boolean
}

/** Called for each entry in order; bytes left unread are skipped. `'stop'` ends the walk, the rest unread. */
export type OnEntry = (entry: ArchiveEntry, content: AsyncIterable<Buffer>) => Promise<'stop' | undefined> | undefined

/**
 * Walk an archive.
 *
 * @param archive - its path, or where its bytes lie; read once, from start to end
 * @throws CatalogError `FILE_UNREADABLE`; `ARCHIVE_CORRUPT` unless it is whole; `ARCHIVE_UNSAFE` for links, devices,
 *   paths that lead elsewhere and anything beyond the limits; `ABORTED`; and what `onEntry` throws
 */
export async function readArchive(
  archive: string | ByteSource,
  options: ArchiveOptions,
  onEntry: OnEntry,
): Promise<void> {
  const { strip = 0, limits = ARCHIVE_LIMITS, signal } = options
  try {
    throwIfAborted(signal)
    const source = typeof archive === 'string' ? await wholeFile(archive) : archive
    const gzip = options.gzip === 'detect' ? await isGzip(source) : options.gzip
    await using bytes = openBytes(source, gzip, signal)
    const metered = meter(bytes.stream, source.length, gzip, limits)
    const tree = new EntryTree(limits)
    let entries = 0
    for await (const entry of readTar(metered, gzip ? 1 : 2)) {
      throwIfAborted(signal)
      if (++entries > limits.files) {
        throw unsafe(`there are more than ${limits.files.toLocaleString('en')} files and folders`)
      }
      if (entry.kind === 'other')
        throw unsafe(`${quote(entry.name)} is ${entry.what}, and only files and folders are kept`)
      const path = entryPath(entry.name, strip, limits)
      if (path === '') continue
      const { kind, size } = entry
      const executable = (entry.mode & 0o100) !== 0
      const found = { path, kind, size, executable, ...tree.add(path, kind) }
      if ((await onEntry(found, entry.content)) === 'stop') return
    }
  } catch (error) {
    throw readingError(error, typeof archive === 'string' ? archive : (archive.path ?? 'the archive'), signal)
  }
}

/** A file as the place where its bytes lie. */
export async function wholeFile(path: string): Promise<ByteSource> {
  const stats = await stat(path)
  if (stats.isDirectory()) throw Object.assign(new Error('it is a folder'), { code: 'EISDIR' })
  return { path, offset: 0, length: stats.size }
}

/**
 * Unpack an archive into `target`, an existing empty folder: folders 0755, files 0644 or 0755, less the umask. Only
 * files and folders are made, each file new (`O_EXCL`, which follows no link). After an error what was written stays,
 * for the caller to remove with the folder.
 *
 * @throws CatalogError as `readArchive`; `TARGET_EXISTS` when the target is not empty; `DISK_FULL`; `STORE_FAILED`
 */
export async function unpackArchive(
  archive: string | ByteSource,
  target: string,
  options: ArchiveOptions,
): Promise<UnpackReport> {
  await requireEmpty(target)
  let files = 0
  let bytes = 0
  await readArchive(archive, options, async (entry, content) => {
    const path = join(target, entry.path)
    try {
      for (const directory of entry.newDirectories) await makeDirectory(join(target, directory))
      if (entry.kind === 'directory') return
      if (entry.replaces) {
        bytes -= (await lstat(path)).size
        files--
        await unlink(path)
      }
      await writeFile(path, content, { flag: 'wx', mode: entry.executable ? 0o755 : 0o644, signal: options.signal })
    } catch (error) {
      throw writingError(error, entry.path)
    }
    files++
    bytes += entry.size
    return
  })
  return { files, bytes }
}

/** @throws CatalogError `TARGET_EXISTS` unless `target` is a folder with nothing in it */
async function requireEmpty(target: string): Promise<void> {
  let names: string[]
  try {
    names = await readdir(target)
  } catch (error) {
    throw writingError(error, target)
  }
  if (names.length > 0) {
    throw new CatalogError('TARGET_EXISTS', `The folder ${target} is not empty.`, { hint: 'Name an empty folder.' })
  }
}

/** Whether bytes begin as a gzip does. */
async function isGzip({ path, offset, length, bytes }: ByteSource): Promise<boolean> {
  if (length < 2) return false
  if (path === undefined) return bytes?.[0] === 0x1f && bytes[1] === 0x8b
  await using handle = await open(path, 'r')
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, offset)
  return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b
}

/** The tar's bytes. Disposing ends the streams. */
function openBytes(source: ByteSource, gzip: boolean, signal: AbortSignal | undefined) {
  const input = streamOf(source, signal)
  // It takes a buffer of that size at once: for a small archive that costs more than unpacking it.
  const chunkSize = Math.min(READ_BYTES, Math.max(SMALL_READ_BYTES, source.length * USUAL_RATIO))
  const stream = gzip ? input.pipe(createGunzip({ chunkSize })) : input
  // Whoever iterates the last stream sees its error; the listener keeps one raised in between from being uncaught.
  input.on('error', (error) => stream.destroy(error))
  stream.on('error', () => input.destroy())
  return {
    stream: stream as AsyncIterable<Buffer>,
    async [Symbol.asyncDispose]() {
      stream.destroy()
      input.destroy()
    },
  }
}

/** Pass bytes on, and stop when there are too many, in all or for the size they had packed. */
async function* meter(source: AsyncIterable<Buffer>, packed: number, gzip: boolean, limits: ArchiveLimits) {
  let total = 0
  for await (const chunk of source) {
    total += chunk.length
    if (total > limits.bytes) throw unsafe(`it unpacks to more than ${formatBytes(limits.bytes)}`)
    if (gzip && total > limits.ratioFreeBytes && total > packed * limits.ratio) {
      throw unsafe(`it unpacks to more than ${limits.ratio} times its size`)
    }
    yield chunk
  }
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o755 })
  } catch (error) {
    // Where letter case does not count, `Lib` and `lib` are one folder. A link here could only be someone else's.
    if (errorCode(error) !== 'EEXIST' || !(await lstat(path)).isDirectory()) throw error
  }
}

function errorCode(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  return typeof code === 'string' ? code : ''
}

function readingError(error: unknown, file: string, signal: AbortSignal | undefined): CatalogError {
  if (error instanceof CatalogError) return error
  if (signal?.aborted) return aborted(error)
  const code = errorCode(error)
  if (code.startsWith('Z_')) {
    return new CatalogError('ARCHIVE_CORRUPT', 'This archive is broken: its gzip data is damaged or cut off.', {
      hint: 'Make or download it again.',
      cause: error,
    })
  }
  return unreadable(error, file)
}

/** As `AbortSignal.throwIfAborted`, whatever reason the signal was given. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal.reason)
}

export function aborted(cause: unknown): CatalogError {
  return new CatalogError('ABORTED', 'Cancelled.', { cause })
}

/** A file or folder of the user's that cannot be read. */
export function unreadable(error: unknown, file: string): CatalogError {
  if (error instanceof CatalogError) return error
  const why = errorCode(error) === 'ENOENT' ? 'it is not there' : CatalogError.from(error).message
  const read = CatalogError.from(error, 'FILE_UNREADABLE')
  if (read.code !== 'FILE_UNREADABLE') return read
  return new CatalogError('FILE_UNREADABLE', `Cannot read ${file}: ${why}.`, { cause: error })
}

/** Errors of the archive pass through, for `readingError`; those of the disk are told here, where the path is known. */
export function writingError(error: unknown, path: string): unknown {
  const code = errorCode(error)
  if (error instanceof CatalogError || !/^E[A-Z]+$/.test(code)) return error
  if (code === 'EEXIST') return unsafe(`two files would both be ${quote(path)} on this disk`)
  const full = CatalogError.from(error, 'STORE_FAILED')
  if (full.code === 'DISK_FULL') return full
  return new CatalogError('STORE_FAILED', `Cannot write ${quote(path)}: ${full.message}.`, { cause: error })
}
