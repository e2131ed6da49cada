// The WebAssembly core. Arguments inside its linear memory are used in place, others are copied, in portions that stay
// in the processor's cache where a function allows that. Nothing here is particular to Node: the caller passes the
// module, so the same file serves a browser.
import { CatalogError } from '../base/errors.ts'
import { KiB, MiB } from '../base/units.ts'
import { type Core, DIGEST_BYTES, MERKLE_NODE_BYTES, NEED_MORE, PROFILE_CONTENT_16K } from './surface.ts'
import * as check from './wasm/checks.ts'
import { type Exports, OUT_OF_RANGE } from './wasm/exports.ts'
import { alike, type Frame, LinearMemory, type WasmMemoryOptions, WORD_BYTES } from './wasm/memory.ts'
import { portionColumns, Shards } from './wasm/shards.ts'

/** A buffer elsewhere is copied in portions of about this size. More than the largest chunk, so that each cuts one. */
const PORTION_BYTES = MiB
/** Bytes of the chunks of either profile; only the last of all may be shorter. */
const CHUNK_SIZES = [
  { least: 4 * KiB, most: 64 * KiB },
  { least: 16 * KiB, most: 256 * KiB },
] as const
/** Ids of a sketch: half of the cache for them, half for the sketch. */
const PORTION_IDS = 32 * KiB
/** Steps of the longest proof: the count of a root has 32 bits. */
const PROOF_STEPS_MAX = 32

export type WasmCoreOptions = WasmMemoryOptions

export class WasmCore implements Core {
  readonly backend = 'wasm'
  readonly #exports: Exports
  readonly #memory: LinearMemory

  private constructor(exports: Exports, memory: LinearMemory) {
    this.#exports = exports
    this.#memory = memory
  }

  /**
   * One instance of the core.
   *
   * @param module - the compiled `core.release.wasm` or `core.relaxed.wasm`; instances that share a memory must be of
   *   one build, as its constants stand in the memory
   */
  static async create(module: WebAssembly.Module, options: WasmCoreOptions = {}): Promise<WasmCore> {
    const memory = new LinearMemory(options)
    const instance = await WebAssembly.instantiate(module, { env: { memory: memory.memory } })
    const exports = instance.exports as unknown as Exports
    memory.leave(exports.heapBase())
    return new WasmCore(exports, memory)
  }

  /**
   * Bytes inside the core's memory, for the caller to fill and pass to the functions without a copy. They stay
   * reserved for as long as the core lives.
   */
  arena(bytes: number): Uint8Array<ArrayBuffer> {
    return this.#memory.arena(bytes)
  }

  abi(): number {
    return this.#exports.abi()
  }

  features(): readonly string[] {
    return ['sha256:simd128', this.#exports.isRelaxed() ? 'erasure:relaxed-simd' : 'erasure:simd128']
  }

  sha256Many(buffer: Uint8Array, ranges: Uint32Array, out: Uint8Array): number {
    const count = check.checkRanges(buffer, ranges, out)
    const frame = this.#memory.frame()
    const outAt = frame.output(out)
    const scratch = frame.room(this.#exports.sha256Scratch())
    if (this.#memory.holds(buffer)) {
      const rangesAt = frame.input(ranges)
      this.#exports.sha256Many(buffer.byteOffset, buffer.length, rangesAt, count, outAt, scratch)
    } else {
      this.#hashCopies(buffer, ranges, frame, outAt, scratch)
    }
    frame.collect(out, outAt)
    return count
  }

  sha256Update(state: Uint8Array, buffer: Uint8Array, offset: number, length: number, final: boolean): number {
    check.checkState(state)
    check.checkPiece(buffer, offset, length)
    const frame = this.#memory.frame()
    // A copy in any case: of a piece in portions, a later one could be refused.
    const stateAt = frame.copy(state)
    const scratch = frame.room(this.#exports.sha256Scratch())
    const source = this.#source(frame, buffer, offset, length)
    let status = 0
    for (let done = 0, isLast = false; !isLast; done += source.portion) {
      const bytes = Math.min(source.portion, length - done)
      isLast = done + bytes === length
      const at = source.fetch(done, bytes)
      status = this.#exports.sha256Update(stateAt, at, bytes, Number(isLast && final), scratch)
      if (status === OUT_OF_RANGE) throw new CatalogError('CORE_RANGE', 'the state is finished or none of ours')
    }
    frame.collect(state, stateAt)
    return status
  }

  chunk(
    buffer: Uint8Array,
    offset: number,
    length: number,
    profile: number,
    final: boolean,
    cuts: Uint32Array,
  ): number {
    check.checkPiece(buffer, offset, length)
    check.checkCuts(length, profile, cuts)
    const frame = this.#memory.frame()
    const scratch = frame.room(this.#exports.chunkScratch())
    const { least, most } = CHUNK_SIZES[profile === PROFILE_CONTENT_16K ? 0 : 1]
    // So many bytes hold as many cuts as there is room for.
    const source = this.#source(frame, buffer, offset, Math.min(length, cuts.length * most))
    const capacity = Math.min(cuts.length, Math.floor(source.portion / least) + 1)
    const cutsAt = frame.room(4 * capacity)
    let count = 0
    for (let start = 0, isLast = false; !isLast && count < cuts.length; start = cuts[count - 1] ?? 0) {
      const bytes = Math.min(source.portion, length - start)
      isLast = start + bytes === length
      const room = Math.min(capacity, cuts.length - count)
      const at = source.fetch(start, bytes)
      const found = this.#exports.chunk(at, bytes, profile, Number(isLast && final), cutsAt, room, scratch)
      for (const cut of this.#memory.words(cutsAt, found)) cuts[count++] = start + cut
    }
    return count
  }

  merkleRoot(ids: Uint8Array, lengths: Uint32Array, profile: number, out: Uint8Array, nodes?: Uint8Array): number {
    check.checkLeaves(ids, lengths, profile, out, nodes)
    const frame = this.#memory.frame()
    const idsAt = frame.input(ids)
    const lengthsAt = frame.input(lengths)
    const outAt = frame.output(out)
    const nodesAt = nodes?.length ? frame.output(nodes) : 0
    const scratch = frame.room(this.#exports.merkleScratch(nodesAt ? 1 : lengths.length))
    const status = this.#exports.merkleRoot(idsAt, lengthsAt, lengths.length, profile, outAt, nodesAt, scratch)
    if (status === OUT_OF_RANGE) throw check.badLength(lengths, profile)
    frame.collect(out, outAt)
    if (nodes && nodesAt) frame.collect(nodes, nodesAt)
    return status
  }

  merkleVerify(
    root: Uint8Array,
    profile: number,
    total: number,
    count: number,
    index: number,
    id: Uint8Array,
    length: number,
    proof: Uint8Array,
  ): boolean {
    check.checkClaim(root, profile, total, count, index, id, length)
    const steps = proof.length / MERKLE_NODE_BYTES
    if (!Number.isInteger(steps) || steps > PROOF_STEPS_MAX) return false
    const frame = this.#memory.frame()
    const [rootAt, idAt, proofAt] = [frame.input(root), frame.input(id), frame.input(proof)]
    const scratch = frame.room(this.#exports.merkleScratch(1))
    const { merkleVerify } = this.#exports
    return merkleVerify(rootAt, profile, total, count, index, idAt, length, proofAt, steps, scratch) === 1
  }

  rsEncode(k: number, m: number, shardBytes: number, data: Uint8Array, parity: Uint8Array): number {
    check.checkStripe(k, m, shardBytes)
    check.checkLength('data', data.length, k * shardBytes)
    check.checkLength('parity', parity.length, m * shardBytes)
    const frame = this.#memory.frame()
    const inside = this.#memory.holds(data) && this.#memory.holds(parity)
    const columns = inside ? shardBytes : portionColumns(k + m)
    const from = new Shards(this.#memory, frame, data, shardBytes, columns)
    const to = new Shards(this.#memory, frame, parity, shardBytes, columns)
    const scratch = frame.room(this.#exports.erasureScratch(k, m))
    for (let at = 0; at < shardBytes; at += columns) {
      const width = Math.min(columns, shardBytes - at)
      for (let i = 0; i < k; i++) from.fetch(i, at)
      this.#exports.rsEncode(k, m, width, from.at(at), from.stride, to.at(at), to.stride, scratch)
      for (let j = 0; j < m; j++) to.collect(j, at)
    }
    return m
  }

  rsReconstruct(
    k: number,
    m: number,
    shardBytes: number,
    shards: Uint8Array,
    present: Uint8Array,
    want: Uint8Array,
  ): number {
    check.checkStripe(k, m, shardBytes)
    check.checkLength('shards', shards.length, (k + m) * shardBytes)
    check.checkLength('present', present.length, k + m)
    check.checkLength('want', want.length, k + m)
    const numbers = Array.from(present.keys())
    const lost = numbers.filter((i) => !present[i] && want[i])
    if (lost.length === 0) return 0
    // Any k will do; no others are copied.
    const known = numbers.filter((i) => present[i]).slice(0, k)
    if (known.length < k) {
      throw new CatalogError('CORE_RANGE', `${known.length} shards are present, ${k} are needed to rebuild one`)
    }
    const frame = this.#memory.frame()
    const columns = this.#memory.holds(shards) ? shardBytes : portionColumns(k + m)
    const stripe = new Shards(this.#memory, frame, shards, shardBytes, columns)
    const [knownAt, lostAt] = [frame.copy(flags(k + m, known)), frame.copy(flags(k + m, lost))]
    const scratch = frame.room(this.#exports.erasureScratch(k, m))
    for (let at = 0; at < shardBytes; at += columns) {
      const width = Math.min(columns, shardBytes - at)
      for (const i of known) stripe.fetch(i, at)
      this.#exports.rsReconstruct(k, m, width, stripe.at(at), stripe.stride, knownAt, lostAt, scratch)
      for (const i of lost) stripe.collect(i, at)
    }
    return lost.length
  }

  sketchUpdate(sketch: Uint8Array, symbols: number, ids: BigUint64Array, sign: 1 | -1): number {
    check.checkSketch('sketch', sketch, symbols)
    if (sign !== 1 && sign !== -1) throw new CatalogError('CORE_RANGE', `sign is ${sign}, allowed are 1 and -1`)
    const frame = this.#memory.frame()
    const sketchAt = frame.input(sketch)
    const inside = this.#memory.holds(ids)
    const portion = inside ? ids.length : Math.min(ids.length, PORTION_IDS)
    const idsAt = inside ? ids.byteOffset : frame.room(8 * portion)
    for (let done = 0; done < ids.length; done += portion) {
      const some = ids.subarray(done, done + portion)
      if (!inside) frame.put(some, idsAt)
      this.#exports.sketchUpdate(sketchAt, symbols, idsAt, some.length, sign)
    }
    frame.collect(sketch, sketchAt)
    return ids.length
  }

  sketchDecode(diff: Uint8Array, symbols: number, outIds: BigUint64Array, outSigns: Int8Array): number {
    check.checkSketch('diff', diff, symbols)
    check.checkLength('outSigns', outSigns.length, outIds.length)
    const frame = this.#memory.frame()
    const diffAt = frame.input(diff)
    const room = Math.min(outIds.length, symbols)
    const idsAt = frame.output(outIds.subarray(0, room))
    const signsAt = frame.output(outSigns.subarray(0, room))
    const scratch = frame.room(this.#exports.sketchScratch(symbols))
    const count = this.#exports.sketchDecode(diffAt, symbols, idsAt, signsAt, room, scratch)
    if (count === NEED_MORE) return NEED_MORE
    frame.collect(outIds.subarray(0, count), idsAt)
    frame.collect(outSigns.subarray(0, count), signsAt)
    return count
  }

  /** The bytes of some ranges side by side, and the ranges moved to match, again and again. */
  #hashCopies(buffer: Uint8Array, ranges: Uint32Array, frame: Frame, out: number, scratch: number): void {
    const portions = portionsOf(ranges)
    const at = frame.room(portions.reduce((most, { room }) => Math.max(most, room), 0))
    const rangesAt = frame.room(ranges.byteLength)
    for (const { start, end, room } of portions) {
      const moved = this.#memory.words(rangesAt, 2 * (end - start))
      const copies = this.#memory.bytes(at, room)
      for (let i = 2 * start, copied = 0; i < 2 * end; i += 2) {
        const from = ranges[i] ?? 0
        const length = ranges[i + 1] ?? 0
        const piece = buffer.subarray(from, from + length)
        const to = alike(copied, piece.byteOffset)
        copies.set(piece, to)
        moved.set([to, length], i - 2 * start)
        copied = to + length
      }
      this.#exports.sha256Many(at, room, rangesAt, end - start, out + start * DIGEST_BYTES, scratch)
    }
  }

  /** Bytes to be read in order: all at once where they lie, or in portions copied to one place. */
  #source(frame: Frame, buffer: Uint8Array, offset: number, length: number): Source {
    if (this.#memory.holds(buffer)) {
      return { portion: length, fetch: (from) => buffer.byteOffset + offset + from }
    }
    const portion = Math.min(length, PORTION_BYTES)
    const room = frame.room(portion + WORD_BYTES)
    const fetch = (from: number, bytes: number) => {
      const piece = buffer.subarray(offset + from, offset + from + bytes)
      const at = alike(room, piece.byteOffset)
      frame.put(piece, at)
      return at
    }
    return { portion, fetch }
  }
}

interface Source {
  /** Most bytes at a time. */
  portion: number
  /** @returns the address of so many bytes, valid until the next call */
  fetch: (from: number, bytes: number) => number
}

/** Ranges that together make about one portion; each has at least one. Before each of them less than a word is lost. */
function portionsOf(ranges: Uint32Array): { start: number; end: number; room: number }[] {
  const portions = []
  for (let start = 0, end = 0; 2 * start < ranges.length; start = end) {
    let bytes = 0
    while (2 * end < ranges.length && (end === start || bytes + (ranges[2 * end + 1] ?? 0) <= PORTION_BYTES)) {
      bytes += ranges[2 * end + 1] ?? 0
      end++
    }
    portions.push({ start, end, room: bytes + WORD_BYTES * (end - start) })
  }
  return portions
}

/** As many bytes, 1 at some places and 0 elsewhere. */
function flags(length: number, places: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(length)
  for (const place of places) bytes[place] = 1
  return bytes
}
