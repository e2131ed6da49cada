import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { DAY_MS, MINUTE_MS } from '../../../src/base/units.ts'
import type { Recommendation } from '../../../src/discovery/recommendations.ts'
import { CatalogNode } from '../../../src/node.ts'
import { ManualClock } from '../../manual-clock.ts'

interface Manifest {
  name: string
  description?: string
  keywords?: string[]
  dependencies?: string[]
}

/** A node that is never online, with these packages of its own. */
async function opened(t: Test, ...manifests: Manifest[]) {
  const folder = t.testdir({})
  const clock = new ManualClock()
  const node = await CatalogNode.open({ dataDir: join(folder, 'node') }, { clock })
  t.teardown(() => node.close())
  const publish = async ({ dependencies = [], ...manifest }: Manifest) => {
    const source = join(folder, 'source', manifest.name)
    await mkdir(source, { recursive: true })
    const needs = Object.fromEntries(dependencies.map((name) => [name, '*']))
    await writeFile(
      join(source, 'package.json'),
      JSON.stringify({ version: '1.0.0', ...manifest, dependencies: needs }),
    )
    await node.sharing.sharePackage(source)
  }
  for (const manifest of manifests) await publish(manifest)
  await node.catchUp()
  const install = async (name: string, to: string) => {
    await node.sharing.installPackage(`pkg:npm/${name}`, { to: join(folder, to) })
  }
  const fetch = (name: string) => node.sharing.fetchPackage(`pkg:npm/${name}`, join(folder, `${name}.tgz`))
  return { node, clock, publish, install, fetch, recommend: node.sharing.recommendPackages.bind(node.sharing) }
}

const shown = (all: Recommendation[]) =>
  all.map(({ name, reasons }) => `${name}: ${reasons.map(({ kind }) => kind).join(', ')}`)
const reasonsOf = (all: Recommendation[], name: string) => all.find((one) => one.name === name)?.reasons

test('what is needed by the same packages', async (t) => {
  const { recommend } = await opened(
    t,
    { name: 'react' },
    ...['one', 'two', 'three'].map((name) => ({ name, dependencies: ['react', 'redux'] })),
    { name: 'four', dependencies: ['react', 'moment'] },
    { name: 'five', dependencies: ['redux', 'rxjs'] },
  )
  const found = await recommend('pkg:npm/react')
  const redux = found[0]
  t.match(redux, {
    ...{ purl: 'pkg:npm/redux', version: null, publisher: null, trust: null },
    reasons: [{ kind: 'depends-together', text: '3 of 4 packages that need react need it too' }],
  })
  t.notOk(reasonsOf(found, 'moment'), 'what one alone needs too says nothing')
  t.notOk(reasonsOf(found, 'rxjs'))
  t.notOk(reasonsOf(found, 'react'), 'nor is a package recommended for itself')
})

test('what was installed into the same folders', async (t) => {
  const { node, install, recommend } = await opened(t, { name: 'knot' }, { name: 'rope' }, { name: 'anchor' })
  for (const folder of ['a', 'b']) await install('knot', folder)
  for (const folder of ['b', 'c']) await install('rope', folder)
  await install('anchor', 'c')
  const found = await recommend('pkg:npm/knot')
  t.match(found[0], {
    ...{ purl: 'pkg:npm/rope', version: '1.0.0', trust: 'pinned' },
    reasons: [
      { kind: 'installed-together', text: 'installed beside knot in 1 of 2 folders here' },
      { kind: 'same-publisher', text: 'from the publisher of knot' },
    ],
  })
  t.equal(found[0]?.publisher, (await node.sharing.status()).publisher)
  t.strictSame(
    reasonsOf(found, 'anchor')?.map(({ kind }) => kind),
    ['same-publisher'],
  )
})

test('what says the same words', async (t) => {
  const { recommend } = await opened(
    t,
    { name: 'fast-yaml', description: 'Parses documents and the like', keywords: ['yaml', 'parser'] },
    { name: 'yaml-lite', description: 'A parser for YAML documents' },
    { name: 'toml', description: 'Another thing of the like' },
  )
  const found = await recommend('pkg:npm/fast-yaml')
  t.strictSame(shown(found), ['yaml-lite: similar-text, same-publisher', 'toml: same-publisher'])
  t.match(reasonsOf(found, 'yaml-lite')?.[0]?.text, /^says documents, parser, yaml, as fast-yaml does$/)
})

test('what is used more and more, when no package is named', async (t) => {
  const { clock, recommend, fetch } = await opened(t, { name: 'steady' }, { name: 'rising' }, { name: 'gone' })
  for (let day = 0; day < 30; day++) {
    await fetch('steady')
    await fetch('steady')
    await fetch('steady')
    if (day < 3) await fetch('gone')
    await clock.advance(MINUTE_MS)
    await clock.advance(DAY_MS - MINUTE_MS)
  }
  t.notOk((await recommend()).some(({ reasons }) => reasons.some(({ kind }) => kind === 'trending')))
  for (let i = 0; i < 12; i++) await fetch('rising')
  await clock.advance(MINUTE_MS)
  const found = await recommend('pkg:npm/steady')
  t.strictSame(
    reasonsOf(found, 'rising')?.map(({ kind }) => kind),
    ['trending', 'same-publisher'],
  )
  t.match(reasonsOf(found, 'rising')?.[0]?.text, /^used about 12 times in the last hour, \d+ times as often/)
})

test('with no package named, what goes well with those used most', async (t) => {
  const { install, recommend } = await opened(
    t,
    { name: 'react' },
    { name: 'knot' },
    ...['one', 'two'].map((name) => ({ name, dependencies: ['react', 'redux'] })),
  )
  t.strictSame(await recommend(), [], 'nothing is used yet')
  await install('react', 'a')
  t.strictSame(shown(await recommend()), ['redux: depends-together'])
})

test('what is private here is recommended here, too', async (t) => {
  const { node, recommend } = await opened(t, { name: 'knot', description: 'ropes for mooring' })
  await node.sharing.unshare('pkg:npm/knot')
  t.strictSame(await recommend('pkg:npm/knot'), [])
  await node.catchUp()
  t.strictSame(await recommend('pkg:npm/knot'), [], 'and known')
})

test('limits and names are checked', async (t) => {
  const { recommend } = await opened(t, { name: 'knot' }, { name: 'rope' }, { name: 'anchor' })
  t.equal((await recommend('pkg:npm/knot', { limit: 1 })).length, 1)
  for (const limit of [0, 101, 1.5, Number.NaN]) await t.rejects(recommend(undefined, { limit }), { code: 'USAGE' })
  await t.rejects(recommend('pkg:npm/unheard-of'), { code: 'NOT_FOUND', hint: /catalog info pkg:npm\/unheard-of/ })
  await t.rejects(recommend('knot'), { code: 'PURL_INVALID' })
})
