// What the database says of blobs, and every change to it. All changes run inside a transaction of the caller; the
// caller of one that forgets something calls `Packs.collect` afterwards.
import { equalBytes, toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { type BlobNames, blobReleaseKey, extentOf, type HashedBlob, namesOf, placeOf, rowOf } from './blob-rows.ts'
import type { Environment } from './environment.ts'
import { type Idle, IdleOrder } from './idle.ts'
import type { Packs, Place } from './packs.ts'
import { type BlobLink, type BlobOrigin, type BlobRow, endOf } from './tables.ts'

/** A blob that is written, and known to nobody until it is linked. */
export interface StagedBlob extends HashedBlob {
  /** Its extent; of a smaller one once it is sealed, of the smallest never. */
  place?: Place
  /** All of it, when it is small. */
  readonly bytes?: Uint8Array
}

export interface BlobUsage {
  readonly blobs: number
  readonly bytes: number
  /** Of blobs that this node did not publish. */
  readonly mirroredBytes: number
}
const NOTHING: BlobUsage = { blobs: 0, bytes: 0, mirroredBytes: 0 }
const SUMS = ['blobs', 'bytes', 'mirroredBytes'] as const satisfies readonly (keyof BlobUsage)[]

/** Blobs listed at a time. */
const LIST_ROWS = 500

interface Components {
  environment: Environment
  packs: Packs
  clock: Clock
}

export class BlobIndex {
  readonly #components: Components
  /** Those that may go when room is needed. */
  readonly idle: IdleOrder
  /** Blobs whose extent someone is filling now, by root in hexadecimal. */
  protected readonly filling = new Set<string>()
  /** Blobs whose extent is being copied, and that nobody has begun to fill since. */
  protected readonly copying = new Set<string>()

  /** What this transaction has changed of the sums; written once, before it commits. */
  #pending: BlobUsage = NOTHING

  constructor(components: Components) {
    this.#components = components
    this.idle = new IdleOrder(components)
    components.environment.addHook({
      beforeCommit: () => this.#writeSums(),
      rolledBack: () => {
        this.#pending = NOTHING
      },
    })
  }

  get(root: Uint8Array): BlobNames | undefined {
    const row = this.row(root)
    return row && namesOf(root, row)
  }

  row(root: Uint8Array): BlobRow | undefined {
    return this.#components.environment.blobs.get(root)
  }

  /** How this node came by the blob under that release, if it did. */
  originOf(root: Uint8Array, release: Uint8Array): BlobOrigin | undefined {
    return this.#components.environment.blobReleases.get(blobReleaseKey(root, release))
  }

  /** Whether this node published the blob, or fetched it, under that release. */
  isUnder(root: Uint8Array, release: Uint8Array): boolean {
    return this.originOf(root, release) !== undefined
  }

  /** Releases that a blob is kept under, by record id. */
  releasesOf(root: Uint8Array): BlobLink[] {
    const rows = this.#components.environment.blobReleases.getRange({ start: root, end: endOf(root) })
    return [...rows].map(({ key, value }) => ({ release: new Uint8Array(key.subarray(32)), origin: value }))
  }

  /**
   * All blobs, read a few at a time, so that whoever waits between two holds neither all of them nor an old state of
   * the database. What comes or goes meanwhile may be seen or not.
   */
  *list(): Generator<BlobNames> {
    const { blobs } = this.#components.environment
    let start = new Uint8Array(0)
    for (let page = [...blobs.getRange({ limit: LIST_ROWS })]; page.length > 0; ) {
      for (const { key, value } of page) {
        yield namesOf(new Uint8Array(key), value)
        start = Uint8Array.of(...key, 0)
      }
      page = [...blobs.getRange({ start, limit: LIST_ROWS })]
    }
  }

  /** Roots of the blobs that are kept under a release: all of them are looked at, which is for what is rarely asked. */
  rootsUnder(release: Uint8Array): Uint8Array[] {
    const roots: Uint8Array[] = []
    for (const key of this.#components.environment.blobReleases.getKeys({})) {
      if (equalBytes(key.subarray(32), release)) roots.push(new Uint8Array(key.subarray(0, 32)))
    }
    return roots
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

  /** Sums over all complete blobs. */
  usage(): BlobUsage {
    const { meta } = this.#components.environment
    const sum = (name: keyof BlobUsage) => (meta.get(name) ?? 0) + this.#pending[name]
    return { blobs: sum('blobs'), bytes: sum('bytes'), mirroredBytes: sum('mirroredBytes') }
  }

  /**
   * Make a sealed blob visible under a release.
   *
   * @param isOwn - whether a fetch of it that is under way is the caller's own
   */
  link(blob: StagedBlob, release: Uint8Array, origin: BlobOrigin, isOwn = !this.isDownloading(blob.root)): void {
    const { environment, packs } = this.#components
    const { root, place, bytes, size } = blob
    if (environment.blobs.doesExist(root)) {
      this.#counted(root, () => this.#putLink(root, release, origin))
      return
    }
    const before = environment.downloads.get(root)?.links
    // Whoever else is filling an extent of this blob just now finds it done when he has finished.
    if (isOwn) this.dropDownload(root)
    if (place) packs.commit(place)
    else environment.inline.put(root, bytes ?? new Uint8Array(0))
    this.#putRow(blob, place)
    environment.blobReleases.put(blobReleaseKey(root, release), origin)
    this.#add(NOTHING, { blobs: 1, bytes: size, mirroredBytes: origin === 'published' ? 0 : size })
    if (origin !== 'published') this.idle.change(undefined, this.idleOf(root))
    if (before) this.#counted(root, () => this.#putLinks(root, before))
  }

  /** The same for a blob that was fetched into an extent of its own, and for the releases it was under before. */
  adopt(blob: HashedBlob, place: Place, release: Uint8Array): void {
    const { environment } = this.#components
    const { root } = blob
    const before = environment.downloads.get(root)?.links ?? []
    this.#counted(root, () => {
      if (environment.blobs.doesExist(root)) this.dropDownload(root)
      else {
        environment.downloads.remove(root)
        this.#putRow(blob, place)
      }
      this.#putLink(root, release, 'fetched')
      this.#putLinks(root, before)
    })
  }

  #putRow(blob: HashedBlob, place: Place | undefined): void {
    const { environment, clock } = this.#components
    const { root } = blob
    environment.blobs.put(root, rowOf(blob, clock.now(), place))
    if (place) environment.extents.put([place.pack, place.offset], { root, bytes: place.bytes, sealed: true })
  }

  #putLink(root: Uint8Array, release: Uint8Array, origin: BlobOrigin): void {
    const { blobReleases } = this.#components.environment
    const key = blobReleaseKey(root, release)
    if (blobReleases.get(key) !== 'published') blobReleases.put(key, origin)
  }

  #putLinks(root: Uint8Array, links: readonly BlobLink[]): void {
    for (const { release, origin } of links) this.#putLink(root, new Uint8Array(release), origin)
  }

  /** Run a change to what is known of a blob, and keep the sums in step. */
  #counted(root: Uint8Array, change: () => void): void {
    const before = this.#standing(root)
    this.reckoned([root], change)
    this.#add(before, this.#standing(root))
  }

  /** Run a change to what is kept of some blobs, or to when they were read, and keep the order in which they go. */
  reckoned(roots: readonly Uint8Array[], change: () => void): void {
    const before = roots.map((root) => this.idleOf(root))
    change()
    for (const [i, root] of roots.entries()) this.idle.change(before[i], this.idleOf(root))
  }

  /** What must be told of a blob in that order; nothing for one that must not go. */
  idleOf(root: Uint8Array): Idle | undefined {
    const { blobs, uses, kept } = this.#components.environment
    const row = blobs.get(root)
    if (!row || row.size === 0) return undefined
    const holds = ({ release, origin }: BlobLink) => origin === 'published' || kept.doesExist(release)
    if (this.releasesOf(root).some(holds)) return undefined
    return { root: new Uint8Array(root), size: row.size, since: uses.get(root) ?? row.at }
  }

  #add(before: BlobUsage, after: BlobUsage): void {
    const { blobs, bytes, mirroredBytes } = this.#pending
    this.#pending = {
      blobs: blobs + after.blobs - before.blobs,
      bytes: bytes + after.bytes - before.bytes,
      mirroredBytes: mirroredBytes + after.mirroredBytes - before.mirroredBytes,
    }
  }

  #writeSums(): void {
    const { meta } = this.#components.environment
    for (const sum of SUMS) if (this.#pending[sum] !== 0) meta.put(sum, (meta.get(sum) ?? 0) + this.#pending[sum])
    this.#pending = NOTHING
  }

  #standing(root: Uint8Array): BlobUsage {
    const row = this.#components.environment.blobs.get(root)
    if (!row) return NOTHING
    return { blobs: 1, bytes: row.size, mirroredBytes: this.isOwn(root) ? 0 : row.size }
  }

  /** Make the sums anew from the rows, and the order in which they go. */
  recount(): void {
    const { environment } = this.#components
    const sums: Record<keyof BlobUsage, number> = { blobs: 0, bytes: 0, mirroredBytes: 0 }
    this.idle.clear()
    for (const key of [...environment.blobs.getKeys({})]) {
      this.idle.change(undefined, this.idleOf(key))
      const standing = this.#standing(key)
      for (const sum of SUMS) sums[sum] += standing[sum]
    }
    for (const sum of SUMS) environment.meta.put(sum, sums[sum])
    this.#pending = NOTHING
  }

  /** Whether this node published the blob under some release. */
  isOwn(root: Uint8Array): boolean {
    return this.releasesOf(root).some(({ origin }) => origin === 'published')
  }

  /** Forget a blob and its bytes. */
  remove(root: Uint8Array): void {
    const { environment, packs } = this.#components
    const row = environment.blobs.get(root)
    this.#counted(root, () => this.#forget(root))
    const place = row && placeOf(row)
    if (place) {
      environment.extents.remove([place.pack, place.offset])
      packs.free(place)
    } else if (row) environment.inline.remove(root)
  }

  /** Forget that a blob came under a release, and the blob with the last of them. */
  unlink(root: Uint8Array, release: Uint8Array): void {
    const { blobReleases } = this.#components.environment
    if (this.releasesOf(root).length <= 1) this.remove(root)
    else this.#counted(root, () => blobReleases.remove(blobReleaseKey(root, release)))
  }

  #forget(root: Uint8Array): void {
    const { environment } = this.#components
    for (const { release } of this.releasesOf(root)) environment.blobReleases.remove(blobReleaseKey(root, release))
    environment.blobs.remove(root)
    environment.uses.remove(root)
  }

  /** The same with one more release for a blob that is here already. @returns whether it is */
  linkAgain(root: Uint8Array, release: Uint8Array): boolean {
    if (!this.row(root)) return false
    this.#counted(root, () => this.#putLink(root, release, 'fetched'))
    return true
  }

  /**
   * Put a blob whose bytes have changed out of sight. What still is as it was counts as fetched already, so that only
   * the damaged chunks have to come from somewhere else. Mended, it is whose it was: what this node published does not
   * become a mirrored blob, which may have to go for another.
   *
   * @param good - one bit a chunk, least significant first: the chunk is what its id says
   */
  setAside(root: Uint8Array, good: Uint8Array): void {
    const { environment, packs, clock } = this.#components
    const row = this.row(root)
    const place = row && placeOf(row)
    const fetch = environment.downloads.get(root)
    const links = [...this.releasesOf(root), ...(fetch?.links ?? [])]
    const [link] = links
    if (!place || !link) {
      this.remove(root)
      return
    }
    this.#counted(root, () => this.#forget(root))
    const { pack, offset, bytes } = place
    if (fetch && this.isDownloading(root)) {
      // It is on its way in anew already, into another extent.
      environment.extents.remove([pack, offset])
      packs.free(place)
      environment.downloads.put(root, { ...fetch, links })
      return
    }
    this.dropDownload(root)
    environment.extents.put([pack, offset], { root, bytes, sealed: false })
    const { release } = link
    environment.downloads.put(root, { size: row.size, release, links, bitmap: good, at: clock.now(), pack, offset })
  }

  /** The extent of a blob, or of a fetch that nobody goes on with, is about to be copied. */
  copies(root: Uint8Array): void {
    if (!this.isDownloading(root)) this.copying.add(toHex(root))
  }

  /** No more copies are to be moved to. */
  copied(): void {
    this.copying.clear()
  }

  /**
   * Say where a copied extent lies now.
   *
   * @returns whether it lay at `from`, and nobody has written to it since `copies`
   */
  move(root: Uint8Array, from: Place, to: Place): boolean {
    const { environment, packs } = this.#components
    if (!this.copying.has(toHex(root))) return false
    const { blobs, downloads, extents } = environment
    const [blob, fetch] = [blobs.get(root), downloads.get(root)]
    const { pack, offset, bytes } = to
    const sealed = blob?.pack === from.pack && blob.offset === from.offset
    if (sealed) blobs.put(root, { ...blob, pack, offset })
    else if (fetch?.pack !== from.pack || fetch.offset !== from.offset) return false
    else downloads.put(root, { ...fetch, pack, offset })
    extents.remove([from.pack, from.offset])
    extents.put([pack, offset], { root, bytes, sealed })
    packs.commit(to)
    packs.free(from)
    return true
  }

  /** Forget what was fetched of a blob so far. */
  dropDownload(root: Uint8Array): void {
    const { environment, packs } = this.#components
    const row = environment.downloads.get(root)
    if (!row) return
    const place = extentOf(row)
    environment.downloads.remove(root)
    environment.extents.remove([place.pack, place.offset])
    packs.free(place)
  }

  /** Whether someone is filling this blob's extent now. */
  isDownloading(root: Uint8Array): boolean {
    return this.filling.has(toHex(root))
  }
}
