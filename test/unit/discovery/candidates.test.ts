import { test } from 'tap'
import { SEARCH_PUBLISHER_RESULTS_MAX } from '../../../src/base/limits.ts'
import { type Found, merged, rankedFound } from '../../../src/discovery/candidates.ts'
import type { Scored } from '../../../src/discovery/native-index.ts'
import { readRelease } from '../../../src/model/release.ts'
import { npm } from '../../../src/package-types/npm.ts'
import { publisherOf, releaseOf } from '../model/made.ts'

const packageType = (type: string) => (type === 'npm' ? npm : undefined)
const [known, unknown, other] = [publisherOf(50), publisherOf(51), publisherOf(52)]
/** A name is worth its length: what is ranked here is only who stands before whom. */
const index = {
  score: async (_: string, scored: Scored[]) => scored.map(({ name }) => name.length),
  explain: async () => [],
  outshone: async (scored: Scored[]) => scored.map(({ name }) => (name === 'k1' ? Uint8Array.of(1) : undefined)),
}
const standing = { isKnown: ({ record }: Found['release']) => record.signer === known.signer }
const popularity = { of: () => 0 }

function found(
  publisher: typeof known,
  name: string,
  { version = '1.0.0', peers = ['a'], isHere = false } = {},
): Found {
  return { release: readRelease(releaseOf(publisher, { name, version })), peers, isHere }
}

const ranked = async (all: Found[], { limit = 10, newcomers = false } = {}) => {
  const answer = await rankedFound({ index, standing, popularity }, 'query', all, { limit, newcomers })
  return { names: answer.ranked.map(({ release }) => release.body.name), withheld: answer.withheld }
}

test('a package of a publisher is listed once, as its newest release, with all who offered it', async (t) => {
  const list = merged(
    [
      found(known, 'one', { version: '1.0.0', peers: ['a'] }),
      found(known, 'one', { version: '2.0.0', peers: ['a'] }),
      found(known, 'one', { version: '2.0.0', peers: ['b', 'a'] }),
      found(known, 'one', { version: '2.0.0', peers: [], isHere: true }),
      found(known, 'one', { version: '3.0.0-rc.1', peers: ['c'] }),
      found(unknown, 'one', { version: '9.0.0', peers: ['d'] }),
    ],
    packageType,
  )
  t.match(list, [
    { release: { purl: 'pkg:npm/one@2.0.0', record: { signer: known.signer } }, peers: ['a', 'b'], isHere: true },
    { release: { purl: 'pkg:npm/one@9.0.0', record: { signer: unknown.signer } }, peers: ['d'], isHere: false },
  ])
  t.equal(list.length, 2)
})

test('what nothing here could install is left out', async (t) => {
  const release = readRelease(releaseOf(known, { type: 'later' }))
  t.strictSame(merged([{ release, peers: ['a'], isHere: false }], packageType), [])
})

test('who is known stands first; what only peers offer of others is left out, unless it is asked for', async (t) => {
  const all = [
    found(known, 'k1'),
    found(unknown, 'made-up-for-this'),
    found(known, 'k22'),
    found(other, 'here-already', { isHere: true, peers: [] }),
  ]
  t.strictSame(await ranked(all), { names: ['k22', 'k1', 'here-already'], withheld: 1 })
  const names = ['k22', 'k1', 'here-already', 'made-up-for-this']
  t.strictSame(await ranked(all, { newcomers: true }), { names, withheld: 0 })
  t.strictSame(await ranked(all, { limit: 1 }), { names: ['k22'], withheld: 1 })
  const { ranked: marked } = await rankedFound({ index, standing, popularity }, 'query', all, {
    limit: 9,
    newcomers: false,
  })
  t.strictSame(
    marked.map(({ lookalikeOf }) => lookalikeOf !== undefined),
    [false, true, false],
    'what looks like another is marked',
  )
})

test('where nobody is known, all are listed, of each publisher only a few', async (t) => {
  const many = Array.from({ length: SEARCH_PUBLISHER_RESULTS_MAX + 3 }, (_, i) => found(unknown, `u${'-'.repeat(i)}`))
  const { names, withheld } = await ranked([...many, found(other, 'o')], { limit: 20 })
  t.equal(names.length, SEARCH_PUBLISHER_RESULTS_MAX + 1)
  t.ok(names.includes('o'))
  t.equal(withheld, 0)
})

test('what has nothing to do with the query is not listed', async (t) => {
  const nothing = { ...index, score: async (_: string, scored: Scored[]) => scored.map(() => 0) }
  const answer = await rankedFound({ index: nothing, standing, popularity }, 'query', [found(known, 'k')], {
    limit: 10,
    newcomers: true,
  })
  t.strictSame(answer, { ranked: [], withheld: 0 })
})
