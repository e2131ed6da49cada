// What npm sends to publish: one JSON document with the tarball in it as base64. It is read as it comes: the text is
// kept, the tarball decoded piece by piece and left out of it, so that its size is no matter.
import { z } from 'zod'
import { CatalogError } from '../../base/errors.ts'
import { NPM_PUBLISH_TEXT_MAX } from '../../base/http-limits.ts'

/** Nested deeper than any document of npm. */
const DEPTH_MAX = 64
const KEY_BYTES_MAX = 1_024
const [QUOTE, BACKSLASH] = [0x22, 0x5c]
const PUNCTUATION = { open: 0x7b, close: 0x7d, openList: 0x5b, closeList: 0x5d, colon: 0x3a, comma: 0x2c }

const documentSchema = z.looseObject({
  name: z.string(),
  access: z.enum(['public', 'restricted']).nullish(),
  'dist-tags': z.record(z.string(), z.string()).default({}),
  versions: z.record(z.string(), z.looseObject({})).default({}),
  _attachments: z.record(z.string(), z.looseObject({ length: z.int().min(0) })).default({}),
})

/** The document, without what was in its tarballs. */
export type PublishDocument = z.infer<typeof documentSchema>

/** An object or a list that is open. */
interface Level {
  readonly isObject: boolean
  /** The key whose value comes next, or whose value this is in. */
  key: string
  expectsKey: boolean
}

export class PublishBody {
  /** Bytes of tarballs so far. */
  decoded = 0
  readonly #kept: Buffer[] = []
  #keptBytes = 0
  readonly #levels: Level[] = []
  /** Text of a key that is being read. */
  #key: number[] | undefined
  #isInString = false
  #isEscaped = false
  #isInTarball = false
  /** Characters of base64 that do not make whole bytes yet. */
  #rest = ''

  /** @returns pieces of the tarball that came with it @throws CatalogError `USAGE`, `LIMIT_EXCEEDED` */
  push(chunk: Buffer): Buffer[] {
    const pieces: Buffer[] = []
    for (let at = 0; at < chunk.length; ) {
      if (!this.#isInTarball) {
        at = this.#takeText(chunk, at)
        continue
      }
      const end = chunk.indexOf(QUOTE, at)
      const text = chunk.toString('latin1', at, end < 0 ? chunk.length : end)
      pieces.push(this.#decode(text, end >= 0))
      if (end < 0) break
      // The quote itself is text again, and ends a string that is empty.
      this.#isInTarball = false
      this.#isInString = true
      at = end
    }
    return pieces
  }

  /** The document, once all of it has come. @throws CatalogError `USAGE` */
  end(): PublishDocument {
    try {
      return documentSchema.parse(JSON.parse(Buffer.concat(this.#kept).toString()))
    } catch (cause) {
      throw new CatalogError('USAGE', 'This is not what npm sends to publish a package.', { cause })
    }
  }

  /** Up to the end of the chunk, or to where a tarball begins. @returns where it stopped */
  #takeText(chunk: Buffer, from: number): number {
    let at = from
    while (at < chunk.length && !this.#isInTarball) this.#take(chunk[at++] as number)
    this.#keptBytes += at - from
    if (this.#keptBytes > NPM_PUBLISH_TEXT_MAX) {
      const most = `${NPM_PUBLISH_TEXT_MAX} bytes`
      throw new CatalogError('LIMIT_EXCEEDED', `What is said of a package beside its tarball is at most ${most}.`)
    }
    this.#kept.push(chunk.subarray(from, at))
    return at
  }

  #take(byte: number): void {
    const level = this.#levels.at(-1)
    if (this.#isInString) this.#takeInString(byte)
    else if (byte === QUOTE) this.#beginString(level)
    else if (byte === PUNCTUATION.open || byte === PUNCTUATION.openList) this.#open(byte === PUNCTUATION.open)
    else if (byte === PUNCTUATION.close || byte === PUNCTUATION.closeList) this.#levels.pop()
    else if (byte === PUNCTUATION.comma && level) level.expectsKey = level.isObject
    else if (byte === PUNCTUATION.colon && level) level.expectsKey = false
  }

  #takeInString(byte: number): void {
    if (this.#isEscaped || byte !== QUOTE) {
      this.#isEscaped = !this.#isEscaped && byte === BACKSLASH
      if (this.#key && this.#key.length < KEY_BYTES_MAX) this.#key.push(byte)
      return
    }
    this.#isInString = false
    const level = this.#levels.at(-1)
    if (this.#key && level) level.key = Buffer.from(this.#key).toString()
    this.#key = undefined
  }

  #beginString(level: Level | undefined): void {
    if (level?.expectsKey) this.#key = []
    const [top, file, field] = this.#levels
    const isTarball = top?.key === '_attachments' && file?.key.endsWith('.tgz') === true && field?.key === 'data'
    this.#isInTarball = isTarball && this.#levels.length === 3 && field.expectsKey === false
    this.#isInString = !this.#isInTarball
  }

  #open(isObject: boolean): void {
    if (this.#levels.length >= DEPTH_MAX) throw new CatalogError('USAGE', 'This document is nested too deeply.')
    this.#levels.push({ isObject, key: '', expectsKey: isObject })
  }

  #decode(text: string, isLast: boolean): Buffer {
    // JSON may escape a slash, which base64 has.
    const all = this.#rest + (text.includes('\\') ? text.replaceAll('\\', '') : text)
    const whole = isLast ? all.length : all.length - (all.length % 4)
    this.#rest = all.slice(whole)
    const piece = Buffer.from(all.slice(0, whole), 'base64')
    this.decoded += piece.length
    return piece
  }
}
