// Answers of search that are kept: what they say of a package is what holds now, and they go when it changes.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { listen } from '../../src/base/events.ts'
import { CatalogNode } from '../../src/index.ts'

async function opened(t: Test) {
  const folder = t.testdir({})
  const node = await CatalogNode.open({ dataDir: join(folder, 'node') })
  t.teardown(() => node.close())
  const outcomes: string[] = []
  t.teardown(listen('catalog:search-cache', ({ outcome }) => outcomes.push(outcome)))
  const publish = async (name: string, version: string, description: string) => {
    const path = join(folder, `${name}-${version}`)
    await mkdir(path)
    await writeFile(join(path, 'package.json'), JSON.stringify({ name, version, description }))
    await node.sharing.sharePackage(path, { permission: 'public' })
    await node.catchUp()
  }
  const search = (query: string, publicOnly = false) => node.sharing.searchPackages(query, { local: true, publicOnly })
  return { node, outcomes, publish, search }
}

test('a kept answer says what holds now', async (t) => {
  const { node, outcomes, publish, search } = await opened(t)
  await publish('mooring', '1.0.0', 'Ropes for boats')
  t.match((await search('ropes')).results, [{ version: '1.0.0', trust: 'pinned', providers: 1 }])
  await node.sharing.untrust('pkg:npm/mooring')
  t.match((await search('ropes')).results, [{ version: '1.0.0', trust: 'unpinned' }])
  t.strictSame(outcomes, ['miss', 'hit'])
})

test('it goes when a package that it found, or may find, changes', async (t) => {
  const { outcomes, publish, search } = await opened(t)
  await publish('mooring', '1.0.0', 'Ropes for boats')
  await publish('parser', '1.0.0', 'Reads text')
  for (const query of ['ropes', 'reads']) await search(query)
  await publish('mooring', '1.1.0', 'Chains for boats')
  t.match((await search('ropes')).results, [], 'its text is another one now')
  t.match((await search('chains')).results, [{ version: '1.1.0' }])
  t.match((await search('reads')).results, [{ name: 'parser' }])
  t.strictSame(outcomes, ['miss', 'miss', 'miss', 'miss', 'hit'])
})

test('what is shown to everybody follows a share at once, whatever the index has heard of', async (t) => {
  const { node, publish, search } = await opened(t)
  await publish('mooring', '1.0.0', 'Ropes for boats')
  t.match((await search('ropes', true)).results, [{ name: 'mooring' }])
  await node.sharing.unshare('pkg:npm/mooring@1.0.0')
  t.match((await search('ropes', true)).results, [])
  t.match((await search('ropes')).results, [{ name: 'mooring' }])
})
