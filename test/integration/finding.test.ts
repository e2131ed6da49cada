// What a node tells who searches beside the results, through the library and the operations: never of what they may
// not see.
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { prepare } from '../../src/gateway/api/operations.ts'
import { CatalogNode } from '../../src/index.ts'

const PACKAGES = {
  astrolabe: { description: 'Finds latitudes, even of 😀 astronomers', keywords: ['stars'] },
  'astro-chart': { description: 'Charts of the sky' },
  '@observatory/dome': { description: 'Opens and closes' },
  asteroid: { description: 'Undisclosed trajectories' },
}
const SECRET = 'asteroid'

async function openNode(t: Test): Promise<CatalogNode> {
  const names = Object.entries(PACKAGES)
  const manifests = names.map(([name, rest], at) => {
    return [`${at}`, { 'package.json': JSON.stringify({ name, version: '1.0.0', ...rest }) }]
  })
  const folder = t.testdir({ node: {}, ...Object.fromEntries(manifests) })
  const place = { host: '127.0.0.1', controlPort: 0, httpPort: 0 }
  const node = await CatalogNode.open({ dataDir: join(folder, 'node'), ...place })
  t.teardown(() => node.close())
  for (const [at, [name]] of names.entries()) {
    const permission = name === SECRET ? 'private' : 'public'
    await node.sharing.sharePackage(join(folder, `${at}`), { permission })
  }
  await node.catchUp()
  return node
}

test('results say where the query is in them and why they rank', async (t) => {
  const { sharing } = await openNode(t)
  const plain = await sharing.searchPackages('astro')
  t.ok(plain.results.length > 0 && plain.results.every(({ why, highlights }) => !why && !highlights), 'only when asked')
  const { results } = await sharing.searchPackages('astrolabe latitudse', { explain: true, highlight: true })
  t.match(results, [
    {
      purl: 'pkg:npm/astrolabe@1.0.0',
      why: { found: 'near-words', words: ['astrolabe'], near: ['latitudse'] },
      highlights: { name: [[0, 9]], description: [[6, 15]] },
    },
  ])
  for (const { score, why } of results) t.equal(score, Math.fround((why?.matched ?? 0) + (why?.popularity ?? 0)))
  const [marked] = (await sharing.searchPackages('astronomers type:npm', { highlight: true })).results
  t.equal(marked?.description.slice(...(marked.highlights?.description[0] ?? [])), 'astronomers', 'in UTF-16 units')
})

test('what was meant is told when nothing is found, of what the asker may see', async (t) => {
  const { sharing } = await openNode(t)
  t.match(await sharing.searchPackages('astroalbbe'), { results: [{ name: 'astrolabe' }], suggestion: undefined })
  t.match(await sharing.searchPackages('latitdes chatrs'), { results: [], suggestion: undefined }, 'in no one document')
  t.match(await sharing.searchPackages('chrats skyy'), { results: [], suggestion: 'charts sky' })
  t.match(await sharing.searchPackages('trajetcoreis'), { results: [], suggestion: 'trajectories' })
  const asStranger = await sharing.searchPackages('trajetcoreis', { publicOnly: true })
  t.match(asStranger, { results: [], suggestion: undefined })
})

test('names go on as they were begun', async (t) => {
  const node = await openNode(t)
  const { sharing } = node
  const completed = async (prefix: string, options = {}) =>
    (await sharing.completeNames(prefix, options)).map(({ completion }) => completion)
  t.strictSame(await completed('ast'), ['asteroid', 'astrolabe', 'astro-chart'], 'the shortest first')
  t.strictSame(await completed('ast', { publicOnly: true }), ['astrolabe', 'astro-chart'])
  t.strictSame(await completed('AST', { limit: 1 }), ['asteroid'])
  t.strictSame(await completed('pkg:npm/astro-'), ['pkg:npm/astro-chart'])
  t.strictSame(await completed('pkg:npm/@obs'), ['pkg:npm/@observatory/dome'])
  t.strictSame(await completed('pkg:npm/%40obs'), ['pkg:npm/%40observatory/dome'])
  t.equal((await completed('')).length, Object.keys(PACKAGES).length)
  for (const none of ['dome', 'pkg:generic/a', 'pkg:', 'type:npm', '\u0000'])
    t.strictSame(await completed(none), [], none)
  await t.rejects(sharing.completeNames('x'.repeat(257)), { code: 'SEARCH_QUERY' })
  await t.rejects(sharing.completeNames('x', { limit: 0 }), { code: 'SEARCH_QUERY' })

  const lines = prepare('complete', { prefix: 'astrol' }).run(node, new AbortController().signal)
  const told: object[] = []
  for await (const line of lines) told.push(line)
  t.strictSame(told, [{ type: 'completion', completion: 'astrolabe', name: 'astrolabe', purl: 'pkg:npm/astrolabe' }])
})
