import { existsSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { directEffects } from '../../../src/base/effects.ts'
import { listen } from '../../../src/base/events.ts'
import { PACK_ALONE_BYTES, PACK_BYTES } from '../../../src/base/limits.ts'
import { KiB, MiB } from '../../../src/base/units.ts'
import { Environment } from '../../../src/store/environment.ts'
import { Packs, type Place } from '../../../src/store/packs.ts'
import { gate, watchedDisk } from './watched-disk.ts'

async function opened(t: Test, folder = t.testdir({}), disk = watchedDisk()) {
  const environment = new Environment({ effects: directEffects }, { path: join(folder, 'database') })
  const packs = new Packs({ environment, disk }, { folder: join(folder, 'packs') })
  let closed = false
  const close = async () => {
    if (closed) return
    closed = true
    await packs.close()
    await environment.close()
  }
  t.teardown(close)
  const recovery = await packs.recover()
  const commit = async (...places: Place[]) => {
    await environment.transaction(() => {
      for (const place of places) {
        packs.commit(place)
        const row = { root: new Uint8Array(32), bytes: place.bytes, sealed: true }
        environment.extents.put([place.pack, place.offset], row)
      }
    })
    for (const place of places) packs.settled(place)
  }
  const free = (...places: Place[]) =>
    environment.transaction(() => {
      for (const place of places) packs.free(place)
    })
  const reopen = async () => {
    await close()
    return opened(t, folder, disk)
  }
  const names = () => readdirSync(join(folder, 'packs'))
  return { environment, packs, disk, recovery, commit, free, reopen, names }
}

/** Reserve, fill, sync and count an extent, as whoever stores a blob does. */
async function filled({ packs, commit }: Awaited<ReturnType<typeof opened>>, bytes: number, byte = 7): Promise<Place> {
  const place = packs.reserve(bytes)
  await packs.write(place, 0, Buffer.alloc(bytes, byte))
  await packs.sync(place.pack)
  await commit(place)
  return place
}

test('extents follow each other in a pack, and rows count what is committed', async (t) => {
  const store = await opened(t)
  const { packs, environment } = store
  const [first, second] = [await filled(store, 100 * KiB, 1), await filled(store, 50 * KiB, 2)]
  t.same(first, { pack: 1, offset: 0, bytes: 100 * KiB })
  t.same(second, { pack: 1, offset: 100 * KiB, bytes: 50 * KiB })
  t.same(environment.packs.get(1), { end: 150 * KiB, live: 150 * KiB, alone: false })
  const buffer = Buffer.alloc(2)
  t.equal(await packs.read(second, 50 * KiB - 1, buffer), 1, 'a read ends where the file does')
  t.equal(await packs.read(first, 100 * KiB - 1, buffer), 2)
  t.same([...buffer], [1, 2])
  await store.free(first)
  t.match(environment.packs.get(1), { end: 150 * KiB, live: 50 * KiB })
})

test('space that is given back at the end of a pack is used again, and no other', async (t) => {
  const { packs, commit } = await opened(t)
  const [first, second, third] = [packs.reserve(10), packs.reserve(20), packs.reserve(30)]
  await packs.abandon(first)
  t.equal(packs.reserve(1).offset, 60, 'somebody fills what lies behind it')
  const fourth = packs.reserve(5)
  await packs.abandon(fourth)
  t.equal(packs.reserve(7).offset, 61)
  await commit(second, third)
})

test('space that was counted once is not used again when its reservation is given back', async (t) => {
  const { packs, environment } = await opened(t)
  const place = packs.reserve(100)
  await environment.transaction(() => packs.commit(place))
  // Linked, and put out of sight again before whoever staged it is done: a lease may be out, a fetch may go on in it.
  await packs.abandon(place)
  t.equal(packs.reserve(10).offset, 100)
})

test('a large extent has a pack to itself, and a pack is closed before it is too large', async (t) => {
  const { packs, environment, commit } = await opened(t)
  t.equal(packs.reserve(PACK_ALONE_BYTES).pack, 1)
  const alone = packs.reserve(PACK_ALONE_BYTES + 1)
  t.match(alone, { pack: 2, offset: 0 })
  await commit(alone)
  t.match(environment.packs.get(2), { alone: true })
  const rest = PACK_BYTES - PACK_ALONE_BYTES
  for (let bytes = 0; bytes < rest; bytes += PACK_ALONE_BYTES) t.equal(packs.reserve(PACK_ALONE_BYTES).pack, 1)
  t.match(packs.reserve(1), { pack: 3, offset: 0 }, 'the first one is full to the byte')
})

test('a pack goes with the last that counts in it, once nobody holds it', async (t) => {
  const store = await opened(t)
  const { packs, disk, names } = store
  const large = packs.reserve(PACK_ALONE_BYTES + 1)
  await packs.write(large, 0, Buffer.from('x'))
  await store.commit(large)
  const small = await filled(store, 64)
  const hold = packs.hold(large.pack)
  await store.free(large, small)
  await packs.collect()
  t.same(names(), ['00000001.pack', '00000002.pack'], 'one is held, to the other something may be added')
  t.equal(await packs.read(large, 0, Buffer.alloc(1)), 1)
  hold[Symbol.dispose]()
  hold[Symbol.dispose]()
  await packs.collect()
  t.same(names(), ['00000002.pack'])
  t.equal(disk.opened, 1)
})

test('an abandoned reservation leaves neither file nor descriptor', async (t) => {
  const { packs, names, disk } = await opened(t)
  const place = packs.reserve(PACK_ALONE_BYTES + 1)
  await packs.extend(place)
  t.same(names(), ['00000001.pack'])
  await packs.abandon(place)
  t.same(names(), [])
  t.equal(disk.opened, 0)
})

test('nothing is removed while all is kept, also by who has begun before', async (t) => {
  const store = await opened(t)
  const { packs, disk, names } = store
  const large = [1, 2, 3].map(() => packs.reserve(PACK_ALONE_BYTES + 1))
  for (const place of large) await packs.write(place, 0, Buffer.from('x'))
  await store.commit(...large)
  const removing = gate()
  disk.watch.before = (operation) => (operation === 'remove' ? removing.wait() : undefined)
  await store.free(...large)
  const collecting = packs.collect()
  await removing.reached
  {
    using _ = packs.keepAll()
    removing.open()
    await collecting
    t.same(names(), ['00000002.pack', '00000003.pack'])
    await packs.collect()
  }
  await packs.collect()
  t.same(names(), [])
})

test('a file that cannot be removed is told, stops nobody, and goes at the next start', async (t) => {
  const store = await opened(t)
  const large = store.packs.reserve(PACK_ALONE_BYTES + 1)
  await store.packs.write(large, 0, Buffer.from('x'))
  await store.commit(large)
  await store.free(large)
  const told: string[] = []
  t.teardown(listen('catalog:failure', ({ task }) => told.push(task)))
  store.disk.watch.before = (operation) => {
    if (operation === 'remove') throw new Error('read-only')
  }
  await store.packs.collect()
  t.same(told, ['remove pack 1'])
  store.disk.watch.before = undefined
  const after = await store.reopen()
  t.same(after.recovery, { cut: [], removed: [1], short: [] })
  t.same(after.names(), [])
})

test('a start cuts tails, removes what no row knows, tells what is short, and goes on', async (t) => {
  const store = await opened(t)
  const [, second] = [await filled(store, 1000), await filled(store, 500)]
  const tail = store.packs.reserve(300)
  await store.packs.write(tail, 0, Buffer.alloc(300, 9))
  const unknown = store.packs.reserve(PACK_ALONE_BYTES + 1)
  await store.packs.write(unknown, 0, Buffer.from('x'))
  const path = store.packs.path(1)
  writeFileSync(join(path, '..', 'no-pack'), '')
  const cut = await store.reopen()
  t.same(cut.recovery, { cut: [{ pack: 1, bytes: 300 }], removed: [2], short: [] })
  t.equal(statSync(path).size, 1500)
  t.ok(existsSync(join(path, '..', 'no-pack')), 'what is no pack is left alone')
  const next = cut.packs.reserve(10)
  t.same(next, { pack: 1, offset: 1500, bytes: 10 })
  await cut.packs.abandon(next)
  truncateSync(path, 1400)
  const short = await cut.reopen()
  t.same(short.recovery, { cut: [], removed: [], short: [{ pack: 1, missing: 100 }] })
  t.equal(short.packs.reserve(10).pack, 2, 'nothing is added to a damaged pack')
  t.equal(await short.packs.read(second, 0, Buffer.alloc(500)), 400)
})

test('a pack that is gone is told by all of its bytes, and not made again by the start', async (t) => {
  const store = await opened(t)
  await filled(store, 1000)
  store.disk.watch.before = undefined
  await store.disk.remove(store.packs.path(1))
  const { recovery, names } = await store.reopen()
  t.same(recovery.short, [{ pack: 1, missing: 1000 }])
  t.same(names(), [])
})

test('syncs at one time share two fdatasyncs at most, and each covers what its caller wrote before', async (t) => {
  const { packs, disk } = await opened(t)
  const places = Array.from({ length: 20 }, () => packs.reserve(64))
  const onDisk = new Set<number>()
  let written = new Set<number>()
  const first = gate()
  disk.watch.before = async (operation) => {
    if (operation !== 'sync') return
    const covered = new Set(written)
    if (disk.count('sync') === 1) await first.wait()
    for (const offset of covered) onDisk.add(offset)
  }
  const store = async (place: Place) => {
    await packs.write(place, 0, Buffer.alloc(64))
    written = new Set([...written, place.offset])
    await packs.sync(place.pack)
    t.ok(onDisk.has(place.offset), `what lies at ${place.offset} was written before its fdatasync began`)
  }
  const [one, ...others] = places
  if (!one) throw new Error('there are twenty')
  const running = store(one)
  await first.reached
  const waiting = others.map(store)
  while (written.size < places.length) await new Promise((resolve) => setImmediate(resolve))
  first.open()
  await Promise.all([running, ...waiting])
  t.equal(disk.count('sync'), 2)
  await packs.sync(1)
  t.equal(disk.count('sync'), 3, 'the next one is not taken for the last')
})

test('after an fdatasync that failed, nothing in that pack counts as written any more', async (t) => {
  const store = await opened(t)
  const { packs, disk } = store
  const place = packs.reserve(64)
  await packs.write(place, 0, Buffer.alloc(64))
  disk.watch.before = (operation) => {
    if (operation === 'sync') throw new Error('input/output error')
  }
  await t.rejects(packs.sync(place.pack), /input/)
  disk.watch.before = undefined
  await t.rejects(packs.sync(place.pack), { code: 'STORE_FAILED', message: /Pack 1/ }, 'the system would say yes now')
  await packs.abandon(place)
  t.equal((await filled(store, 64)).pack, 2, 'others go elsewhere')
})

test('as many files as are kept open are open, and who uses one that is put away is not disturbed', async (t) => {
  const store = await opened(t)
  const { packs, disk } = store
  const places = Array.from({ length: 70 }, () => packs.reserve(PACK_ALONE_BYTES + 1))
  const [first] = places
  if (!first) throw new Error('there are seventy')
  const reading = gate()
  disk.watch.before = (operation) => (operation === 'read' ? reading.wait() : undefined)
  await packs.write(first, 0, Buffer.from('a'))
  const buffer = Buffer.alloc(1)
  const read = packs.read(first, 0, buffer)
  await reading.reached
  for (const place of places) await packs.write(place, 0, Buffer.from('b'))
  t.equal(disk.opened, 64 + 1, 'the one that is being read, and what is kept')
  reading.open()
  t.equal(await read, 1)
  t.equal(disk.opened, 64)
  for (const place of places) {
    t.equal(await packs.read(place, 0, buffer), 1)
    t.equal(buffer.toString(), 'b')
  }
  t.equal(disk.opened, 64)
  await packs.close()
  t.equal(disk.opened, 0)
})

test('what goes wrong with a file leaves no descriptor and is tried again the next time', async (t) => {
  const { packs, disk, names } = await opened(t)
  const place = packs.reserve(MiB)
  const told: string[] = []
  t.teardown(listen('catalog:failure', ({ task }) => told.push(task)))
  for (const failing of ['open', 'syncFolder'] as const) {
    disk.watch.before = (operation) => {
      if (operation === failing) throw new Error(`no ${failing}`)
    }
    await t.rejects(packs.write(place, 0, Buffer.from('x')), new RegExp(`no ${failing}`))
    t.equal(disk.opened, 0)
    t.same(names(), [], 'so that the next one makes it known to the folder')
  }
  disk.watch.before = (operation) => {
    if (operation === 'close') throw new Error('no close')
  }
  await packs.write(place, 0, Buffer.from('x'))
  await packs.close()
  t.same(told, ['close a pack'])
  t.equal(disk.opened, 0)
})

test('a reservation that is made room for cuts off nothing that others write behind it', async (t) => {
  const store = await opened(t)
  const { packs, disk, commit } = store
  const [first, second] = [packs.reserve(1000), packs.reserve(1000)]
  const slow = gate()
  disk.watch.before = (operation, _, position) =>
    operation === 'truncate' || (operation === 'write' && position === 999) ? slow.wait() : undefined
  const extending = packs.extend(first)
  await slow.reached
  await packs.write(second, 0, Buffer.alloc(1000, 7))
  await packs.sync(1)
  await commit(second)
  slow.open()
  await extending
  const buffer = Buffer.alloc(1000)
  t.equal(await packs.read(second, 0, buffer), 1000)
  t.ok(buffer.equals(Buffer.alloc(1000, 7)))
  t.equal(await packs.read(first, 0, buffer), 1000)
  const again = packs.extend(first)
  await again
  t.equal(await packs.read(second, 0, buffer), 1000)
})

test('after a commit that failed nothing is written over, or removed, that it may have counted', async (t) => {
  const { packs, environment, names } = await opened(t)
  const [small, alone] = [packs.reserve(100), packs.reserve(PACK_ALONE_BYTES + 1)]
  await packs.extend(alone)
  environment.addHook({
    beforeCommit() {
      throw new Error('no write')
    },
    rolledBack: () => undefined,
  })
  const counting = environment.transaction(() => {
    for (const place of [small, alone]) packs.commit(place)
  })
  await t.rejects(counting, { code: 'STORE_FAILED' })
  for (const place of [small, alone]) await packs.abandon(place)
  t.same(names(), ['00000002.pack'])
  t.equal(packs.reserve(10).offset, 100)
})
