import { test } from 'tap'
import { listen } from '../../../src/base/events.ts'
import { BLOB_AT_HAND_BYTES_MAX, PACK_BYTES, PACK_GROUP_BYTES } from '../../../src/base/limits.ts'
import { MiB } from '../../../src/base/units.ts'
import { decodeFooter, decodeHeader, extentBytes, footerBytes, HEADER_BYTES } from '../../../src/store/extent.ts'
import { GroupWriter } from '../../../src/store/group-writer.ts'
import type { Packs } from '../../../src/store/packs.ts'
import { Space } from '../../../src/store/space.ts'
import { blobOf, openStore } from './opened.ts'
import { gate, watchedDisk } from './watched-disk.ts'

const release = new Uint8Array(32).fill(1)
const GIB = 1024 * MiB

async function opened(t: Parameters<typeof openStore>[0]) {
  const disk = watchedDisk()
  const store = await openStore(t, t.testdir({}), disk)
  const space = new Space(store, { folder: store.folder })
  const writer = new GroupWriter({ packs: store.packs, space })
  const write = (size: number, seed = size) => {
    const blob = blobOf(size, seed)
    return writer.write(blob, blob.bytes, release)
  }
  return { ...store, disk, write }
}

test('blobs that come while others are written go together, one behind the other', async (t) => {
  const { disk, packs, write } = await opened(t)
  const first = gate()
  disk.watch.before = (operation) => (operation === 'sync' && disk.count('sync') === 1 ? first.wait() : undefined)
  const sizes = [20_000, 70_000, 30_000, BLOB_AT_HAND_BYTES_MAX]
  const alone = write(50_000)
  await first.reached
  const written = sizes.map((size) => write(size))
  first.open()
  const places = [await alone, ...(await Promise.all(written))]
  t.equal(disk.count('sync'), 2)
  t.equal(disk.count('write'), 2, 'a stretch is one write')
  let end = 0
  for (const [index, size] of [50_000, ...sizes].entries()) {
    const place = places[index]
    if (!place) throw new Error('each has one')
    t.same(place, { pack: 1, offset: end, bytes: extentBytes(size) })
    end += place.bytes
    const blob = blobOf(size)
    const buffer = Buffer.alloc(place.bytes)
    await packs.read(place, 0, buffer)
    const header = decodeHeader(buffer)
    t.same(header, { root: blob.root, size })
    t.ok(buffer.subarray(HEADER_BYTES, HEADER_BYTES + size).equals(blob.bytes))
    const footer = buffer.subarray(HEADER_BYTES + size, HEADER_BYTES + size + footerBytes(size))
    t.match(decodeFooter({ root: blob.root, size }, footer), { release, sha256: blob.sha256, outline: blob.outline })
  }
})

test('a group is no larger than its bound', async (t) => {
  const { disk, write } = await opened(t)
  await Promise.all(Array.from({ length: (2 * PACK_GROUP_BYTES) / MiB }, (_, seed) => write(MiB, seed)))
  t.equal(disk.count('sync'), 3, 'the first alone, as nobody else was there yet')
})

test('a group that cannot be written gives its space back when its last write has ended', async (t) => {
  const { disk, packs, write } = await opened(t)
  const first = gate()
  const filler = packs.reserve(extentBytes(MiB))
  // So that the second of a group has to go to another pack.
  for (let left = PACK_BYTES - 3 * filler.bytes; left > 0; left -= Math.min(left, 64 * MiB)) {
    packs.reserve(Math.min(left, 64 * MiB))
  }
  disk.watch.before = (operation) => (operation === 'sync' ? first.wait() : undefined)
  const alone = write(MiB, 1)
  await first.reached
  const slow = gate()
  disk.watch.before = (operation, path) => {
    if (operation !== 'write') return undefined
    if (path.endsWith('1.pack')) throw new Error('input/output error')
    return slow.wait()
  }
  let ended = 0
  const both = [write(MiB, 2), write(MiB, 3)].map((writing) =>
    t.rejects(writing, /input/).then(() => {
      ended++
    }),
  )
  first.open()
  t.match(await alone, { pack: 1 })
  await slow.reached
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(ended, 0)
  slow.open()
  await Promise.all(both)
  disk.watch.before = undefined
  t.match(await write(MiB, 4), { pack: 2, offset: 0 })
})

test('a full disk refuses the group and leaves nothing; there being room again, all goes on', async (t) => {
  const { disk, packs, write } = await opened(t)
  disk.watch.space = () => ({ total: 100 * GIB, free: 256 * MiB })
  const both = [write(30_000), write(40_000)].map((writing) => t.rejects(writing, { code: 'DISK_FULL' }))
  await Promise.all(both)
  t.same(await packs.files(), [])
  disk.watch.space = undefined
  t.match(await write(50_000), { pack: 1, offset: 0 })
})

test('space that cannot be given back holds nobody up', async (t) => {
  const { disk, packs, ...store } = await opened(t)
  const stuck: Packs = Object.assign(Object.create(packs), {
    reserve: (bytes: number) => packs.reserve(bytes),
    write: () => Promise.reject(new Error('no write')),
    abandon: () => Promise.reject(new Error('closed')),
  })
  const told: string[] = []
  t.teardown(listen('catalog:failure', ({ task, message }) => told.push(`${task}: ${message}`)))
  const writer = new GroupWriter({ packs: stuck, space: new Space({ disk, packs }, { folder: store.folder }) })
  for (const blob of [blobOf(30_000), blobOf(40_000)]) {
    await t.rejects(writer.write(blob, blob.bytes, release), /no write/)
  }
  t.same(told, ['give back space: closed', 'give back space: closed'])
})
