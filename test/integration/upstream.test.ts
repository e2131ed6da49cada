// Packages of an outside registry, through a node, with the npm that is at hand.
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { failure, project } from './npm-project.ts'
import { connected, run, startNode } from './processes.ts'
import { OutsideRegistry } from './registry.ts'

tap.setTimeout(120_000)

const integrityOf = (bytes: Buffer) => `sha512-${createHash('sha512').update(bytes).digest('base64')}`

test('what the registry has signed is shared with nodes that have none', async (t) => {
  await using registry = await new OutsideRegistry().start()
  registry.add({ name: 'part', version: '1.0.0' }, { 'index.js': '1' })
  registry.add({ name: 'part', version: '2.0.0', description: 'A part' }, { 'index.js': '2' })
  registry.add({ name: '@outer/tool', version: '1.0.0', dependencies: { part: '^1.0.0' } })
  const folder = t.testdir({})
  const near = await startNode(t, join(folder, 'near'), { env: registry.settings })
  const far = await startNode(t, join(folder, 'far'), { env: { CATALOG_ORIGIN_KEYS: registry.key } })
  await connected(far, near)
  const first = await project(join(folder, 'one'), near)
  await first.npm('install', '@outer/tool', 'part@2')
  t.equal(await readFile(join(first.folder, 'node_modules/part/index.js'), 'utf8'), '2')
  const lock = await readFile(join(first.folder, 'package-lock.json'), 'utf8')
  t.match(lock, integrityOf(await registry.tarballOf('part', '1.0.0')), "the registry's own bytes")

  const asked = registry.asked.length
  await registry.stop()
  const second = await project(join(folder, 'two'), far)
  await second.npm('install', '@outer/tool')
  t.equal(await readFile(join(second.folder, 'node_modules/part/index.js'), 'utf8'), '1')
  t.match(await second.npm('view', 'part', 'description'), 'A part')

  const third = await project(join(folder, 'three'), near)
  await writeFile(join(third.folder, 'package-lock.json'), lock)
  await writeFile(join(third.folder, 'package.json'), await readFile(join(first.folder, 'package.json')))
  await third.npm('ci')
  t.equal(await readFile(join(third.folder, 'node_modules/part/index.js'), 'utf8'), '2', 'a lock file of yesterday')
  t.equal(registry.asked.length, asked)
})

test('what no registry has signed stays on the node', async (t) => {
  await using registry = await new OutsideRegistry().start()
  registry.signs = false
  registry.add({ name: 'plain', version: '1.0.0' })
  const folder = t.testdir({})
  const near = await startNode(t, join(folder, 'near'), { env: registry.settings })
  const far = await startNode(t, join(folder, 'far'), { env: { CATALOG_ORIGIN_KEYS: registry.key } })
  await connected(far, near)
  await (await project(join(folder, 'one'), near)).npm('install', 'plain')
  t.match(await failure((await project(join(folder, 'two'), far)).npm('install', 'plain')), 'E404')
  const { lines } = await far.run('search', 'plain')
  t.notOk(lines.some(({ type }) => type === 'result'))
})

test('the registry is asked for what it may hear of, and of nothing else', async (t) => {
  await using registry = await new OutsideRegistry().start()
  registry.add({ name: 'weak', version: '1.0.0' })
  registry.attested.set('weak@1.0.0', [])
  const sources = t.testdir({ mine: { 'package.json': '{"name":"@acme/mine","version":"1.0.0"}' } })
  const node = await startNode(t, join(sources, 'node'), { env: registry.settings })
  t.equal((await node.run('publish', join(sources, 'mine'))).status, 0)
  const [{ publisher }] = (await node.run('status')).lines as unknown as [{ publisher: string }]
  t.equal((await node.run('trust', 'pkg:npm/@acme/*', publisher)).status, 0)
  const { npm } = await project(join(sources, 'user'), node)
  await npm('install', 'weak', '@acme/mine')
  const { vulnerabilities } = JSON.parse(await npm('audit', '--json').catch(({ stdout }) => stdout))
  t.match(vulnerabilities, { weak: { severity: 'high' } })
  t.match(await failure(npm('view', '@acme/other')), 'E404', 'its scope is claimed')
  t.notMatch(registry.asked.join(), /acme/)
  t.notMatch(registry.bodies.join(), /acme/)
  t.match(registry.bodies.join(), /weak/)
  const { versions } = JSON.parse(await (await fetch(`${node.http}/npm/weak`)).text())
  const { url } = versions['1.0.0'].dist.attestations
  t.match(url, node.http)
  t.strictSame(await (await fetch(url)).json(), { attestations: [] })

  const loop = await fetch(`${node.http}/npm/weak`, { headers: { via: `1.1 catalog-${node.peerId}` } })
  t.equal(loop.status, 400, 'a node does not ask itself')
  const other = join(sources, 'other')
  const refused = await run(['up', '--upstream', 'http://127.0.0.1:9294/npm/', '--data-dir', other])
  t.match(refused.lines, [{ type: 'error', code: 'CONFIG_INVALID' }])
})

test('the command line has packages from there as well', async (t) => {
  await using registry = await new OutsideRegistry().start()
  for (const version of ['1.0.0', '1.5.0', '2.0.0']) registry.add({ name: 'part', version }, { 'x.js': version })
  registry.add({ name: 'whole', version: '1.0.0', dependencies: { part: '^1.0.0' } })
  const folder = t.testdir({})
  const node = await startNode(t, join(folder, 'node'), { env: registry.settings })
  const to = join(folder, 'to')
  t.equal((await node.run('install', 'pkg:npm/whole', '--with-dependencies', '--to', to)).status, 0)
  t.equal(await readFile(join(to, 'part/x.js'), 'utf8'), '1.5.0', 'the highest that a range means')
  t.match((await node.run('info', 'pkg:npm/part')).lines, [{ version: '2.0.0', trust: 'origin' }])
  registry.add({ name: 'part', version: '2.0.1' })
  t.match(
    (await node.run('fetch', 'pkg:npm/part@2.0.1', '--output', join(folder, 'new'))).status,
    3,
    'it is not asked again so soon',
  )
  t.match((await node.run('install', 'pkg:npm/nobody', '--to', to)).lines, [{ code: 'NOT_FOUND' }])
})
