// Ten thousand queries that nobody means, through the library and through the operations of the API: each is answered
// or refused as wrong usage, and the node goes on.
import { join } from 'node:path'
import tap, { test } from 'tap'
import { CatalogError } from '../../src/base/errors.ts'
import { prepare } from '../../src/gateway/api/operations.ts'
import { CatalogNode } from '../../src/index.ts'
import { fuzzedQueries } from '../fuzzed-queries.ts'

tap.setTimeout(240_000)

const QUERIES = 10_000
const SEED = Number(process.env['SEED'] ?? (Date.now() % 2 ** 31) + 1)

test('no query brings a node down', async (t) => {
  t.comment(`seed ${SEED}`)
  const source = {
    'package.json': JSON.stringify({ name: 'camelCase', version: '1.0.0', description: 'Ünïcode 日本語' }),
  }
  const folder = t.testdir({ node: {}, source })
  const place = { host: '127.0.0.1', controlPort: 0, httpPort: 0 }
  await using node = await CatalogNode.open({ dataDir: join(folder, 'node'), ...place })
  await node.sharing.sharePackage(join(folder, 'source'))
  await node.catchUp()
  const { sharing } = node
  const operate = async (name: 'search' | 'complete', input: object) => {
    const lines = prepare(name, input).run(node, new AbortController().signal)
    for await (const { type } of lines) if (type === 'error') throw new Error('errors are thrown')
  }
  const ways = [
    (query: string) => sharing.searchPackages(query, { local: true }),
    (query: string) => sharing.searchPackages(query, { local: true, explain: true, highlight: true }),
    (query: string) => operate('search', { query, local: true, highlight: true }),
    (query: string) => operate('complete', { prefix: query }),
  ]
  const outcomes = { answered: 0, refused: 0 }
  let at = 0
  for (const query of fuzzedQueries(SEED, QUERIES)) {
    try {
      await ways[at++ % ways.length]?.(query)
      outcomes.answered++
    } catch (thrown) {
      if (!(thrown instanceof CatalogError) || thrown.code !== 'SEARCH_QUERY') {
        t.fail(`${JSON.stringify(query.slice(0, 500))}: ${thrown}`)
      }
      outcomes.refused++
    }
  }
  t.equal(outcomes.answered + outcomes.refused, QUERIES)
  t.ok(outcomes.answered > QUERIES / 2 && outcomes.refused > QUERIES / 100, JSON.stringify(outcomes))
  const { results } = await sharing.searchPackages('camelcase', { local: true })
  t.match(results, [{ name: 'camelCase' }])
})
