// Makes the parts of this room for a node: the database, what stands in it, and what keeps it in order.
import type { Clock } from '../base/clock.ts'
import type { Disk } from '../base/disk.ts'
import type { Effects } from '../base/effects.ts'
import type { CatalogError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import type { Core } from '../core/surface.ts'
import type { WorkerPool } from '../core/workers/pool.ts'
import type { OriginKeys } from '../model/origin.ts'
import { Blobs } from './blobs.ts'
import type { DataPaths } from './data-directory.ts'
import { Environment } from './environment.ts'
import { Follows } from './follows.ts'
import { GarbageCollector } from './gc.ts'
import { Heard } from './heard.ts'
import { Kept } from './kept.ts'
import { Ledger } from './ledger.ts'
import { Maintenance } from './maintenance.ts'
import { OutboxRows } from './outbox.ts'
import { Packs } from './packs.ts'
import { Peers } from './peers.ts'
import { Pins } from './pins.ts'
import { Quota } from './quota.ts'
import { Records } from './records.ts'
import { type Recovery, recover } from './recovery.ts'
import { Repacker } from './repack.ts'
import { Scratch } from './scratch.ts'
import { Scrubber } from './scrub.ts'
import { Sketches } from './sketches.ts'
import { databaseGuard, Space } from './space.ts'
import { Tokens } from './tokens.ts'
import { Usage } from './usage.ts'

interface Components {
  clock: Clock
  core: Core
  disk: Disk
  effects: Effects
  random: Random
  workers: WorkerPool
}

interface Options {
  paths: DataPaths
  /** Most bytes kept of what others published. */
  maxMirrorStorage: number
  /** Of npm's registry. */
  originKeys: OriginKeys
}

export interface StoreRoom {
  readonly environment: Environment
  readonly records: Records
  readonly blobs: Blobs
  readonly packs: Packs
  readonly space: Space
  readonly scratch: Scratch
  readonly pins: Pins
  readonly peers: Peers
  readonly kept: Kept
  readonly ledger: Ledger
  readonly heard: Heard
  readonly outbox: OutboxRows
  readonly tokens: Tokens
  readonly usage: Usage
  readonly follows: Follows
  readonly sketches: Sketches
  readonly quota: Quota
  readonly collector: GarbageCollector
  readonly repacker: Repacker
  readonly scrubber: Scrubber
  readonly maintenance: Maintenance
  /** What opening did about how the last run ended. */
  readonly recovery: Recovery
  /** Resolves when the database can write no more. */
  readonly failed: Promise<CatalogError>
  /** Everything that others use must have ended. */
  close(): Promise<void>
}

/** @throws CatalogError `STORE_FAILED`, `STORE_FORMAT`, `STORE_DAMAGED` */
export async function openStore(components: Components, options: Options): Promise<StoreRoom> {
  const { paths, maxMirrorStorage, originKeys } = options
  const { clock, core, disk, effects, random, workers } = components
  const { promise: failed, resolve: onFailure } = Promise.withResolvers<CatalogError>()
  const guard = databaseGuard(disk, paths.root)
  const environment = new Environment({ effects }, { path: paths.database, guard, onFailure })
  const packs = new Packs({ environment, disk }, { folder: paths.packs })
  const scratch = new Scratch({ disk, random }, { folder: paths.scratch })
  const recovery = await recover({ environment, packs, scratch }).catch(async (thrown) => {
    await packs.close()
    await environment.close()
    throw thrown
  })
  const space = new Space({ disk, packs }, { folder: paths.root })
  const blobs = new Blobs({ environment, packs, space, disk, workers, clock })
  const records = new Records({ environment }, { originKeys })
  const kept = new Kept({ environment, blobs, clock })
  const ledger = new Ledger({ environment, clock })
  const usage = new Usage({ environment, clock })
  const outbox = new OutboxRows({ environment, clock })
  const collector = new GarbageCollector({ environment, blobs, packs, records, kept, clock })
  const repacker = new Repacker({ environment, blobs, packs, space, clock })
  const maintenance = new Maintenance({ blobs, collector, repacker, clock })
  return {
    ...{ environment, records, blobs, packs, space, scratch, kept, ledger, usage, collector, repacker, maintenance },
    ...{ recovery, failed },
    outbox,
    heard: new Heard({ environment, clock }),
    tokens: new Tokens({ environment, clock, random }),
    follows: new Follows({ environment, clock }),
    sketches: new Sketches({ environment, records, core }),
    pins: new Pins({ environment, clock }),
    peers: new Peers({ environment, clock }),
    quota: new Quota({ environment, blobs, packs, clock }, { max: maxMirrorStorage }),
    scrubber: new Scrubber({ blobs, workers, core, clock }),
    async close() {
      await ledger.flush()
      await usage.flush()
      await outbox.flush()
      await packs.close()
      await environment.close()
    },
  }
}
