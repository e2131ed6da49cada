// Packs under several writers at once: what one does to a file must leave alone what another has put there.
import { test } from 'tap'
import type { Disk, DiskFile } from '../../../src/base/disk.ts'
import { systemDisk } from '../../../src/base/disk.ts'
import { directEffects } from '../../../src/base/effects.ts'
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
