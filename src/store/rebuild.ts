// The index of blobs, made anew from the packs: for a database that was damaged, or restored from before. Only what
// proves itself is taken up: a header, a footer that belongs to it, and an outline whose root is the header's.
import { equalBytes } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { MiB } from '../base/units.ts'
import { rootOf } from '../core/digest-tree.ts'
import type { Core } from '../core/surface.ts'
import type { Blobs } from './blobs.ts'
import type { Environment } from './environment.ts'
import { decodeFooter, decodeHeader, EXTENT_ALIGNMENT, extentBytes, footerBytes, HEADER_BYTES } from './extent.ts'
import { type Packs, type Place, REBUILDING } from './packs.ts'

const WINDOW_BYTES = MiB
/** Rows written in one transaction. */
const BATCH = 500

export interface Rebuilt {
  readonly pack: number
  /** Blobs found in it, and their bytes. */
  readonly blobs: number
  readonly bytes: number
}

interface Components {
  environment: Environment
  packs: Packs
  blobs: Blobs
  core: Core
}

interface Found {
  readonly root: Uint8Array
  readonly release: Uint8Array
  readonly size: number
  readonly sha256: Uint8Array
  readonly sha512?: Uint8Array | undefined
  readonly outline: Uint8Array
  readonly place: Place
}

/**
 * Forget what the index says of packs, and read it from them. Nothing else may use the store meanwhile. Until it is
 * done the store does not open: whoever opened it would take packs not read yet for nobody's. Cut off, it can be run
 * again.
 *
 * @throws CatalogError `ABORTED` between two packs
 */
export async function* rebuildIndex(components: Components, signal?: AbortSignal): AsyncGenerator<Rebuilt> {
  const { packs, environment } = components
  await environment.transaction(() => forget(components))
  for (const { pack, size } of await packs.files()) {
    if (signal?.aborted) throw new CatalogError('ABORTED', 'Cancelled.', { cause: signal.reason })
    const found: Found[] = []
    for await (const extent of scan(components, pack, size)) found.push(extent)
    const alone = found.length === 1 && found[0]?.place.offset === 0
    await environment.transaction(() => environment.packs.put(pack, { end: size, live: 0, alone }))
    for (let at = 0; at < found.length; at += BATCH) {
      const batch = found.slice(at, at + BATCH)
      await environment.transaction(() => takeUp(components, batch))
    }
    yield { pack, blobs: found.length, bytes: found.reduce((sum, extent) => sum + extent.size, 0) }
  }
  await environment.transaction(() => conclude(components))
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
function takeUp({ blobs }: Components, batch: readonly Found[]): void {
  for (const { release, ...extent } of batch) {
    if (blobs.row(extent.root)) continue
    // Whose it was stands in the rows about releases, where they are whole; its own footer tells of one release.
    const known = blobs.releasesOf(extent.root)
    const links: typeof known = known.length > 0 ? known : [{ release, origin: 'fetched' }]
    for (const link of links) blobs.link(extent, link.release, link.origin)
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

async function* scan({ packs, core }: Components, pack: number, size: number): AsyncGenerator<Found> {
  const window = Buffer.alloc(WINDOW_BYTES + HEADER_BYTES)
  const whole: Place = { pack, offset: 0, bytes: size }
  let [from, filled] = [0, -1]
  for (let at = 0; at + HEADER_BYTES <= size; ) {
    if (filled < 0 || at < from || at + HEADER_BYTES > from + filled) {
      from = at
      filled = await packs.read(whole, from, window)
      if (filled < HEADER_BYTES) return
    }
    const header = decodeHeader(window.subarray(at - from, at - from + HEADER_BYTES))
    const bytes = header ? extentBytes(header.size) : 0
    if (!header || at + bytes > size) {
      at += EXTENT_ALIGNMENT
      continue
    }
    const footer = Buffer.alloc(footerBytes(header.size))
    await packs.read(whole, at + HEADER_BYTES + header.size, footer)
    const ends = decodeFooter(header, footer)
    if (!ends || !equalBytes(rootOf(core, ends.outline, header.size), header.root)) {
      at += EXTENT_ALIGNMENT
      continue
    }
    yield { ...header, ...ends, place: { pack, offset: at, bytes } }
    at += bytes
  }
}
