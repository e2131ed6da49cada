// The linear memory of a WebAssembly core, which it owns or shares with others. What lies in it already is used in
// place; everything else is laid out anew for each call, above what the core has handed out for good.
import { CatalogError } from '../../base/errors.ts'

const PAGE_BYTES = 64 * 1024
/** `maximumMemory` in asconfig.json; a memory may not promise more. */
const PAGES_MAX = 65_536
/** Vectors are loaded 16 bytes at a time; a cache line more costs nothing. */
const ALIGNMENT = 64
/** Engines copy to and from shared memory by words where both sides are equally far from one, else byte by byte. */
export const WORD_BYTES = 8

/** The first address from `at` on that is as far from a word as `offset`. */
export function alike(at: number, offset: number): number {
  return at + ((offset - at) & (WORD_BYTES - 1))
}

export interface WasmMemoryOptions {
  /** A shared memory to work in, of at most 65,536 pages. Left out, the core makes its own. */
  memory?: WebAssembly.Memory
  /** First byte of `memory` this instance may write to. Instances that share a memory need ranges of their own. */
  base?: number
  /** One past the last byte it may write to; left out, it may make the memory grow up to its maximum. */
  limit?: number
}

export class LinearMemory {
  readonly memory: WebAssembly.Memory
  /** Growing yields a new buffer object over the same bytes; views on the former ones are still inside. */
  readonly #buffers = new WeakSet<object>()
  readonly #limit: number
  #base: number

  constructor({ memory, base = 0, limit = PAGES_MAX * PAGE_BYTES }: WasmMemoryOptions) {
    this.memory = memory ?? new WebAssembly.Memory({ initial: 1, maximum: PAGES_MAX, shared: true })
    this.#buffers.add(this.memory.buffer)
    this.#base = aligned(base)
    this.#limit = limit
  }

  /** Keep what lies below `end` free of calls: the module's own constants. */
  leave(end: number): void {
    this.#base = Math.max(this.#base, aligned(end))
  }

  /** Bytes that no call will use. */
  arena(bytes: number): Uint8Array<ArrayBuffer> {
    const at = this.#base
    this.reach(at + bytes)
    this.#base = aligned(at + bytes)
    // Another instance may have made the memory grow.
    this.#buffers.add(this.memory.buffer)
    return this.bytes(at, bytes)
  }

  /** The room of one call; it ends with the next one's. */
  frame(): Frame {
    return new Frame(this, this.#base)
  }

  holds({ buffer }: ArrayBufferView): boolean {
    return buffer === this.memory.buffer || this.#buffers.has(buffer)
  }

  bytes(at: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory.buffer, at, length)
  }

  /** u32 at an address that is a multiple of 4. */
  words(at: number, length: number): Uint32Array {
    return new Uint32Array(this.memory.buffer, at, length)
  }

  /** Make sure that the bytes up to `end` exist and are this instance's. */
  reach(end: number): void {
    const missing = end - this.memory.buffer.byteLength
    if (end > this.#limit) throw tooLarge(end)
    if (missing <= 0) return
    try {
      this.memory.grow(Math.ceil(missing / PAGE_BYTES))
    } catch (cause) {
      throw tooLarge(end, cause)
    }
    this.#buffers.add(this.memory.buffer)
  }
}

/**
 * Where the arguments of one call lie. Everything is to be placed before anything is computed: a memory that cannot
 * grow is an error, and then nothing is written.
 */
export class Frame {
  readonly #memory: LinearMemory
  #top: number

  constructor(memory: LinearMemory, base: number) {
    this.#memory = memory
    this.#top = base
  }

  /**
   * Room for so many bytes.
   *
   * @param offset - where the bytes come from or go to in their own buffer: the room will be as far from a word
   * @returns its address, a multiple of 64 without an offset
   */
  room(bytes: number, offset = 0): number {
    const at = alike(this.#top, offset)
    this.#memory.reach(at + bytes)
    this.#top = aligned(at + bytes)
    return at
  }

  /** @returns address of what is to be read */
  input(view: ArrayBufferView): number {
    return this.#memory.holds(view) ? view.byteOffset : this.copy(view)
  }

  /** The same of a copy, which the call may spoil. */
  copy(view: ArrayBufferView): number {
    const at = this.room(view.byteLength, view.byteOffset)
    this.put(view, at)
    return at
  }

  /** @returns address of what is to be written, for `collect` afterwards */
  output(view: ArrayBufferView): number {
    return this.#memory.holds(view) ? view.byteOffset : this.room(view.byteLength, view.byteOffset)
  }

  /** Copy into the room at `at`. */
  put(view: ArrayBufferView, at: number): void {
    this.#memory.bytes(at, view.byteLength).set(bytesOf(view))
  }

  /** Bring what was written at `at` to where it belongs. */
  collect(view: ArrayBufferView, at: number): void {
    if (this.#memory.holds(view) && view.byteOffset === at) return
    bytesOf(view).set(this.#memory.bytes(at, view.byteLength))
  }
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

function aligned(at: number): number {
  return Math.ceil(at / ALIGNMENT) * ALIGNMENT
}

function tooLarge(end: number, cause?: unknown): CatalogError {
  return new CatalogError('CORE_RANGE', `the memory of the WebAssembly core cannot grow to ${end} bytes`, { cause })
}
