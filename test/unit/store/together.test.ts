// Everything that changes a store at once, in an order a seed and the disk decide: publishing, fetching, dropping,
// evicting, scrubbing, sweeping, rewriting, backups and restarts, on a disk that is slow here and fails there. Whatever
// happens, the store holds together, and what it says it has is what was put in.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import { directEffects } from '../../../src/base/effects.ts'
import { hasCode } from '../../../src/base/errors.ts'
import { type Random, seededRandom } from '../../../src/base/random.ts'
import { KiB, MiB } from '../../../src/base/units.ts'
import { backUp, restore } from '../../../src/store/backup.ts'
import { dataPaths } from '../../../src/store/data-directory.ts'
import { Quota } from '../../../src/store/quota.ts'
import {
  begun,
  blobOf,
  bytesOf,
  chunkOf,
  leased,
  type Made,
  nobody,
  type Opened,
  openStore,
  put,
  released,
} from './opened.ts'
import { diskError, type WatchedDisk, watchedDisk } from './watched-disk.ts'

/** Inline, written in groups, and written by a worker. */
const SIZES = [100, 20 * KiB, 150 * KiB, MiB + 1, 3 * MiB]

class World {
  readonly store: Opened
  readonly quota: Quota
  /** A release on a shelf. */
  readonly wanted: Uint8Array
  readonly random: Random
  readonly made = SIZES.flatMap((size, i) => [1, 2, 3].map((n) => blobOf(size + n, 10 * i + n)))

  constructor(store: Opened, wanted: Uint8Array, random: Random) {
    this.store = store
    this.quota = new Quota(store, { max: 12 * MiB })
    this.wanted = wanted
    this.random = random
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random.fraction() * items.length)] as T
  }
}

/** Faults that the disk has, or that are said for two of one kind at once or for more than fits: none does harm. */
const EXPECTED = ['PEER_BUSY', 'LIMIT_EXCEEDED', 'DISK_FULL', 'FILE_UNREADABLE', 'STORE_FAILED'] as const
const FAULTY: readonly string[] = ['write', 'sync', 'remove', 'syncFolder', 'open']

/** Operations take some turns of the event loop more, and one in fifty fails while `isFaulty`. */
function moodyDisk(random: Random): WatchedDisk & { isFaulty: boolean } {
  const disk = Object.assign(watchedDisk(), { isFaulty: false })
  disk.watch.before = async (operation) => {
    for (let turns = Math.floor(random.fraction() * 4); turns > 0; turns--) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    if (!disk.isFaulty || !FAULTY.includes(operation) || random.fraction() > 0.02) return
    throw diskError(random.fraction() < 0.5 ? 'EIO' : 'ENOSPC')
  }
  return disk
}

async function drained(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

/** Fetch in two lines of work, and sometimes stop in the middle. */
async function fetch({ store, quota, wanted, random }: World, blob: Made): Promise<void> {
  using _ = await quota.makeRoom(blob.size)
  const download = await begun(store, blob, wanted)
  try {
    const chunks = download.missing().flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i))
    const stopAt = random.fraction() < 0.4 ? Math.floor(chunks.length / 2) : chunks.length
    const line = async (from: number) => {
      for (let i = from; i < stopAt; i += 2) await download.write(chunks[i] ?? 0, chunkOf(blob, chunks[i] ?? 0))
    }
    await Promise.all([line(0), line(1)])
    if (stopAt < chunks.length) return await download.suspend()
    const { root } = await download.digest(false)
    if (toHex(root) !== toHex(blob.root)) throw new Error('what was fetched is not what it should be')
    await download.finish(blob)
  } catch (thrown) {
    await download.suspend()
    throw thrown
  }
}

const ACTIONS: Record<string, (world: World) => Promise<void>> = {
  publish: (world) => put(world.store, world.pick(world.made), world.pick([world.wanted, nobody])),
  fetch: (world) => fetch(world, world.pick(world.made)),
  remove: async (world) => {
    const { root } = world.pick(world.made)
    await world.store.environment.transaction(() => world.store.blobs.remove(root))
    await world.store.packs.collect()
  },
  quarantine: async (world) => {
    const { root, outline } = world.pick(world.made)
    if (world.store.blobs.get(root)) await world.store.blobs.quarantine(root, new Uint8Array(outline.length / 256 + 1))
  },
  read: async (world) => {
    const blob = world.pick(world.made)
    using lease = world.store.blobs.lease(blob.root)
    if (!lease) return
    await world.store.packs.collect()
    if (!leased(lease).equals(blob.bytes)) throw new Error('a lease reads other bytes')
  },
  sweep: ({ store }) => drained(store.collector.sweep()),
  repack: ({ store }) => drained(store.repacker.run()),
  scrub: ({ store }) => drained(store.scrubber.run(undefined)),
  room: async (world) => {
    using _ = await world.quota.makeRoom(4 * MiB)
  },
  uses: ({ store }) => store.blobs.saveUses(),
}

async function holds(t: Test, store: Opened, made: readonly Made[]): Promise<void> {
  t.same(await store.check(), [])
  const known = new Map(made.map((blob) => [toHex(blob.root), blob]))
  for (const { root } of store.blobs.list()) {
    const blob = known.get(toHex(root))
    t.ok((await bytesOf(store, root))?.equals(blob?.bytes ?? Buffer.alloc(0)), `${blob?.size} bytes`)
    t.same(await store.blobs.outline(root), blob?.outline)
  }
}

test('whatever happens at once, the store holds together', async (t) => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  t.comment(`seed ${seed}`)
  const random = seededRandom(seed)
  const disk = moodyDisk(seededRandom(seed + 1))
  let store = await openStore(t, join(t.testdir({}), 'data'), disk)
  const copy = join(store.folder, '..', 'copy')
  for (let round = 0; round < 6; round++) {
    const world = new World(store, await released(store, '1.0.0'), random)
    const running = new Set<Promise<void>>()
    disk.isFaulty = round % 2 === 1
    for (let step = 0; step < 60; step++) {
      const [name, action] = world.pick(Object.entries(ACTIONS))
      const work = action(world).catch((thrown) => {
        if (!hasCode(thrown, ...EXPECTED)) t.fail(`${name}: ${thrown.stack}`)
      })
      const settled = work.finally(() => running.delete(settled))
      running.add(settled)
      if (running.size >= 6) await Promise.race(running)
    }
    if (!disk.isFaulty) await backUp({ ...store, effects: directEffects }, dataPaths(store.folder), copy)
    await Promise.all(running)
    const wasFaulty = disk.isFaulty
    disk.isFaulty = false
    await holds(t, store, world.made)
    if (!wasFaulty) {
      await restore(copy, `${copy}-restored`)
      const restored = await openStore(t, `${copy}-restored`)
      await holds(t, restored, world.made)
      await restored.close()
      for (const folder of [copy, `${copy}-restored`]) rmSync(folder, { recursive: true })
    }
    store = await store.reopen()
    await holds(t, store, world.made)
  }
})
