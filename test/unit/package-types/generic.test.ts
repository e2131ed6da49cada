import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { CatalogError } from '../../../src/base/errors.ts'
import { generic } from '../../../src/package-types/generic.ts'
import { tarOf } from './tars.ts'

function lay(t: Test, folder: Parameters<Test['testdir']>[0]) {
  const dir = t.testdir({ 'my-data': folder ?? {}, scratch: {}, target: {} })
  return {
    folder: join(dir, 'my-data'),
    scratch: () => mkdtemp(join(dir, 'scratch', 'made-')),
    target: join(dir, 'target'),
  }
}

t.test('a file travels as it is, under its own name', async (t) => {
  const { folder, scratch, target } = lay(t, { 'Corpus 2.bin': 'bytes' })
  const path = join(folder, 'Corpus 2.bin')
  await t.rejects(generic.prepare({ path, version: '1' }, { scratch }), { code: 'NAME_INVALID', hint: /--name/ })
  const prepared = await generic.prepare({ path, name: 'corpus', version: '1' }, { scratch })
  const artifact = { path: 'Corpus 2.bin', file: path, mediaType: 'application/octet-stream' }
  t.match(prepared, { name: 'corpus', version: '1', artifacts: [artifact], manifest: { kind: 'file' } })
  t.same(await generic.unpack(artifact, target), { files: 1, bytes: 5 })
  t.equal(await readFile(join(target, 'Corpus 2.bin'), 'utf8'), 'bytes')
})

t.test('a folder that there is no room for is not packed', async (t) => {
  const { folder, scratch } = lay(t, { 'large.bin': 'x'.repeat(300_000) })
  let left = 200_000
  const mayWrite = (bytes: number) => {
    left -= bytes
    if (left < 0) throw new CatalogError('DISK_FULL', 'There is no room.')
  }
  await t.rejects(generic.prepare({ path: folder, version: '1' }, { scratch, mayWrite }), { code: 'DISK_FULL' })
  left = 400_000
  t.match(await generic.prepare({ path: folder, version: '1' }, { scratch, mayWrite }), { name: 'my-data' })
  t.ok(left < 100_000, 'and what is written is asked for')
})

t.test('a tar published as a file comes back as that file', async (t) => {
  const tar = await tarOf({ a: 'x' })
  for (const [name, bytes] of [['data.tar', tar] as const, ['data.tar.gz', gzipSync(tar)] as const]) {
    const { folder, scratch, target } = lay(t, {})
    await writeFile(join(folder, name), bytes)
    const prepared = await generic.prepare({ path: join(folder, name), version: '1' }, { scratch })
    t.equal(prepared.name, 'data')
    const [artifact] = prepared.artifacts
    if (artifact) await generic.unpack(artifact, target)
    t.same(await readdir(target), [name])
  }
})

t.test('a folder’s asset.toml speaks for it, and flags over it', async (t) => {
  const { folder, scratch } = lay(t, {
    'asset.toml': 'name = "a"\nversion = "1.0"\ncategory = "dataset"\ntags = ["x"]',
  })
  const prepared = await generic.prepare({ path: folder }, { scratch })
  t.match(prepared, { name: 'a', version: '1.0', category: 'dataset', tags: ['x'], license: '', dependencies: [] })
  t.strictSame(prepared.manifest, { kind: 'folder', category: 'dataset', tags: ['x'] })
  t.match(prepared.artifacts, [{ path: 'a-1.0.tar', mediaType: 'application/x-tar' }])
  const flagged = await generic.prepare({ path: folder, name: 'team/b', version: '2' }, { scratch })
  t.match(flagged, { name: 'team/b', version: '2', artifacts: [{ path: 'team-b-2.tar' }] })
})

t.test('without a name the base name serves; without a version nothing does', async (t) => {
  const { folder, scratch } = lay(t, { 'model.v2.gguf': '' })
  t.match(await generic.prepare({ path: folder, version: '1' }, { scratch }), { name: 'my-data' })
  const file = await generic.prepare({ path: join(folder, 'model.v2.gguf'), version: '1' }, { scratch })
  t.equal(file.name, 'model.v2')
  await t.rejects(generic.prepare({ path: folder }, { scratch }), { code: 'USAGE', hint: /--version/ })
})

t.test('equal folders pack to equal bytes; .git is left out, all else kept', async (t) => {
  const { folder, scratch, target } = lay(t, {
    b: { '.hidden': 'h', node_modules: { x: 'x' } },
    'a.txt': 'a',
    empty: {},
    '.git': { HEAD: '' },
    sub: { '.git': 'gitdir: elsewhere' },
  })
  const [first] = (await generic.prepare({ path: folder, version: '1' }, { scratch })).artifacts
  await utimes(join(folder, 'a.txt'), 5, 5)
  const [second] = (await generic.prepare({ path: folder, version: '1' }, { scratch })).artifacts
  t.ok((await readFile(first?.file ?? '')).equals(await readFile(second?.file ?? '')))
  if (first) await generic.unpack(first, target)
  const found = (await readdir(target, { recursive: true })).sort()
  t.same(found, ['a.txt', 'b', 'b/.hidden', 'b/node_modules', 'b/node_modules/x', 'empty', 'sub'])
})

t.test('refuses links and special files, naming them', async (t) => {
  const { folder, scratch } = lay(t, { deep: { er: {} } })
  await symlink('/etc/passwd', join(folder, 'deep/er/link'))
  const prepare = () => generic.prepare({ path: folder, version: '1' }, { scratch })
  await t.rejects(prepare(), { code: 'ARCHIVE_UNSAFE', message: /"deep\/er\/link" is a symbolic link/ })
  // In the system's own folder, for a socket's path may be only some hundred bytes long.
  const special = await mkdtemp(join(tmpdir(), 'generic-'))
  const server = createServer().listen(join(special, 'socket'))
  t.teardown(() => {
    server.close()
    return rm(special, { recursive: true })
  })
  await once(server, 'listening')
  await t.rejects(generic.prepare({ path: special, version: '1' }, { scratch }), { message: /"socket" is neither/ })
  const alone = generic.prepare({ path: join(special, 'socket'), version: '1' }, { scratch })
  await t.rejects(alone, { code: 'FILE_UNREADABLE' })
})

t.test('a release cannot choose where its file lands', async (t) => {
  const { folder, target } = lay(t, { x: 'x' })
  for (const path of ['../x', '/x', 'a/b', '..', '.', '', 'a\\b', 'a\0', 'x/', 'n'.repeat(300)]) {
    const source = { file: join(folder, 'x'), path, mediaType: 'application/octet-stream' }
    await t.rejects(generic.unpack(source, target), { code: 'ARCHIVE_UNSAFE' }, path)
  }
  t.same(await readdir(target), [])
})
