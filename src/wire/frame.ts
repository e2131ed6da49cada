// Frames on a stream: an unsigned varint of the payload's length, then the payload. No IO here: bytes are pushed in as
// they come, frames are taken out when they are whole. WIRE.md has the byte table.
import { CatalogError } from '../base/errors.ts'
import { KiB } from '../base/units.ts'

/** Seven bits a byte: five hold every length below 2^35, and limits stay far below that. */
const LENGTH_BYTES_MAX = 5
/** First allocation for a frame that arrives in pieces. It doubles from there, so that memory follows what was sent. */
const FIRST_ALLOCATION = 64 * KiB

/** Memory that is written before it is read; clearing it first would cost as much as the copy. */
const allocate = (bytes: number): Uint8Array => {
  const { buffer } = Buffer.allocUnsafeSlow(bytes)
  return new Uint8Array(buffer)
}

/**
 * @param payload - may be empty; copied
 * @returns length and payload in one buffer, ready for one write
 */
export function encodeFrame(payload: Uint8Array): Uint8Array {
  const header: number[] = []
  let rest = payload.length
  while (rest >= 0x80) {
    header.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  header.push(rest)
  const frame = allocate(header.length + payload.length)
  frame.set(header)
  frame.set(payload, header.length)
  return frame
}

/**
 * Cuts a byte stream into frames. Push a chunk, then take frames until there is none.
 *
 * A frame that came whole in one chunk is a view of that chunk; others are copied together once, into a buffer that
 * grows by doubling, so neither many small chunks nor a large frame cost more than linear time. A length over the
 * limit is refused before anything is kept for it. After an error the reader stays failed.
 */
export class FrameReader {
  readonly #maxBytes: number
  readonly #chunks: Uint8Array[] = []
  #pending = 0
  #length = 0
  #lengthBytes = 0
  #inBody = false
  #body: Uint8Array | undefined
  #filled = 0
  /** A stream that has sent a frame of this size is trusted to send another. */
  #largest = 0
  #failure: CatalogError | undefined

  /** @param maxBytes - longest payload that is accepted */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Bytes pushed and not yet returned in a frame. */
  get pending(): number {
    return this.#pending
  }

  /** @param chunk - not to be changed afterwards */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#pending += chunk.length
  }

  /**
   * @returns the next whole frame's payload, or undefined until more is pushed
   * @throws CatalogError `PEER_PROTOCOL` for a length over the limit or not written in its shortest form
   */
  next(): Uint8Array | undefined {
    if (this.#failure) throw this.#failure
    if (!this.#inBody && !this.#readLength()) return undefined
    return this.#readBody()
  }

  #readLength(): boolean {
    for (let chunk = this.#chunks[0]; chunk; chunk = this.#chunks[0]) {
      const byte = chunk[0] as number
      this.#consume(1)
      this.#length += (byte & 0x7f) * 0x80 ** this.#lengthBytes
      this.#lengthBytes++
      if (this.#length > this.#maxBytes) this.#fail(`A frame is longer than ${this.#maxBytes} bytes.`)
      if (byte < 0x80) {
        if (byte === 0 && this.#lengthBytes > 1) this.#fail('A frame length is not in its shortest form.')
        this.#inBody = true
        return true
      }
      if (this.#lengthBytes === LENGTH_BYTES_MAX) this.#fail('A frame length does not end.')
    }
    return false
  }

  #readBody(): Uint8Array | undefined {
    const chunk = this.#chunks[0]
    if (this.#filled === 0 && (chunk?.length ?? 0) >= this.#length) {
      const whole = chunk?.subarray(0, this.#length) ?? new Uint8Array(0)
      this.#consume(this.#length)
      return this.#finish(whole)
    }
    while (this.#filled < this.#length) {
      const part = this.#chunks[0]
      if (!part) return undefined
      const taken = part.subarray(0, this.#length - this.#filled)
      this.#room(this.#filled + taken.length).set(taken, this.#filled)
      this.#filled += taken.length
      this.#drop(taken.length)
    }
    this.#pending -= this.#length
    return this.#finish((this.#body as Uint8Array).subarray(0, this.#length))
  }

  /** The frame's buffer with room for `bytes`. */
  #room(bytes: number): Uint8Array {
    const held = this.#body
    if (held && held.length >= bytes) return held
    const enough = held ? 2 * held.length : Math.max(FIRST_ALLOCATION, this.#largest)
    const grown = allocate(Math.min(this.#length, Math.max(bytes, enough)))
    if (held) grown.set(held.subarray(0, this.#filled))
    this.#body = grown
    return grown
  }

  #finish(payload: Uint8Array): Uint8Array {
    this.#largest = Math.max(this.#largest, payload.length)
    this.#length = 0
    this.#lengthBytes = 0
    this.#inBody = false
    this.#body = undefined
    this.#filled = 0
    return payload
  }

  #consume(bytes: number): void {
    this.#drop(bytes)
    this.#pending -= bytes
  }

  /** Take `bytes` off the first chunk. Chunks are taken apart as soon as they come, so there are never many. */
  #drop(bytes: number): void {
    const first = this.#chunks[0]
    if (!first || bytes === 0) return
    if (bytes === first.length) this.#chunks.shift()
    else this.#chunks[0] = first.subarray(bytes)
  }

  #fail(message: string): never {
    this.#failure = new CatalogError('PEER_PROTOCOL', message)
    this.#chunks.length = 0
    throw this.#failure
  }
}
