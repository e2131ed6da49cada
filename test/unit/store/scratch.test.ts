import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { DISK_RESERVE_BYTES_MAX } from '../../../src/base/limits.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { GiB } from '../../../src/base/units.ts'
import { Scratch } from '../../../src/store/scratch.ts'
import { watchedDisk } from './watched-disk.ts'

test('folders of one work are apart from others, closed to others, and go together', async (t) => {
  const folder = join(t.testdir({}), 'scratch')
  const scratch = new Scratch({ disk: watchedDisk(), random: seededRandom(1) }, { folder })
  t.equal(await scratch.recover(), 0)
  const other = await scratch.open().folder()
  {
    await using folders = scratch.open()
    t.same(readdirSync(folder).length, 1, 'none is made before it is asked for')
    const [first, second] = [await folders.folder(), await folders.folder()]
    t.not(first, second)
    t.equal(statSync(first).mode & 0o777, 0o700)
    writeFileSync(join(first, 'file'), 'x')
  }
  t.same(readdirSync(folder), [other.slice(folder.length + 1)])
})

test('a start removes what was left, and counts it', async (t) => {
  const folder = t.testdir({ one: { file: 'x' }, two: {} })
  const scratch = new Scratch({ disk: watchedDisk(), random: seededRandom(1) }, { folder })
  t.equal(await scratch.recover(), 2)
  t.same(readdirSync(folder), [])
  t.ok(existsSync(await scratch.open().folder()))
})

test('what is made there leaves the reserve of the disk alone', async (t) => {
  const disk = watchedDisk({ space: () => ({ total: 1000 * GiB, free: DISK_RESERVE_BYTES_MAX + 100 }) })
  await using folders = new Scratch({ disk, random: seededRandom(1) }, { folder: t.testdir({}) }).open()
  folders.mayWrite(100)
  t.throws(() => folders.mayWrite(101), { code: 'DISK_FULL' })
})
