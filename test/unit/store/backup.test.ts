import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { directEffects } from '../../../src/base/effects.ts'
import { BLOB_AT_HAND_BYTES_MAX, DISK_RESERVE_BYTES_MAX } from '../../../src/base/limits.ts'
import { GiB, MiB } from '../../../src/base/units.ts'
import { type BackupOptions, backUp, restore } from '../../../src/store/backup.ts'
import { dataPaths } from '../../../src/store/data-directory.ts'
import { begun, blobOf, bytesOf, fetched, type Made, nobody, type Opened, openStore, put, released } from './opened.ts'
import { gate, watchedDisk } from './watched-disk.ts'

async function filled(t: Test, disk = watchedDisk()) {
  const store = await openStore(t, join(t.testdir({}), 'data'), disk)
  const release = await released(store, '1.0.0')
  const [own, mirrored, small] = [blobOf(300_000), blobOf(2 * MiB), blobOf(100)]
  for (const blob of [own, small]) await put(store, blob, release)
  await fetched(store, mirrored, release)
  const target = join(store.folder, '..', 'copy')
  return { store, release, blobs: [own, mirrored, small], target }
}

function backedUp(store: Opened, target: string, options?: BackupOptions) {
  return backUp({ ...store, effects: directEffects }, dataPaths(store.folder), target, options)
}

/** Restore a backup beside it, and open what comes of it. */
async function restored(t: Test, backup: string): Promise<Opened> {
  const target = `${backup}-restored`
  rmSync(target, { recursive: true, force: true })
  await restore(backup, target)
  return openStore(t, target)
}

async function holds(t: Test, store: Opened, blobs: readonly Made[]): Promise<void> {
  t.same(await store.check(), [])
  for (const blob of blobs) t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes), `all ${blob.size} bytes`)
  const found = []
  for await (const each of store.scrubber.run(undefined)) found.push(each)
  t.same(
    found.filter(({ damaged }) => damaged > 0),
    [],
  )
}

test('a backup has records, blobs, fetches, keys and settings, and nothing of the machine', async (t) => {
  const { store, release, blobs, target } = await filled(t)
  const unfinished = blobOf(3 * MiB)
  const download = await begun(store, unfinished, release)
  await download.write(0, unfinished.bytes.subarray(0, MiB))
  await download.suspend()
  const { keys, settings, search, lock } = dataPaths(store.folder)
  for (const folder of [keys, search]) mkdirSync(folder)
  for (const file of [join(keys, 'node.key'), settings, join(search, 'x'), lock]) writeFileSync(file, 'x')
  const told: number[] = []
  const copied = await backedUp(store, target, { onProgress: ({ bytes, total }) => told.push(bytes / total) })
  t.equal(copied.files, 4, 'database, pack, key, settings')
  t.same(readdirSync(target).sort(), ['backup.json', 'catalog.toml', 'database', 'keys', 'packs'])
  t.same(told.toSorted(), told)
  t.equal(told.at(-1), 1)
  const after = await restored(t, target)
  await holds(t, after, blobs)
  t.same(after.blobs.usage(), store.blobs.usage())
  t.equal(after.records.get(release)?.statement.kind, 'release')
  t.equal((await begun(after, unfinished, release)).heldBytes(), MiB)
})

test('a backup of a store that goes on is the store of one moment', async (t) => {
  const { store, release, blobs, target } = await filled(t)
  const stop = new AbortController()
  const done: Made[] = []
  const publishing = (async () => {
    for (let seed = 1; !stop.signal.aborted || seed < 10; seed++) {
      const blob = blobOf([5, 40_000, BLOB_AT_HAND_BYTES_MAX + 1][seed % 3] ?? 0, seed)
      await put(store, blob, await released(store, `1.0.${seed}`))
      done.push(blob)
    }
  })()
  const going = blobOf(200_000, 7)
  await put(store, going, nobody)
  for (let i = 0; i < 3; i++) {
    const before = [...done]
    await backedUp(store, `${target}-${i}`)
    for await (const _ of store.collector.sweep());
    for await (const _ of store.repacker.run());
    const after = await restored(t, `${target}-${i}`)
    await holds(t, after, [...blobs, ...before])
    t.equal(after.records.shelves.list().length, 1)
  }
  stop.abort()
  await publishing
  t.ok(store.records.get(release))
  await holds(t, store, [...blobs, ...done])
})

test('a pack that empties after the database was copied is in the backup all the same', async (t) => {
  const disk = watchedDisk()
  const { store, release, blobs, target } = await filled(t, disk)
  const large = blobOf(65 * MiB)
  await put(store, large, release)
  const copying = gate()
  // The database is copied before anyone asks how long the packs are.
  const list = disk.list.bind(disk)
  Object.assign(disk, {
    list: async (path: string) => {
      await copying.wait()
      return list(path)
    },
  })
  const backingUp = backedUp(store, target)
  await copying.reached
  await store.environment.transaction(() => store.blobs.remove(large.root))
  await store.packs.collect()
  t.ok(existsSync(store.packs.path(2)))
  copying.open()
  await backingUp
  await store.packs.collect()
  t.notOk(existsSync(store.packs.path(2)), 'and is removed once that is made')
  Object.assign(disk, { list })
  await holds(t, await restored(t, target), [...blobs, large])
})

test('who restores is told of a backup that was cut off, and of a target that is not empty', async (t) => {
  const { store, target } = await filled(t)
  await backedUp(store, target)
  const other = join(target, '..', 'other')
  mkdirSync(other)
  writeFileSync(join(other, 'file'), '')
  await t.rejects(restore(target, other), { code: 'TARGET_EXISTS' })
  t.same(readdirSync(other), ['file'])
  await t.rejects(backedUp(store, other), { code: 'TARGET_EXISTS' })
  rmSync(join(target, 'backup.json'))
  await t.rejects(restore(target, `${other}-2`), { code: 'NOT_FOUND', message: /not a whole one/ })
  writeFileSync(join(target, 'backup.json'), '{"form')
  await t.rejects(restore(target, `${other}-2`), { code: 'NOT_FOUND' })
  t.notOk(existsSync(`${other}-2`))
})

test('a backup leaves the reserve of the disk it goes to alone, and half of one leaves nothing', async (t) => {
  const disk = watchedDisk()
  const { store, target } = await filled(t, disk)
  // The database fits, and the packs do not.
  let asked = 0
  const reserve = DISK_RESERVE_BYTES_MAX
  disk.watch.space = () => ({ total: 1000 * GiB, free: reserve + (asked++ === 0 ? GiB : 100_000) })
  await t.rejects(backedUp(store, target), { code: 'DISK_FULL' })
  t.equal(asked, 2)
  t.same(readdirSync(target), [])
  await t.rejects(backedUp(store, target), { code: 'DISK_FULL' })
  disk.watch.space = undefined
  t.match(await backedUp(store, target), { files: 2 })
})
