// Reading the tar format: blocks in, entries out, nothing trusted. Own code, because what a release's manifest says
// is a frozen function of the archive's bytes: which entries an archive has must not shift with a library's leniency
// about end marks, extended headers or odd numbers. What is read: ustar, pax and GNU long names.
// Source: POSIX.1-2024, pax interchange format; GNU tar manual, "Basic Tar Format". Writing is left to tar-stream.
import { CatalogError } from '../base/errors.ts'
import { MiB } from '../base/units.ts'

const BLOCK = 512
/** Extended headers of real packages hold a path and a few attributes; macOS adds some KiB. */
const EXTENDED_BYTES_MAX = MiB
/** Extended headers before one entry; writers need at most a pax header, a long name and a long link. */
const EXTENDED_RUN_MAX = 8

export interface TarEntry {
  /** The path as the archive writes it; unchecked. */
  readonly name: string
  /** `other` is everything that is neither a file nor a directory; `what` names it. */
  readonly kind: 'file' | 'directory' | 'other'
  readonly what: string
  readonly size: number
  readonly mode: number
  /** The bytes, once; what is left unread is skipped when the next entry is asked for. */
  readonly content: AsyncIterable<Buffer>
}

/**
 * The entries of a tar, in order.
 *
 * @param source - the tar's bytes, uncompressed
 * @param endBlocks - zero blocks wanted at the end: two by the standard; one for a gzip, whose trailer already
 *   proves that nothing was cut and of which some old writers made one
 * @throws CatalogError `ARCHIVE_CORRUPT` for anything that is not a whole tar
 */
export async function* readTar(source: AsyncIterable<Buffer>, endBlocks: 1 | 2): AsyncGenerator<TarEntry> {
  const input = new ByteSource(source)
  let extended: Extended = {}
  let run = 0
  for (;;) {
    const block = await input.take(BLOCK)
    if (block === undefined) throw corrupt('it stops before its end mark')
    if (isZero(block)) {
      if (run > 0) throw corrupt('it stops inside an entry')
      return await readEnd(input, endBlocks)
    }
    const header = parseHeader(block)
    if (EXTENDED.has(header.flag)) {
      if (++run > EXTENDED_RUN_MAX) throw corrupt('an entry has too many extended headers')
      if (header.size > EXTENDED_BYTES_MAX) throw corrupt('an extended header is too long')
      const body = await input.take(header.size)
      if (body === undefined) throw corrupt('it stops inside an extended header')
      await input.skip(padding(header.size))
      extended = { ...extended, ...readExtended(header.flag, body) }
      continue
    }
    const entry = toEntry(header, extended, input)
    extended = {}
    run = 0
    yield entry
    await entry.content.drain()
    await input.skip(padding(entry.size))
  }
}

/** What an extended header says of the entry that follows it. */
interface Extended {
  readonly path?: string
  readonly size?: number
  /** GNU sparse files are stored in pieces; read as plain files they would be garbage. */
  readonly sparse?: boolean
}

interface Header {
  readonly name: string
  readonly flag: string
  readonly size: number
  readonly mode: number
}

const EXTENDED: ReadonlySet<string> = new Set(['x', 'X', 'g', 'L', 'K', 'N'])

const OTHER_KINDS: Readonly<Record<string, string>> = {
  '1': 'a hard link',
  '2': 'a symbolic link',
  '3': 'a character device',
  '4': 'a block device',
  '6': 'a named pipe',
  S: 'a sparse file',
}

function toEntry(header: Header, extended: Extended, input: ByteSource) {
  const name = extended.path ?? header.name
  let kind: TarEntry['kind'] = 'other'
  let what = OTHER_KINDS[header.flag] ?? 'an entry of unknown kind'
  if (extended.sparse) what = 'a sparse file'
  else if (header.flag === '5') kind = 'directory'
  // Before ustar a directory was a file whose name ends in a slash.
  else if (header.flag === '0' || header.flag === '7') kind = name.endsWith('/') ? 'directory' : 'file'
  if (kind !== 'other') what = `a ${kind}`
  // A directory's size is what it may grow to on some systems; no bytes follow it.
  const size = kind === 'directory' ? 0 : (extended.size ?? header.size)
  return { name, kind, what, size, mode: header.mode, content: new Content(input, size) }
}

function parseHeader(block: Buffer): Header {
  let sum = 8 * 0x20
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0 : (block[i] ?? 0)
  if (readNumber(block, 148, 8) !== sum) throw corrupt('a header does not match its checksum')
  const name = readText(block, 0, 100)
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? readText(block, 345, 155) : ''
  const flag = block[156] === 0 ? '0' : String.fromCharCode(block[156] ?? 0)
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    flag,
    size: readNumber(block, 124, 12),
    mode: readNumber(block, 100, 8),
  }
}

/** Octal text, or big-endian binary when the first bit is set (GNU, for sizes from 8 GiB). */
function readNumber(block: Buffer, offset: number, length: number): number {
  const field = block.subarray(offset, offset + length)
  let value = 0
  if (((field[0] ?? 0) & 0x80) !== 0) {
    if (field[0] !== 0x80) throw corrupt('a header holds a negative number')
    for (const byte of field.subarray(1)) value = value * 256 + byte
  } else {
    const text = /^[ \0]*([0-7]*)[ \0]*$/.exec(field.toString('latin1'))?.[1]
    if (text === undefined) throw corrupt('a header holds a broken number')
    value = text === '' ? 0 : Number.parseInt(text, 8)
  }
  if (!Number.isSafeInteger(value)) throw corrupt('a header holds a number too large')
  return value
}

function readText(block: Buffer, offset: number, length: number): string {
  const end = block.subarray(offset, offset + length).indexOf(0)
  return block.toString('utf8', offset, end === -1 ? offset + length : offset + end)
}

function readExtended(flag: string, body: Buffer): Extended {
  if (flag === 'L' || flag === 'N') return { path: readText(body, 0, body.length) }
  if (flag === 'K') return {}
  const found = readPax(body)
  if (flag !== 'g') return found
  // A global header (git archive writes one, with a comment) may not rename or resize every file after it.
  if (Object.keys(found).length > 0) throw corrupt('a global header changes every entry')
  return {}
}

/** Records of `LENGTH KEY=VALUE\n`, LENGTH counting all of the record. */
function readPax(body: Buffer): Extended {
  const found: { path?: string; size?: number; sparse?: boolean } = {}
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at)
    const digits = space === -1 || space - at > 8 ? '' : body.toString('latin1', at, space)
    const end = at + Number(digits)
    const equals = body.indexOf(0x3d, space)
    const whole = /^[1-9][0-9]*$/.test(digits) && end <= body.length && body[end - 1] === 0x0a
    if (!whole || equals === -1 || equals >= end) throw corrupt('an extended header is broken')
    const key = body.toString('utf8', space + 1, equals)
    const value = body.toString('utf8', equals + 1, end - 1)
    if (key === 'path') found.path = value
    else if (key === 'size') found.size = paxSize(value)
    else if (key.startsWith('GNU.sparse.')) found.sparse = true
    at = end
  }
  return found
}

function paxSize(text: string): number {
  const size = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(size)) throw corrupt('an extended header holds a broken size')
  return size
}

/** After the first zero block only zeros may come: an entry hidden behind the end would be seen by some readers. */
async function readEnd(input: ByteSource, endBlocks: number): Promise<void> {
  let zeros = BLOCK
  for (let chunk = await input.some(); chunk; chunk = await input.some()) {
    if (!isZero(chunk)) throw corrupt('something follows its end mark')
    zeros += chunk.length
  }
  if (zeros < endBlocks * BLOCK) throw corrupt('its end mark is cut off')
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0)
}

function corrupt(why: string): CatalogError {
  return new CatalogError('ARCHIVE_CORRUPT', `This archive is broken: ${why}.`, {
    hint: 'Make or download it again.',
  })
}

/** Bytes taken from a stream of chunks as the format wants them. */
class ByteSource {
  readonly #chunks: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Buffer>) {
    this.#chunks = source[Symbol.asyncIterator]()
  }

  /** The next bytes, 1 to `max` of them, or undefined at the end. */
  async some(max = Number.POSITIVE_INFINITY): Promise<Buffer | undefined> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next()
      if (next.done) return undefined
      this.#rest = next.value
    }
    const piece = this.#rest.subarray(0, max)
    this.#rest = this.#rest.subarray(piece.length)
    return piece
  }

  /** Exactly `length` bytes, or undefined when the stream ends before the first of them. */
  async take(length: number): Promise<Buffer | undefined> {
    const pieces: Buffer[] = []
    let missing = length
    while (missing > 0) {
      const piece = await this.some(missing)
      if (piece === undefined) {
        if (missing === length) return undefined
        throw corrupt('it stops inside a header')
      }
      pieces.push(piece)
      missing -= piece.length
    }
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)
  }

  async skip(length: number): Promise<void> {
    for (let missing = length; missing > 0; ) {
      const piece = await this.some(missing)
      if (piece === undefined) throw corrupt('it stops inside an entry')
      missing -= piece.length
    }
  }
}

/** The bytes of one entry. */
class Content implements AsyncIterable<Buffer> {
  readonly #input: ByteSource
  #missing: number

  constructor(input: ByteSource, size: number) {
    this.#input = input
    this.#missing = size
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    while (this.#missing > 0) {
      const piece = await this.#input.some(this.#missing)
      if (piece === undefined) throw corrupt('it stops inside an entry')
      this.#missing -= piece.length
      yield piece
    }
  }

  async drain(): Promise<void> {
    const missing = this.#missing
    this.#missing = 0
    await this.#input.skip(missing)
  }
}
