// Paths inside archives. Whoever wrote the archive chose them, so they are checked before they touch a disk: one
// rule for reading, unpacking and packing, so that nothing can be published which cannot be installed.
import { CatalogError } from '../base/errors.ts'
import {
  ARCHIVE_BYTES_MAX,
  ARCHIVE_FILES_MAX,
  ARCHIVE_PATH_DEPTH_MAX,
  ARCHIVE_PATH_LENGTH_MAX,
  ARCHIVE_RATIO_FREE_BYTES,
  ARCHIVE_RATIO_MAX,
} from '../base/limits.ts'

export interface ArchiveLimits {
  /** Bytes of the tar, uncompressed. */
  readonly bytes: number
  /** Entries, and separately files and folders on disk. */
  readonly files: number
  /** Uncompressed to compressed size, beyond `ratioFreeBytes`. */
  readonly ratio: number
  readonly ratioFreeBytes: number
  /** UTF-8 bytes of a path. */
  readonly pathLength: number
  readonly pathDepth: number
}

export const ARCHIVE_LIMITS: ArchiveLimits = {
  bytes: ARCHIVE_BYTES_MAX,
  files: ARCHIVE_FILES_MAX,
  ratio: ARCHIVE_RATIO_MAX,
  ratioFreeBytes: ARCHIVE_RATIO_FREE_BYTES,
  pathLength: ARCHIVE_PATH_LENGTH_MAX,
  pathDepth: ARCHIVE_PATH_DEPTH_MAX,
}

/** The longest file name the common file systems take. */
const SEGMENT_BYTES_MAX = 255
const DRIVE = /^[A-Za-z]:/

/**
 * Check an entry's name and bring it into one form: no empty and no `.` segments, no trailing slash.
 *
 * @param strip - leading segments dropped first; `.` counts as one, as it does for npm
 * @returns the path below the target; '' when nothing is left of it, and the entry is to be skipped
 * @throws CatalogError `ARCHIVE_UNSAFE`
 */
export function entryPath(name: string, strip: number, limits: ArchiveLimits): string {
  const refuse = (why: string): never => {
    throw unsafe(`the path ${quote(name)} ${why}`)
  }
  if (Buffer.byteLength(name) > limits.pathLength) refuse(`is longer than ${limits.pathLength} bytes`)
  if (name.includes('\0')) refuse('holds a NUL character')
  if (name.includes('\\')) refuse('holds a backslash')
  if (name.startsWith('/') || DRIVE.test(name)) refuse('is absolute')
  const raw = name.split('/')
  if (raw.includes('..')) refuse('leads out of the folder')
  if (raw.length > limits.pathDepth + 1) refuse(`is more than ${limits.pathDepth} folders deep`)
  const segments = raw.slice(strip).filter((segment) => segment !== '' && segment !== '.')
  if (segments.some((segment) => Buffer.byteLength(segment) > SEGMENT_BYTES_MAX)) {
    refuse(`has a part longer than ${SEGMENT_BYTES_MAX} bytes`)
  }
  if (segments[0] !== undefined && DRIVE.test(segments[0])) refuse('is absolute')
  return segments.join('/')
}

/** Files and folders an archive has put on disk so far, to refuse a file that would stand in for a folder. */
export class EntryTree {
  readonly #kinds = new Map<string, 'file' | 'directory'>()
  readonly #limits: ArchiveLimits

  constructor(limits: ArchiveLimits) {
    this.#limits = limits
  }

  /**
   * Take an entry in.
   *
   * @returns the folders it needs and that were not there before, outermost first, and whether it replaces a file
   * @throws CatalogError `ARCHIVE_UNSAFE` when a file and a folder would share a path, or there are too many
   */
  add(path: string, kind: 'file' | 'directory'): { newDirectories: string[]; replaces: boolean } {
    const newDirectories: string[] = []
    const folder = kind === 'directory' ? path : path.slice(0, Math.max(0, path.lastIndexOf('/')))
    for (let end = folder.indexOf('/'); folder !== ''; end = folder.indexOf('/', end + 1)) {
      const ancestor = end === -1 ? folder : folder.slice(0, end)
      const known = this.#kinds.get(ancestor)
      if (known === 'file') throw unsafe(`${quote(ancestor)} is both a file and a folder`)
      if (known === undefined) {
        this.#kinds.set(ancestor, 'directory')
        newDirectories.push(ancestor)
      }
      if (end === -1) break
    }
    let replaces = false
    if (kind === 'file') {
      const known = this.#kinds.get(path)
      if (known === 'directory') throw unsafe(`${quote(path)} is both a folder and a file`)
      replaces = known === 'file'
      this.#kinds.set(path, 'file')
    }
    if (this.#kinds.size > this.#limits.files) {
      throw unsafe(`there are more than ${this.#limits.files.toLocaleString('en')} files and folders`)
    }
    return { newDirectories, replaces }
  }
}

export function unsafe(why: string): CatalogError {
  return new CatalogError('ARCHIVE_UNSAFE', `This archive is refused: ${why}.`)
}

/** A name from outside, short and with its control characters escaped, for a message. */
export function quote(name: string, length = 80): string {
  return JSON.stringify(name.length > length ? `${name.slice(0, length)}…` : name)
}
