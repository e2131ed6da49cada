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
    space.check(1000)
    t.throws(() => space.check(1001), { code: 'DISK_FULL', hint: /Free at least 1 B/ })
    guard(1000 + (reserve * 3) / 4)
    t.throws(() => guard(1001 + (reserve * 3) / 4), { code: 'DISK_FULL' })
  }
})

test('space that is not there is not reserved', async (t) => {
  const disk = watchedDisk({ space: () => ({ total: 1000 * GiB, free: 300 * MiB }) })
  const store = await openStore(t, t.testdir({}), disk)
  const space = new Space(store, { folder: store.folder })
  t.throws(() => space.reserve(45 * MiB), { code: 'DISK_FULL', message: /300 MiB are free, 45 MiB .* 256 MiB/ })
  t.match(space.reserve(44 * MiB), { pack: 1, offset: 0 })
})
