// The power goes at any moment: of packs, what was not synced is gone, all of it; the database has what was committed.
// What had been acknowledged by then is there, and the store is sound without a word about damage.
import { copyFileSync, cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Test, test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import { type Random, seededRandom } from '../../../src/base/random.ts'
import { KiB, MiB } from '../../../src/base/units.ts'
import {
  begun,
  blobOf,
  bytesOf,
  chunkOf,
  fetched,
  type Made,
  nobody,
  type Opened,
  openStore,
  put,
  released,
} from './opened.ts'
import { type WatchedDisk, watchedDisk } from './watched-disk.ts'

interface Cut {
  readonly folder: string
  /** Roots of blobs that were published or fetched when the power went. */
  readonly acknowledged: readonly Made[]
  /** Chunks that were committed of the blob being fetched in pieces. */
  readonly held: number
}

/** A disk that forgets what was not synced, seen from the folder that a cut leaves. */
class Outage {
  readonly cuts: Cut[] = []
  readonly acknowledged: Made[] = []
  held = 0
  readonly #folder: string
  readonly #random: Random
  readonly #durable: string

  constructor(folder: string, disk: WatchedDisk, random: Random) {
    this.#folder = folder
    this.#random = random
    this.#durable = join(folder, '..', 'durable')
    mkdirSync(this.#durable, { recursive: true })
    disk.watch.before = (operation, path) => {
      // As it is when the system is asked: what is written from now on may be lost.
      if (operation === 'sync') copyFileSync(path, join(this.#durable, `${basename(path)}.syncing`))
      if (this.#random.fraction() < 0.03) this.#cut()
    }
    disk.watch.after = (operation, path) => {
      const name = join(this.#durable, basename(path))
      if (operation === 'sync') renameSync(`${name}.syncing`, name)
    }
  }

  #cut(): void {
    const folder = join(this.#folder, '..', `cut-${this.cuts.length}`)
    // In one turn of the event loop, in which no transaction can commit.
    cpSync(join(this.#folder, 'database'), join(folder, 'database'), { recursive: true })
    cpSync(this.#durable, join(folder, 'packs'), { recursive: true, filter: (path) => !path.endsWith('.syncing') })
    this.cuts.push({ folder, acknowledged: [...this.acknowledged], held: this.held })
  }
}

async function tidied({ collector, repacker }: Opened): Promise<void> {
  for await (const _ of collector.sweep());
  for await (const _ of repacker.run());
}

async function verified(t: Test, { folder, acknowledged, held }: Cut, pieces: Made): Promise<void> {
  const store = await openStore(t, folder)
  t.same(store.recovery.short, [], 'nothing that counted is missing')
  t.same(await store.check(), [])
  for (const blob of acknowledged) t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes), `all ${blob.size} bytes`)
  for await (const { root, damaged } of store.scrubber.run(undefined)) t.equal(damaged, 0, toHex(root))
  const download = await begun(store, pieces, nobody)
  t.ok(download.heldBytes() >= held)
  for (let chunk = 0; chunk < download.chunks; chunk++) {
    if (!download.has(chunk)) await download.write(chunk, chunkOf(pieces, chunk))
  }
  t.same((await download.digest(false)).root, pieces.root, 'what counted as fetched was on the disk')
  await download.suspend()
  await store.close()
  rmSync(folder, { recursive: true })
}

test('a power cut at any moment loses nothing that was acknowledged', async (t) => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  t.comment(`seed ${seed}`)
  const random = seededRandom(seed)
  const disk = watchedDisk()
  const folder = join(t.testdir({}), 'data')
  const store = await openStore(t, folder, disk)
  const release = await released(store, '1.0.0')
  const outage = new Outage(folder, disk, random)
  const pieces = blobOf(2 * MiB, 99)
  const fetching = async () => {
    for (let i = 0; i < 8; i++) {
      const download = await begun(store, pieces, release)
      const [next] = download.missing()
      if (next) await download.write(next.first, chunkOf(pieces, next.first, 4))
      await download.suspend()
      outage.held = Math.max(outage.held, download.heldBytes())
    }
  }
  const line = async (first: number) => {
    for (let seed = first; seed < first + 8; seed++) {
      const size = [100, 20 * KiB, 150 * KiB, MiB + 1][Math.floor(random.fraction() * 4)] ?? 0
      const blob = blobOf(size + seed, seed)
      await (random.fraction() < 0.6 ? put(store, blob, release) : fetched(store, blob, release))
      outage.acknowledged.push(blob)
      await put(store, blobOf(300 * KiB, 1000 + seed), nobody)
      if (seed % 3 === 0) await tidied(store)
    }
  }
  await Promise.all([fetching(), line(1), line(20), line(40)])
  t.ok(outage.cuts.length > 0)
  for (const cut of outage.cuts) await verified(t, cut, pieces)
  t.ok(existsSync(folder))
})
