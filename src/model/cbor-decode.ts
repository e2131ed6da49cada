// Reading DAG-CBOR in one pass, which refuses what is not canonical where it stands: every record that comes passes
// through here, and to decode, measure, encode again and compare took more time than its signature and left twenty
// times its size behind. That it reads what another decoder reads is held by a test.
// Source: DAG-CBOR specification (IPLD), RFC 8949 §3, §4.2: shortest heads, floats of eight bytes, shorter keys first.
import { CatalogError } from '../base/errors.ts'
import { CBOR_DEPTH_MAX } from '../base/limits.ts'

const [UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP] = [0, 1, 2, 3, 4, 5]
const [FALSE, TRUE, NULL, FLOAT64] = [0xf4, 0xf5, 0xf6, 0xfb]
/** Below it a head is its own count; from it on it says how many bytes of count follow. */
const COUNT_BYTES_1 = 24
/** The least that needs a count of 1, 2, 4 and 8 bytes. */
const LEAST_OF = [24, 0x100, 0x1_0000, 0x1_0000_0000]
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * @param options - `canonical`: maps have their keys in order, numbers their one form, and byte strings are views of
 *   `bytes`; else these are copies, as `bytes` may be a part of much more
 * @throws CatalogError `RECORD_INVALID`
 */
export function readCbor(bytes: Uint8Array, { canonical }: { canonical: boolean }): unknown {
  const reader = new Reader(bytes, canonical)
  const value = reader.value(CBOR_DEPTH_MAX)
  if (!reader.isAtEnd) throw malformed()
  return value
}

class Reader {
  readonly #bytes: Buffer
  readonly #canonical: boolean
  #at = 0

  constructor({ buffer, byteOffset, length }: Uint8Array, canonical: boolean) {
    this.#bytes = Buffer.from(buffer, byteOffset, length)
    this.#canonical = canonical
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  /** @param levels - of nesting that it may have */
  value(levels: number): unknown {
    if (levels === 0) throw new CatalogError('RECORD_INVALID', 'This CBOR is nested too deeply.')
    const head = this.#byte()
    switch (head >> 5) {
      case UNSIGNED:
        return this.#count(head)
      case NEGATIVE: {
        const count = this.#count(head)
        return typeof count === 'number' && count < Number.MAX_SAFE_INTEGER ? -1 - count : -1n - BigInt(count)
      }
      case BYTES:
        return this.#byteString(this.#length(head))
      case TEXT:
        return this.#text(this.#length(head))
      case ARRAY:
        return this.#array(this.#length(head), levels - 1)
      case MAP:
        return this.#map(this.#length(head), levels - 1)
      default:
        return this.#simple(head)
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw malformed()
    return byte
  }

  /** A number, or a bigint where a number cannot hold it. */
  #count(head: number): number | bigint {
    const small = head & 0x1f
    if (small < COUNT_BYTES_1) return small
    const size = small - COUNT_BYTES_1
    const length = 1 << size
    // Above are counts of indefinite length.
    if (size > 3 || this.#at + length > this.#bytes.length) throw malformed()
    const from = this.#at
    this.#at += length
    if (size === 3) {
      const wide = this.#bytes.readBigUInt64BE(from)
      if (wide < 0x1_0000_0000n) throw notCanonical()
      return wide <= Number.MAX_SAFE_INTEGER ? Number(wide) : wide
    }
    const count = this.#bytes.readUIntBE(from, length)
    if (count < (LEAST_OF[size] as number)) throw notCanonical()
    return count
  }

  /** Of bytes, text, items or keys: each takes one byte at least, so that there are as many as that. */
  #length(head: number): number {
    const count = this.#count(head)
    if (typeof count !== 'number' || count > this.#bytes.length - this.#at) throw malformed()
    return count
  }

  #byteString(length: number): Uint8Array {
    const from = this.#at
    this.#at += length
    const { buffer, byteOffset } = this.#bytes
    const view = new Uint8Array(buffer, byteOffset + from, length)
    return this.#canonical ? view : view.slice()
  }

  #text(length: number): string {
    const from = this.#at
    this.#at += length
    for (let at = from; at < this.#at; at++) {
      if ((this.#bytes[at] as number) > 0x7f) return this.#wideText(from)
    }
    return this.#bytes.toString('latin1', from, this.#at)
  }

  #wideText(from: number): string {
    try {
      return utf8.decode(this.#bytes.subarray(from, this.#at))
    } catch (cause) {
      throw new CatalogError('RECORD_INVALID', 'A text in this CBOR is not UTF-8.', { cause })
    }
  }

  #array(length: number, levels: number): unknown[] {
    const items: unknown[] = []
    for (let index = 0; index < length; index++) items.push(this.value(levels))
    return items
  }

  #map(length: number, levels: number): Record<string, unknown> {
    const map: Record<string, unknown> = {}
    let [before, beforeLength] = [0, -1]
    for (let index = 0; index < length; index++) {
      const head = this.#byte()
      if (head >> 5 !== TEXT) throw malformed()
      const keyLength = this.#length(head)
      const from = this.#at
      const key = this.#text(keyLength)
      if (this.#canonical && !this.#isAfter(before, beforeLength, from, keyLength)) throw notCanonical()
      // An assignment to it would change what the object is.
      if (key === '__proto__' || Object.hasOwn(map, key)) throw malformed()
      map[key] = this.value(levels)
      ;[before, beforeLength] = [from, keyLength]
    }
    return map
  }

  /** Shorter keys come first, and of one length those with the smaller bytes. */
  #isAfter(before: number, beforeLength: number, from: number, length: number): boolean {
    if (length !== beforeLength) return length > beforeLength
    return this.#bytes.compare(this.#bytes, before, before + length, from, from + length) > 0
  }

  #simple(head: number): unknown {
    if (head === FALSE) return false
    if (head === TRUE) return true
    if (head === NULL) return null
    if (head !== FLOAT64 || this.#at + 8 > this.#bytes.length) throw malformed()
    const value = this.#bytes.readDoubleBE(this.#at)
    this.#at += 8
    if (!Number.isFinite(value)) throw malformed()
    if (this.#canonical && Number.isSafeInteger(value)) throw notCanonical()
    return value
  }
}

function malformed(): CatalogError {
  return new CatalogError('RECORD_INVALID', 'These bytes are not DAG-CBOR.')
}

function notCanonical(): CatalogError {
  return new CatalogError('RECORD_INVALID', 'This CBOR is not in canonical form.')
}
