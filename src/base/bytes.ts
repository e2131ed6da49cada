// Byte strings: comparison, hexadecimal, maps keyed by bytes.
import { hash } from 'node:crypto'

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/** @returns the bytes, or undefined unless `text` is lower-case hexadecimal of `length` bytes */
export function fromHex(text: string, length = text.length / 2): Uint8Array | undefined {
  if (!Number.isInteger(length) || text.length !== length * 2 || !/^[0-9a-f]*$/.test(text)) return undefined
  return new Uint8Array(Buffer.from(text, 'hex'))
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

/** Order of two byte strings: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b)
}

export function concatBytes(...parts: Uint8Array[]): Uint8Array {
  return plain(Buffer.concat(parts))
}

/** A copy in memory that small ones share: memory of its own costs more than the bytes, to get and to give back. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.allocUnsafe(bytes.length)
  copy.set(bytes)
  return plain(copy)
}

/** The same memory without Buffer's own ways. */
export function plain<B extends ArrayBufferLike>({ buffer, byteOffset, length }: Buffer<B>): Uint8Array<B> {
  return new Uint8Array(buffer, byteOffset, length)
}

/** SHA-256 of a small buffer, on this thread; 32 bytes. Files go through the workers. */
export function sha256(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return plain(hash('sha256', bytes, 'buffer'))
}
