import { test } from 'tap'
import { DISK_RESERVE_BYTES_MAX, DISK_RESERVE_SHARE } from '../../../src/base/limits.ts'
import { GiB, MiB } from '../../../src/base/units.ts'
import { databaseGuard, Space } from '../../../src/store/space.ts'
import { openStore } from './opened.ts'
import { watchedDisk } from './watched-disk.ts'

test('bulk bytes leave the reserve alone, to the byte; the database draws on three quarters of it', async (t) => {
  const disk = watchedDisk()
  const store = await openStore(t, t.testdir({}), disk)
  const space = new Space(store, { folder: store.folder })
  const guard = databaseGuard(disk, store.folder)
  for (const [total, reserve] of [
    [1000 * GiB, DISK_RESERVE_BYTES_MAX],
    [DISK_RESERVE_BYTES_MAX / DISK_RESERVE_SHARE, DISK_RESERVE_BYTES_MAX],
    [1000 * MiB, 50 * MiB],
  ] as const) {
    const free = reserve + 1000
    disk.watch.space = () => ({ total, free })
    t.same(space.state(), { free, reserve })
    space.mustBeThere(1000)
    space.promise(1000)[Symbol.dispose]()
    for (const ask of [() => space.mustBeThere(1001), () => space.promise(1001)]) {
      t.throws(ask, { code: 'DISK_FULL', hint: /Free at least 1 B/ })
    }
    guard(1000 + (reserve * 3) / 4)
    t.throws(() => guard(1001 + (reserve * 3) / 4), { code: 'DISK_FULL' })
  }
})

test('space that is not there is not reserved', async (t) => {
  const disk = watchedDisk({ space: () => ({ total: 1000 * GiB, free: 300 * MiB }) })
  const store = await openStore(t, t.testdir({}), disk)
  const space = new Space(store, { folder: store.folder })
  t.throws(() => space.reserve(45 * MiB), { code: 'DISK_FULL', message: /300 MiB are free, 45 MiB .* 256 MiB/ })
  t.match(space.reserve(44 * MiB).place, { pack: 1, offset: 0 })
})

test('room is promised once: what is being stored does not count on what others will write', async (t) => {
  const disk = watchedDisk()
  const store = await openStore(t, t.testdir({}), disk)
  const space = new Space(store, { folder: store.folder })
  const reserve = DISK_RESERVE_BYTES_MAX
  let free = reserve + 100 * MiB
  disk.watch.space = () => ({ total: 1000 * GiB, free })
  const first = space.reserve(60 * MiB)
  t.throws(() => space.reserve(41 * MiB), { code: 'DISK_FULL', message: /60 MiB are promised/, hint: /least 1.0 MiB/ })
  t.throws(() => space.promise(41 * MiB), { code: 'DISK_FULL' })
  t.throws(() => space.reserveToRewrite(41 * MiB + (reserve * 5) / 8), { code: 'DISK_FULL' })
  space.mustBeThere(100 * MiB)
  const second = space.reserve(40 * MiB)
  t.throws(() => space.promise(1), { code: 'DISK_FULL' }, 'all of it is promised')
  free -= 10 * MiB
  first.wrote(10 * MiB)
  t.throws(() => space.promise(1), { code: 'DISK_FULL' }, 'what is written is counted once')
  second[Symbol.dispose]()
  second[Symbol.dispose]()
  space.promise(40 * MiB)[Symbol.dispose]()
  space.resume(second.place, 30 * MiB)
  t.throws(() => space.promise(11 * MiB), { code: 'DISK_FULL' })
})

test('of a file of its own what is written is free no more, whoever writes it', async (t) => {
  const disk = watchedDisk()
  const store = await openStore(t, t.testdir({}), disk)
  const space = new Space(store, { folder: store.folder })
  disk.watch.space = () => ({ total: 1000 * GiB, free: DISK_RESERVE_BYTES_MAX + 100 * MiB })
  const { place } = space.reserve(80 * MiB)
  await store.packs.extend(place)
  t.throws(() => space.promise(21 * MiB), { code: 'DISK_FULL' }, 'a length is no room')
  await store.packs.write(place, 0, new Uint8Array(10 * MiB))
  space.promise(29 * MiB)[Symbol.dispose]()
  t.throws(() => space.promise(31 * MiB), { code: 'DISK_FULL' })
})
