// Packs under several writers at once: what one does to a file must leave alone what another has put there.
import { truncateSync } from 'node:fs'
import { test } from 'tap'
import { type Disk, type DiskFile, systemDisk } from '../../../src/base/disk.ts'
import { directEffects } from '../../../src/base/effects.ts'
import { CHUNK_BYTES } from '../../../src/base/limits.ts'
import { KiB, MiB } from '../../../src/base/units.ts'
import { blobOf, bytesOf, openStore, put } from './opened.ts'

const release = new Uint8Array(32).fill(1)
const disk = systemDisk(directEffects)

/** The system's disk with other files. */
function diskWith(change: (file: DiskFile, path: string) => DiskFile): Disk {
  return { ...disk, open: async (path, mode) => change(await disk.open(path, mode), path) }
}

test('making room for one extent takes nothing from another', async (t) => {
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  // Whoever asks how long the pack is acts on an answer that is no longer true.
  const slow = diskWith((file, path) => ({
    ...file,
    async size() {
      const size = await file.size()
      if (path.endsWith('.pack')) {
        asked.resolve()
        await answer.promise
      }
      return size
    },
  }))
  const store = await openStore(t, t.testdir({}), slow)
  const [large, small] = [blobOf(2 * MiB), blobOf(100 * KiB)]
  const first = put(store, large, release)
  await asked.promise
  await put(store, small, release)
  answer.resolve()
  await first
  for (const blob of [large, small]) t.ok((await bytesOf(store, blob.root))?.equals(blob.bytes))
  t.same(await store.check(), [])
})

test('a pack is short only of what was ever synced', async (t) => {
  const folder = t.testdir({})
  const store = await openStore(t, folder)
  const [kept, fetched] = [blobOf(100 * KiB), blobOf(3 * MiB)]
  await put(store, kept, release)
  const begun = await store.blobs.download(fetched.root, fetched.size, release, fetched.outline)
  const { end = 0 } = store.environment.packs.get(1) ?? {}
  await store.close()
  // The power went: nothing had made the room for the fetch stay.
  truncateSync(store.packs.path(1), 200 * KiB)
  const after = await openStore(t, folder)
  t.same(after.recovery.short, [])
  t.equal(after.recovery.fetches, 1)
  t.same(await after.check(), [])
  t.match(await after.packs.files(), [{ size: end }])
  const resumed = await after.blobs.download(fetched.root, fetched.size, release, fetched.outline)
  await resumed.write(0, fetched.bytes.subarray(0, CHUNK_BYTES))
  await resumed.suspend()
  await after.close()
  truncateSync(after.packs.path(1), end - 1)
  t.match((await openStore(t, folder)).recovery, { short: [{ pack: 1, missing: 1 }] }, 'a chunk was acknowledged')
  t.equal(begun.heldBytes(), 0)
})
