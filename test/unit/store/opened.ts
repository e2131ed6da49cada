// The store's parts over a folder of a test, opened as a node opens them and closed when the test ends.
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { concatBytes, sha256 } from '../../../src/base/bytes.ts'
import { type Disk, systemDisk } from '../../../src/base/disk.ts'
import { directEffects } from '../../../src/base/effects.ts'
import type { CatalogError } from '../../../src/base/errors.ts'
import { CHUNK_BYTES } from '../../../src/base/limits.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { rootOf } from '../../../src/core/digest-tree.ts'
import { loadCore } from '../../../src/core/load.ts'
import { WorkerPool } from '../../../src/core/workers/pool.ts'
import type { StagedBlob } from '../../../src/store/blob-index.ts'
import type { HashedBlob } from '../../../src/store/blob-rows.ts'
import { Blobs, type Lease } from '../../../src/store/blobs.ts'
import { checkStore, type Finding } from '../../../src/store/check.ts'
import type { Download } from '../../../src/store/download.ts'
import { Environment } from '../../../src/store/environment.ts'
import { GarbageCollector } from '../../../src/store/gc.ts'
import { Heard } from '../../../src/store/heard.ts'
import { Kept } from '../../../src/store/kept.ts'
import { Packs } from '../../../src/store/packs.ts'
import { Pins } from '../../../src/store/pins.ts'
import { Records } from '../../../src/store/records.ts'
import { type Recovery, recover } from '../../../src/store/recovery.ts'
import { Repacker } from '../../../src/store/repack.ts'
import { Scratch } from '../../../src/store/scratch.ts'
import { Scrubber } from '../../../src/store/scrub.ts'
import { Space } from '../../../src/store/space.ts'
import { Tokens } from '../../../src/store/tokens.ts'
import { ManualClock } from '../../manual-clock.ts'
import { publisherOf, releaseOf, shareOf } from '../model/made.ts'

export interface Opened {
  readonly environment: Environment
  readonly records: Records
  readonly blobs: Blobs
  readonly packs: Packs
  readonly kept: Kept
  readonly heard: Heard
  readonly tokens: Tokens
  readonly pins: Pins
  readonly scratch: Scratch
  readonly collector: GarbageCollector
  readonly repacker: Repacker
  readonly scrubber: Scrubber
  readonly clock: ManualClock
  readonly disk: Disk
  readonly folder: string
  /** What opening did. */
  readonly recovery: Recovery
  /** All that does not hold; a sound store has nothing. */
  check(signal?: AbortSignal): Promise<Finding[]>
  close(): Promise<void>
  /** As after a restart: everything anew over the same folder. */
  reopen(): Promise<Opened>
}

export const core = await loadCore('wasm')
const disks = systemDisk(directEffects)

export interface OpenOptions {
  readonly disk?: Disk
  /** Whether files and rows are brought in line first, as a node does it; true by default. */
  readonly recovering?: boolean
  /** As `Environment` takes them. */
  readonly guard?: (bytes: number) => void
  readonly onFailure?: (error: CatalogError) => void
}

export async function openStore(
  t: Test,
  folder = t.testdir({}),
  disk: Disk = disks,
  { recovering = true }: OpenOptions = {},
): Promise<Opened> {
  const store = await openParts(folder, { disk, recovering })
  t.teardown(store.close)
  return {
    ...store,
    async reopen() {
      await store.close()
      return openStore(t, folder, disk)
    },
  }
}

/** The same for whoever closes it himself. */
export async function openParts(folder: string, options: OpenOptions = {}): Promise<Opened> {
  const { disk = disks, recovering = true, ...opening } = options
  const clock = new ManualClock()
  const environment = new Environment({ effects: directEffects }, { path: join(folder, 'database'), ...opening })
  const workers = new WorkerPool({ effects: directEffects }, { threads: 1, core: 'wasm' })
  const packs = new Packs({ environment, disk }, { folder: join(folder, 'packs') })
  let closed = false
  const close = async () => {
    if (closed) return
    closed = true
    await workers.close()
    await packs.close()
    await environment.close()
  }
  const space = new Space({ disk, packs }, { folder })
  const blobs = new Blobs({ environment, packs, space, disk, workers, clock })
  const scratch = new Scratch({ disk, random: seededRandom(1) }, { folder: join(folder, 'scratch') })
  const nothing: Recovery = { cut: [], removed: [], short: [], scratch: 0, fetches: 0 }
  const recovered = recovering ? recover({ environment, packs, scratch }) : Promise.resolve(nothing)
  const recovery = await recovered.catch(async (thrown) => {
    await close()
    throw thrown
  })
  const records = new Records({ environment })
  const kept = new Kept({ environment, blobs, clock })
  const components = { environment, records, blobs, packs, kept, clock, disk, space, workers, core }
  return {
    ...{ environment, records, blobs, packs, kept, scratch, clock, disk, folder, recovery },
    heard: new Heard(components),
    tokens: new Tokens({ ...components, random: seededRandom(2) }),
    pins: new Pins(components),
    collector: new GarbageCollector(components),
    repacker: new Repacker(components),
    scrubber: new Scrubber(components),
    async check(signal) {
      const findings: Finding[] = []
      for await (const finding of checkStore(components, signal)) findings.push(finding)
      return findings
    },
    close,
    async reopen() {
      await close()
      return openParts(folder, options)
    },
  }
}

/** Id of a release that is on no shelf. */
export const nobody = new Uint8Array(32).fill(9)

/** A blob with its bytes, as whoever published it has it. */
export interface Made extends HashedBlob {
  readonly bytes: Buffer
}

/** @param of - its bytes, or how many of them to make up */
export function blobOf(of: number | Buffer, seed = Number(of)): Made {
  // Random once, and every chunk another: a generator in JavaScript would take seconds for the larger ones.
  const bytes = typeof of === 'number' ? Buffer.alloc(of, seededRandom(seed).bytes(Math.min(of, 9973))) : of
  const size = bytes.length
  const ids: Uint8Array[] = []
  for (let at = 0; at < size; at += CHUNK_BYTES) ids.push(sha256(bytes.subarray(at, at + CHUNK_BYTES)))
  const outline = concatBytes(...ids)
  return { bytes, outline, root: rootOf(core, outline, size), size, sha256: sha256(bytes) }
}

/** Bytes of whole chunks of a blob, from `chunk` on. */
export function chunkOf({ bytes }: Made, chunk: number, count = 1): Uint8Array {
  return bytes.subarray(chunk * CHUNK_BYTES, (chunk + count) * CHUNK_BYTES)
}

/** A blob that is written, and known to nobody yet. */
export async function stagedOf({ blobs, scratch }: Opened, { bytes }: Made): Promise<StagedBlob> {
  await using folders = scratch.open()
  const path = join(await folders.folder(), 'file')
  writeFileSync(path, bytes)
  return await blobs.stage({ path })
}

/** Publish a blob under a release, the way publishing does. */
export async function put(store: Opened, blob: Made, release: Uint8Array): Promise<void> {
  const staged = await stagedOf(store, blob)
  try {
    await store.blobs.seal([staged], release)
    await store.environment.transaction(() => store.blobs.link(staged, release, 'published'))
  } finally {
    await store.blobs.discard([staged])
  }
}

/** Begin or resume fetching a blob. */
export function begun({ blobs }: Opened, blob: Made, release: Uint8Array): Promise<Download> {
  return blobs.download(blob.root, blob.size, release, blob.outline)
}

/** Fetch a blob, the way the fetcher does. */
export async function fetched(store: Opened, blob: Made, release: Uint8Array): Promise<void> {
  const download = await begun(store, blob, release)
  for (const { first, count } of download.missing()) await download.write(first, chunkOf(blob, first, count))
  await download.finish(blob)
}

/** A public release on a shelf. @returns its record id */
export async function released({ records }: Opened, version: string, publisher = publisherOf(0)): Promise<Uint8Array> {
  const release = releaseOf(publisher, { version })
  const share = shareOf(publisher, release.statement.subject, 1)
  await records.admitAll(
    [publisher.document, release, share].map((record) => ({ record, audience: 'public' as const })),
  )
  return release.id
}

/** The bytes a lease names, read past the store. */
export function leased(lease: Lease | undefined): Buffer {
  if (lease?.path === undefined) return Buffer.from(lease?.bytes ?? [])
  const bytes = Buffer.alloc(lease.length)
  const file = openSync(lease.path, 'r')
  readSync(file, bytes, 0, lease.length, lease.offset)
  closeSync(file)
  return bytes
}

/** Change bytes of a blob on the disk. @param at - from its first byte; may lie before or behind the blob */
export function bend({ blobs }: Opened, root: Uint8Array, at: number, bytes: Uint8Array | string = 'x'): void {
  using lease = blobs.lease(root, { quietly: true })
  const file = openSync(lease?.path ?? '', 'r+')
  writeSync(file, Buffer.from(bytes), 0, bytes.length, (lease?.offset ?? 0) + at)
  closeSync(file)
}

/** All bytes of a blob that is kept. */
export async function bytesOf({ blobs }: Opened, root: Uint8Array): Promise<Buffer | undefined> {
  using lease = blobs.lease(root)
  if (!lease) return undefined
  const bytes = Buffer.alloc(lease.length)
  await blobs.readFrom(lease, 0, bytes)
  return bytes
}
