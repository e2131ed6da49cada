// Blobs, addressed by root. Up to 16 KiB they lie in the database, larger ones as extents in packs. A blob is visible
// only when complete: its bytes, header and footer are on the disk before the transaction that names them.
import { hash } from 'node:crypto'
import { Batches } from '../base/batches.ts'
import type { ByteSource } from '../base/byte-source.ts'
import { toHex } from '../base/bytes.ts'
import { type Clock, untilAborted } from '../base/clock.ts'
import type { Disk } from '../base/disk.ts'
import { CatalogError } from '../base/errors.ts'
import { BLOB_AT_HAND_BYTES_MAX, BLOB_INLINE_BYTES_MAX, CHUNK_BYTES, SMALL_FILES_MAX } from '../base/limits.ts'
import { together } from '../base/together.ts'
import type { WorkerPool } from '../core/workers/pool.ts'
import { SMALL_NAMES_BYTES } from '../core/workers/tasks.ts'
import { BlobIndex, type StagedBlob } from './blob-index.ts'
import { extentOf, type HashedBlob, namesOf, placeOf, writeEnds } from './blob-rows.ts'
import { Download } from './download.ts'
import type { Environment } from './environment.ts'
import { decodeFooter, extentBytes, footerBytes, HEADER_BYTES, outlineOffset } from './extent.ts'
import { GroupWriter } from './group-writer.ts'
import type { Packs, Place } from './packs.ts'
import type { Space } from './space.ts'

/** Where a blob's bytes lie. They stay there, whatever happens to the blob, until the lease is disposed of. */
export interface Lease extends ByteSource, Disposable {
  /** Its extent; absent for a blob that lies in the database, whose bytes are given. */
  readonly place?: Place
}

/** What is being fetched, as far as it goes. */
export interface PartialBlob {
  readonly size: number
  readonly release: Uint8Array
  /** One bit a chunk, least significant first: verified. */
  readonly bitmap: Uint8Array
  /** 32 bytes a chunk, while it is being fetched. */
  readonly outline: Uint8Array | undefined
  readonly lease: Lease
}

interface Components {
  environment: Environment
  packs: Packs
  space: Space
  disk: Disk
  workers: WorkerPool
  clock: Clock
}

/** A part of a file to be stored. */
export interface BlobFile {
  readonly path: string
  readonly offset?: number | undefined
  /** To its end by default. */
  readonly length?: number | undefined
  /** All of it, where it is at hand: `BLOB_AT_HAND_BYTES_MAX` at most. */
  readonly bytes?: Uint8Array | undefined
}

/** The index of blobs, and their bytes. */
export class Blobs extends BlobIndex {
  readonly #components: Components
  readonly #downloads = new Map<string, Download>()
  readonly #used = new Map<string, number>()
  readonly #writer: GroupWriter
  /** Files that may be small; nothing comes of those that are not. */
  readonly #small: Batches<string, StagedBlob | undefined>

  constructor(components: Components) {
    super(components)
    this.#components = components
    this.#writer = new GroupWriter(components)
    this.#small = new Batches((paths) => this.#readSmall(paths), { itemsMax: SMALL_FILES_MAX })
  }

  /**
   * Where a complete blob lies; `using` gives it back.
   *
   * @param options - `quietly` when it is not read for its own sake, and so no more in use than before
   */
  lease(root: Uint8Array, options: { quietly?: boolean } = {}): Lease | undefined {
    const { environment } = this.#components
    const row = environment.blobs.get(root)
    if (!row) return undefined
    if (!options.quietly) this.#used.set(toHex(root), this.#components.clock.now())
    const place = placeOf(row)
    if (place) return this.#leaseOf(place, row.size)
    const bytes = environment.inline.get(root)
    return { length: row.size, offset: 0, bytes: new Uint8Array(bytes ?? []), [Symbol.dispose]: () => undefined }
  }

  #leaseOf(place: Place, length: number): Lease {
    const { path, [Symbol.dispose]: release } = this.#components.packs.hold(place.pack)
    return { place, path, offset: place.offset + HEADER_BYTES, length, [Symbol.dispose]: release }
  }

  /** What of a blob that is being fetched, or was once, is verified and on the disk. */
  partial(root: Uint8Array): PartialBlob | undefined {
    const row = this.#components.environment.downloads.get(root)
    if (!row) return undefined
    const { size, release } = row
    const download = this.#downloads.get(toHex(root))
    const bitmap = download?.bitmap.slice() ?? new Uint8Array(row.bitmap)
    const { outline } = download ?? {}
    return { size, release: new Uint8Array(release), bitmap, outline, lease: this.#leaseOf(extentOf(row), size) }
  }

  /**
   * Ids of a complete blob's chunks.
   *
   * @returns 32 bytes a chunk; nothing when the blob is not here
   * @throws CatalogError `BLOB_CORRUPT` when the extent's footer is not what was written
   */
  async outline(root: Uint8Array): Promise<Uint8Array | undefined> {
    const row = this.row(root)
    if (!row) return undefined
    const place = placeOf(row)
    // In the database there is one chunk at most, and its id is the whole's.
    if (!place) return row.size === 0 ? new Uint8Array(0) : new Uint8Array(row.sha256)
    using _ = this.#components.packs.hold(place.pack)
    const footer = Buffer.alloc(footerBytes(row.size))
    const read = await this.#components.packs.read(place, HEADER_BYTES + row.size, footer)
    const decoded = read === footer.length ? decodeFooter({ root, size: row.size }, footer) : undefined
    if (!decoded) throw new CatalogError('BLOB_CORRUPT', `The footer of blob ${toHex(root)} is damaged.`)
    return decoded.outline
  }

  /** Where in the file of a complete blob's lease its chunk ids lie; nothing for one that lies in the database. */
  outlineAt({ place, offset, length }: Lease): number | undefined {
    return place && offset + outlineOffset(length)
  }

  /** Fill `buffer` from a leased blob. @returns bytes read; fewer than asked and there mean a damaged pack */
  async readFrom({ place, bytes, length }: Lease, at: number, buffer: Uint8Array): Promise<number> {
    const wanted = buffer.subarray(0, Math.max(0, Math.min(buffer.length, length - at)))
    if (place) return this.#components.packs.read(place, HEADER_BYTES + at, wanted)
    wanted.set(bytes?.subarray(at, at + wanted.length) ?? [])
    return wanted.length
  }

  /** When a blob was last read, or else came. */
  usedAt(root: Uint8Array): number {
    const { uses, blobs } = this.#components.environment
    return this.#used.get(toHex(root)) ?? uses.get(root) ?? blobs.get(root)?.at ?? 0
  }

  /** Write down what was read since the last time: in one go, as a read must not cost a transaction. */
  async saveUses(): Promise<void> {
    const { environment } = this.#components
    const used = [...this.#used]
    if (used.length === 0) return
    await environment.transaction(() => {
      for (const [name, at] of used) {
        const root = Buffer.from(name, 'hex')
        if (environment.blobs.doesExist(root)) this.reckoned([root], () => environment.uses.put(root, at))
      }
    })
    // What was read again meanwhile waits for the next time.
    for (const [name, at] of used) if (this.#used.get(name) === at) this.#used.delete(name)
  }

  /**
   * Hash a file and write the bytes hashed to where they will stay. `link` makes them visible, `discard` gives back
   * the space of those that were not linked.
   *
   * @throws CatalogError `FILE_UNREADABLE`, `LIMIT_EXCEEDED`, `DISK_FULL`, `STORE_FAILED`, `ABORTED`
   */
  async stage(file: BlobFile, signal?: AbortSignal): Promise<StagedBlob> {
    const { disk, packs, workers, space } = this.#components
    const { path, offset = 0 } = file
    if (file.bytes) return { ...(await this.#hash(file.bytes, signal)), bytes: file.bytes }
    if (file.offset === undefined && file.length === undefined) {
      const small = await untilAborted(this.#small.add(path), signal).catch((thrown) => {
        throw CatalogError.from(thrown, 'ABORTED')
      })
      if (small) return small
    }
    const source = await disk.open(path, 'read')
    let bytes: Uint8Array | undefined
    let length = file.length ?? 0
    try {
      length = file.length ?? (await source.size()) - offset
      if (length < 0) throw shortFile(path)
      if (length <= BLOB_AT_HAND_BYTES_MAX) {
        bytes = new Uint8Array(length)
        if ((await source.read(bytes, offset)) < length) throw shortFile(path)
      }
    } finally {
      await source.close()
    }
    if (bytes) return { ...(await this.#hash(bytes, signal)), bytes }
    using room = space.reserve(extentBytes(length))
    const { place } = room
    try {
      await packs.extend(place)
      const target = { path: packs.path(place.pack), offset: place.offset + HEADER_BYTES }
      const digest = await workers.ingest({ path, offset, length, sha512: true, target }, signal)
      return { ...digest, place }
    } catch (thrown) {
      await packs.abandon(place)
      throw thrown
    }
  }

  async #readSmall(paths: readonly string[]): Promise<PromiseSettledResult<StagedBlob | undefined>[]> {
    const { sizes, names, contents, failures } = await this.#components.workers.smallFiles(paths)
    let at = 0
    return sizes.map((size, index) => {
      const failure = failures[index]
      if (failure) return { status: 'rejected', reason: CatalogError.fromJSON(failure) }
      if (size > CHUNK_BYTES) return { status: 'fulfilled', value: undefined }
      const bytes = contents.subarray(at, at + size)
      at += size
      return { status: 'fulfilled', value: { size, bytes, ...namesAt(names, index, size) } }
    })
  }

  async #hash(bytes: Uint8Array, signal?: AbortSignal): Promise<HashedBlob> {
    const sha512 = new Uint8Array(hash('sha512', bytes, 'buffer'))
    return { ...(await this.#components.workers.digestBytes(bytes, signal)), sha512 }
  }

  /**
   * Have staged blobs on the disk, with header and footer, which name the release.
   *
   * @throws CatalogError `DISK_FULL`, `STORE_FAILED`
   */
  async seal(staged: readonly StagedBlob[], release: Uint8Array): Promise<void> {
    // Also of a blob that is here already: it may be gone again when this one is linked.
    const placed = staged.filter(({ size }) => size > BLOB_INLINE_BYTES_MAX)
    await together(
      placed.map((blob) => (blob.bytes ? this.#write(blob, blob.bytes, release) : this.#close(blob, release))),
    )
  }

  /** Announce that a small blob is fetched: see `Environment.expect`. */
  expect(): Disposable {
    return this.#components.environment.expect()
  }

  async #close(blob: StagedBlob, release: Uint8Array): Promise<void> {
    const { packs } = this.#components
    const { place } = blob
    if (!place) throw new CatalogError('INTERNAL', 'A staged blob is nowhere.')
    await writeEnds(packs, place, blob, release)
    await packs.sync(place.pack)
  }

  async #write(blob: StagedBlob, bytes: Uint8Array, release: Uint8Array): Promise<void> {
    if (!blob.place) blob.place = await this.#writer.write(blob, bytes, release)
  }

  /** A blob that is here was asked for under this release as well. @returns false when it has gone meanwhile */
  async fetchedAgain(root: Uint8Array, release: Uint8Array): Promise<boolean> {
    if (this.isUnder(root, release)) return true
    return await this.#components.environment.transaction(() => this.linkAgain(root, release))
  }

  /** What is staged and was not linked gives its space back; call it for all, whatever came of them. */
  async discard(staged: readonly StagedBlob[]): Promise<void> {
    const { environment, packs } = this.#components
    // From the last one: each then gives its space back to the tail.
    for (const { root, place } of staged.toReversed()) {
      if (!place) continue
      const row = environment.blobs.get(root)
      if (row?.pack === place.pack && row.offset === place.offset) packs.settled(place)
      else await packs.abandon(place)
    }
    await packs.collect()
  }

  /**
   * Write header and footer of a complete blob anew.
   *
   * @param outline - of its bytes as they are, which are sound
   * @returns false when it is gone
   */
  async reseal(root: Uint8Array, outline: Uint8Array): Promise<boolean> {
    const { packs } = this.#components
    const row = this.row(root)
    const place = row && placeOf(row)
    const [link] = this.releasesOf(root)
    if (!place || !link) return false
    using _ = packs.hold(place.pack)
    await writeEnds(packs, place, { ...namesOf(root, row), outline }, link.release)
    await packs.sync(place.pack)
    return true
  }

  /** `setAside` in a transaction of its own. */
  async quarantine(root: Uint8Array, good: Uint8Array): Promise<void> {
    const { environment, packs } = this.#components
    await environment.transaction(() => this.setAside(root, good))
    await packs.collect()
  }

  /**
   * Begin or resume fetching a blob. One at a time for a root.
   *
   * @param outline - already checked against the root
   * @throws CatalogError `PEER_BUSY` when it is being fetched already, `DISK_FULL`
   */
  async download(root: Uint8Array, size: number, release: Uint8Array, outline: Uint8Array): Promise<Download> {
    const name = toHex(root)
    if (this.filling.has(name)) throw new CatalogError('PEER_BUSY', 'This blob is being fetched already.')
    const target = { root, size, release, outline }
    const components = { ...this.#components, blobs: this }
    const ended = () => {
      this.filling.delete(name)
      this.#downloads.delete(name)
    }
    const download = new Download(components, target, ended)
    this.filling.add(name)
    this.copying.delete(name)
    await download.open()
    this.#downloads.set(name, download)
    return download
  }
}

/** Names of one small file among those of many, and its outline: its one chunk is the whole. */
function namesAt(names: Uint8Array, index: number, size: number): Omit<HashedBlob, 'size'> {
  const at = index * SMALL_NAMES_BYTES
  const sha256 = names.subarray(at + 32, at + 64)
  const outline = size === 0 ? new Uint8Array(0) : sha256
  return { root: names.subarray(at, at + 32), sha256, sha512: names.subarray(at + 64, at + 128), outline }
}

/** Roots of all complete blobs, a few at a time. */
export function* rootsOf(blobs: Blobs): Generator<Uint8Array> {
  for (const { root } of blobs.list()) yield root
}

function shortFile(path: string): CatalogError {
  return new CatalogError('FILE_UNREADABLE', `${path} became shorter while it was read.`, {
    hint: 'If something is still writing the file, wait until it is done.',
  })
}
