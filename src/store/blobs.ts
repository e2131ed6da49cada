// Blobs: a file each, addressed by root, visible only when complete and known to the database. A blob that is being
// fetched lies apart with a bitmap of its verified chunks, and resumes from there.
//
//   blobs/ab/<root>      complete        incoming/<root>    being fetched        staging/<n>    being made
//
// Order, always: bytes, fdatasync, rename, then the transaction that makes them visible.
import { join } from 'node:path'
import { equalBytes, fromHex, sha256, toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { Disk, DiskFile } from '../base/disk.ts'
import { CatalogError } from '../base/errors.ts'
import { CHUNK_BYTES, FETCH_COMMIT_BYTES, FETCH_COMMIT_MS } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import { type BlobRow, type Environment, endOf } from './environment.ts'
import { blobReleaseKey } from './records.ts'

/** Where a blob's bytes lie. Valid while the blob is kept. */
export interface Lease {
  readonly path: string
  readonly offset: number
  readonly length: number
}

/** A blob as hashed on this node. */
export interface HashedBlob extends BlobRow {
  readonly root: Uint8Array
  /** 32 bytes a chunk. */
  readonly outline: Uint8Array
}

export interface StoredBlob extends BlobRow {
  readonly root: Uint8Array
}

interface Components {
  environment: Environment
  disk: Disk
  clock: Clock
  random: Random
}

export class Blobs {
  readonly #components: Components
  readonly #folder: string
  readonly #downloads = new Set<string>()

  constructor(components: Components, options: { folder: string }) {
    this.#components = components
    this.#folder = options.folder
  }

  /** Make the folders and remove what was being made when the process last ended. */
  async recover(): Promise<void> {
    const { disk } = this.#components
    await disk.remove(join(this.#folder, 'staging'))
    for (const part of ['staging', 'incoming', 'blobs']) await disk.makeFolder(join(this.#folder, part))
    for (const name of await disk.list(join(this.#folder, 'incoming'))) {
      const root = fromHex(name, 32) // a stray file has some other name
      if (!root || !this.#components.environment.downloads.doesExist(root))
        await disk.remove(join(this.#folder, 'incoming', name))
    }
  }

  /** A path in the staging folder that nothing else uses. */
  stagingPath(): string {
    return join(this.#folder, 'staging', toHex(this.#components.random.bytes(12)))
  }

  get(root: Uint8Array): StoredBlob | undefined {
    const row = this.#components.environment.blobs.get(root)
    return row && { root, ...row }
  }

  lease(root: Uint8Array): Lease | undefined {
    const row = this.#components.environment.blobs.get(root)
    return row && { path: this.#pathOf(root), offset: 0, length: row.size }
  }

  outline(root: Uint8Array): Uint8Array | undefined {
    const bytes = this.#components.environment.outlines.get(root)
    return bytes && new Uint8Array(bytes)
  }

  /** Whether this node published the blob, or fetched it, under that release. */
  isUnder(root: Uint8Array, release: Uint8Array): boolean {
    return this.#components.environment.blobReleases.doesExist(blobReleaseKey(root, release))
  }

  list(): StoredBlob[] {
    const rows = this.#components.environment.blobs.getRange({})
    return [...rows].map(({ key, value }) => ({ root: new Uint8Array(key), ...value }))
  }

  /** Record ids of the releases that some blob is kept under. */
  releaseIds(): Uint8Array[] {
    const ids = new Map<string, Uint8Array>()
    for (const key of this.#components.environment.blobReleases.getKeys({})) {
      const id = new Uint8Array(key.subarray(32))
      ids.set(toHex(id), id)
    }
    return [...ids.values()]
  }

  /** Bytes and number of complete blobs. */
  usage(): { blobs: number; bytes: number } {
    const all = this.list()
    return { blobs: all.length, bytes: all.reduce((sum, { size }) => sum + size, 0) }
  }

  /** Move a staged file to its place. Not visible until `link` has run in a transaction. */
  async place(root: Uint8Array, staged: string): Promise<void> {
    const path = this.#pathOf(root)
    await this.#components.disk.makeFolder(join(path, '..'))
    await this.#components.disk.move(staged, path)
  }

  /** Make a placed blob visible under a release. Runs inside a transaction of the caller. */
  link(blob: HashedBlob, release: Uint8Array): void {
    const { environment } = this.#components
    const { root, outline, size, sha256: digest, sha512 } = blob
    environment.blobs.put(root, sha512 ? { size, sha256: digest, sha512 } : { size, sha256: digest })
    environment.outlines.put(root, outline)
    environment.blobReleases.put(blobReleaseKey(root, release), new Uint8Array(0))
  }

  /** Say that a blob kept already also came under this release. */
  linkAgain(root: Uint8Array, release: Uint8Array): Promise<void> {
    return this.#components.environment.transaction(() => {
      this.#components.environment.blobReleases.put(blobReleaseKey(root, release), new Uint8Array(0))
    })
  }

  /** Put a blob whose bytes have changed out of sight; its file is kept aside for whoever wants to look at it. */
  async quarantine(root: Uint8Array): Promise<string> {
    const { environment, disk } = this.#components
    const aside = join(this.#folder, 'quarantine', toHex(root))
    await environment.transaction(() => {
      environment.blobs.remove(root)
      environment.outlines.remove(root)
      for (const key of [...environment.blobReleases.getKeys({ start: root, end: endOf(root) })]) {
        environment.blobReleases.remove(key)
      }
    })
    await disk.makeFolder(join(aside, '..'))
    if (await disk.exists(this.#pathOf(root))) await disk.move(this.#pathOf(root), aside)
    return aside
  }

  /** Read a range of a complete blob; fewer bytes than asked mean a damaged file. */
  async open(root: Uint8Array): Promise<DiskFile | undefined> {
    if (!this.get(root)) return undefined
    return this.#components.disk.open(this.#pathOf(root), 'read')
  }

  /**
   * Begin or resume fetching a blob. One at a time for a root.
   *
   * @param outline - already checked against the root
   * @throws CatalogError `PEER_BUSY` when it is being fetched already
   */
  async download(root: Uint8Array, size: number, release: Uint8Array, outline: Uint8Array): Promise<Download> {
    const name = toHex(root)
    if (this.#downloads.has(name)) throw new CatalogError('PEER_BUSY', 'This blob is being fetched already.')
    this.#downloads.add(name)
    const ended = () => this.#downloads.delete(name)
    try {
      const path = join(this.#folder, 'incoming', name)
      const file = await this.#components.disk.open(path, 'update')
      const bitmap = this.#verified(root, size, outline.length / 32, await file.size())
      const target = { root, size, release, outline, path, bitmap }
      return new Download({ ...this.#components, blobs: this, file }, target, ended)
    } catch (thrown) {
      ended()
      throw thrown
    }
  }

  /**
   * Bitmap of a download that was begun earlier. An incoming file shorter than the bitmap says has been moved away (by
   * hand, or by a `finish` that was cut off before its transaction), so nothing is held.
   */
  #verified(root: Uint8Array, size: number, chunks: number, onDisk: number): Uint8Array {
    const row = this.#components.environment.downloads.get(root)
    const bitmap = new Uint8Array(Math.ceil(chunks / 8))
    if (row?.size !== size || row.bitmap.length !== bitmap.length) return bitmap
    let last = chunks - 1
    while (last >= 0 && !holds(row.bitmap, last)) last--
    if (onDisk >= Math.min(size, (last + 1) * CHUNK_BYTES)) bitmap.set(row.bitmap)
    return bitmap
  }

  #pathOf(root: Uint8Array): string {
    const name = toHex(root)
    return join(this.#folder, 'blobs', name.slice(0, 2), name)
  }
}

interface DownloadTarget {
  readonly root: Uint8Array
  readonly size: number
  readonly release: Uint8Array
  readonly outline: Uint8Array
  readonly path: string
  readonly bitmap: Uint8Array
}

/** A blob on its way in: verified chunks are written in place, the bitmap is committed after each fdatasync. */
export class Download {
  readonly #components: Components & { blobs: Blobs; file: DiskFile }
  readonly #target: DownloadTarget
  readonly #ended: () => void
  #uncommitted = 0
  #committedAt: number

  constructor(components: Components & { blobs: Blobs; file: DiskFile }, target: DownloadTarget, ended: () => void) {
    this.#components = components
    this.#target = target
    this.#ended = ended
    this.#committedAt = components.clock.now()
  }

  get chunks(): number {
    return this.#target.outline.length / 32
  }

  has(chunk: number): boolean {
    return holds(this.#target.bitmap, chunk)
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

  /** Write chunks that were checked against the outline, whole and in order from `first`. */
  async write(first: number, bytes: Uint8Array): Promise<void> {
    await this.#components.file.write(bytes, first * CHUNK_BYTES)
    const { bitmap } = this.#target
    for (let chunk = first; chunk < first + Math.ceil(bytes.length / CHUNK_BYTES); chunk++) {
      bitmap[chunk >> 3] = (bitmap[chunk >> 3] as number) | (1 << (chunk & 7))
    }
    this.#uncommitted += bytes.length
    const due = this.#components.clock.now() - this.#committedAt >= FETCH_COMMIT_MS
    if (this.#uncommitted >= FETCH_COMMIT_BYTES || due) await this.commit()
  }

  /** Make what was written so far survive a crash. */
  async commit(): Promise<void> {
    const { root, size, release, bitmap } = this.#target
    const { environment, clock, file } = this.#components
    const held = bitmap.slice()
    await file.sync()
    const at = clock.now()
    await environment.transaction(() => environment.downloads.put(root, { size, release, bitmap: held, at }))
    this.#uncommitted = 0
    this.#committedAt = at
  }

  /** Every chunk is there: make the blob visible under its release. */
  async finish(aliases: { sha256: Uint8Array; sha512?: Uint8Array | undefined }): Promise<void> {
    const { root, size, release, outline, path } = this.#target
    const { environment, blobs, file } = this.#components
    await file.sync()
    await file.close()
    await blobs.place(root, path)
    await environment.transaction(() => {
      environment.downloads.remove(root)
      blobs.link({ root, size, outline, ...aliases }, release)
    })
    this.#ended()
  }

  /** Stop for now, keeping what is verified for a later try. */
  async suspend(): Promise<void> {
    try {
      await this.commit()
    } finally {
      await this.#components.file.close()
      this.#ended()
    }
  }

  /** What lies on the disk is not what was verified: hold nothing, so that the next try begins anew. */
  forget(): void {
    this.#target.bitmap.fill(0)
  }

  /** Give up and forget what was fetched. */
  async drop(): Promise<void> {
    const { environment, disk, file } = this.#components
    await file.close()
    await environment.transaction(() => environment.downloads.remove(this.#target.root))
    await disk.remove(this.#target.path)
    this.#ended()
  }

  /** @returns index of the first chunk of `bytes` that is not what the outline says, or -1 */
  firstLie(first: number, bytes: Uint8Array): number {
    for (let at = 0, chunk = first; at < bytes.length; at += CHUNK_BYTES, chunk++) {
      const id = sha256(bytes.subarray(at, at + CHUNK_BYTES))
      if (!equalBytes(id, this.#target.outline.subarray(chunk * 32, chunk * 32 + 32))) return chunk
    }
    return -1
  }

  /** Path of the bytes, for hashing the whole before `finish`. */
  get path(): string {
    return this.#target.path
  }

  #lengthOf(chunk: number): number {
    return Math.min(CHUNK_BYTES, this.#target.size - chunk * CHUNK_BYTES)
  }
}

function holds(bitmap: Uint8Array, chunk: number): boolean {
  return ((bitmap[chunk >> 3] as number) & (1 << (chunk & 7))) !== 0
}
