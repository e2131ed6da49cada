import fc from 'fast-check'
import { test } from 'tap'
import { formatGlob, globWeight, matchesGlob, parseGlob, parseSubject, showSubject } from '../../../src/model/glob.ts'

test('a subject is a release, or names', async (t) => {
  t.equal(parseSubject('pkg:npm/@corp/a@1.0.0'), 'pkg:npm/%40corp/a@1.0.0')
  t.equal(parseSubject('pkg:npm/@corp/a'), 'glob:npm/%40corp/a')
  t.equal(parseSubject('pkg:npm/@corp/**'), 'glob:npm/%40corp/*')
  t.equal(parseSubject('pkg:generic/*-logs'), 'glob:generic/*-logs')
  t.equal(parseSubject('pkg:npm/a%2Ab'), 'glob:npm/a%2Ab', 'a star in a name is no pattern')
  t.equal(showSubject('glob:npm/%40corp/*'), 'pkg:npm/%40corp/*')
  t.equal(showSubject('pkg:npm/a@1.0.0'), 'pkg:npm/a@1.0.0')
  for (const text of [
    '',
    'npm/a',
    'pkg:*/a',
    'pkg:npm/',
    'pkg:npm/%4*0',
    'pkg:npm/%C3*%A9',
    'pkg:npm/a*@1',
    'glob:npm/a',
  ]) {
    t.throws(() => parseSubject(text), { code: 'PURL_INVALID' }, text)
  }
})

test('only what this build would write is a glob', async (t) => {
  t.same(parseGlob('glob:npm/%40corp/*'), { type: 'npm', pieces: ['@corp/', ''] })
  for (const text of ['glob:npm/@corp/*', 'glob:npm/**', 'pkg:npm/a', 'glob:npm/a@1', 'glob:', 'anything']) {
    t.equal(parseGlob(text), undefined, text)
  }
})

test('a star is any characters, none and slashes too', async (t) => {
  const matches = (glob: string, name: string, type = 'npm') =>
    matchesGlob(parseGlob(`glob:npm/${glob}`) as never, { type, name })
  for (const [glob, name] of [
    ['*', '@a/b'],
    ['a*', 'a'],
    ['a*a', 'aa'],
    ['a*b*c', 'abbbc'],
    ['*b*b', 'abab'],
    ['%40a/*', '@a/b/c'],
  ] as const) {
    t.ok(matches(glob, name), `${glob} ${name}`)
  }
  for (const [glob, name] of [
    ['a', 'aa'],
    ['a*a', 'a'],
    ['a*b*b', 'ab'],
    ['%40a/*', '@ab/c'],
    ['A*', 'a'],
  ] as const) {
    t.notOk(matches(glob, name), `${glob} ${name}`)
  }
  t.notOk(matches('*', 'a', 'generic'))
})

test('as a regular expression says', async (t) => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  t.comment(`seed ${seed}`)
  const piece = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 3 })
  const property = fc.property(
    fc.array(piece, { minLength: 1, maxLength: 4 }),
    fc.stringMatching(/^[ab]{1,8}$/),
    (pieces, name) => {
      const expected = new RegExp(`^${pieces.join('.*')}$`).test(name)
      t.equal(matchesGlob({ type: 'npm', pieces }, { type: 'npm', name }), expected)
      const text = formatGlob({ type: 'npm', pieces })
      if (pieces.slice(1, -1).every((inner) => inner !== '') && text !== 'glob:npm/')
        t.same(parseGlob(text)?.pieces, pieces)
    },
  )
  fc.assert(property, { seed, numRuns: 300 })
})

test('a whole name weighs more than any pattern, and more letters more than fewer', async (t) => {
  const weight = (glob: string) => globWeight(parseGlob(`glob:npm/${glob}`) as never)
  t.ok(weight('a') > weight('abcdefgh*'))
  t.ok(weight('ab*') > weight('*a*'))
  t.equal(weight('*ab'), weight('a*b'))
})
