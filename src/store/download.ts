// A blob on its way in. Its extent is reserved and known from the start; verified chunks are written in place, and
// the bitmap that says which is committed after each fdatasync. Small blobs wait in memory: to fetch them again costs
// less than a reservation does.
import { hash } from 'node:crypto'
import { bitmapFor, hasBit, setBit } from '../base/bitmap.ts'
import { equalBytes, sha256 } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { BLOB_AT_HAND_BYTES_MAX, CHUNK_BYTES, FETCH_COMMIT_BYTES, FETCH_COMMIT_MS } from '../base/limits.ts'
import type { WorkerPool } from '../core/workers/pool.ts'
import type { FileDigest } from '../core/workers/tasks.ts'
import type { StagedBlob } from './blob-index.ts'
import { extentOf, type HashedBlob, writeEnds } from './blob-rows.ts'
import type { Blobs } from './blobs.ts'
import type { Environment } from './environment.ts'
import { encodeHeader, extentBytes, HEADER_BYTES } from './extent.ts'
import type { Packs, Place } from './packs.ts'
import type { Promised, Space } from './space.ts'
import type { DownloadRow } from './tables.ts'

interface DownloadTarget {
  readonly root: Uint8Array
  readonly size: number
  readonly release: Uint8Array
  readonly outline: Uint8Array
}

interface Components {
  blobs: Blobs
  environment: Environment
  packs: Packs
  space: Space
  workers: WorkerPool
  clock: Clock
}

export class Download {
  readonly #components: Components
  readonly #target: DownloadTarget
  readonly #end: () => void
  #place: Place | undefined
  #room: Promised | undefined
  /** All of it, when it is small. */
  #bytes: Uint8Array | undefined
  #bitmap: Uint8Array
  #uncommitted = 0
  #committedAt: number

  /** Made by `Blobs.download`. */
  constructor(components: Components, target: DownloadTarget, ended: () => void) {
    this.#components = components
    this.#target = target
    this.#end = () => {
      this.#room?.[Symbol.dispose]()
      ended()
    }
    this.#bitmap = bitmapFor(this.chunks)
    this.#committedAt = components.clock.now()
  }

  /** Take up what was fetched earlier, or reserve the extent. Not to be used when it throws. */
  async open(): Promise<void> {
    const { size, root } = this.#target
    const row = this.#components.environment.downloads.get(root)
    try {
      if (row?.size === size && row.bitmap.length === this.#bitmap.length) await this.#resume(row)
      else if (size <= BLOB_AT_HAND_BYTES_MAX) this.#bytes = new Uint8Array(size)
      else await this.#begin()
    } catch (thrown) {
      this.#end()
      throw thrown
    }
  }

  async #resume(row: DownloadRow): Promise<void> {
    this.#place = extentOf(row)
    this.#bitmap = new Uint8Array(row.bitmap)
    this.#room = this.#components.space.resume(this.#place, this.#target.size - this.heldBytes())
    // A pack that was damaged may end before the extent does.
    await this.#components.packs.extend(this.#place)
  }

  async #begin(): Promise<void> {
    const { environment, packs, space, blobs, clock } = this.#components
    const { root, size } = this.#target
    const room = space.reserve(extentBytes(size))
    const { place } = room
    this.#room = room
    try {
      await packs.extend(place)
      await packs.write(place, 0, encodeHeader({ root, size }))
      const { pack, offset, bytes } = place
      await environment.transaction(() => {
        const row = this.#row(this.#bitmap, clock.now(), place)
        blobs.dropDownload(root)
        packs.commit(place)
        environment.extents.put([pack, offset], { root, bytes, sealed: false })
        environment.downloads.put(root, row)
      })
    } catch (thrown) {
      await packs.abandon(place)
      throw thrown
    }
    packs.settled(place)
    this.#place = place
  }

  /** Its row as it is to be, in a transaction: what it was here under before, when it is mended, stays in it. */
  #row(bitmap: Uint8Array, at: number, { pack, offset }: Place): DownloadRow {
    const { root, size, release } = this.#target
    const links = this.#components.environment.downloads.get(root)?.links
    return { size, release, ...(links && { links }), bitmap, at, pack, offset }
  }

  /** 32 bytes a chunk, true to the root. */
  get outline(): Uint8Array {
    return this.#target.outline
  }

  /** Where its bytes go, for who writes them there himself; nothing when they wait in memory. */
  get file(): { path: string; offset: number } | undefined {
    const place = this.#place
    return place && { path: this.#components.packs.path(place.pack), offset: place.offset + HEADER_BYTES }
  }

  get chunks(): number {
    return this.#target.outline.length / 32
  }

  /** One bit a chunk, least significant first: verified. Not to be changed. */
  get bitmap(): Uint8Array {
    return this.#bitmap
  }

  has(chunk: number): boolean {
    return hasBit(this.#bitmap, chunk)
  }

  /** Chunks not held yet, as the runs [first, first + count) in order. */
  missing(): { first: number; count: number }[] {
    const runs: { first: number; count: number }[] = []
    for (let chunk = 0; chunk < this.chunks; chunk++) {
      if (this.has(chunk)) continue
      const last = runs.at(-1)
      if (last && last.first + last.count === chunk) last.count++
      else runs.push({ first: chunk, count: 1 })
    }
    return runs
  }

  /** Bytes verified and written so far. */
  heldBytes(): number {
    let held = 0
    for (let chunk = 0; chunk < this.chunks; chunk++) if (this.has(chunk)) held += this.#lengthOf(chunk)
    return held
  }

  /**
   * Write chunks that were checked against the outline, whole and in order from `first`.
   *
   * @throws CatalogError `DISK_FULL`, `STORE_FAILED`; what was written before counts all the same
   */
  async write(first: number, bytes: Uint8Array): Promise<void> {
    if (this.#place) {
      this.mustFit(bytes.length)
      await this.#components.packs.write(this.#place, HEADER_BYTES + first * CHUNK_BYTES, bytes)
    } else this.#bytes?.set(bytes, first * CHUNK_BYTES)
    await this.mark(first, Math.ceil(bytes.length / CHUNK_BYTES))
  }

  /**
   * What was reserved takes no room before it is written: others may have filled the disk since.
   *
   * @throws CatalogError `DISK_FULL`
   */
  mustFit(bytes: number): void {
    if (this.#place) this.#components.space.mustBeThere(bytes)
  }

  /** Chunks [first, first + count) were checked against the outline and lie in the file: see `file`. */
  async mark(first: number, count: number): Promise<void> {
    for (let chunk = first; chunk < first + count; chunk++) {
      if (!this.has(chunk)) this.#room?.wrote(this.#lengthOf(chunk))
      setBit(this.#bitmap, chunk)
      this.#uncommitted += this.#lengthOf(chunk)
    }
    const due = this.#components.clock.now() - this.#committedAt >= FETCH_COMMIT_MS
    if (this.#uncommitted >= FETCH_COMMIT_BYTES || due) await this.commit()
  }

  /** Make what was written so far survive a crash. */
  async commit(): Promise<void> {
    const place = this.#place
    if (!place) return
    const { root } = this.#target
    const { environment, clock, packs } = this.#components
    const bitmap = this.#bitmap.slice()
    // From here on: what is written while this runs is for the next one.
    this.#uncommitted = 0
    this.#committedAt = clock.now()
    await packs.sync(place.pack)
    const at = clock.now()
    await environment.transaction(() => environment.downloads.put(root, this.#row(bitmap, at, place)))
  }

  /** Root and hashes of the whole as it lies there, in one pass. */
  async digest(sha512: boolean, signal?: AbortSignal): Promise<FileDigest> {
    const { size } = this.#target
    if (this.file) return this.#components.workers.digest({ ...this.file, length: size, sha512 }, signal)
    const bytes = this.#bytes ?? new Uint8Array(0)
    const digest = this.#digestOfOne(bytes) ?? (await this.#components.workers.digestBytes(bytes, signal))
    return sha512 ? { ...digest, sha512: new Uint8Array(hash('sha512', bytes, 'buffer')) } : digest
  }

  /** Of one chunk the id is the whole's hash, and the root was computed from that: a worker costs more than hashing. */
  #digestOfOne(bytes: Uint8Array): FileDigest | undefined {
    const { root, size, outline } = this.#target
    if (size === 0 || size > CHUNK_BYTES) return undefined
    const id = sha256(bytes)
    if (!equalBytes(id, outline)) return undefined
    return { size, root: new Uint8Array(root), outline: id, sha256: id }
  }

  /**
   * Every chunk is there: make the blob visible under its release.
   *
   * @param announced - the commit of a small one was announced by this (`Blobs.expect`)
   */
  async finish(
    aliases: { sha256: Uint8Array; sha512?: Uint8Array | undefined },
    announced?: Disposable,
  ): Promise<void> {
    const { environment, packs, blobs } = this.#components
    const { release, root, size, outline } = this.#target
    const blob: HashedBlob = { root, size, outline, ...aliases }
    const place = this.#place
    if (place) {
      await writeEnds(packs, place, blob, release)
      await packs.sync(place.pack)
      await environment.transaction(() => blobs.adopt(blob, place, release))
    } else await this.#finishAtHand({ ...blob, bytes: this.#bytes ?? new Uint8Array(0) }, announced)
    await packs.collect()
    this.#end()
  }

  async #finishAtHand(blob: StagedBlob, announced: Disposable | undefined): Promise<void> {
    const { environment, blobs } = this.#components
    const { release } = this.#target
    try {
      await blobs.seal([blob], release)
      announced?.[Symbol.dispose]()
      await environment.transaction(() => blobs.link(blob, release, 'fetched', true))
    } finally {
      await blobs.discard([blob])
    }
  }

  /** Stop for now, keeping what is verified for a later try. */
  async suspend(): Promise<void> {
    try {
      await this.commit()
    } finally {
      this.#end()
    }
  }

  /** What lies on the disk is not what was verified: hold nothing, so that the next try begins anew. */
  forget(): void {
    this.#bitmap.fill(0)
  }

  /** @returns index of the first chunk of `bytes` that is not what the outline says, or -1 */
  firstLie(first: number, bytes: Uint8Array): number {
    for (let at = 0, chunk = first; at < bytes.length; at += CHUNK_BYTES, chunk++) {
      const id = sha256(bytes.subarray(at, at + CHUNK_BYTES))
      if (!equalBytes(id, this.#target.outline.subarray(chunk * 32, chunk * 32 + 32))) return chunk
    }
    return -1
  }

  #lengthOf(chunk: number): number {
    return Math.min(CHUNK_BYTES, this.#target.size - chunk * CHUNK_BYTES)
  }
}
