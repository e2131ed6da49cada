import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { test } from 'tap'
import { NAME_LENGTH_MAX, SUBJECT_LENGTH_MAX, VERSION_LENGTH_MAX } from '../../../src/base/limits.ts'
import { formatPurl, parsePurl, parseVersionedPurl } from '../../../src/model/purl.ts'

interface Vectors {
  read: { text: string; canonical: string; type: string; name: string; version?: string }[]
  refused: string[]
}

const vectors: Vectors = JSON.parse(readFileSync(new URL('../../vectors/purl.json', import.meta.url), 'utf8'))
const refused = { name: 'CatalogError', code: 'PURL_INVALID' }

test('reads the vectors and writes them canonically', async (t) => {
  for (const { text, canonical, ...purl } of vectors.read) {
    t.strictSame(parsePurl(text), purl, text)
    t.equal(formatPurl(purl), canonical)
    t.strictSame(parsePurl(canonical), purl, canonical)
  }
})

test('refuses what is no package URL', async (t) => {
  for (const text of vectors.refused) t.throws(() => parsePurl(text), refused, JSON.stringify(text))
})

test('refuses what is too long, and does not repeat all of it', async (t) => {
  const name = 'n'.repeat(NAME_LENGTH_MAX)
  const version = '1'.repeat(VERSION_LENGTH_MAX)
  t.ok(parsePurl(`pkg:npm/${name}@${version}`))
  t.throws(() => parsePurl(`pkg:npm/${name}n`), refused)
  t.throws(() => parsePurl(`pkg:npm/x@${version}1`), refused)
  try {
    parsePurl(`pkg:npm/${'x'.repeat(SUBJECT_LENGTH_MAX)}`)
    t.fail('it was read')
  } catch (error) {
    t.match(error, refused)
    t.ok((error as Error).message.length < 300)
  }
})

test('what is written is read back the same', async (t) => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  t.comment(`seed ${seed}`)
  const part = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((text) => text.isWellFormed())
  const name = fc.oneof(
    part,
    fc.tuple(part, part).map(([scope, rest]) => `@${scope}/${rest}`),
  )
  const type = fc.stringMatching(/^[a-z][a-z0-9.-]{0,31}$/)
  const property = fc.property(type, name, fc.option(part, { nil: undefined }), (of, called, version) => {
    const purl = version === undefined ? { type: of, name: called } : { type: of, name: called, version }
    const text = formatPurl(purl)
    fc.pre(text.length <= SUBJECT_LENGTH_MAX)
    t.strictSame(parsePurl(text), purl)
    t.equal(formatPurl(parsePurl(text)), text)
  })
  fc.assert(property, { seed, numRuns: 300 })
})

test('where a version is needed, its absence is said with an example', async (t) => {
  t.equal(parseVersionedPurl('pkg:npm/x@1.0.0').version, '1.0.0')
  t.throws(() => parseVersionedPurl('pkg:npm/@acme/x'), { ...refused, hint: /pkg:npm\/%40acme\/x@1\.0\.0/ })
})
