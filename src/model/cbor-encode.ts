// Writing canonical DAG-CBOR. Every record made, admitted or shown passes through here, some several times, and a
// general encoder took a tenth of the time of a publish; that both write the same bytes is held by a test.
// Source: DAG-CBOR specification (IPLD), RFC 8949 §4.2: shortest heads, floats of eight bytes, shorter keys first.
import { copyOf } from '../base/bytes.ts'
import { KiB, MiB } from '../base/units.ts'

const [UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP] = [0x00, 0x20, 0x40, 0x60, 0x80, 0xa0]
const [FALSE, TRUE, NULL, FLOAT64] = [0xf4, 0xf5, 0xf6, 0xfb]
const HEAD_BYTES_MAX = 9
/** UTF-8 of a unit of UTF-16. */
const UNIT_BYTES_MAX = 3
const LENT_BYTES = 64 * KiB
/** A larger one that was needed once is not kept. */
const KEPT_BYTES_MAX = MiB

/** Where everything is written first: nothing here waits, so one is enough. */
let lent = Buffer.allocUnsafeSlow(LENT_BYTES)
let at = 0

/**
 * The canonical bytes of plain data: maps with text keys, arrays, text, bytes, integers, finite floats, booleans, null.
 *
 * @throws TypeError for anything else, wherever it is
 */
export function encodeCbor(value: unknown): Uint8Array {
  at = 0
  writeValue(value)
  const bytes = copyOf(lent.subarray(0, at))
  if (lent.length > KEPT_BYTES_MAX) lent = Buffer.allocUnsafeSlow(LENT_BYTES)
  return bytes
}

function writeValue(value: unknown): void {
  if (typeof value === 'string') writeText(value)
  else if (typeof value === 'number') writeNumber(value)
  else if (typeof value === 'boolean') writeByte(value ? TRUE : FALSE)
  else if (value === null) writeByte(NULL)
  else if (value instanceof Uint8Array) writeBytes(value)
  else if (Array.isArray(value)) {
    writeHead(ARRAY, value.length)
    for (const item of value) writeValue(item)
  } else if (typeof value === 'bigint') writeBigInt(value)
  else if (isPlain(value)) writeMap(value)
  else throw new TypeError(`CBOR has no canonical form for ${typeof value === 'object' ? 'such an object' : value}.`)
}

function writeMap(map: Readonly<Record<string, unknown>>): void {
  const keys = sortedKeys(map)
  writeHead(MAP, keys.length)
  for (const key of keys) {
    writeText(key)
    writeValue(map[key])
  }
}

/** By the bytes of their UTF-8, of which shorter ones come first. */
function sortedKeys(map: Readonly<Record<string, unknown>>): string[] {
  const keys = Object.keys(map)
  if (keys.every(isAscii)) return keys.sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
  const bytes = new Map(keys.map((key) => [key, Buffer.from(key)]))
  const bytesOf = (key: string) => bytes.get(key) as Buffer
  return keys.sort((a, b) => bytesOf(a).length - bytesOf(b).length || Buffer.compare(bytesOf(a), bytesOf(b)))
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function writeNumber(value: number): void {
  if (Number.isSafeInteger(value)) {
    if (value < 0) writeHead(NEGATIVE, -1 - value)
    else writeHead(UNSIGNED, value)
    return
  }
  if (!Number.isFinite(value)) throw new TypeError(`CBOR has no canonical form for ${value}.`)
  reserve(HEAD_BYTES_MAX)
  lent[at] = FLOAT64
  lent.writeDoubleBE(value, at + 1)
  at += HEAD_BYTES_MAX
}

/** What a reader makes of integers that a number cannot hold. */
function writeBigInt(value: bigint): void {
  const magnitude = value < 0n ? -1n - value : value
  if (magnitude <= Number.MAX_SAFE_INTEGER) {
    writeHead(value < 0n ? NEGATIVE : UNSIGNED, Number(magnitude))
    return
  }
  if (magnitude >= 2n ** 64n) throw new TypeError(`CBOR has no canonical form for ${value}.`)
  reserve(HEAD_BYTES_MAX)
  lent[at] = (value < 0n ? NEGATIVE : UNSIGNED) | 27
  lent.writeBigUInt64BE(magnitude, at + 1)
  at += HEAD_BYTES_MAX
}

function writeText(text: string): void {
  reserve(HEAD_BYTES_MAX + UNIT_BYTES_MAX * text.length)
  // Nearly all text is ASCII: its head is as long as that of so many bytes.
  const head = headBytes(text.length)
  const length = lent.write(text, at + head)
  const actual = headBytes(length)
  if (actual !== head) lent.copyWithin(at + actual, at + head, at + head + length)
  writeHead(TEXT, length)
  at += length
}

function writeBytes(bytes: Uint8Array): void {
  reserve(HEAD_BYTES_MAX + bytes.length)
  writeHead(BYTES, bytes.length)
  lent.set(bytes, at)
  at += bytes.length
}

function writeByte(byte: number): void {
  reserve(1)
  lent[at++] = byte
}

function headBytes(count: number): number {
  if (count < 24) return 1
  if (count < 0x100) return 2
  if (count < 0x1_0000) return 3
  return count < 0x1_0000_0000 ? 5 : HEAD_BYTES_MAX
}

/** Major type, and a count in as few bytes as it takes. */
function writeHead(type: number, count: number): void {
  reserve(HEAD_BYTES_MAX)
  const length = headBytes(count)
  if (length === 1) lent[at] = type | count
  else if (length === HEAD_BYTES_MAX) {
    lent[at] = type | 27
    lent.writeBigUInt64BE(BigInt(count), at + 1)
  } else {
    lent[at] = type | (length === 2 ? 24 : length === 3 ? 25 : 26)
    lent.writeUIntBE(count, at + 1, length - 1)
  }
  at += length
}

function reserve(bytes: number): void {
  if (at + bytes <= lent.length) return
  const larger = Buffer.allocUnsafeSlow(Math.max(2 * lent.length, at + bytes))
  lent.copy(larger, 0, 0, at)
  lent = larger
}
