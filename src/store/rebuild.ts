// The index of blobs, made anew from the packs: for a database that was damaged, or restored from before. Only what
// proves itself is taken up: a header, a footer that belongs to it, an outline whose root is the header's, and bytes
// that are what the outline says. All of them are hashed: what is known to be damaged is known to the old index only.
import { bitmapFor, setBit } from '../base/bitmap.ts'
import { equalBytes, sha256 } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { isLost } from '../base/disk.ts'
import { CatalogError } from '../base/errors.ts'
import { CHUNK_BYTES, PACK_ALONE_BYTES } from '../base/limits.ts'
import { KiB, MiB } from '../base/units.ts'
import { rootOf } from '../core/digest-tree.ts'
import type { Core } from '../core/surface.ts'
import type { Blobs } from './blobs.ts'
import type { Environment } from './environment.ts'
import {
  decodeFooter,
  decodeHeader,
  EXTENT_ALIGNMENT,
  type ExtentHeader,
  extentBytes,
  footerBytes,
  HEADER_BYTES,
} from './extent.ts'
import { beginGrace } from './grace.ts'
import { type Packs, type Place, REBUILDING } from './packs.ts'

const WINDOW_BYTES = MiB
const SMALL_WINDOW_BYTES = 4 * KiB
/** Rows written in one transaction. */
const BATCH = 500

export interface Rebuilt {
  readonly pack: number
  /** Blobs found in it, and their bytes. */
  readonly blobs: number
  readonly bytes: number
  /** Blobs of which chunks have to be fetched again. */
  readonly damaged: number
}

/** What is left without a record, once all is read. */
export interface Orphans {
  readonly blobs: number
  readonly bytes: number
  /** Until then they are not garbage, and do not make room for others. */
  readonly keptUntil: number
}

interface Components {
  environment: Environment
  packs: Packs
  blobs: Blobs
  core: Core
  clock: Clock
}

interface Found {
  readonly root: Uint8Array
  readonly release: Uint8Array
  readonly size: number
  readonly sha256: Uint8Array
  readonly sha512?: Uint8Array | undefined
  readonly outline: Uint8Array
  readonly place: Place
  /** Of a damaged one: one bit a chunk that is sound. */
  readonly good?: Uint8Array | undefined
}

/**
 * Forget what the index says of packs, and read it from them. Nothing else may use the store meanwhile. Until it is
 * done the store does not open: whoever opened it would take packs not read yet for nobody's. Cut off, it can be run
 * again.
 *
 * @throws CatalogError `ABORTED`
 */
export async function* rebuildIndex(
  components: Components,
  signal?: AbortSignal,
): AsyncGenerator<Rebuilt, Orphans, undefined> {
  const { packs, environment, clock } = components
  const keptUntil = await environment.transaction(() => {
    forget(components)
    return beginGrace(environment, clock)
  })
  for (const { pack, size } of await packs.files()) {
    if (signal?.aborted) throw new CatalogError('ABORTED', 'Cancelled.', { cause: signal.reason })
    const found: Found[] = []
    for await (const extent of scan(components, pack, size, signal)) found.push(extent)
    const alone = found.some(({ place }) => place.bytes > PACK_ALONE_BYTES)
    // A pack with nothing in it stays unknown: the next start removes it.
    if (found.length > 0)
      await environment.transaction(() => environment.packs.put(pack, { end: size, live: 0, alone }))
    for (let at = 0; at < found.length; at += BATCH) {
      const batch = found.slice(at, at + BATCH)
      await environment.transaction(() => takeUp(components, batch, keptUntil))
    }
    const sound = found.filter(({ good }) => !good)
    const bytes = sound.reduce((sum, extent) => sum + extent.size, 0)
    yield { pack, blobs: sound.length, bytes, damaged: found.length - sound.length }
  }
  await environment.transaction(() => conclude(components))
  return { ...orphans(components), keptUntil }
}

function orphans({ environment, blobs }: Components): { blobs: number; bytes: number } {
  const sums = { blobs: 0, bytes: 0 }
  for (const { root, size } of blobs.list()) {
    if (blobs.releasesOf(root).some(({ release }) => environment.records.doesExist(release))) continue
    sums.blobs++
    sums.bytes += size
  }
  return sums
}

/** Blobs in the database itself stay, and so does what is known of releases. */
function forget({ environment, blobs }: Components): void {
  environment.meta.put(REBUILDING, 1)
  for (const root of [...environment.downloads.getKeys({})]) environment.downloads.remove(root)
  for (const { root } of [...blobs.list()]) if (blobs.row(root)?.pack !== undefined) environment.blobs.remove(root)
  for (const key of [...environment.extents.getKeys({})]) environment.extents.remove(key)
  for (const key of [...environment.packs.getKeys({})]) environment.packs.remove(key)
}

/** A blob found twice was being moved when the power went: the first is as good as the other. */
function takeUp({ blobs, environment }: Components, batch: readonly Found[], keptUntil: number): void {
  for (const { release, good, ...extent } of batch) {
    if (blobs.row(extent.root)) continue
    // Whose it was stands in the rows about releases, where they are whole; its own footer tells of one release.
    const known = blobs.releasesOf(extent.root)
    const links: typeof known = known.length > 0 ? known : [{ release, origin: 'fetched' }]
    // It may be this node's own, and must not go for what others publish as long as nobody can tell.
    if (known.length === 0) environment.uses.put(extent.root, keptUntil)
    for (const link of links) blobs.link(extent, link.release, link.origin)
    if (good) blobs.setAside(extent.root, good)
  }
}

/** Rows about blobs that were not found go, and the sums are made anew. */
function conclude({ environment, blobs }: Components): void {
  const { blobReleases, uses, inline } = environment
  const isGone = (root: Uint8Array) => blobs.row(root) === undefined
  for (const key of [...blobReleases.getKeys({})]) if (isGone(key.subarray(0, 32))) blobReleases.remove(key)
  for (const root of [...uses.getKeys({})]) if (isGone(root)) uses.remove(root)
  for (const root of [...inline.getKeys({})]) if (isGone(root)) inline.remove(root)
  blobs.recount()
  environment.meta.remove(REBUILDING)
}

/**
 * From one extent to the next, as far as they follow each other. Behind bytes that are none, whatever looks like an
 * extent may be a part of somebody's data, and is one only when it is sound.
 */
async function* scan(
  components: Components,
  pack: number,
  size: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Found> {
  const headers = new HeaderReader(components.packs, { pack, offset: 0, bytes: size })
  let follows = true
  for (let at = 0; at + HEADER_BYTES <= size; ) {
    if (signal?.aborted) throw new CatalogError('ABORTED', 'Cancelled.', { cause: signal.reason })
    const header = await headers.at(at)
    const place: Place = { pack, offset: at, bytes: header ? extentBytes(header.size) : 0 }
    const fits = header !== undefined && at + place.bytes <= size
    const found = fits ? await sealedAt(components, header, place, signal) : undefined
    if (found && (follows || !found.good)) yield found
    // Not sealed, but where one begins: a fetch that was not finished. What lies in it is not ours to look through.
    const passed: boolean = found ? follows || !found.good : fits && follows
    follows &&= passed
    at += passed ? place.bytes : EXTENT_ALIGNMENT
  }
}

/** @returns nothing unless header, footer and outline belong together */
async function sealedAt(
  { packs, core }: Components,
  header: ExtentHeader,
  place: Place,
  signal: AbortSignal | undefined,
): Promise<Found | undefined> {
  const footer = Buffer.alloc(footerBytes(header.size))
  if ((await readable(packs, place, HEADER_BYTES + header.size, footer)) < footer.length) return undefined
  const ends = decodeFooter(header, footer)
  if (!ends || !equalBytes(rootOf(core, ends.outline, header.size), header.root)) return undefined
  const good = bitmapFor(ends.outline.length / 32)
  const buffer = new Uint8Array(CHUNK_BYTES)
  let damaged = 0
  for (let chunk = 0; chunk < ends.outline.length / 32; chunk++) {
    if (signal?.aborted) throw new CatalogError('ABORTED', 'Cancelled.', { cause: signal.reason })
    const bytes = buffer.subarray(0, Math.min(CHUNK_BYTES, header.size - chunk * CHUNK_BYTES))
    const read = await readable(packs, place, HEADER_BYTES + chunk * CHUNK_BYTES, bytes)
    const id = ends.outline.subarray(chunk * 32, chunk * 32 + 32)
    if (read === bytes.length && equalBytes(sha256(bytes), id)) setBit(good, chunk)
    else damaged++
  }
  return { ...header, ...ends, place, ...(damaged > 0 && { good }) }
}

/** @returns bytes read, 0 where the disk does not give them back */
async function readable(packs: Packs, place: Place, at: number, buffer: Uint8Array): Promise<number> {
  try {
    return await packs.read(place, at, buffer)
  } catch (thrown) {
    if (!isLost(thrown)) throw thrown
    return 0
  }
}

/** Headers in a pack, read a window at a time: a small one once there was something in it that cannot be read. */
class HeaderReader {
  readonly #packs: Packs
  readonly #whole: Place
  #window = Buffer.alloc(WINDOW_BYTES)
  #from = 0
  #filled = 0

  constructor(packs: Packs, whole: Place) {
    this.#packs = packs
    this.#whole = whole
  }

  /** @returns nothing when there is none at `at` */
  async at(at: number): Promise<ExtentHeader | undefined> {
    if (at < this.#from || at + HEADER_BYTES > this.#from + this.#filled) {
      this.#from = at
      this.#filled = await readable(this.#packs, this.#whole, at, this.#window)
      if (this.#filled === 0) {
        this.#window = this.#window.subarray(0, SMALL_WINDOW_BYTES)
        this.#filled = await readable(this.#packs, this.#whole, at, this.#window)
      }
    }
    return decodeHeader(this.#window.subarray(at - this.#from, Math.min(at - this.#from + HEADER_BYTES, this.#filled)))
  }
}
