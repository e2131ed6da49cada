// The vectors are the frozen function: they may be added to, and change only with NPM_MANIFEST_VERSION.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { CatalogError } from '../../../src/base/errors.ts'
import { MANIFEST_BYTES_MAX } from '../../../src/base/limits.ts'
import { decodeCanonicalCbor, encodeCbor } from '../../../src/model/cbor.ts'
import { NPM_MANIFEST_VERSION, npmManifest } from '../../../src/package-types/npm-manifest.ts'

interface Vector {
  about: string
  version: number
  /** package.json as text, so that marks, repeated keys and odd escapes are what they are. */
  packageJson: string
  topFiles: string[]
  expected?: unknown
  error?: string
}

const folder = join(import.meta.dirname, '../../vectors/npm-manifest')
const derive = (value: unknown, topFiles: string[] = []) => npmManifest(Buffer.from(JSON.stringify(value)), topFiles)
const plain = { name: 'x', version: '1.0.0' }
const invalid = { code: 'MANIFEST_INVALID' }

t.test('derives what the vectors say', async (t) => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'))
  t.ok(files.length >= 10)
  for (const file of files) {
    const vector: Vector = JSON.parse(readFileSync(join(folder, file), 'utf8'))
    if (vector.version !== NPM_MANIFEST_VERSION) continue
    const run = () => npmManifest(Buffer.from(vector.packageJson), vector.topFiles)
    if (vector.error === undefined) t.strictSame(run(), vector.expected, `${file}: ${vector.about}`)
    else t.throws(run, { code: vector.error }, `${file}: ${vector.about}`)
  }
})

t.test('gives up what no installer needs, in order, before it refuses', async (t) => {
  const devDependencies = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`dev-${i}`, '^1.0.0']))
  const { manifest } = derive({ ...plain, devDependencies, keywords: ['a'], exports: './x.js' })
  t.strictSame(manifest, { ...plain, keywords: ['a'], exports: './x.js' })
  const exports = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`./${i}`, './x.js']))
  const less = derive({ ...plain, devDependencies, keywords: ['a'], exports, main: 'x.js', dependencies: { a: '1' } })
  t.strictSame(less.manifest, { ...plain, main: 'x.js', dependencies: { a: '1' } })
  t.same(less.keywords, ['a'], 'the release still says them')
  t.throws(() => derive({ ...plain, peerDependencies: devDependencies }), invalid)
})

t.test('refuses names, ranges and lists that no record could hold', async (t) => {
  t.throws(() => derive({ ...plain, name: 'x'.repeat(5000) }), { ...invalid, message: /^.{0,200}$/ })
  t.throws(() => derive({ ...plain, dependencies: { a: 'x'.repeat(257) } }), invalid)
  t.throws(() => derive({ ...plain, dependencies: { ['a'.repeat(215)]: '1' } }), invalid)
  const many = Object.fromEntries(Array.from({ length: 1025 }, (_, i) => [`d${i}`, '1']))
  t.throws(() => derive({ ...plain, dependencies: many }), invalid)
})

t.test('cuts long descriptions between characters', async (t) => {
  const { description } = derive({ ...plain, description: `${'x'.repeat(1023)}\u{1F600}` })
  t.equal(description, 'x'.repeat(1023))
})

t.test('whatever package.json holds, the manifest fits a record and survives it', async (t) => {
  const field = fc.constantFrom('description', 'exports', 'bin', 'dependencies', 'keywords', 'license', 'scripts', 'os')
  fc.assert(
    fc.property(fc.dictionary(field, fc.jsonValue({ maxDepth: 20 })), (fields) => {
      const bytes = Buffer.from(JSON.stringify({ ...fields, ...plain }))
      try {
        const derived = npmManifest(bytes, [])
        t.same(decodeCanonicalCbor(encodeCbor(derived.manifest)), derived.manifest)
        t.ok(JSON.stringify(derived.manifest).length <= MANIFEST_BYTES_MAX)
        t.strictSame(npmManifest(bytes, []), derived)
      } catch (error) {
        t.ok(error instanceof CatalogError, String(error))
      }
    }),
  )
})

t.test('deep nesting costs the field, not the process', async (t) => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  const bytes = Buffer.from(`{"name":"x","version":"1.0.0","exports":${deep}}`)
  t.strictSame(npmManifest(bytes, []).manifest, plain)
})
