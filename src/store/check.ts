// Whether a store holds together: every rule that FORMAT.md gives for it, looked at row by row. For `catalog doctor`,
// and for tests that pull the plug. The bytes of blobs are the business of scrub.ts.
import { compareBytes, equalBytes, toHex } from '../base/bytes.ts'
import type { Disk } from '../base/disk.ts'
import { CatalogError } from '../base/errors.ts'
import { decodeRecord } from '../model/record.ts'
import { trieRoot } from '../model/trie.ts'
import type { BlobUsage } from './blob-index.ts'
import { extentOf, placeOf } from './blob-rows.ts'
import type { Blobs } from './blobs.ts'
import type { Environment } from './environment.ts'
import type { Packs } from './packs.ts'
import type { Records } from './records.ts'

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

/** All that is wrong, nothing for a sound store. It should be at rest: nothing published or fetched meanwhile. */
export async function* checkStore(components: Components): AsyncGenerator<Finding> {
  for (const found of shelves(components)) yield { repair: 'restore', ...found }
  for (const found of records(components)) yield { repair: 'restore', ...found }
  for (const found of blobs(components)) yield { repair: 'rebuild-index', ...found }
  for await (const found of packs(components)) yield { repair: 'rebuild-index', ...found }
}

/** Roots and counts as computed anew from the ids. */
function* shelves({ environment, records }: Components): Generator<Found> {
  for (const { audience, signer, count, root } of records.shelves.list()) {
    const subject = `${audience} ${signer}`
    const ids = records.shelves.ids(audience, signer)
    if (ids.length !== count) yield { subject, problem: `its count is ${count}, and ${ids.length} records stand on it` }
    if (!equalBytes(trieRoot(ids), root)) yield { subject, problem: 'its root is not that of its records' }
    for (const id of ids) {
      if (!environment.records.doesExist(id))
        yield { subject, problem: `record ${toHex(id)} stands on it and is not there` }
    }
  }
}

function* records({ environment }: Components): Generator<Found> {
  let [sequence, before] = [0, 0]
  for (const key of environment.feed.getKeys({})) {
    sequence = key
    if (key !== before + 1 && before !== 0) yield { subject: 'feed', problem: `${key} follows ${before}` }
    before = key
  }
  if (sequence === 0 && environment.records.getCount() > 0) yield { subject: 'feed', problem: 'it is empty' }
  for (const { key, value } of environment.records.getRange({})) {
    const subject = `record ${toHex(key)}`
    try {
      const record = decodeRecord(new Uint8Array(value))
      if (compareBytes(record.id, key) !== 0) yield { subject, problem: 'its bytes have another id' }
    } catch (thrown) {
      yield { subject, problem: CatalogError.from(thrown).message }
    }
  }
}

/** Each complete blob has its extent, or lies inline; the sums are sums. */
function* blobs({ environment, blobs }: Components): Generator<Found> {
  const sums: Record<keyof BlobUsage, number> = { blobs: 0, bytes: 0, mirroredBytes: 0 }
  for (const { key, value } of environment.blobs.getRange({})) {
    const subject = `blob ${toHex(key)}`
    const place = placeOf(value)
    sums.blobs++
    sums.bytes += value.size
    if (!blobs.isOwn(key)) sums.mirroredBytes += value.size
    if (blobs.releasesOf(key).length === 0) {
      // A footer names the release; bytes in the database have none.
      yield { subject, problem: 'it is kept under no release', repair: place ? 'rebuild-index' : 'restore' }
    }
    if (!place) {
      const length = environment.inline.get(key)?.length
      const problem = `${length ?? 'no'} of its ${value.size} bytes are there`
      if (length !== value.size) yield { subject, problem, repair: 'verify' }
      continue
    }
    const extent = environment.extents.get([place.pack, place.offset])
    const holds = extent?.sealed && extent.bytes === place.bytes && equalBytes(new Uint8Array(extent.root), key)
    if (!holds) yield { subject, problem: 'its extent is not known as its own' }
  }
  for (const key of environment.blobReleases.getKeys({})) {
    const root = key.subarray(0, 32)
    if (!blobs.row(root))
      yield { subject: `blob ${toHex(root)}`, problem: 'it is kept under a release, and is not here' }
  }
  if (environment.inline.getCount() !== inlineBlobs(environment)) {
    yield { subject: 'inline', problem: 'there are bytes of blobs that nobody knows' }
  }
  const usage = blobs.usage()
  for (const sum of ['blobs', 'bytes', 'mirroredBytes'] as const) {
    if (usage[sum] !== sums[sum]) yield { subject: sum, problem: `the sum says ${usage[sum]}, the rows ${sums[sum]}` }
  }
}

function inlineBlobs(environment: Environment): number {
  let count = 0
  for (const { value } of environment.blobs.getRange({})) if (!placeOf(value)) count++
  return count
}

/** Each extent belongs to a blob or a fetch, none overlap, and packs are accounted to the byte. */
async function* packs({ environment, packs, disk }: Components): AsyncGenerator<Found> {
  const live = new Map<number, number>()
  const ends = new Map<number, number>()
  for (const { key, value } of environment.extents.getRange({})) {
    const [pack = 0, offset = 0] = key
    const subject = `extent ${pack}:${offset}`
    const owner = value.sealed ? environment.blobs.get(value.root) : environment.downloads.get(value.root)
    if (owner?.pack !== pack || owner.offset !== offset) yield { subject, problem: 'nobody owns it' }
    if (offset < (ends.get(pack) ?? 0)) yield { subject, problem: 'it overlaps the one before it' }
    live.set(pack, (live.get(pack) ?? 0) + value.bytes)
    ends.set(pack, offset + value.bytes)
  }
  for (const { key, value } of environment.downloads.getRange({})) {
    const { pack, offset } = extentOf(value)
    const extent = environment.extents.get([pack, offset])
    if (!extent || extent.sealed) yield { subject: `fetch ${toHex(key)}`, problem: 'its extent is not known' }
  }
  for (const { key: pack, value } of environment.packs.getRange({})) {
    const subject = `pack ${pack}`
    const counted = live.get(pack) ?? 0
    if (counted !== value.live) yield { subject, problem: `${value.live} live bytes are counted, ${counted} are there` }
    if ((ends.get(pack) ?? 0) > value.end) yield { subject, problem: 'an extent lies behind its end' }
    const bytes = await sizeOf(disk, packs.path(pack))
    const problem = `its file has ${bytes} bytes, ${value.end} were acknowledged`
    if (bytes < value.end) yield { subject, problem, repair: 'verify' }
    live.delete(pack)
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
