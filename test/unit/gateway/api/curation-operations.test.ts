// Tags, deprecations and withdrawals as the command line asks for them, on a node that is open and speaks with nobody.
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { describeLine, warningOf } from '../../../../src/cli/describe.ts'
import type { Line } from '../../../../src/gateway/api/operation.ts'
import { type OperationName, prepare } from '../../../../src/gateway/api/operations.ts'
import { CatalogNode } from '../../../../src/node.ts'

const PURL = 'pkg:npm/lamp'

async function opened(t: Test) {
  const folder = t.testdir({
    one: { 'package.json': '{"name":"lamp","version":"1.0.0"}' },
    two: { 'package.json': '{"name":"lamp","version":"2.0.0"}' },
  })
  const node = await CatalogNode.open({ dataDir: join(folder, 'data'), core: 'wasm', workers: 1 })
  t.teardown(() => node.close())
  const run = async (name: OperationName, input: object): Promise<Line[]> => {
    const lines: Line[] = []
    for await (const line of prepare(name, input).run(node, new AbortController().signal)) lines.push(line)
    return lines.filter(({ type }) => type !== 'progress')
  }
  await run('publish', { path: join(folder, 'one') })
  await run('publish', { path: join(folder, 'two'), tag: 'next' })
  return { folder, run }
}

const said = (lines: readonly Line[]) => lines.map((line) => describeLine(line)).join('\n')

test('a version that is published under a tag does not become the latest', async (t) => {
  const { run } = await opened(t)
  t.match(await run('tagList', { purl: PURL }), [
    { tag: 'latest', version: '1.0.0' },
    { tag: 'next', version: '2.0.0' },
    { tags: 2 },
  ])
  t.match(await run('info', { purl: PURL }), [{ version: '1.0.0', tags: { next: '2.0.0' }, deprecated: null }])
  t.match(await run('info', { purl: `${PURL}@next` }), [{ version: '2.0.0' }])
  t.match(await run('tagRemove', { purl: PURL, tag: 'latest' }), [{ tag: 'latest', version: null, changed: true }])
  t.match(await run('info', { purl: PURL }), [{ version: '2.0.0' }], 'without the tag the highest is')
  t.match(said(await run('tagRemove', { purl: PURL, tag: 'latest' })), /had no tag latest/)
  await t.rejects(run('tagAdd', { purl: PURL, tag: 'beta' }), { code: 'PURL_INVALID' })
})

test('who installs what is deprecated is warned', async (t) => {
  const { folder, run } = await opened(t)
  t.match(await run('deprecate', { purl: PURL, message: 'it flickers' }), [{}, {}, { deprecated: 2 }])
  t.match(said(await run('deprecate', { purl: PURL, message: 'it flickers' })), /said already/)
  const [installed] = await run('install', { purl: `${PURL}@1.0.0`, to: join(folder, 'to') })
  t.match(installed && warningOf(installed), /lamp@1\.0\.0 is deprecated: it flickers/)
  t.match(said(await run('info', { purl: PURL })), /deprecated .*it flickers/)
  await run('deprecate', { purl: `${PURL}@1.0.0`, message: '' })
  t.match(await run('info', { purl: `${PURL}@1.0.0` }), [{ deprecated: null }])
})

test('what is withdrawn is chosen no more, is garbage unless it is kept, and can be put back', async (t) => {
  const { folder, run } = await opened(t)
  for (const input of [{ purl: PURL }, { purl: `${PURL}@1.0.0`, all: true }]) {
    await t.rejects(run('withdraw', input), { code: 'USAGE', hint: /--all/ })
  }
  await run('pin', { purl: `${PURL}@2.0.0` })
  t.match(await run('withdraw', { purl: PURL, all: true, reason: 'it burns' }), [{}, {}, { withdrawn: 2 }])
  await t.rejects(run('info', { purl: PURL }), { code: 'NOT_FOUND' })
  await t.rejects(run('info', { purl: `${PURL}@1.0.0` }), { code: 'WITHDRAWN', message: /it burns/ })
  t.match(await run('info', { purl: `${PURL}@2.0.0` }), [{ withdrawn: true, local: true }], 'what is pinned is kept')
  t.match(await run('search', { query: 'lamp' }), [{ results: 0 }])
  await t.rejects(run('publish', { path: join(folder, 'one') }), { code: 'RELEASE_EXISTS', hint: /--undo/ })
  t.match(await run('gc', {}), [{ purl: `${PURL}@1.0.0`, reason: 'withdrawn' }])

  t.match(said(await run('withdraw', { purl: `${PURL}@1.0.0`, undo: true })), /is back/)
  t.match(await run('info', { purl: PURL }), [{ version: '1.0.0', local: false }])
  t.match(await run('publish', { path: join(folder, 'one') }), [{ fresh: false }], 'the same bytes bring it back')
  t.match(await run('info', { purl: PURL }), [{ local: true }])
})
