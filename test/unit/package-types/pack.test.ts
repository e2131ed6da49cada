import { chmod, mkdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { readArchive } from '../../../src/package-types/archive.ts'
import { ARCHIVE_LIMITS } from '../../../src/package-types/entry-path.ts'
import { packFolder } from '../../../src/package-types/pack.ts'

const PLAIN = { mtime: new Date(0), gzip: false }

function lay(t: Test) {
  return t.testdir({ folder: { 'b.txt': 'bee', a: { x: 'ex', y: '' }, 'a.txt': 'ay' }, out: {} })
}

async function listed(file: string) {
  const found: [string, number, boolean][] = []
  await readArchive(file, { gzip: 'detect' }, async ({ path, size, executable }) => {
    found.push([path, size, executable])
    return undefined
  })
  return found
}

t.test('the same files give the same bytes, whatever their times, modes and order', async (t) => {
  const dir = lay(t)
  const folder = join(dir, 'folder')
  const paths = ['b.txt', 'a/y', 'a.txt', 'a/x']
  for (const gzip of [false, true]) {
    const [one, two] = [join(dir, `out/1${gzip}`), join(dir, `out/2${gzip}`)]
    t.same(await packFolder(folder, paths, one, { ...PLAIN, gzip }), { files: 4, bytes: 7 })
    await utimes(join(folder, 'b.txt'), 1_000_000, 1_000_000)
    await chmod(join(folder, 'a.txt'), gzip ? 0o600 : 0o664)
    await packFolder(folder, paths.toReversed(), two, { ...PLAIN, gzip })
    t.ok((await readFile(one)).equals(await readFile(two)))
  }
  t.same(await listed(join(dir, 'out/1false')), [
    ['a.txt', 2, false],
    ['a/x', 2, false],
    ['a/y', 0, false],
    ['b.txt', 3, false],
  ])
})

t.test('a gzip names no operating system and holds the same tar', async (t) => {
  const dir = lay(t)
  await packFolder(join(dir, 'folder'), ['a.txt'], join(dir, 'out/tar'), PLAIN)
  await packFolder(join(dir, 'folder'), ['a.txt'], join(dir, 'out/tgz'), { ...PLAIN, gzip: true })
  const tgz = await readFile(join(dir, 'out/tgz'))
  t.equal(tgz[9], 255)
  t.equal(tgz.readUInt32LE(4), 0, 'no time')
  t.ok(gunzipSync(tgz).equals(await readFile(join(dir, 'out/tar'))))
})

t.test('keeps the owner-execute bit, and sets it where asked', async (t) => {
  const dir = lay(t)
  await chmod(join(dir, 'folder/a.txt'), 0o744)
  const options = { ...PLAIN, executables: new Set(['a/x']) }
  await packFolder(join(dir, 'folder'), ['a.txt', 'a/x', 'b.txt'], join(dir, 'out/tar'), options)
  t.same(
    (await listed(join(dir, 'out/tar'))).map(([, , executable]) => executable),
    [true, true, false],
  )
})

t.test('keeps long and accented names, large files and empty folders', async (t) => {
  const dir = lay(t)
  const long = `${'ü'.repeat(100)}/${'n'.repeat(200)}`
  await mkdir(join(dir, 'folder', 'ü'.repeat(100)))
  await writeFile(join(dir, 'folder', long), Buffer.alloc(3_000_001, 7))
  await packFolder(join(dir, 'folder'), [long, 'none/'], join(dir, 'out/tar'), { ...PLAIN, prefix: 'package/' })
  t.same(await listed(join(dir, 'out/tar')), [
    ['package/none', 0, true],
    [`package/${long}`, 3_000_001, false],
  ])
})

t.test('refuses links, missing files and what could not be unpacked again', async (t) => {
  const dir = lay(t)
  const folder = join(dir, 'folder')
  await symlink('b.txt', join(folder, 'link'))
  const pack = (path: string, limits = ARCHIVE_LIMITS) =>
    packFolder(folder, [path], join(dir, 'out', String(Math.random())), { ...PLAIN, limits })
  await t.rejects(pack('link'), { code: 'FILE_UNREADABLE', message: /link/ })
  await t.rejects(pack('missing'), { code: 'FILE_UNREADABLE', message: /missing.*not there/ })
  await t.rejects(pack('a'), { code: 'FILE_UNREADABLE' })
  await t.rejects(pack('../out'), { code: 'ARCHIVE_UNSAFE' })
  await t.rejects(pack('b.txt', { ...ARCHIVE_LIMITS, pathLength: 3 }), { code: 'ARCHIVE_UNSAFE' })
  await t.rejects(pack('b.txt', { ...ARCHIVE_LIMITS, bytes: 100 }), { code: 'LIMIT_EXCEEDED' })
})

t.test('stops when told to', async (t) => {
  const dir = lay(t)
  const options = { ...PLAIN, signal: AbortSignal.abort() }
  await t.rejects(packFolder(join(dir, 'folder'), ['a.txt'], join(dir, 'out/tar'), options), { code: 'ABORTED' })
})
