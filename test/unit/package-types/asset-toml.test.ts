import t from 'tap'
import { parseAsset } from '../../../src/package-types/asset-toml.ts'

const invalid = (message: RegExp) => ({ code: 'MANIFEST_INVALID', message })

t.test('reads all keys', async (t) => {
  const asset = parseAsset(`
    name = "acme/corpus"
    version = "2024-03-01"
    description = "Words."
    category = "Virtual Machine"
    tags = ["text"]
    keywords = ["words", "corpus"]
    license = "CC-BY-4.0"
    priority = 0.5
    [dependencies]
    tokens = "^1.0.0"
    "pkg:npm/%40acme/parser" = "^2"
  `)
  t.strictSame(asset, {
    name: 'acme/corpus',
    version: '2024-03-01',
    description: 'Words.',
    category: 'virtual-machine',
    tags: ['text'],
    keywords: ['words', 'corpus'],
    license: 'CC-BY-4.0',
    priority: 0.5,
    dependencies: [
      { type: 'generic', name: 'tokens', range: '^1.0.0' },
      { type: 'npm', name: '@acme/parser', range: '^2' },
    ],
  })
})

t.test('dependencies may be a list of purls', async (t) => {
  const { dependencies } = parseAsset('dependencies = ["pkg:npm/a@1.0.0", "pkg:generic/b"]')
  t.strictSame(dependencies, [
    { type: 'npm', name: 'a', range: '1.0.0' },
    { type: 'generic', name: 'b', range: '*' },
  ])
  t.throws(() => parseAsset('dependencies = ["left-pad"]'), { code: 'PURL_INVALID' })
})

t.test('says what is wrong, and with which key', async (t) => {
  t.throws(() => parseAsset('name = '), invalid(/not TOML/))
  t.throws(() => parseAsset('licence = "MIT"\nauthor = "x"'), invalid(/licence, author/))
  t.throws(() => parseAsset('version = 1.0'), invalid(/version/))
  t.throws(() => parseAsset('priority = 2'), invalid(/priority/))
  t.throws(() => parseAsset('priority = nan'), invalid(/priority/))
  t.throws(() => parseAsset('category = "spaceship"'), invalid(/category.*dataset/))
  t.throws(() => parseAsset(`tags = [${'"a",'.repeat(65)}]`), invalid(/tags/))
  t.throws(() => parseAsset(`description = "${'x'.repeat(1025)}"`), invalid(/description/))
  t.throws(() => parseAsset('[dependencies]\na = 1'), invalid(/dependencies/))
})
