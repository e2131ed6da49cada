import { test } from 'tap'
import { type Scored, score, typoDistance } from '../../../src/discovery/score.ts'

const candidate = (name: string, description = '', ...keywords: string[]): Scored => ({ name, description, keywords })

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

for (const [query, ...ranked] of ORDERS) {
  test(`"${query}" ranks ${ranked.map(({ name }) => name).join(', ')}`, async (t) => {
    const scores = ranked.map((each) => score(query, each))
    scores.slice(1).forEach((lower, at) => {
      const [better, worse] = [ranked[at], ranked[at + 1]]
      t.ok((scores[at] as number) > lower, `${better?.name} (${scores[at]}) over ${worse?.name} (${lower})`)
    })
  })
}

test('nothing in common scores nothing, and no query matches everything', async (t) => {
  t.equal(score('react', candidate('lodash', 'Utilities')), 0)
  for (const query of ['', '   ', '@/', '---']) t.equal(score(query, candidate('react')), 0, query)
})

test('scores are finite for every name', async (t) => {
  for (const name of ['', '@', '@a/', '@react/', '@react/-', '-', 'é', '日本語', '@日本/語']) {
    for (const query of ['r', 'react', '日', 'reac', 'a']) {
      const value = score(query, candidate(name))
      t.ok(Number.isFinite(value) && value <= 70, `${query} in ${name}: ${value}`)
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
  for (const [query, name] of same) t.ok(score(query, candidate(name)) >= 60, `${query} = ${name}`)
  t.ok(score('stream', candidate('jsonStream')) > score('stream', candidate('jsonparser')), 'a word in camelCase')
  t.ok(score('résumé', candidate('x', 'resume builder')) > 0)
})

test('words are found in keywords, the last one half typed', async (t) => {
  t.ok(score('graph visu', candidate('d3', 'Charts', 'graph', 'visualization')) > 5)
  t.ok(score('visu graph', candidate('d3', 'Charts', 'graph', 'visualization')) < 5, 'only the last one')
})

test('short names forgive no typing error', async (t) => {
  t.equal(score('fsx', candidate('fsy')), 0)
  t.ok(score('chlak', candidate('chalk')) > 0)
  t.equal(score('chlkk', candidate('chalk-x1')), 0)
})

const DISTANCES: [a: string, b: string, distance: number][] = [
  ['', '', 0],
  ['a', '', 1],
  ['', 'ab', 2],
  ['react', 'react', 0],
  ['react', 'reacts', 1],
  ['react', 'eact', 1],
  ['react', 'reakt', 1],
  ['react', 'raect', 1],
  ['ab', 'ba', 1],
  ['abcd', 'badc', 2],
  ['ca', 'abc', 3],
  ['webpack', 'wepbakc', 2],
  ['kitten', 'sitting', 3],
]

test('typing errors are counted: wrong, missing, extra and swapped letters', async (t) => {
  for (const [a, b, distance] of DISTANCES) {
    t.equal(typoDistance(a, b, 5), distance, `${a} ${b}`)
    t.equal(typoDistance(b, a, 5), distance, `${b} ${a}`)
  }
})

test('beyond the most that matters, the count stops just above it', async (t) => {
  for (const [a, b, distance] of DISTANCES) {
    for (const max of [0, 1, 2]) {
      const counted = typoDistance(a, b, max)
      if (distance <= max) t.equal(counted, distance, `${a} ${b}`)
      else t.ok(counted > max, `${a} ${b} over ${max}`)
    }
  }
})
