import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { readTar } from '../../../src/package-types/tar.ts'
import { END, paxRecord, rawEntry, rawHeader, tarOf } from './tars.ts'

/** All entries with their contents, fed in pieces of `step` bytes so that every boundary falls inside something. */
async function read(tar: Buffer, { step = tar.length || 1, endBlocks = 2 as 1 | 2 } = {}) {
  const pieces = async function* () {
    for (let at = 0; at < tar.length; at += step) yield tar.subarray(at, at + step)
  }
  const found: { name: string; kind: string; mode: number; text: string }[] = []
  for await (const { name, kind, mode, content } of readTar(pieces(), endBlocks)) {
    found.push({ name, kind, mode, text: (await buffer(Readable.from(content))).toString() })
  }
  return found
}

const names = async (...blocks: Buffer[]) => (await read(Buffer.concat([...blocks, END]))).map(({ name }) => name)
const corrupt = { code: 'ARCHIVE_CORRUPT' }

t.test('reads what tar-stream writes, whatever the chunks', async (t) => {
  const long = `${'d/'.repeat(60)}${'n'.repeat(200)}.txt`
  const tar = await tarOf({ 'a.txt': 'hello', 'ü/': { type: 'directory' }, 'ü/empty': '', [long]: 'x'.repeat(700) })
  for (const step of [1, 7, 511, 512, 513, tar.length]) {
    const found = await read(tar, { step })
    t.same(
      found.map(({ name, kind, text }) => [name, kind, text.length]),
      [
        ['a.txt', 'file', 5],
        ['ü/', 'directory', 0],
        ['ü/empty', 'file', 0],
        [long, 'file', 700],
      ],
    )
  }
})

t.test('skips contents nobody reads', async (t) => {
  const tar = await tarOf({ a: 'x'.repeat(5000), b: 'y' })
  const found: string[] = []
  for await (const entry of readTar(Readable.from([tar]), 2)) found.push(entry.name)
  t.same(found, ['a', 'b'])
})

t.test('reads ustar prefixes, GNU long names and directories of old tars', async (t) => {
  t.same(await names(rawEntry({ name: 'file', prefix: 'a/long/way' })), ['a/long/way/file'])
  t.same(
    await names(rawEntry({ name: 'file', prefix: 'times', magic: 'ustar  \0' })),
    ['file'],
    'GNU keeps times there',
  )
  const longName = `package/${'n'.repeat(300)}`
  t.same(await names(rawEntry({ flag: 'L', name: '././@LongLink' }, `${longName}\0`), rawEntry({})), [longName])
  const [old] = await read(Buffer.concat([rawEntry({ name: 'folder/', magic: '' }), END]))
  t.equal(old?.kind, 'directory')
})

t.test('reads sizes in binary, and refuses negative and broken ones', async (t) => {
  const binary = Buffer.alloc(12)
  binary[0] = 0x80
  binary[11] = 3
  const [entry] = await read(Buffer.concat([rawEntry({ size: binary }, 'abc'), END]))
  t.equal(entry?.text, 'abc')
  const bad = [Buffer.alloc(12, 0xff), Buffer.concat([Buffer.from([0x80]), Buffer.alloc(11, 0xff)]), '-1', '12x', '9']
  for (const size of bad) await t.rejects(names(rawHeader({ size })), corrupt)
})

t.test('takes path and size from a pax header, for one entry', async (t) => {
  const pax = rawEntry({ flag: 'x' }, paxRecord('mtime', '1.5') + paxRecord('path', 'renamed') + paxRecord('size', '3'))
  const tar = Buffer.concat([pax, rawEntry({ size: 0 }, 'abc'), rawEntry({ name: 'next' }), END])
  t.same(
    (await read(tar)).map(({ name, text }) => [name, text]),
    [
      ['renamed', 'abc'],
      ['next', ''],
    ],
  )
})

t.test('tolerates a global header with a comment, not one that renames every entry', async (t) => {
  const comment = rawEntry({ flag: 'g' }, paxRecord('comment', '0123456789'))
  t.same(await names(comment, rawEntry({ name: 'a' })), ['a'])
  await t.rejects(names(rawEntry({ flag: 'g' }, paxRecord('path', 'b')), rawEntry({ name: 'a' })), corrupt)
})

t.test('refuses broken, endless and dangling extended headers', async (t) => {
  const broken = ['5 a=b', '0 a=b\n', '-6 a=b\n', '999 a=b\n', '6 abc\n', 'a=b\n', paxRecord('size', '-1')]
  for (const body of broken) await t.rejects(names(rawEntry({ flag: 'x' }, body), rawEntry({})), corrupt, body)
  const pax = rawEntry({ flag: 'x' }, paxRecord('comment', 'x'))
  await t.rejects(names(pax), corrupt, 'no entry follows')
  await t.rejects(names(...Array<Buffer>(9).fill(pax), rawEntry({})), corrupt, 'too many')
  await t.rejects(names(rawHeader({ flag: 'x', size: 2 ** 21 }), Buffer.alloc(2 ** 21)), corrupt, 'too long')
})

t.test('names links, devices and sparse files for what they are', async (t) => {
  const sparse = rawEntry({ flag: 'x' }, paxRecord('GNU.sparse.major', '1'))
  const tar = Buffer.concat([
    rawEntry({ flag: '2' }),
    rawEntry({ flag: '3' }),
    rawEntry({ flag: 'V' }),
    sparse,
    rawEntry({}),
  ])
  const whats: string[] = []
  for await (const entry of readTar(Readable.from([Buffer.concat([tar, END])]), 2)) whats.push(entry.what)
  t.same(whats, ['a symbolic link', 'a character device', 'an entry of unknown kind', 'a sparse file'])
})

t.test('refuses a changed header, and anything after the end', async (t) => {
  const tar = Buffer.concat([rawEntry({ name: 'a' }), END])
  const changed = Buffer.from(tar)
  changed[0] = 0x62
  await t.rejects(read(changed), corrupt)
  await t.rejects(read(Buffer.concat([tar, rawEntry({ name: 'hidden' }), END])), corrupt)
  t.equal((await read(Buffer.concat([tar, Buffer.alloc(9000)]))).length, 1, 'padding with zeros is usual')
})

t.test('wants two zero blocks at the end, or one where gzip already proves the length', async (t) => {
  const tar = Buffer.concat([rawEntry({ name: 'a' }), END])
  await t.rejects(read(tar.subarray(0, -512)), corrupt)
  await t.rejects(read(tar.subarray(0, -1024), { endBlocks: 1 }), corrupt)
  await t.rejects(read(Buffer.alloc(0)), corrupt)
  t.equal((await read(tar.subarray(0, -512), { endBlocks: 1 })).length, 1)
})
