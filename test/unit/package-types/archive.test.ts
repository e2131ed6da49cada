import { lstat, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { readArchive, unpackArchive, writingError } from '../../../src/package-types/archive.ts'
import { ARCHIVE_LIMITS, type ArchiveLimits } from '../../../src/package-types/entry-path.ts'
import { END, type Entries, rawEntry, tarOf } from './tars.ts'

/** A folder with the archive in it, an empty target and nothing else. */
async function lay(t: Test, archive: Buffer) {
  const dir = t.testdir({ target: {} })
  const file = join(dir, 'archive')
  await writeFile(file, archive)
  return { dir, file, target: join(dir, 'target') }
}

async function unpack(t: Test, entries: Entries | Buffer, limits: Partial<ArchiveLimits> = {}, gzip = false) {
  const tar = Buffer.isBuffer(entries) ? entries : await tarOf(entries)
  const { dir, file, target } = await lay(t, gzip ? gzipSync(tar) : tar)
  const report = await unpackArchive(file, target, { gzip: 'detect', limits: { ...ARCHIVE_LIMITS, ...limits } }).catch(
    (error: unknown) => error as Error,
  )
  t.same((await readdir(dir)).sort(), ['archive', 'target'], 'nothing outside the target')
  return { report, target }
}

t.test('unpacks files and folders, with the execute bit and nothing else of the mode', async (t) => {
  const tar = Buffer.concat([
    rawEntry({ name: 'bin/run', mode: '0007777' }, 'go'),
    rawEntry({ name: 'bin/data', mode: '0000000' }, 'data'),
    rawEntry({ name: './empty/', flag: '5' }),
    END,
  ])
  const { report, target } = await unpack(t, tar)
  t.same(report, { files: 2, bytes: 6 })
  t.equal(await readFile(join(target, 'bin/run'), 'utf8'), 'go')
  const umask = process.umask()
  t.equal((await lstat(join(target, 'bin/run'))).mode & 0o7777, 0o755 & ~umask)
  t.equal((await lstat(join(target, 'bin/data'))).mode & 0o7777, 0o644 & ~umask)
  t.ok((await lstat(join(target, 'empty'))).isDirectory())
})

t.test('refuses what leads out of the target or is no plain file, and says which', async (t) => {
  const hostile: Record<string, Entries> = {
    'leads out': { '../x': 'x' },
    'leads out, deeper': { 'a/../../x': 'x' },
    'leads out, at the end': { 'a/..': 'x' },
    absolute: { '/etc/x': 'x' },
    drive: { 'C:/x': 'x' },
    backslash: { '..\\x': 'x' },
    'symbolic link': { x: { type: 'symlink', linkname: '/etc/passwd' } },
    'hard link': { x: { type: 'link', linkname: 'y' } },
    'character device': { x: { type: 'character-device', devmajor: 1, devminor: 3 } },
    'block device': { x: { type: 'block-device' } },
    pipe: { x: { type: 'fifo' } },
    'too deep': { [`${'a/'.repeat(65)}x`]: 'x' },
    'too long': { ['a/bc/'.repeat(300)]: 'x' },
    'too long a part': { ['x'.repeat(300)]: 'x' },
    'file as folder': { a: 'x', 'a/x': 'x' },
    'file over folder': { 'x/b': 'x', x: 'x' },
    'folder over file': { x: 'x', 'x/': { type: 'directory' } },
  }
  for (const [what, entries] of Object.entries(hostile)) {
    await t.test(what, async (t) => {
      const { report } = await unpack(t, entries)
      t.match(report, { code: 'ARCHIVE_UNSAFE', message: /"/ })
      t.ok((report as Error).message.length < 250, 'a short message')
    })
  }
})

t.test('a link before a file written through it is refused at the link', async (t) => {
  const { report, target } = await unpack(t, { out: { type: 'symlink', linkname: '..' }, 'out/x': 'x' })
  t.match(report, { code: 'ARCHIVE_UNSAFE', message: /"out" is a symbolic link/ })
  t.same(await readdir(target), [])
})

t.test('of two files of one path the later counts, as with npm', async (t) => {
  const { report, target } = await unpack(t, Buffer.concat([rawEntry({}, 'first'), rawEntry({}, '2nd'), END]))
  t.same(report, { files: 1, bytes: 3 })
  t.equal(await readFile(join(target, 'x'), 'utf8'), '2nd')
})

t.test('strips leading segments, and holds what is left against itself', async (t) => {
  const { file, target } = await lay(
    t,
    await tarOf({ README: 'top', 'a/x': '1', 'b/y/z': '2', 'c/': { type: 'directory' } }),
  )
  t.same(await unpackArchive(file, target, { gzip: false, strip: 1 }), { files: 2, bytes: 2 })
  t.same((await readdir(target)).sort(), ['x', 'y'])
  const clash = await lay(t, await tarOf({ 'a/x': '1', 'b/x/y': '2' }))
  await t.rejects(unpackArchive(clash.file, clash.target, { gzip: false, strip: 1 }), { code: 'ARCHIVE_UNSAFE' })
})

t.test('stops at too many files, folders, bytes, and at too high a ratio', async (t) => {
  const unsafe = { code: 'ARCHIVE_UNSAFE' }
  const many = Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`f${i}`, '']))
  t.match((await unpack(t, many, { files: 10 })).report, unsafe)
  t.match((await unpack(t, many, { files: 11 })).report, { files: 11 })
  t.match((await unpack(t, { 'a/b/c/d/e': '' }, { files: 4 })).report, unsafe, 'folders count too')
  const zeros = { zeros: Buffer.alloc(1_000_000) }
  t.match((await unpack(t, zeros, { bytes: 999_999 })).report, unsafe)
  t.match((await unpack(t, zeros, { ratioFreeBytes: 100_000 }, true)).report, unsafe)
  t.match((await unpack(t, zeros, {}, true)).report, { bytes: 1_000_000 }, 'small ones may repeat themselves')
})

t.test('finds every cut in a .tar.gz', async (t) => {
  const whole = gzipSync(await tarOf({ 'package/package.json': '{"name":"x"}', 'package/a': 'abc', 'package/b/c': '' }))
  const { dir, file } = await lay(t, whole)
  for (let length = 0; length < whole.length; length++) {
    await writeFile(file, whole.subarray(0, length))
    for (const gzip of [true, 'detect'] as const) {
      await t.rejects(
        readArchive(file, { gzip }, async () => undefined),
        { code: 'ARCHIVE_CORRUPT' },
        `${length} bytes`,
      )
    }
  }
  t.same((await readdir(dir)).sort(), ['archive', 'target'])
})

t.test('finds every cut in a plain tar, and unpacks nothing outside', async (t) => {
  const whole = await tarOf({ a: 'abc', 'b/': { type: 'directory' }, 'b/long': 'x'.repeat(1000), ['ü'.repeat(60)]: '' })
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), async (length) => {
      const { dir, file, target } = await lay(t, whole.subarray(0, length))
      const error = await unpackArchive(file, target, { gzip: false }).catch((thrown: unknown) => thrown)
      t.match(error, { code: 'ARCHIVE_CORRUPT' })
      t.same((await readdir(dir)).sort(), ['archive', 'target'])
    }),
    { numRuns: 150, examples: [[0], [1], [511], [512], [1024], [whole.length - 512], [whole.length - 1]] },
  )
})

t.test('garbage is corrupt, never anything worse', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), fc.boolean(), async (bytes, wrapped) => {
      const { file, target } = await lay(t, wrapped ? gzipSync(bytes) : Buffer.from(bytes))
      const result = await unpackArchive(file, target, { gzip: 'detect' }).catch((thrown: unknown) => thrown)
      const whole = bytes.length >= (wrapped ? 512 : 1024) && bytes.every((byte) => byte === 0)
      t.match(result, whole ? { files: 0 } : { code: 'ARCHIVE_CORRUPT' })
    }),
    { numRuns: 100 },
  )
})

t.test('a byte flipped anywhere in a .tar.gz is found, or changes nothing', async (t) => {
  const whole = gzipSync(await tarOf({ a: 'abc', b: 'x'.repeat(600) }))
  const contents = async (file: string) => {
    const seen: string[] = []
    await readArchive(file, { gzip: true }, async ({ path }, content) => {
      for await (const piece of content) seen.push(`${path}:${piece}`)
      return undefined
    })
    return seen
  }
  const { file } = await lay(t, whole)
  const expected = await contents(file)
  for (let at = 0; at < whole.length; at++) {
    const changed = Buffer.from(whole)
    changed[at] = (changed[at] ?? 0) ^ 0x10
    await writeFile(file, changed)
    const found = await contents(file).catch((error: unknown) => error)
    if (Array.isArray(found)) t.same(found, expected)
    else t.match(found, { code: 'ARCHIVE_CORRUPT' })
  }
})

t.test('stops when told to, between entries and inside one', async (t) => {
  const { file, target } = await lay(t, await tarOf({ a: Buffer.alloc(3_000_000, 1), b: Buffer.alloc(3_000_000, 2) }))
  const between = new AbortController()
  const seen: string[] = []
  const walk = readArchive(file, { gzip: false, signal: between.signal }, async ({ path }) => {
    seen.push(path)
    between.abort(new Error('a reason of the caller'))
    return undefined
  })
  await t.rejects(walk, { code: 'ABORTED' })
  const inside = new AbortController()
  const reading = readArchive(file, { gzip: false, signal: inside.signal }, async (_entry, content) => {
    for await (const _ of content) inside.abort()
    return undefined
  })
  await t.rejects(reading, { code: 'ABORTED' })
  await t.rejects(unpackArchive(file, target, { gzip: false, signal: AbortSignal.abort() }), { code: 'ABORTED' })
  t.same(seen, ['a'])
  t.same(await readdir(target), [])
})

t.test('refuses a target with something in it, and a file that is not there', async (t) => {
  const { dir, file } = await lay(t, await tarOf({ a: 'x' }))
  await t.rejects(unpackArchive(file, dir, { gzip: false }), { code: 'TARGET_EXISTS' })
  await t.rejects(unpackArchive(join(dir, 'missing'), join(dir, 'target'), { gzip: false }), {
    code: 'FILE_UNREADABLE',
  })
  await t.rejects(unpackArchive(file, join(dir, 'missing'), { gzip: false }), { code: 'STORE_FAILED' })
})

t.test('a full disk is told as such', async (t) => {
  const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
  t.match(writingError(full, 'a'), { code: 'DISK_FULL' })
})

t.test('takes names with spaces and odd characters', async (t) => {
  const odd = { 'a b/c d.txt': '1', 'ünï©ødé/\u{1F600}': '2', 'quote\'"$(x)\n': '3', 'ab:c': '4' }
  const { report, target } = await unpack(t, odd)
  t.same(report, { files: 4, bytes: 4 })
  t.equal(await readFile(join(target, 'ünï©ødé/\u{1F600}'), 'utf8'), '2')
})
