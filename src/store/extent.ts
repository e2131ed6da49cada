// One blob in a pack: header ‖ data ‖ footer, padded to 64 bytes. The footer is written last, so an extent without a
// true one is not sealed. Header and footer together say all that the index says of a blob: the index can be
// rebuilt from the packs. FORMAT.md gives every byte.
import { crc32 } from 'node:zlib'
import { CHUNK_BYTES } from '../base/limits.ts'

/** Extents begin at multiples of this, so that a scan can find the next one after a torn one. */
export const EXTENT_ALIGNMENT = 64
export const HEADER_BYTES = 64

const HEADER_MAGIC = Buffer.from('CATX')
const FOOTER_MAGIC = Buffer.from('CATF')
const VERSION = 1
const KIND_BLOB = 1
const HAS_SHA512 = 1
/** Where the parts of a footer lie. */
const RELEASE_AT = 8
const SHA256_AT = 40
const SHA512_AT = 72
const OUTLINE_AT = 136
const CRC_BYTES = 4

export interface ExtentHeader {
  readonly root: Uint8Array
  /** Bytes of data. */
  readonly size: number
}

export interface ExtentFooter {
  /** Record id of the release that the blob first came under. */
  readonly release: Uint8Array
  readonly sha256: Uint8Array
  readonly sha512?: Uint8Array | undefined
  /** 32 bytes a chunk. */
  readonly outline: Uint8Array
}

export function footerBytes(size: number): number {
  return OUTLINE_AT + 32 * Math.ceil(size / CHUNK_BYTES) + CRC_BYTES
}

/** Where the chunk ids lie, from the first byte of the data. */
export function outlineOffset(size: number): number {
  return size + OUTLINE_AT
}

/** Bytes of the extent of a blob of `size` bytes, padding included. */
export function extentBytes(size: number): number {
  const bytes = HEADER_BYTES + size + footerBytes(size)
  return Math.ceil(bytes / EXTENT_ALIGNMENT) * EXTENT_ALIGNMENT
}

export function encodeHeader({ root, size }: ExtentHeader): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  HEADER_MAGIC.copy(header)
  header[4] = VERSION
  header[5] = KIND_BLOB
  header.writeBigUInt64BE(BigInt(size), 8)
  header.set(root, 16)
  header.writeUInt32BE(crc32(header.subarray(0, HEADER_BYTES - CRC_BYTES)), HEADER_BYTES - CRC_BYTES)
  return header
}

/** @returns nothing when these are not the bytes of a header */
export function decodeHeader(bytes: Uint8Array): ExtentHeader | undefined {
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (header.length < HEADER_BYTES || !header.subarray(0, 4).equals(HEADER_MAGIC)) return undefined
  if (header[4] !== VERSION || header[5] !== KIND_BLOB) return undefined
  const crc = header.readUInt32BE(HEADER_BYTES - CRC_BYTES)
  if (crc !== crc32(header.subarray(0, HEADER_BYTES - CRC_BYTES))) return undefined
  return { root: new Uint8Array(header.subarray(16, 48)), size: Number(header.readBigUInt64BE(8)) }
}

/** The footer that seals an extent, with the padding behind it. */
export function encodeFooter(header: ExtentHeader, { release, sha256, sha512, outline }: ExtentFooter): Buffer {
  const footer = Buffer.alloc(extentBytes(header.size) - HEADER_BYTES - header.size)
  const end = OUTLINE_AT + outline.length
  FOOTER_MAGIC.copy(footer)
  footer.writeUInt32BE(sha512 ? HAS_SHA512 : 0, 4)
  footer.set(release, RELEASE_AT)
  footer.set(sha256, SHA256_AT)
  if (sha512) footer.set(sha512, SHA512_AT)
  footer.set(outline, OUTLINE_AT)
  footer.writeUInt32BE(checksum(header, footer.subarray(0, end)), end)
  return footer
}

/** @returns nothing when these bytes are not the footer of that header */
export function decodeFooter(header: ExtentHeader, bytes: Uint8Array): ExtentFooter | undefined {
  const footer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = footerBytes(header.size) - CRC_BYTES
  if (footer.length < end + CRC_BYTES || !footer.subarray(0, 4).equals(FOOTER_MAGIC)) return undefined
  if (footer.readUInt32BE(end) !== checksum(header, footer.subarray(0, end))) return undefined
  const part = (from: number, to: number) => new Uint8Array(footer.subarray(from, to))
  return {
    release: part(RELEASE_AT, SHA256_AT),
    sha256: part(SHA256_AT, SHA512_AT),
    ...(footer.readUInt32BE(4) & HAS_SHA512 ? { sha512: part(SHA512_AT, OUTLINE_AT) } : {}),
    outline: part(OUTLINE_AT, end),
  }
}

/** A footer belongs to its header: that of another extent, left there by chance, does not fit. */
function checksum(header: ExtentHeader, footer: Uint8Array): number {
  return crc32(footer, crc32(encodeHeader(header)))
}
