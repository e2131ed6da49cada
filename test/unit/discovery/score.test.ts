import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { t, test } from 'tap'
import { directEffects } from '../../../src/base/effects.ts'
import { openNativeIndex, type Scored } from '../../../src/discovery/native-index.ts'
import { ranked } from '../../../src/discovery/score.ts'

const folder = mkdtempSync(join(tmpdir(), 'catalog-score-'))
const index = await openNativeIndex({ effects: directEffects }, folder)
t.teardown(async () => {
  await index.close()
  await rm(folder, { recursive: true, force: true })
})

const candidate = (name: string, description = '', ...keywords: string[]): Scored => ({
  name,
  description,
  keywords,
  labels: [],
  popularity: 0,
  published: 0,
})

async function score(query: string, scored: Scored): Promise<number> {
  return (await index.score(query, [scored]))[0] ?? Number.NaN
}

/** Each query with candidates, the best first. */
const ORDERS: [query: string, ...ranked: Scored[]][] = [
  [
    'react',
    candidate('react'),
    candidate('@preact/react'),
    candidate('react-dom'),
    candidate('awesome-react'),
    candidate('hooks', 'For react components'),
    candidate('reakt'),
    candidate('left-pad'),
  ],
  ['reac', candidate('react'), candidate('reactive-streams-library'), candidate('read')],
  [
    'http client',
    candidate('http-client'),
    candidate('@acme/http-client'),
    candidate('http-client-lite'),
    candidate('tiny-client-http'),
    candidate('fetcher', 'A client for HTTP'),
    candidate('htp-client'),
    candidate('http-server'),
  ],
  ['expres', candidate('express'), candidate('exprez')],
  ['webpack', candidate('webpack'), candidate('webpakc'), candidate('rollup')],
  ['typescript', candidate('typescript'), candidate('typescrip'), candidate('typscrip')],
  ['stream', candidate('stream'), candidate('streams'), candidate('stream-combiner-for-everyone')],
  ['typescript-eslint-pl', candidate('typescript-eslint-pl'), candidate('@typescript-eslint-plugins/x')],
  ['reac', candidate('react'), candidate('@react-things/-')],
]

for (const [query, ...better] of ORDERS) {
  test(`"${query}" ranks ${better.map(({ name }) => name).join(', ')}`, async (t) => {
    const scores = await index.score(query, better)
    scores.slice(1).forEach((lower, at) => {
      const [above, below] = [better[at], better[at + 1]]
      t.ok((scores[at] as number) > lower, `${above?.name} (${scores[at]}) over ${below?.name} (${lower})`)
    })
  })
}

test('nothing in common scores nothing, and no query matches everything', async (t) => {
  t.equal(await score('react', candidate('lodash', 'Utilities')), 0)
  for (const query of ['', '   ', '@/', '---']) t.equal(await score(query, candidate('react')), 0, query)
})

test('scores are finite for every name', async (t) => {
  const names = ['', '@', '@a/', '@react/', '@react/-', '-', 'é', '日本語', '@日本/語']
  for (const query of ['r', 'react', '日', 'reac', 'a']) {
    for (const popularity of [0, Number.MAX_VALUE, Number.POSITIVE_INFINITY, Number.NaN, -1]) {
      const scores = await index.score(
        query,
        names.map((name) => ({ ...candidate(name), popularity })),
      )
      t.ok(scores.length === names.length && scores.every(Number.isFinite), `${query}: ${scores}`)
    }
  }
})

test('case, separators, camelCase and diacritics do not matter', async (t) => {
  const same: [string, string][] = [
    ['JSONStream', 'jsonstream'],
    ['json stream', 'JSONStream'],
    ['camel-case', 'camelCase'],
    ['camelCase', 'camel_case'],
    ['cafe', 'café'],
    ['CAFÉ', 'cafe'],
    ['@Acme/Parser', '@acme/parser'],
  ]
  for (const [query, name] of same) {
    const [exact = 0, begun = 0] = await index.score(query, [candidate(name), candidate(`${name}s`)])
    t.ok(exact > begun + 20, `${query} = ${name}`)
  }
  t.ok((await score('stream', candidate('jsonStream'))) > (await score('stream', candidate('jsonparser'))))
  t.ok((await score('résumé', candidate('x', 'resume builder'))) > 0)
})

test('words are found in keywords, the last one half typed', async (t) => {
  const d3 = candidate('d3-visualization', 'Charts', 'graph')
  t.ok((await score('graph visu', d3)) > (await score('visu graph', d3)) + 5, 'only the last one')
})

test('short names forgive no typing error', async (t) => {
  t.equal(await score('fsx', candidate('fsy')), 0)
  t.ok((await score('chlak', candidate('chalk'))) > 0)
  t.equal(await score('chlkk', candidate('chalk-x1')), 0)
})

test('of two that fit alike, the more popular comes first, and then the name decides', async (t) => {
  const names = ['left-beta', 'left-alpha', 'left-gamma']
  const all = names.map((name) => ({ ...candidate(name), popularity: name === 'left-gamma' ? 1_000 : 0 }))
  const best = await ranked(
    { index },
    'left',
    all,
    (each) => each,
    ({ name }) => name,
  )
  t.strictSame(
    best.map(({ candidate: { name } }) => name),
    ['left-gamma', 'left-beta', 'left-alpha'],
    'a longer name is a worse beginning',
  )
})
