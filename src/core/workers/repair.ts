// From any k good shards of each stripe to the shards that are wanted. A piece counts as missing when it cannot be read
// or has another id, so a damaged shard still serves in the stripes where it is whole.
import { equalBytes } from '../../base/bytes.ts'
import { CatalogError, hasCode } from '../../base/errors.ts'
import { CHUNK_BYTES } from '../../base/limits.ts'
import { DIGEST_BYTES } from '../surface.ts'
import { BATCH_BYTES, type Bench, goOn } from './bench.ts'
import { LocalFile } from './local-file.ts'
import { Stripes } from './stripes.ts'
import type { RepairReport, RepairTask, ShardPiece } from './tasks.ts'

/** Stripes that an error names; a blob can have a million. */
const STRIPES_NAMED_MAX = 1_000

/**
 * Rebuild and write the wanted shards, in every stripe that allows it.
 *
 * @throws CatalogError `BLOB_CORRUPT` when there are stripes of fewer than k good pieces: `details.stripes` are their
 *   numbers, at most 1,000. `DISK_FULL`, `STORE_FAILED`, `ABORTED`, and as `Stripes` does
 */
export function repairStripes(bench: Bench, task: RepairTask): RepairReport {
  using repair = new Repair(bench, task)
  return repair.run()
}

class Repair implements Disposable {
  readonly #bench: Bench
  readonly #task: RepairTask
  readonly #stripes: Stripes
  /** One byte a shard, not 0 where it is wanted. */
  readonly #want: Uint8Array
  /** By path: several shards may lie in one file. */
  readonly #sources = new Map<string, LocalFile>()
  readonly #targets: LocalFile[] = []
  readonly #bad: ShardPiece[] = []
  readonly #lost: number[] = []

  constructor(bench: Bench, task: RepairTask) {
    this.#bench = bench
    this.#task = task
    this.#stripes = new Stripes(task)
    const { width, ids } = this.#stripes
    checkLength('sources', task.sources.length, width)
    if (task.ids) checkLength('ids', task.ids.length, ids * DIGEST_BYTES)
    this.#want = new Uint8Array(width)
    for (const { index } of task.want) {
      if (this.#want[index] === undefined) throw new CatalogError('CORE_RANGE', `no shard ${index} among ${width}`)
      this.#want[index] = 1
    }
  }

  run(): RepairReport {
    const { count } = this.#stripes
    const { want } = this.#task
    for (const { place } of want) this.#targets.push(LocalFile.toWrite(place.path))
    const perBatch = this.#stripes.batch(BATCH_BYTES, this.#bench.bytes.length)
    for (let first = 0; first < count; first += perBatch) {
      goOn(this.#bench)
      const batch = new Batch(this.#stripes, this.#bench.bytes, first, Math.min(perBatch, count - first))
      this.#gather(batch)
      this.#write(batch, this.#rebuild(batch))
    }
    if (this.#lost.length > 0) throw this.#tooFew()
    for (const [i, { place }] of want.entries()) if (place.sync) this.#targets[i]?.sync()
    return { bad: this.#bad }
  }

  [Symbol.dispose](): void {
    for (const file of [...this.#sources.values(), ...this.#targets]) file[Symbol.dispose]()
  }

  /** Load k good pieces of each stripe, data before parity; more only in place of bad ones. */
  #gather(batch: Batch): void {
    /** The first shard of each stripe that has not been tried. */
    const next = batch.numbers.map(() => 0)
    for (;;) {
      const loaded = batch.numbers.flatMap((stripe, i) => {
        const { pieces, untried } = this.#load(batch, stripe, next[i] ?? 0)
        next[i] = untried
        return pieces
      })
      if (loaded.length === 0) return
      const bad = this.#judge(batch, loaded)
      for (const piece of loaded) batch.setGood(piece, !bad.has(piece))
      this.#bad.push(...bad)
    }
  }

  /** Load as many pieces of a stripe as it lacks, as far as they can be read. */
  #load(batch: Batch, stripe: number, next: number): { pieces: ShardPiece[]; untried: number } {
    const { k, width } = this.#stripes
    const lacking = k - batch.goodPieces(stripe)
    const pieces: ShardPiece[] = []
    let shard = next
    for (; pieces.length < lacking && shard < width; shard++) {
      const piece = { stripe, shard }
      if (!this.#task.sources[shard] || batch.isGood(piece)) continue
      if (this.#read(batch, piece)) pieces.push(piece)
      else this.#bad.push(piece)
    }
    return { pieces, untried: shard }
  }

  #read(batch: Batch, piece: ShardPiece): boolean {
    const place = this.#task.sources[piece.shard]
    if (!place) return false
    try {
      const file = this.#sources.get(place.path) ?? LocalFile.toRead(place.path)
      this.#sources.set(place.path, file)
      file.read(batch.bytesOf(piece), place.offset + piece.stripe * place.stride)
      return true
    } catch (error) {
      if (hasCode(error, 'FILE_UNREADABLE')) return false
      throw error
    }
  }

  /** Those of the pieces, all in the slot, that are not what their ids say. */
  #judge(batch: Batch, pieces: readonly ShardPiece[]): Set<ShardPiece> {
    const { ids } = this.#task
    if (!ids) return new Set()
    const ranges = Uint32Array.from(pieces.flatMap((piece) => batch.rangeOf(piece)))
    const actual = new Uint8Array(pieces.length * DIGEST_BYTES)
    this.#bench.core.sha256Many(this.#bench.bytes, ranges, actual)
    const differs = ({ stripe, shard }: ShardPiece, i: number) => {
      const id = this.#stripes.idIndex(stripe, shard) * DIGEST_BYTES
      const expected = ids.subarray(id, id + DIGEST_BYTES)
      return !equalBytes(expected, actual.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES))
    }
    return new Set(pieces.filter(differs))
  }

  /** @returns the stripes in which every wanted piece is there now */
  #rebuild(batch: Batch): number[] {
    const { k, m } = this.#stripes
    const wanted = [...this.#want.keys()].filter((shard) => this.#want[shard])
    const rebuilt: ShardPiece[] = []
    const lost = new Set<number>()
    for (const stripe of batch.numbers) {
      const missing = wanted.map((shard) => ({ stripe, shard })).filter((piece) => !batch.isGood(piece))
      if (missing.length === 0) continue
      if (batch.goodPieces(stripe) < k) {
        lost.add(stripe)
        continue
      }
      this.#bench.core.rsReconstruct(k, m, CHUNK_BYTES, batch.shards(stripe), batch.good(stripe), this.#want)
      rebuilt.push(...missing)
    }
    // Good pieces of a parity that was never computed from them make others that nobody has named.
    for (const { stripe } of this.#judge(batch, rebuilt)) lost.add(stripe)
    this.#lost.push(...lost)
    return batch.numbers.filter((stripe) => !lost.has(stripe))
  }

  #write(batch: Batch, stripes: readonly number[]): void {
    for (const [i, { index, place }] of this.#task.want.entries()) {
      for (const stripe of stripes) {
        const bytes = batch.bytesOf({ stripe, shard: index })
        this.#targets[i]?.write(bytes, place.offset + stripe * place.stride)
      }
    }
  }

  #tooFew(): CatalogError {
    const { k, count } = this.#stripes
    const lost = this.#lost.length
    return new CatalogError('BLOB_CORRUPT', `${lost} of ${count} stripes have fewer than ${k} good shards.`, {
      hint: 'Get more shards, then repair again.',
      details: { stripes: this.#lost.slice(0, STRIPES_NAMED_MAX) },
    })
  }
}

/** Some stripes next to each other, in the slot, with what is known of their pieces. */
class Batch {
  /** Of the stripes. */
  readonly numbers: number[]
  readonly #stripes: Stripes
  readonly #first: number
  readonly #bytes: Uint8Array
  /** One byte a piece, not 0 where it is good. */
  readonly #good: Uint8Array

  constructor(stripes: Stripes, bytes: Uint8Array, first: number, count: number) {
    this.numbers = Array.from({ length: count }, (_, i) => first + i)
    this.#stripes = stripes
    this.#first = first
    this.#bytes = bytes.subarray(0, count * stripes.width * CHUNK_BYTES)
    this.#good = new Uint8Array(count * stripes.width)
    // What the blob does not have is zeros, and that is known to be right.
    const last = first + count - 1
    for (let shard = 0; shard < stripes.k; shard++) {
      const piece = { stripe: last, shard }
      const [at, length] = this.rangeOf(piece)
      this.#bytes.fill(0, at + length, at + CHUNK_BYTES)
      if (length === 0) this.setGood(piece, true)
    }
  }

  /** Where a piece lies in the slot, and its bytes without padding. */
  rangeOf(piece: ShardPiece): [number, number] {
    return [this.#index(piece) * CHUNK_BYTES, this.#stripes.pieceBytes(piece.stripe, piece.shard)]
  }

  bytesOf(piece: ShardPiece): Uint8Array {
    const [at, length] = this.rangeOf(piece)
    return this.#bytes.subarray(at, at + length)
  }

  isGood(piece: ShardPiece): boolean {
    return this.#good[this.#index(piece)] !== 0
  }

  setGood(piece: ShardPiece, good: boolean): void {
    this.#good[this.#index(piece)] = Number(good)
  }

  goodPieces(stripe: number): number {
    return this.good(stripe).reduce((sum, good) => sum + good, 0)
  }

  /** One byte for each piece of a stripe, not 0 where it is good. */
  good(stripe: number): Uint8Array {
    const { width } = this.#stripes
    return this.#good.subarray((stripe - this.#first) * width, (stripe - this.#first + 1) * width)
  }

  /** The pieces of a stripe, 64 KiB each. */
  shards(stripe: number): Uint8Array {
    const at = this.#index({ stripe, shard: 0 }) * CHUNK_BYTES
    return this.#bytes.subarray(at, at + this.#stripes.width * CHUNK_BYTES)
  }

  #index({ stripe, shard }: ShardPiece): number {
    return (stripe - this.#first) * this.#stripes.width + shard
  }
}

function checkLength(what: string, actual: number, expected: number): void {
  if (actual !== expected) throw new CatalogError('CORE_LENGTH', `${actual} ${what}, expected ${expected}`)
}
