// The store's parts over a folder of a test, opened as a node opens them and closed when the test ends.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { concatBytes, sha256 } from '../../../src/base/bytes.ts'
import { type Disk, systemDisk } from '../../../src/base/disk.ts'
import { directEffects } from '../../../src/base/effects.ts'
import { CHUNK_BYTES } from '../../../src/base/limits.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { rootOf } from '../../../src/core/digest-tree.ts'
import { loadCore } from '../../../src/core/load.ts'
import { WorkerPool } from '../../../src/core/workers/pool.ts'
import type { HashedBlob } from '../../../src/store/blob-rows.ts'
import { Blobs } from '../../../src/store/blobs.ts'
import { type Finding, checkStore } from '../../../src/store/check.ts'
import { Environment } from '../../../src/store/environment.ts'
import { GarbageCollector } from '../../../src/store/gc.ts'
import { Kept } from '../../../src/store/kept.ts'
import { Packs } from '../../../src/store/packs.ts'
import { Records } from '../../../src/store/records.ts'
import { type Recovery, recover } from '../../../src/store/recovery.ts'
import { Repacker } from '../../../src/store/repack.ts'
import { Scratch } from '../../../src/store/scratch.ts'
import { Scrubber } from '../../../src/store/scrub.ts'
import { Space } from '../../../src/store/space.ts'
import { ManualClock } from '../../manual-clock.ts'

export interface Opened {
  readonly environment: Environment
  readonly records: Records
  readonly blobs: Blobs
  readonly packs: Packs
  readonly kept: Kept
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
  check(): Promise<Finding[]>
  /** As after a restart: everything anew over the same folder. */
  reopen(): Promise<Opened>
}

export const core = await loadCore('wasm')
const disks = systemDisk(directEffects)

export async function openStore(t: Test, folder = t.testdir({}), disk: Disk = disks): Promise<Opened> {
  const clock = new ManualClock()
  const environment = new Environment({ effects: directEffects }, { path: join(folder, 'database') })
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
  t.teardown(close)
  const space = new Space({ disk, packs }, { folder })
  const blobs = new Blobs({ environment, packs, space, disk, workers, clock })
  const scratch = new Scratch({ disk, random: seededRandom(1) }, { folder: join(folder, 'scratch') })
  const recovery = await recover({ environment, packs, scratch })
  const records = new Records({ environment })
  const kept = new Kept({ environment, clock })
  const components = { environment, records, blobs, packs, kept, clock, disk, space, workers, core }
  return {
    ...{ environment, records, blobs, packs, kept, scratch, clock, disk, folder, recovery },
    collector: new GarbageCollector(components),
    repacker: new Repacker(components),
    scrubber: new Scrubber(components),
    async check() {
      const findings: Finding[] = []
      for await (const finding of checkStore(components)) findings.push(finding)
      return findings
    },
    async reopen() {
      await close()
      return openStore(t, folder, disk)
    },
  }
}

/** A blob with its bytes, as whoever published it has it. */
export interface Made extends HashedBlob {
  readonly bytes: Buffer
}

export function blobOf(size: number, seed = size): Made {
  // Random once, and every chunk another: a generator in JavaScript would take seconds for the larger ones.
  const bytes = Buffer.alloc(size, seededRandom(seed).bytes(Math.min(size, 9973)))
  const ids: Uint8Array[] = []
  for (let at = 0; at < size; at += CHUNK_BYTES) ids.push(sha256(bytes.subarray(at, at + CHUNK_BYTES)))
  const outline = concatBytes(...ids)
  return { bytes, outline, root: rootOf(core, outline, size), size, sha256: sha256(bytes) }
}

/** Publish a blob under a release, the way publishing does. */
export async function put(store: Opened, blob: Made, release: Uint8Array): Promise<void> {
  await using folders = store.scratch.open()
  const path = join(await folders.folder(), 'file')
  writeFileSync(path, blob.bytes)
  const staged = await store.blobs.stage({ path })
  try {
    await store.blobs.seal([staged], release)
    await store.environment.transaction(() => store.blobs.link(staged, release, 'published'))
  } finally {
    await store.blobs.discard([staged])
  }
}

/** Fetch a blob, the way the fetcher does. */
export async function fetched(store: Opened, blob: Made, release: Uint8Array): Promise<void> {
  const download = await store.blobs.download(blob.root, blob.size, release, blob.outline)
  for (const { first, count } of download.missing()) {
    await download.write(first, blob.bytes.subarray(first * CHUNK_BYTES, (first + count) * CHUNK_BYTES))
  }
  await download.finish(blob)
}

/** All bytes of a blob that is kept. */
export async function bytesOf({ blobs }: Opened, root: Uint8Array): Promise<Buffer | undefined> {
  using lease = blobs.lease(root)
  if (!lease) return undefined
  const bytes = Buffer.alloc(lease.length)
  await blobs.readFrom(lease, 0, bytes)
  return bytes
}
