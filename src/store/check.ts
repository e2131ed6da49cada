// Whether a store holds together: every rule that FORMAT.md gives for it, looked at row by row. For `catalog doctor`,
// and for tests that pull the plug. The bytes of blobs are the business of scrub.ts.
import { compareBytes, equalBytes, toHex } from '../base/bytes.ts'
import { turn } from '../base/clock.ts'
import type { Disk } from '../base/disk.ts'
import { CatalogError } from '../base/errors.ts'
import { decodeRecord } from '../model/record.ts'
import { groupByNibble, innerHash, subtrieHash, trieRoot } from '../model/trie.ts'
import { extentOf, placeOf } from './blob-rows.ts'
import type { Blobs } from './blobs.ts'
import type { Environment } from './environment.ts'
import type { Packs } from './packs.ts'
import type { Records } from './records.ts'
import type { BlobRow, Key, Table } from './tables.ts'

/** What mends it: hashing what is kept, making the index of blobs anew from the packs, or a backup. */
export type Repair = 'verify' | 'rebuild-index' | 'restore'

export interface Finding {
  /** What it is about: a root, a shelf, a pack. */
  readonly subject: string
  /** What does not hold. */
  readonly problem: string
  readonly repair: Repair
}

/** A finding as the rules tell it; the repair only where it is another than for most of its kind. */
type Found = Omit<Finding, 'repair'> & { readonly repair?: Repair }

interface Components {
  environment: Environment
  blobs: Blobs
  packs: Packs
  records: Records
  disk: Disk
}

/** Rows looked at in one go: others get their turn between two. */
const SLICE_ROWS = 500

/**
 * All that is wrong, nothing for a sound store. It should be at rest: what is published or fetched meanwhile may look
 * like a fault.
 *
 * @throws CatalogError `ABORTED`
 */
export async function* checkStore(components: Components, signal?: AbortSignal): AsyncGenerator<Finding> {
  const walks = [
    { repair: 'restore', rules: [shelves, records] },
    { repair: 'rebuild-index', rules: [blobs, inline, packs] },
  ] as const
  for (const { repair, rules } of walks) {
    for (const rule of rules) for await (const found of rule(components, signal)) yield { repair, ...found }
  }
}

/** Rows of a table, a few at a time; between two of them the loop is everybody's. */
async function* slices<V, K extends Key>(table: Table<V, K>, signal: AbortSignal | undefined) {
  const limit = SLICE_ROWS
  for (let rows = [...table.getRange({ limit })]; rows.length > 0; ) {
    yield rows
    await turn(signal)
    const { key } = rows.at(-1) as (typeof rows)[number]
    rows = [...table.getRange({ start: key, exclusiveStart: true, limit })]
  }
}

/** Roots and counts as computed anew from the ids. */
async function* shelves({ environment, records }: Components, signal: AbortSignal | undefined): AsyncGenerator<Found> {
  for (const { audience, signer } of records.shelves.list()) {
    const subject = `${audience} ${signer}`
    // Both at once: a record that comes between the two would make the one another than the other says.
    const { count, root } = records.shelves.get(audience, signer)
    const ids = records.shelves.ids(audience, signer)
    if (ids.length !== count) yield { subject, problem: `its count is ${count}, and ${ids.length} records stand on it` }
    if (!equalBytes(await rootOf(ids, signal), root)) yield { subject, problem: 'its root is not that of its records' }
    for (const [i, id] of ids.entries()) {
      if (i % SLICE_ROWS === 0) await turn(signal)
      if (environment.records.doesExist(id) || !records.shelves.has(audience, signer, id)) continue
      yield { subject, problem: `record ${toHex(id)} stands on it and is not there` }
    }
  }
}

/** @param ids - sorted */
async function rootOf(ids: readonly Uint8Array[], signal: AbortSignal | undefined): Promise<Uint8Array> {
  if (ids.length <= SLICE_ROWS) return trieRoot(ids)
  const children: (Uint8Array | undefined)[] = []
  for (const group of groupByNibble(ids, 0)) {
    await turn(signal)
    children.push(group.length === 0 ? undefined : subtrieHash(group, 1))
  }
  return innerHash(children)
}

async function* records({ environment }: Components, signal: AbortSignal | undefined): AsyncGenerator<Found> {
  let before = 0
  for await (const rows of slices(environment.feed, signal)) {
    for (const { key } of rows) {
      if (key !== before + 1 && before !== 0) yield { subject: 'feed', problem: `${key} follows ${before}` }
      before = key
    }
  }
  if (before === 0 && environment.records.getCount() > 0) yield { subject: 'feed', problem: 'it is empty' }
  for await (const rows of slices(environment.records, signal)) {
    for (const { key, value } of rows) {
      const subject = `record ${toHex(key)}`
      try {
        const record = decodeRecord(new Uint8Array(value))
        if (compareBytes(record.id, key) !== 0) yield { subject, problem: 'its bytes have another id' }
      } catch (thrown) {
        yield { subject, problem: CatalogError.from(thrown).message }
      }
    }
  }
}

/** Each complete blob has its extent, or lies inline; the sums are sums, and those that may go are in their order. */
async function* blobs(components: Components, signal: AbortSignal | undefined): AsyncGenerator<Found> {
  const { environment, blobs } = components
  const sums = { blobs: 0, bytes: 0, mirroredBytes: 0, idleBytes: 0 }
  let idleBlobs = 0
  for await (const rows of slices(environment.blobs, signal)) {
    for (const { key, value } of rows) {
      sums.blobs++
      sums.bytes += value.size
      if (!blobs.isOwn(key)) sums.mirroredBytes += value.size
      const idle = blobs.idleOf(key)
      sums.idleBytes += idle?.size ?? 0
      if (idle) idleBlobs++
      if (idle && !blobs.idle.has(idle)) yield { subject: `blob ${toHex(key)}`, problem: 'it would never make room' }
      yield* blobFaults(components, key, value)
    }
  }
  for await (const rows of slices(environment.blobReleases, signal)) {
    for (const root of rows.map(({ key }) => key.subarray(0, 32))) {
      if (blobs.row(root)) continue
      yield { subject: `blob ${toHex(root)}`, problem: 'it is kept under a release, and is not here' }
    }
  }
  const listed = environment.idle.getCount()
  if (listed !== idleBlobs) yield { subject: 'idle', problem: `${listed} blobs are to go first, ${idleBlobs} may go` }
  const told = { ...blobs.usage(), idleBytes: blobs.idle.bytes() }
  for (const sum of ['blobs', 'bytes', 'mirroredBytes', 'idleBytes'] as const) {
    if (told[sum] !== sums[sum]) yield { subject: sum, problem: `the sum says ${told[sum]}, the rows ${sums[sum]}` }
  }
}

function* blobFaults({ environment, blobs }: Components, root: Uint8Array, row: BlobRow): Generator<Found> {
  const subject = `blob ${toHex(root)}`
  const place = placeOf(row)
  if (blobs.releasesOf(root).length === 0) {
    // A footer names the release; bytes in the database have none.
    yield { subject, problem: 'it is kept under no release', repair: place ? 'rebuild-index' : 'restore' }
  }
  if (!place) {
    const length = environment.inline.get(root)?.length
    const problem = `${length ?? 'no'} of its ${row.size} bytes are there`
    if (length !== row.size) yield { subject, problem, repair: 'verify' }
    return
  }
  const extent = environment.extents.get([place.pack, place.offset])
  const holds = extent?.sealed && extent.bytes === place.bytes && equalBytes(new Uint8Array(extent.root), root)
  if (!holds) yield { subject, problem: 'its extent is not known as its own' }
}

async function* inline({ environment }: Components, signal: AbortSignal | undefined): AsyncGenerator<Found> {
  let unknown = false
  for await (const rows of slices(environment.inline, signal)) {
    unknown ||= rows.some(({ key }) => {
      const row = environment.blobs.get(key)
      return row === undefined || placeOf(row) !== undefined
    })
  }
  if (unknown) yield { subject: 'inline', problem: 'there are bytes of blobs that nobody knows' }
}

/** Each extent belongs to a blob or a fetch, none overlap, and packs are accounted to the byte. */
async function* packs(components: Components, signal: AbortSignal | undefined): AsyncGenerator<Found> {
  const { environment, packs, disk } = components
  const live = new Map<number, number>()
  const ends = new Map<number, number>()
  for await (const rows of slices(environment.extents, signal)) {
    for (const { key, value } of rows) {
      const [pack = 0, offset = 0] = key
      const subject = `extent ${pack}:${offset}`
      const owner = value.sealed ? environment.blobs.get(value.root) : environment.downloads.get(value.root)
      if (owner?.pack !== pack || owner.offset !== offset) yield { subject, problem: 'nobody owns it' }
      if (offset < (ends.get(pack) ?? 0)) yield { subject, problem: 'it overlaps the one before it' }
      live.set(pack, (live.get(pack) ?? 0) + value.bytes)
      ends.set(pack, offset + value.bytes)
    }
  }
  for await (const rows of slices(environment.downloads, signal)) {
    for (const { key, value } of rows) {
      const { pack, offset } = extentOf(value)
      const extent = environment.extents.get([pack, offset])
      if (!extent || extent.sealed) yield { subject: `fetch ${toHex(key)}`, problem: 'its extent is not known' }
    }
  }
  for await (const rows of slices(environment.packs, signal)) {
    for (const { key: pack, value } of rows) {
      const subject = `pack ${pack}`
      const counted = live.get(pack) ?? 0
      if (counted !== value.live)
        yield { subject, problem: `${value.live} live bytes are counted, ${counted} are there` }
      if ((ends.get(pack) ?? 0) > value.end) yield { subject, problem: 'an extent lies behind its end' }
      const bytes = await sizeOf(disk, packs.path(pack))
      const problem = `its file has ${bytes} bytes, ${value.end} were acknowledged`
      if (bytes < value.end) yield { subject, problem, repair: 'verify' }
      live.delete(pack)
    }
  }
  for (const pack of live.keys()) yield { subject: `pack ${pack}`, problem: 'extents lie in it and it is not known' }
}

async function sizeOf(disk: Disk, path: string): Promise<number> {
  if (!(await disk.exists(path))) return 0
  const file = await disk.open(path, 'read')
  try {
    return await file.size()
  } finally {
    await file.close()
  }
}
