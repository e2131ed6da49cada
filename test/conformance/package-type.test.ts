// What every package type promises, run over all of them. A new type adds a line to SAMPLES.
import { cp, mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { encodeCbor } from '../../src/model/cbor.ts'
import { formatPurl, parsePurl } from '../../src/model/purl.ts'
import { PACKAGE_TYPES } from '../../src/package-types/all.ts'
import type { PackageType } from '../../src/package-types/package-type.ts'

interface Sample {
  /** Makes a folder a package of this type. */
  readonly extra: Readonly<Record<string, string>>
  readonly names: readonly string[]
  readonly badNames: readonly string[]
  readonly badVersions: readonly string[]
  readonly version: fc.Arbitrary<string>
}

const numbers = fc.tuple(fc.nat(3), fc.nat(3), fc.nat(12)).map((parts) => parts.join('.'))
const semantic = fc
  .tuple(numbers, fc.constantFrom('', '-alpha', '-alpha.1', '-alpha.10', '-rc.1'))
  .map((parts) => parts.join(''))

const SAMPLES: Readonly<Record<string, Sample>> = {
  npm: {
    extra: { 'package.json': '{"name":"sample","version":"1.2.3"}' },
    names: ['a', 'JSONStream', '@acme/parser', 'left-pad', 'a.b_c', 'x'.repeat(214)],
    badNames: ['.a', '_a', '@acme', '@/a', '@a/', 'a/b', '@a/b/c', '@a/.b', 'é', 'node_modules', 'a\0', '\ud800'],
    badVersions: ['1', '1.0', 'v1.0.0', '=1.0.0', ' 1.0.0', '1.0.0+build', '01.0.0', 'latest', '1.0.0-01'],
    version: semantic,
  },
  generic: {
    extra: { 'asset.toml': 'name = "sample"\nversion = "1.2.3"' },
    names: ['a', 'Corpus', 'team/corpus', 'a.b_c-d', '2024', 'x'.repeat(214)],
    badNames: ['.a', '-a', '/a', 'a/', 'a//b', 'a/b/c', 'a/../b', '@a/b', 'é', 'a\0', 'a\n'],
    badVersions: ['.1', '-1', '1/2', '1..\0', 'é', '1 2', '1\n'],
    version: fc.oneof(semantic, fc.stringMatching(/^[0-9a-zA-Z][0-9a-zA-Z.+_-]{0,8}$/)),
  },
}

const FILES: Readonly<Record<string, string | Buffer>> = {
  'empty.txt': '',
  'a b/ünï \u{1F600}.txt': 'text',
  'deep/er/and/deeper/x.js': 'x'.repeat(100_000),
  [`long/${'n'.repeat(200)}`]: 'long',
  'large.bin': Buffer.alloc(1_000_003, 'pattern'),
}

async function lay(t: Test, sample: Sample) {
  const dir = t.testdir({ source: {}, scratch: {}, target: {}, again: {} })
  const source = join(dir, 'source')
  for (const [path, content] of Object.entries({ ...FILES, ...sample.extra })) {
    await mkdir(join(source, path, '..'), { recursive: true })
    await writeFile(join(source, path), content)
  }
  return {
    source,
    scratch: () => mkdtemp(join(dir, 'scratch', 'made-')),
    target: join(dir, 'target'),
    again: join(dir, 'again'),
  }
}

/** Path → content of all files below a folder. */
async function contents(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile()) found[path.slice(folder.length + 1)] = (await readFile(path)).toString('latin1')
  }
  return found
}

for (const type of PACKAGE_TYPES) {
  const sample = SAMPLES[type.type]
  if (sample === undefined) throw new Error(`the type ${type.type} has no sample here`)
  t.test(type.type, async (t) => {
    await t.test('prepares a folder and unpacks the same files', (t) => roundTrip(t, type, sample))
    await t.test('checks names', (t) => names(t, type, sample))
    await t.test('checks versions', (t) => versions(t, type, sample))
    await t.test('orders versions totally', async () => order(type, sample))
    await t.test('satisfies ranges, pre-releases only by name', async (t) => ranges(t, type, sample))
    await t.test('stops when told to', (t) => abort(t, type, sample))
    await t.test('refuses what is broken, and targets in use', (t) => broken(t, type, sample))
  })
}

async function roundTrip(t: Test, type: PackageType, sample: Sample): Promise<void> {
  const { source, scratch, target, again } = await lay(t, sample)
  t.equal(await type.recognises(source), true)
  const prepared = await type.prepare({ path: source }, { scratch })
  t.match(prepared, { name: 'sample', version: '1.2.3', priority: 0, dependencies: [] })
  t.ok(encodeCbor(prepared.manifest).length > 0, 'the manifest fits a record')
  const [artifact] = prepared.artifacts
  if (artifact === undefined) throw new Error('no artifact')
  t.notMatch(artifact.path, /\//)
  const report = await type.unpack(artifact, target)
  const found = await contents(target)
  t.same(found, await contents(source))
  const bytes = Object.values(found).reduce((sum, content) => sum + content.length, 0)
  t.same(report, { files: Object.keys(found).length, bytes })

  await cp(target, again, { recursive: true })
  const [repeated] = (await type.prepare({ path: again, name: 'sample' }, { scratch })).artifacts
  t.ok((await readFile(artifact.file)).equals(await readFile(repeated?.file ?? '')), 'packing what was unpacked')
  t.same(await contents(source), await contents(again), 'the source is left alone')
}

async function names(t: Test, type: PackageType, sample: Sample): Promise<void> {
  for (const name of sample.names) {
    t.doesNotThrow(() => type.checkName(name), name)
    const purl = { type: type.type, name, version: '1.0.0' }
    t.strictSame(parsePurl(formatPurl(purl)), purl)
  }
  const everywhere = [
    '',
    ' ',
    'a b',
    ' a',
    'a ',
    '..',
    '../a',
    'a\\b',
    'x'.repeat(215),
    'x'.repeat(5000),
    '%2e',
    '\u001b[2J',
  ]
  for (const name of [...sample.badNames, ...everywhere]) {
    try {
      type.checkName(name)
      t.fail(`accepted ${JSON.stringify(name).slice(0, 80)}`)
    } catch (error) {
      t.match(error, { code: 'NAME_INVALID' })
      const { message } = error as Error
      t.ok(message.length < 250 && !message.includes('\u001b'), 'a short message without control characters')
    }
  }
}

async function versions(t: Test, type: PackageType, sample: Sample): Promise<void> {
  fc.assert(fc.property(sample.version, (version) => type.checkVersion(version)))
  for (const version of [...sample.badVersions, '', ' ', '1.0.0 ', '1.0.0\n', '../1', '9'.repeat(5000)]) {
    t.throws(
      () => type.checkVersion(version),
      { code: 'VERSION_INVALID', message: /^[^\n]{1,250}$/ },
      version.slice(0, 20),
    )
  }
}

function order(type: PackageType, sample: Sample): void {
  const { version } = sample
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      const [ab, bc, ac] = [type.compareVersions(a, b), type.compareVersions(b, c), type.compareVersions(a, c)]
      if (Math.sign(ab) !== -Math.sign(type.compareVersions(b, a))) return false
      if ((ab === 0) !== (a === b)) return false
      return !(ab <= 0 && bc <= 0 && ac > 0)
    }),
    { numRuns: 2000 },
  )
}

function ranges(t: Test, type: PackageType, sample: Sample): void {
  for (const any of ['', '*', 'latest']) {
    t.equal(type.satisfies('1.2.3', any), true)
    t.equal(type.satisfies('1.2.3-rc.1', any), false)
  }
  t.equal(type.satisfies('1.2.3', '^1.0.0'), true)
  t.equal(type.satisfies('2.0.0', '^1.0.0'), false)
  t.equal(type.satisfies('1.2.3-rc.1', '^1.0.0'), false)
  t.equal(type.satisfies('1.2.3', 'no range at all'), false)
  fc.assert(
    fc.property(sample.version, fc.string(), (version, range) => {
      type.satisfies(version, range) // never throws
      return type.satisfies(version, version) && (!type.isPrerelease(version) || !type.satisfies(version, '*'))
    }),
  )
}

async function abort(t: Test, type: PackageType, sample: Sample): Promise<void> {
  const { source, scratch, target } = await lay(t, sample)
  const signal = AbortSignal.abort(new Error('a reason of the caller'))
  await t.rejects(type.prepare({ path: source }, { scratch, signal }), { code: 'ABORTED' })
  const [artifact] = (await type.prepare({ path: source }, { scratch })).artifacts
  if (artifact === undefined) throw new Error('no artifact')
  await t.rejects(type.unpack(artifact, target, signal), { code: 'ABORTED' })
  t.same(await contents(target), {})
}

async function broken(t: Test, type: PackageType, sample: Sample): Promise<void> {
  const { source, scratch, target } = await lay(t, sample)
  await t.rejects(type.prepare({ path: join(source, 'missing') }, { scratch }), { code: 'FILE_UNREADABLE' })
  const [artifact] = (await type.prepare({ path: source }, { scratch })).artifacts
  if (artifact === undefined) throw new Error('no artifact')
  const whole = await readFile(artifact.file)
  await t.rejects(type.unpack(artifact, source), { code: 'TARGET_EXISTS' })
  await writeFile(artifact.file, whole.subarray(0, whole.length / 2))
  await t.rejects(type.unpack(artifact, target), { code: 'ARCHIVE_CORRUPT' })
}
