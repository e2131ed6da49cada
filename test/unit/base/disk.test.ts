import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { fileError, systemDisk } from '../../../src/base/disk.ts'
import { directEffects } from '../../../src/base/effects.ts'
import { MiB } from '../../../src/base/units.ts'

const disk = systemDisk(directEffects)

test('a file is made, written anywhere, read to its end', async (t) => {
  const path = join(t.testdir({}), 'file')
  const file = await disk.open(path, 'create')
  await file.write(Buffer.from('world'), 6)
  await file.write(Buffer.from('hello'), 0)
  await file.sync()
  t.equal(await file.size(), 11)
  const buffer = new Uint8Array(20)
  t.equal(await file.read(buffer, 6), 5, 'fewer bytes only at the end')
  t.equal(await file.read(buffer, 11), 0)
  await file.close()
  t.equal(readFileSync(path, 'latin1'), 'hello\0world')
  t.equal(statSync(path).mode & 0o777, 0o600)
})

test('modes: reading needs a file, creating needs none, updating takes either and cuts nothing off', async (t) => {
  const dir = t.testdir({ there: 'content' })
  const [there, absent] = [join(dir, 'there'), join(dir, 'absent')]
  await t.rejects(disk.open(absent, 'read'), { code: 'FILE_UNREADABLE', message: /does not exist/ })
  await t.rejects(disk.open(there, 'create'), { code: 'FILE_UNREADABLE', details: { errno: 'EEXIST' } })
  for (const path of [there, absent]) await (await disk.open(path, 'update')).close()
  t.equal(readFileSync(there, 'utf8'), 'content')
})

test('folders are made with their parents, listed in order, removed with what is in them', async (t) => {
  const dir = t.testdir({})
  await disk.makeFolder(join(dir, 'a/b'))
  await disk.makeFolder(join(dir, 'a/b'))
  for (const name of ['z', 'B', 'a']) writeFileSync(join(dir, 'a/b', name), '')
  t.same(await disk.list(join(dir, 'a/b')), ['B', 'a', 'z'])
  await disk.remove(join(dir, 'a'))
  t.notOk(await disk.exists(join(dir, 'a')))
  await disk.remove(join(dir, 'a'))
  await t.rejects(disk.list(join(dir, 'a')), { code: 'FILE_UNREADABLE' })
})

test('a move replaces what is there', async (t) => {
  const dir = t.testdir({ from: 'new', to: 'old' })
  await disk.move(join(dir, 'from'), join(dir, 'to'))
  t.equal(readFileSync(join(dir, 'to'), 'utf8'), 'new')
  t.notOk(await disk.exists(join(dir, 'from')))
})

test('what the system says becomes an error with the path and the reason', async (t) => {
  const coded = (code: string) => Object.assign(new Error('x'), { code })
  t.match(fileError('/p', coded('EACCES')), { code: 'FILE_UNREADABLE', message: 'Cannot use /p: permission denied.' })
  t.match(fileError('/p', coded('ENOSPC')), { code: 'DISK_FULL' })
})

test('the room of a file system is told in bytes', async (t) => {
  const { total, free } = disk.space(t.testdir({}))
  t.ok(total >= free && free >= 0)
  t.throws(() => disk.space('/no/such/folder'), { code: 'FILE_UNREADABLE' })
})

test('what a file takes up is what was written of it', async (t) => {
  const path = join(t.testdir({}), 'file')
  t.equal(disk.occupied(path), 0)
  const file = await disk.open(path, 'create')
  await file.write(new Uint8Array(1), 10 * MiB)
  t.ok(disk.occupied(path) < MiB)
  await file.write(new Uint8Array(2 * MiB).fill(1), 0)
  await file.sync()
  t.ok(disk.occupied(path) >= 2 * MiB)
  await file.close()
})
