// The WebAssembly core over a linear memory that it owns or is given. Nothing here is particular to Node: the
// caller passes the module, so the same file serves a browser.
import { CatalogError } from '../base/errors.ts'
import { CHUNK_BYTES } from '../base/limits.ts'
import { MiB } from '../base/units.ts'
import { type Core, DIGEST_BYTES } from './surface.ts'

const PAGE_BYTES = 64 * 1024
/** `maximumMemory` in asconfig.json; a memory may not promise more. */
const PAGES_MAX = 65_536
/** Vectors are loaded 16 bytes at a time; a cache line more costs nothing. */
const ALIGNMENT = 64
/** A buffer elsewhere is copied in portions of about this size, which stay in the processor's cache. */
const PORTION_BYTES = MiB
/** 2²⁶ ids and their scratch are 4.7 GiB: more than a 32-bit memory holds, and 64 times the largest blob. */
const LEAVES_MAX = 2 ** 26 - 1
const OUT_OF_RANGE = -2

/** What the module exports (`wasm/index.ts`): pointers and counts, all u32. */
interface Exports {
  heapBase(): number
  abi(): number
  scratchBytes(n: number): number
  sha256Many(buffer: number, bytes: number, ranges: number, n: number, out: number, scratch: number): number
  merkleRoot(ids: number, lengths: number, n: number, profile: number, out: number, scratch: number): number
}

export interface WasmCoreOptions {
  /** A shared memory to work in, of at most 65,536 pages. Left out, the core makes its own. */
  memory?: WebAssembly.Memory
  /** First byte of `memory` this instance may write to. Instances that share a memory need ranges of their own. */
  base?: number
  /** One past the last byte it may write to; left out, it may make the memory grow up to its maximum. */
  limit?: number
}

export class WasmCore implements Core {
  readonly backend = 'wasm'
  readonly #exports: Exports
  readonly #memory: WebAssembly.Memory
  /** Growing yields a new buffer object over the same bytes; views on the former ones are still inside. */
  readonly #buffers = new WeakSet<object>()
  readonly #limit: number
  #base: number

  private constructor(exports: Exports, memory: WebAssembly.Memory, options: WasmCoreOptions) {
    this.#exports = exports
    this.#memory = memory
    this.#buffers.add(memory.buffer)
    this.#base = aligned(Math.max(exports.heapBase() >>> 0, options.base ?? 0))
    this.#limit = options.limit ?? PAGES_MAX * PAGE_BYTES
  }

  /**
   * One instance of the core.
   *
   * @param module - the compiled `core.release.wasm`
   */
  static async create(module: WebAssembly.Module, options: WasmCoreOptions = {}): Promise<WasmCore> {
    const memory = options.memory ?? new WebAssembly.Memory({ initial: 1, maximum: PAGES_MAX, shared: true })
    const instance = await WebAssembly.instantiate(module, { env: { memory } })
    return new WasmCore(instance.exports as unknown as Exports, memory, options)
  }

  /**
   * Bytes inside the core's memory, for the caller to fill and pass to the functions without a copy. They stay
   * reserved for as long as the core lives.
   */
  arena(bytes: number): Uint8Array<ArrayBuffer> {
    const at = this.#base
    this.#reach(at + bytes)
    this.#base = aligned(at + bytes)
    return new Uint8Array(this.#memory.buffer, at, bytes)
  }

  abi(): number {
    return this.#exports.abi()
  }

  features(): readonly string[] {
    return ['sha256:simd128']
  }

  sha256Many(buffer: Uint8Array, ranges: Uint32Array, out: Uint8Array): number {
    const count = checkRanges(buffer, ranges, out)
    if (this.#inside(buffer)) {
      this.#hash(buffer.byteOffset, buffer.length, ranges, out)
      return count
    }
    for (let start = 0; start < count; ) {
      const end = portionEnd(ranges, start)
      this.#copyAndHash(
        buffer,
        ranges.subarray(2 * start, 2 * end),
        out.subarray(start * DIGEST_BYTES, end * DIGEST_BYTES),
      )
      start = end
    }
    return count
  }

  merkleRoot(ids: Uint8Array, lengths: Uint32Array, profile: number, out: Uint8Array): number {
    checkLeaves(ids, lengths, profile, out)
    const idsAt = this.#inside(ids) ? ids.byteOffset : this.#base
    const lengthsAt = aligned(this.#base + (idsAt === this.#base ? ids.length : 0))
    const outAt = aligned(lengthsAt + lengths.byteLength)
    const scratchAt = outAt + ALIGNMENT
    this.#reach(scratchAt + this.#exports.scratchBytes(lengths.length))
    if (idsAt === this.#base) this.#bytes(idsAt, ids.length).set(ids)
    new Uint32Array(this.#memory.buffer, lengthsAt, lengths.length).set(lengths)
    const status = this.#exports.merkleRoot(idsAt, lengthsAt, lengths.length, profile, outAt, scratchAt)
    if (status === OUT_OF_RANGE) throw badLength(lengths)
    out.set(this.#bytes(outAt, DIGEST_BYTES))
    return status
  }

  /** Ranges that lie within `bytes` bytes at `at`, inside the memory. */
  #hash(at: number, bytes: number, ranges: Uint32Array, out: Uint8Array, above = this.#base): void {
    const rangesAt = aligned(above)
    const outAt = aligned(rangesAt + ranges.byteLength)
    const scratchAt = aligned(outAt + out.length)
    this.#reach(scratchAt + this.#exports.scratchBytes(0))
    new Uint32Array(this.#memory.buffer, rangesAt, ranges.length).set(ranges)
    const status = this.#exports.sha256Many(at, bytes, rangesAt, ranges.length / 2, outAt, scratchAt)
    if (status === OUT_OF_RANGE) throw new CatalogError('CORE_RANGE', 'a range reaches beyond the buffer')
    out.set(this.#bytes(outAt, out.length))
  }

  /** The bytes of the ranges side by side at the base, and the ranges moved to match. */
  #copyAndHash(buffer: Uint8Array, ranges: Uint32Array, out: Uint8Array): void {
    const moved = new Uint32Array(ranges.length)
    let total = 0
    for (let i = 0; i < ranges.length; i += 2) {
      moved[i] = total
      moved[i + 1] = ranges[i + 1] ?? 0
      total += ranges[i + 1] ?? 0
    }
    this.#reach(this.#base + total)
    const bytes = this.#bytes(this.#base, total)
    for (let i = 0; i < ranges.length; i += 2) {
      const from = ranges[i] ?? 0
      bytes.set(buffer.subarray(from, from + (ranges[i + 1] ?? 0)), moved[i])
    }
    this.#hash(this.#base, total, moved, out, this.#base + total)
  }

  #inside(view: Uint8Array): boolean {
    return view.buffer === this.#memory.buffer || this.#buffers.has(view.buffer)
  }

  #bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, at, length)
  }

  /** Make sure that the bytes up to `end` exist and are this instance's. */
  #reach(end: number): void {
    const missing = end - this.#memory.buffer.byteLength
    if (end > this.#limit) throw tooLarge(end)
    if (missing <= 0) return
    try {
      this.#memory.grow(Math.ceil(missing / PAGE_BYTES))
    } catch (cause) {
      throw tooLarge(end, cause)
    }
    this.#buffers.add(this.#memory.buffer)
  }
}

function tooLarge(end: number, cause?: unknown): CatalogError {
  return new CatalogError('CORE_RANGE', `the memory of the WebAssembly core cannot grow to ${end} bytes`, { cause })
}

function aligned(at: number): number {
  return Math.ceil(at / ALIGNMENT) * ALIGNMENT
}

/** Ranges from `start` on that together make about one portion; at least one. */
function portionEnd(ranges: Uint32Array, start: number): number {
  let end = start
  let bytes = 0
  while (2 * end < ranges.length && (end === start || bytes + (ranges[2 * end + 1] ?? 0) <= PORTION_BYTES)) {
    bytes += ranges[2 * end + 1] ?? 0
    end++
  }
  return end
}

function checkLength(what: string, actual: number, expected: number): void {
  if (actual === expected) return
  throw new CatalogError('CORE_LENGTH', `${what} holds ${actual} elements, expected ${expected}`)
}

/** @returns how many ranges there are */
function checkRanges(buffer: Uint8Array, ranges: Uint32Array, out: Uint8Array): number {
  checkLength('ranges', ranges.length, Math.ceil(ranges.length / 2) * 2)
  const count = ranges.length / 2
  checkLength('out', out.length, count * DIGEST_BYTES)
  for (let i = 0; i < count; i++) {
    const from = ranges[2 * i] ?? 0
    const end = from + (ranges[2 * i + 1] ?? 0)
    if (end <= buffer.length) continue
    const range = `range ${i} covers bytes ${from} to ${end} of a buffer of ${buffer.length}`
    throw new CatalogError('CORE_RANGE', range)
  }
  return count
}

function checkLeaves(ids: Uint8Array, lengths: Uint32Array, profile: number, out: Uint8Array): void {
  checkLength('ids', ids.length, lengths.length * DIGEST_BYTES)
  checkLength('out', out.length, DIGEST_BYTES)
  if (!Number.isInteger(profile) || profile < 0 || profile > 255) {
    throw new CatalogError('CORE_RANGE', `profile ${profile} is not one byte`)
  }
  if (lengths.length > LEAVES_MAX) {
    throw new CatalogError('CORE_RANGE', `${lengths.length} chunks do not fit the memory of the WebAssembly core`)
  }
}

function badLength(lengths: Uint32Array): CatalogError {
  const index = lengths.findIndex((length) => length === 0 || length > CHUNK_BYTES)
  return new CatalogError(
    'CORE_RANGE',
    `chunk ${index} is ${lengths[index]} bytes long, allowed are 1 to ${CHUNK_BYTES}`,
  )
}
