import { mkdir, mkdtemp, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { npm, readNpmArchive } from '../../../src/package-types/npm.ts'
import { type Entries, tarOf } from './tars.ts'

const json = JSON.stringify
const manifest = json({ name: '@acme/demo', version: '1.2.3', bin: { demo: './bin/run.js' } })

function lay(t: Test, folder: Parameters<Test['testdir']>[0]) {
  const dir = t.testdir({ folder: folder ?? {}, scratch: {}, target: {} })
  return {
    folder: join(dir, 'folder'),
    scratch: () => mkdtemp(join(dir, 'scratch', 'made-')),
    target: join(dir, 'target'),
  }
}

async function packed(t: Test, entries: Entries) {
  const { folder, scratch } = lay(t, {})
  const path = join(folder, 'any-name.tgz')
  await writeFile(path, gzipSync(await tarOf(entries)))
  return { path, scratch }
}

/** The paths in an archive, relative to its top folder. */
async function contents(file: string, target: string) {
  await npm.unpack({ file, path: '', mediaType: '' }, target)
  const found = await readdir(target, { recursive: true, withFileTypes: true })
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(target.length + 1))
}

t.test('packs what npm would pack', async (t) => {
  const { folder, scratch, target } = lay(t, {
    'package.json': json({ name: 'x', version: '1.0.0', files: ['dist'], main: 'main.js' }),
    'README.md': '# x',
    LICENSE: 'MIT',
    'main.js': '',
    'secret.env': 'no',
    '.npmrc': 'token',
    dist: { 'a.js': '', '.DS_Store': '' },
    node_modules: { dep: { 'package.json': '{}' } },
    '.git': { HEAD: 'ref' },
  })
  const { artifacts, ...rest } = await npm.prepare({ path: folder }, { scratch })
  t.match(artifacts, [{ path: 'x-1.0.0.tgz', mediaType: 'application/gzip' }])
  t.match(rest, { name: 'x', version: '1.0.0', category: '', tags: [], priority: 0 })
  const files = await contents(artifacts[0]?.file ?? '', target)
  t.same(files.sort(), ['LICENSE', 'README.md', 'dist/a.js', 'main.js', 'package.json'])
})

t.test('packs bundled dependencies with theirs, linked ones too, and says when one is missing', async (t) => {
  const { folder, scratch, target } = lay(t, {
    'package.json': json({
      name: 'x',
      version: '1.0.0',
      bundleDependencies: ['a', 'linked', 'gone'],
      optionalDependencies: { gone: '1' },
    }),
    node_modules: {
      a: { 'package.json': json({ name: 'a', dependencies: { b: '1' } }), 'a.js': '' },
      b: { 'package.json': json({ name: 'b' }) },
      unrelated: { 'package.json': json({ name: 'unrelated' }) },
    },
    linked: { 'package.json': json({ name: 'linked' }), '.npmignore': 'left-out', 'left-out': '', 'in.js': '' },
  })
  await symlink('../linked', join(folder, 'node_modules/linked'))
  const { artifacts } = await npm.prepare({ path: folder }, { scratch })
  const files = (await contents(artifacts[0]?.file ?? '', target)).filter((path) => path.startsWith('node_modules'))
  t.same(files.sort(), [
    'node_modules/a/a.js',
    'node_modules/a/package.json',
    'node_modules/b/package.json',
    'node_modules/linked/in.js',
    'node_modules/linked/package.json',
  ])
  await writeFile(join(folder, 'package.json'), json({ name: 'x', version: '1.0.0', bundleDependencies: ['missing'] }))
  await t.rejects(npm.prepare({ path: folder }, { scratch }), { code: 'MANIFEST_INVALID', message: /"missing"/ })
})

t.test('the same folder packs to the same bytes, with npm’s time and executable commands', async (t) => {
  const { folder, scratch } = lay(t, { 'package.json': manifest, bin: { 'run.js': '#!/usr/bin/env node\n' } })
  const [first] = (await npm.prepare({ path: folder }, { scratch })).artifacts
  await utimes(join(folder, 'bin/run.js'), 5, 5)
  const [second] = (await npm.prepare({ path: folder }, { scratch })).artifacts
  t.equal(first?.path, 'acme-demo-1.2.3.tgz')
  t.not(first?.file, second?.file)
  t.ok((await readFile(first?.file ?? '')).equals(await readFile(second?.file ?? '')))
})

t.test('an archive is used as it is, whatever its top folder is called', async (t) => {
  const { path, scratch } = await packed(t, { 'demo-main/package.json': manifest, 'demo-main/x': '' })
  const prepared = await npm.prepare({ path }, { scratch })
  t.match(prepared, { name: '@acme/demo', artifacts: [{ path: 'acme-demo-1.2.3.tgz', file: path }] })
})

t.test('the last package.json one folder deep counts', async (t) => {
  const { path } = await packed(t, {
    'package.json': json({ name: 'too-high', version: '1.0.0' }),
    'a/package.json': json({ name: 'first', version: '1.0.0' }),
    'b/./package.json': json({ name: 'last', version: '1.0.0' }),
    'b/c/package.json': json({ name: 'too-deep', version: '1.0.0' }),
  })
  t.equal((await readNpmArchive(path)).name, 'last')
})

t.test('what was asked for must be what package.json says', async (t) => {
  const { folder, scratch } = lay(t, { 'package.json': manifest })
  const prepare = (asked: object) => npm.prepare({ path: folder, ...asked }, { scratch })
  await t.rejects(prepare({ name: 'other' }), { code: 'USAGE', message: /"other".*"@acme\/demo"/ })
  await t.rejects(prepare({ version: '2.0.0' }), { code: 'USAGE', hint: /--version/ })
  t.match(await prepare({ name: '@acme/demo', version: '1.2.3' }), { version: '1.2.3' })
})

t.test('refuses folders and archives without a usable package.json', async (t) => {
  const invalid = { code: 'MANIFEST_INVALID' }
  for (const text of ['{', '[]', '{"version":"1.0.0"}', '{"name":"x"}']) {
    const { folder, scratch } = lay(t, { 'package.json': text })
    await t.rejects(npm.prepare({ path: folder }, { scratch }), invalid, text)
  }
  const empty = lay(t, {})
  await t.rejects(npm.prepare({ path: empty.folder }, empty), { ...invalid, hint: /npm init/ })
  const bare = await packed(t, { 'package/readme': '' })
  await t.rejects(npm.prepare(bare, bare), invalid)
  await t.rejects(npm.prepare({ path: join(empty.folder, 'missing') }, empty), { code: 'FILE_UNREADABLE' })
  const odd = lay(t, { 'package.json': json({ name: 'x', version: 'v1.0.0' }) })
  await t.rejects(npm.prepare({ path: odd.folder }, odd), { code: 'VERSION_INVALID' })
})

t.test('refuses archives with links, and cut ones', async (t) => {
  const link = await packed(t, { 'package/package.json': manifest, 'package/x': { type: 'symlink', linkname: '/' } })
  await t.rejects(npm.prepare(link, link), { code: 'ARCHIVE_UNSAFE', message: /package\/x/ })
  const whole = await packed(t, { 'package/package.json': manifest })
  await writeFile(whole.path, (await readFile(whole.path)).subarray(0, -1))
  await t.rejects(npm.prepare(whole, whole), { code: 'ARCHIVE_CORRUPT' })
})

t.test('a private package may be published here, and a byte-order mark is no fault', async (t) => {
  const text = `\ufeff${json({ name: 'x', version: '1.0.0', private: true })}`
  const { folder, scratch } = lay(t, { 'package.json': text })
  t.match(await npm.prepare({ path: folder }, { scratch }), { name: 'x' })
})

t.test('recognises folders with a package.json and archives that hold one', async (t) => {
  const { folder } = lay(t, { 'package.json': manifest, plain: {}, 'fake.tgz': 'no gzip' })
  await mkdir(join(folder, 'dir.tgz'))
  t.equal(await npm.recognises(folder), true)
  t.equal(await npm.recognises(join(folder, 'fake.tgz')), true, 'a broken archive is told to be one')
  for (const name of ['plain', 'package.json', 'dir.tgz', 'missing.tgz']) {
    t.equal(await npm.recognises(join(folder, name)), false, name)
  }
  const archive = await packed(t, { 'p/package.json': manifest })
  t.equal(await npm.recognises(archive.path), true)
  const other = await packed(t, { 'package.json': manifest, 'a/b/package.json': manifest })
  t.equal(await npm.recognises(other.path), false)
})

t.test('ranges are npm’s', async (t) => {
  t.equal(npm.satisfies('1.2.3', '^1.0.0 || >=3'), true)
  t.equal(npm.satisfies('1.2.3', '~1.1'), false)
  t.equal(npm.satisfies('1.2.3-beta.1', '^1.0.0'), false)
  t.equal(npm.satisfies('1.2.3-beta.1', '1.2.3-beta.1'), true)
  t.equal(npm.satisfies('1.2.3', 'git+https://example.org/x'), false)
  t.equal(npm.satisfies('1.2.3', '^1 '.repeat(200)), false)
})
