// Packs: append-only files that hold the extents of blobs. Space is reserved at the end of a pack, filled in place by
// whoever has reserved it, and counts from the transaction that names it. What lies behind the last counted byte when
// the store is opened belongs to nobody and is cut off. Space that is given back is never written again: its pack is
// rewritten (repack.ts) or, once nothing in it is live, removed.
import { dirname, join } from 'node:path'
import { LRUCache } from 'lru-cache'
import type { Disk } from '../base/disk.ts'
import { CatalogError } from '../base/errors.ts'
import { tellFailure } from '../base/failure.ts'
import { PACK_ALONE_BYTES, PACK_BYTES } from '../base/limits.ts'
import type { Environment } from './environment.ts'
import { PackFiles } from './pack-files.ts'
import type { PackRow } from './tables.ts'

/** In `meta` while the index is made anew (rebuild.ts): packs that no row knows are not nobody's then. */
export const REBUILDING = 'rebuilding'

const SUFFIX = '.pack'

/** Where an extent lies. */
export interface Place {
  readonly pack: number
  /** Of its header, in the pack. */
  readonly offset: number
  /** Of the whole extent. */
  readonly bytes: number
}

/** A hold on a pack: as long as one is out, the file stays. */
export interface PackHold extends Disposable {
  readonly path: string
}

export interface PackRecovery {
  /** Bytes cut off behind the last counted byte of each pack. */
  readonly cut: readonly { pack: number; bytes: number }[]
  /** Packs no row knows: removed. */
  readonly removed: readonly number[]
  /** Packs that are shorter than what was acknowledged in them, or gone: blobs in them are damaged. */
  readonly short: readonly { pack: number; missing: number }[]
}

interface Components {
  environment: Environment
  disk: Disk
}

export class Packs {
  readonly #components: Components
  readonly folder: string
  /** The pack that small extents go to, and its next free byte. */
  #current: { pack: number; tail: number } | undefined
  #last = 0
  readonly #paths = new LRUCache<number, string>({ max: 1_000 })
  /** Reservations and holds by pack: its file must stay. */
  readonly #busy = new Map<number, number>()
  #kept = 0
  /** One at a time, so that who waits for it knows that the files are gone. */
  #collecting: Promise<void> = Promise.resolve()
  readonly #syncs = new Map<number, { running?: Promise<void>; next?: Promise<void> }>()
  /** Packs whose fdatasync has failed. */
  readonly #faulty = new Set<number>()
  /** Packs in which perhaps nothing counts any more. */
  readonly #emptied = new Set<number>()
  readonly #files: PackFiles

  constructor(components: Components, { folder }: { folder: string }) {
    this.#components = components
    this.folder = folder
    this.#files = new PackFiles(components, { folder, path: (pack) => this.path(pack) })
  }

  /**
   * Bring the files in line with the rows, and find where to go on writing.
   *
   * @throws CatalogError `STORE_DAMAGED` when the rows are only half made, or gone
   */
  async recover(): Promise<PackRecovery> {
    const { environment, disk } = this.#components
    const fresh = !(await disk.exists(this.folder))
    await disk.makeFolder(this.folder)
    if (fresh) await disk.syncFolder(dirname(this.folder))
    await this.#mustBeKnown()
    const rows = new Map<number, PackRow>()
    for (const { key, value } of environment.packs.getRange({})) rows.set(key, value)
    const removed: number[] = []
    for (const pack of await this.#listed()) {
      this.#last = Math.max(this.#last, pack)
      if (rows.has(pack)) continue
      await disk.remove(this.path(pack))
      removed.push(pack)
    }
    const [cut, short] = [[] as { pack: number; bytes: number }[], [] as { pack: number; missing: number }[]]
    for (const [pack, { end, alone }] of rows) {
      this.#last = Math.max(this.#last, pack)
      const difference = await this.#trim(pack, end)
      const missing = difference < 0 ? await this.#refill(pack, end, end + difference) : 0
      if (difference > 0) cut.push({ pack, bytes: difference })
      if (missing > 0) short.push({ pack, missing })
      if (!alone && missing === 0 && end < PACK_BYTES) this.#current = { pack, tail: end }
    }
    if (removed.length > 0) await disk.syncFolder(this.folder)
    return { cut, removed, short }
  }

  /** Without rows that can be believed, every pack would be nobody's, and removed. */
  async #mustBeKnown(): Promise<void> {
    const { environment } = this.#components
    const lost = environment.isNew && (await this.#listed()).length > 0
    if (lost) await environment.transaction(() => environment.meta.put(REBUILDING, 1))
    if (!environment.meta.doesExist(REBUILDING)) return
    const what = lost ? 'There are packs, and no database that knows them.' : 'The index of blobs is only half made.'
    throw new CatalogError('STORE_DAMAGED', what, {
      hint: 'Make it anew from the packs with "catalog doctor --rebuild-index", or restore a backup.',
    })
  }

  path(pack: number): string {
    let path = this.#paths.get(pack)
    if (path === undefined) {
      path = join(this.folder, String(pack).padStart(8, '0') + SUFFIX)
      this.#paths.set(pack, path)
    }
    return path
  }

  /** Take space at the end of a pack. It counts once `commit` has run; until then, `abandon` gives it back. */
  reserve(bytes: number): Place {
    const place = bytes > PACK_ALONE_BYTES ? { pack: ++this.#last, offset: 0, bytes } : this.#append(bytes)
    this.#hold(place.pack)
    return place
  }

  #append(bytes: number): Place {
    if (this.#current === undefined || this.#current.tail + bytes > PACK_BYTES) {
      if (this.#current) this.#emptied.add(this.#current.pack)
      this.#current = { pack: ++this.#last, tail: 0 }
    }
    const { pack, tail } = this.#current
    this.#current.tail += bytes
    return { pack, offset: tail, bytes }
  }

  /**
   * Give back reserved space. What was counted meanwhile, and is counted no more, is not written again all the same:
   * somebody may be reading it.
   */
  async abandon({ pack, offset, bytes }: Place): Promise<void> {
    if (this.#components.environment.hasFailed) {
      // Perhaps the commit that failed is there after the next start, and says that this counts.
      this.#release(pack)
      return
    }
    const counted = this.#components.environment.packs.get(pack)?.end ?? 0
    if (this.#current?.pack === pack && this.#current.tail === offset + bytes) {
      this.#current.tail = Math.max(offset, counted)
    }
    this.#emptied.add(pack)
    this.#release(pack)
    await this.collect()
  }

  /** Count an extent, in the transaction that makes it known. */
  commit({ pack, offset, bytes }: Place): void {
    const { packs } = this.#components.environment
    const row = packs.get(pack) ?? { end: 0, live: 0, alone: bytes > PACK_ALONE_BYTES }
    packs.put(pack, { ...row, end: Math.max(row.end, offset + bytes), live: row.live + bytes })
  }

  /** After that transaction: the extent is held by its row now, and no longer by who reserved it. */
  settled({ pack }: Place): void {
    this.#release(pack)
  }

  /** No longer count an extent, in the transaction that forgets it. `collect` then removes what is left of its pack. */
  free({ pack, bytes }: Place): void {
    const { packs } = this.#components.environment
    const row = packs.get(pack)
    if (!row) throw new CatalogError('INTERNAL', `Pack ${pack} is not known.`)
    const live = row.live - bytes
    if (live > 0 || this.isCurrent(pack)) packs.put(pack, { ...row, live })
    else packs.remove(pack)
    this.#emptied.add(pack)
  }

  /** Whether extents are still being added to this pack. */
  isCurrent(pack: number): boolean {
    return this.#current?.pack === pack
  }

  /** Stop adding to a pack, so that it can be rewritten. */
  retire(pack: number): void {
    if (this.isCurrent(pack)) this.#current = undefined
  }

  /** Remove no pack until this is disposed of. */
  keepAll(): Disposable {
    this.#kept++
    return {
      [Symbol.dispose]: () => {
        this.#kept--
      },
    }
  }

  /** The files there are, and how long they are. */
  async files(): Promise<{ pack: number; size: number }[]> {
    const files: { pack: number; size: number }[] = []
    for (const pack of await this.#listed()) {
      files.push({ pack, size: await this.#files.use(pack, (file) => file.size()) })
    }
    return files
  }

  /** Have `collect` look at a pack again. */
  emptied(pack: number): void {
    this.#emptied.add(pack)
  }

  /**
   * Remove the files of packs in which nothing counts any more and which nobody holds. Never rejects: what cannot be
   * removed now is removed at the next start, and who has forgotten something has forgotten it.
   */
  collect(): Promise<void> {
    this.#collecting = this.#collecting.then(() => this.#collect())
    return this.#collecting
  }

  async #collect(): Promise<void> {
    if (this.#components.environment.hasFailed) return
    for (const pack of [...this.#emptied]) {
      // Looked at each time: a backup may have begun while the last file was being removed.
      if (this.#kept > 0 || this.#busy.has(pack)) continue
      this.#emptied.delete(pack)
      if (this.isCurrent(pack) || this.#isCounted(pack)) continue
      this.#files.release(pack)
      await this.#components.disk.remove(this.path(pack)).catch((thrown) => tellFailure(`remove pack ${pack}`, thrown))
    }
  }

  hold(pack: number): PackHold {
    this.#hold(pack)
    let held = true
    const release = () => {
      if (!held) return
      held = false
      this.#release(pack)
      if (this.#emptied.has(pack)) void this.collect()
    }
    return { path: this.path(pack), [Symbol.dispose]: release }
  }

  /** Write at `at` in an extent, or on from there where the extents behind it are the caller's too. */
  async write({ pack, offset }: Place, at: number, bytes: Uint8Array | readonly Uint8Array[]): Promise<void> {
    await this.#files.use(pack, (file) => file.write(bytes, offset + at))
  }

  /** @returns bytes read, fewer only where the file ends */
  read({ pack, offset }: Place, at: number, buffer: Uint8Array): Promise<number> {
    return this.#files.read(pack, buffer, offset + at)
  }

  /**
   * Make the file as long as a reservation needs, so that whoever fills it by path finds it. By its last byte, not by
   * setting a length: that could cut off what others have written behind it since the length was looked at.
   */
  extend({ pack, offset, bytes }: Place): Promise<void> {
    const end = offset + bytes
    return this.#files.use(pack, async (file) => {
      if ((await file.size()) < end) await file.write(new Uint8Array(1), end - 1)
    })
  }

  /**
   * What has been written to a pack survives a power cut. Calls at one time share one fdatasync.
   *
   * @throws CatalogError `STORE_FAILED` once an fdatasync of this pack has failed: the system may have dropped what was
   *   written, and would say of the next one that all is well
   */
  sync(pack: number): Promise<void> {
    const state = this.#syncs.get(pack) ?? {}
    this.#syncs.set(pack, state)
    // The one that runs may have begun before the caller's last write; the next one has not.
    state.next ??= (state.running ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => {
        state.running = this.#syncNow(pack).finally(() => {
          if (state.next === undefined) this.#syncs.delete(pack)
        })
        delete state.next
        return state.running
      })
    return state.next
  }

  async #syncNow(pack: number): Promise<void> {
    if (this.#faulty.has(pack)) {
      throw new CatalogError('STORE_FAILED', `Pack ${pack} could not be written to the disk before.`, {
        hint: 'See that the disk is sound, then start the node again.',
      })
    }
    await this.#files.use(pack, async (file) => {
      try {
        await file.sync()
      } catch (thrown) {
        this.#faulty.add(pack)
        this.retire(pack)
        throw thrown
      }
    })
  }

  close(): Promise<void> {
    return this.#files.close()
  }

  #isCounted(pack: number): boolean {
    return this.#components.environment.packs.doesExist(pack)
  }

  #hold(pack: number): void {
    this.#busy.set(pack, (this.#busy.get(pack) ?? 0) + 1)
  }

  #release(pack: number): void {
    const count = (this.#busy.get(pack) ?? 0) - 1
    if (count > 0) this.#busy.set(pack, count)
    else this.#busy.delete(pack)
  }

  async #listed(): Promise<number[]> {
    const names = await this.#components.disk.list(this.folder)
    return names.filter((name) => /^\d{8,}\.pack$/.test(name)).map((name) => Number(name.slice(0, -SUFFIX.length)))
  }

  /** @returns by how much the file was longer than `end`; negative when it is shorter */
  async #trim(pack: number, end: number): Promise<number> {
    const { disk } = this.#components
    if (!(await disk.exists(this.path(pack)))) return -end
    return this.#files.use(pack, async (file) => {
      const size = await file.size()
      if (size > end) await file.truncate(end)
      return size - end
    })
  }

  /**
   * Room made for a fetch counts before it has reached the disk: after a power cut it is made again.
   *
   * @returns bytes of what was acknowledged that a file of `size` bytes lacks
   */
  async #refill(pack: number, end: number, size: number): Promise<number> {
    const missing = Math.max(0, this.#acknowledgedEnd(pack) - size)
    if (missing === 0) await this.extend({ pack, offset: 0, bytes: end })
    return missing
  }

  /** Where the last extent ends that is sealed, or of which a chunk counts as fetched. */
  #acknowledgedEnd(pack: number): number {
    const { extents, downloads } = this.#components.environment
    for (const { key, value } of extents.getRange({ start: [pack + 1, 0], end: [pack, -1], reverse: true })) {
      const begun = downloads.get(value.root)?.bitmap.some((byte) => byte !== 0)
      if (key[0] === pack && (value.sealed || begun)) return (key[1] ?? 0) + value.bytes
    }
    return 0
  }
}
