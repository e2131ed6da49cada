// The main job, end to end: two processes with data directories of their own; publish on one, find and install on the
// other.
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import tap, { type Test, test } from 'tap'
import { connected, eventually, type Line, sha256Of, startNode, type TestNode } from './processes.ts'

tap.setTimeout(180_000)

const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url))
const SEMVER = join(MODULES, 'semver')
const COMMANDER = join(MODULES, 'commander')
/** 90 MB of files, 22 MB packed; it comes with the AssemblyScript compiler. */
const BINARYEN = dirname(createRequire(join(MODULES, 'assemblyscript/package.json')).resolve('binaryen'))

test('real packages published on one node are found, fetched and installed on another', async (t) => {
  const folder = t.testdir({ a: {}, b: {}, packed: {}, fetched: {}, installed: {} })
  const a = await startNode(t, join(folder, 'a'))
  const tarball = await npmPack(COMMANDER, join(folder, 'packed'))
  const packages = [
    { ...(await publish(t, a, SEMVER)), word: 'semantic', bytesMin: 0 },
    { ...(await publish(t, a, tarball)), word: 'command-line', bytesMin: 0 },
    { ...(await publish(t, a, BINARYEN)), word: 'toolchain', bytesMin: 20_000_000 },
  ]
  t.equal(packages[1]?.sha256, await sha256Of(tarball), 'a tarball is published byte for byte')
  // Connected only now: B has heard no announcement, so whatever it finds it was told by A.
  const b = await startNode(t, join(folder, 'b'), { peers: [a.address] })
  await connected(b, a)
  for (const { purl, name, version, sha256, size, word, bytesMin } of packages) {
    t.ok(size > bytesMin, `${purl} has ${size} bytes`)
    for (const words of [name, word]) {
      const { result, summary } = await found(b, purl, words)
      t.match(result, { name, version, trust: 'unpinned', verified: true, providers: 1 }, `by "${words}"`)
      t.match(summary, { peersAsked: 1, peersAnswered: 1 })
    }
    const info = await b.run('info', purl)
    t.match(info.lines[0], { type: 'info', purl, permission: 'public', local: false, artifacts: [{ sha256, size }] })
    const outputs = { a: join(folder, 'fetched', `a-${name}`), b: join(folder, 'fetched', `b-${name}`) }
    const fetched = await b.run('fetch', purl, '--output', outputs.b)
    t.equal(fetched.status, 0)
    t.match(fetched.lines.at(-1), {
      type: 'fetched',
      purl,
      bytes: size,
      sha256,
      sources: [{ peer: a.peerId, bytes: size }],
    })
    t.match((await a.run('fetch', purl, '--output', outputs.a)).lines.at(-1), { type: 'fetched', sources: [] })
    t.equal(await sha256Of(outputs.a), sha256)
    t.equal(await sha256Of(outputs.b), sha256)
    const to = join(folder, 'installed')
    const installed = await b.run('install', purl, '--to', to)
    t.match(installed.lines.at(-1), { type: 'installed', purl, path: join(to, name), sources: [] })
    t.ok(Number(installed.lines.at(-1)?.['files']) > 0)
    t.match(JSON.parse(readFileSync(join(to, name, 'package.json'), 'utf8')), { name, version })
  }
  const verified = await b.run('verify')
  t.equal(verified.status, 0)
  t.match(verified.lines.at(-1), { type: 'summary', artifacts: packages.length, damaged: 0 })
})

test('a connected node hears of a release, installs it, and replaces no folder unasked', async (t) => {
  const { folder, a, b } = await pair(t)
  const { purl } = await publish(t, a, SEMVER)
  const { summary } = await found(b, purl, 'semver', '--local')
  t.match(summary, { peersAsked: 0 }, 'known before anybody was asked')
  const to = join(folder, 'installed')
  const first = await b.run('install', purl, '--to', to)
  t.match(first.lines.at(-1), { type: 'installed', sources: [{ peer: a.peerId }], failures: [] })
  const own = join(to, 'semver/own.txt')
  writeFileSync(own, 'mine')
  const again = await b.run('install', purl, '--to', to)
  t.equal(again.status, 1)
  t.match(again.lines.at(-1), { type: 'error', code: 'TARGET_EXISTS', hint: /--force/ })
  t.ok(existsSync(own))
  const forced = await b.run('install', purl, '--to', to, '--force')
  t.equal(forced.status, 0)
  t.notOk(existsSync(own))
  t.ok(existsSync(join(to, 'semver/package.json')))
  t.same(readdirSync(to), ['semver'], 'nothing half made lies about')
})

test('a private package is nobody else’s until it is made public', async (t) => {
  const source = { 'package.json': manifest({ name: 'undisclosed', description: 'Confidential plans' }), 'x.js': 'x' }
  const { folder, a, b } = await pair(t, { source })
  const kept = await publish(t, a, join(folder, 'source'), '--permission', 'private')
  t.equal(kept.permission, 'private')
  await found(a, kept.purl, 'confidential') // its owner sees it
  for (const words of ['undisclosed', 'confidential']) {
    const { lines } = await answered(b, words)
    t.same(lines.slice(0, -1), [], `B finds nothing by "${words}"`)
  }
  t.match(await b.run('info', kept.purl), { status: 3, lines: [{ type: 'error', code: 'NOT_FOUND' }] })
  const output = join(folder, 'fetched.tgz')
  t.match(await b.run('fetch', kept.purl, '--output', output), { status: 3, lines: [{ code: 'NOT_FOUND' }] })
  t.notOk(existsSync(output))

  const opened = await publish(t, a, join(folder, 'source'), '--permission', 'public')
  t.match(opened, { permission: 'public', fresh: false, sha256: kept.sha256, record: kept.record })
  await found(b, kept.purl, 'confidential')
  t.match((await b.run('info', kept.purl)).lines[0], { permission: 'public' })
  t.match(await b.run('fetch', kept.purl, '--output', output), { status: 0 })
  t.equal(await sha256Of(output), kept.sha256)
})

test('folders and files of any kind travel as generic packages', async (t) => {
  const source = {
    tides: {
      'asset.toml': [
        'name = "tide-tables"',
        'version = "2024-03-01"',
        'description = "Hourly water levels of northern harbours"',
        'category = "dataset"',
        'tags = ["oceanography", "hydrology"]',
      ].join('\n'),
      'levels.csv': 'hour,level\n0,1.5\n',
      years: { '2023.csv': 'hour,level\n0,1.25\n' },
    },
    'lighthouse-plan.bin': 'not really a plan',
  }
  const { folder, a, b } = await pair(t, source)
  const tides = await publish(t, a, join(folder, 'tides'))
  const plan = await publish(t, a, join(folder, 'lighthouse-plan.bin'), '--type', 'generic', '--version', 'r7')
  t.equal(tides.purl, 'pkg:generic/tide-tables@2024-03-01')
  t.equal(plan.purl, 'pkg:generic/lighthouse-plan@r7')
  for (const words of ['oceanography', 'hydrology', 'dataset', 'water levels']) await found(b, tides.purl, words)
  await found(b, plan.purl, 'lighthouse')
  const to = join(folder, 'installed')
  for (const { purl } of [tides, plan]) {
    const { lines } = await b.run('install', purl, '--to', to)
    t.match(lines.at(-1), { type: 'installed', purl, sources: [{ peer: a.peerId }] })
  }
  t.equal(readFileSync(join(to, 'tide-tables/levels.csv'), 'utf8'), source.tides['levels.csv'])
  t.equal(readFileSync(join(to, 'tide-tables/years/2023.csv'), 'utf8'), source.tides.years['2023.csv'])
  t.equal(readFileSync(join(to, 'lighthouse-plan/lighthouse-plan.bin'), 'utf8'), source['lighthouse-plan.bin'])
})

test('an install brings what the package depends on, flat beside it', async (t) => {
  const source = {
    harbour: { 'package.json': manifest({ name: 'harbour', dependencies: { '@dock/crane': '^1.2.0' } }) },
    old: { 'package.json': manifest({ name: '@dock/crane', version: '1.1.0' }) },
    fitting: { 'package.json': manifest({ name: '@dock/crane', version: '1.4.2' }) },
    next: { 'package.json': manifest({ name: '@dock/crane', version: '2.0.0' }) },
  }
  const { folder, a, b } = await pair(t, source)
  for (const each of Object.keys(source)) await publish(t, a, join(folder, each))
  const to = join(folder, 'installed')
  const { status, lines } = await b.run('install', 'pkg:npm/harbour@1.0.0', '--to', to, '--with-dependencies')
  t.equal(status, 0)
  const installed = lines.filter(({ type }) => type === 'installed')
  t.match(installed, [
    { purl: 'pkg:npm/harbour@1.0.0', path: join(to, 'harbour'), sources: [{ peer: a.peerId }] },
    { purl: 'pkg:npm/%40dock/crane@1.4.2', path: join(to, '@dock/crane'), sources: [{ peer: a.peerId }] },
  ])
  t.match(JSON.parse(readFileSync(join(to, '@dock/crane/package.json'), 'utf8')), { version: '1.4.2' })
})

/** Two nodes that have greeted each other. */
async function pair(t: Test, source: object = {}): Promise<{ folder: string; a: TestNode; b: TestNode }> {
  const folder = t.testdir({ ...source, a: {}, b: {} })
  const [a, b] = await Promise.all([startNode(t, join(folder, 'a')), startNode(t, join(folder, 'b'))])
  await connected(b, a)
  return { folder, a, b }
}

async function publish(t: Test, node: TestNode, path: string, ...options: string[]) {
  const { status, lines } = await node.run('publish', path, ...options)
  const [line] = lines
  t.match({ status, line }, { status: 0, line: { type: 'published' } }, `published ${path}`)
  const [artifact] = (line?.['artifacts'] ?? []) as { sha256: string; size: number }[]
  const purl = String(line?.['purl'])
  const [, name = '', version = ''] = /^pkg:[a-z]+\/(.+)@(.+)$/.exec(purl) ?? []
  const { permission, fresh, record } = line as Line
  return { purl, name, version, permission, fresh, record, sha256: artifact?.sha256 ?? '', size: artifact?.size ?? 0 }
}

/** Search until a package is found: an index, an announcement and a peer on a busy machine each need a moment. */
function found(node: TestNode, purl: string, ...search: string[]): Promise<{ result: Line; summary: Line }> {
  return eventually(`${purl} found by ${search.join(' ')}`, async () => {
    const { lines } = await node.run('search', ...search)
    const result = lines.find((line) => line['purl'] === purl)
    return result && { result, summary: lines.at(-1) as Line }
  })
}

/** Search until every peer asked has answered in time. */
function answered(node: TestNode, ...search: string[]): Promise<{ lines: Line[] }> {
  return eventually(`an answer of every peer to ${search.join(' ')}`, async () => {
    const { lines } = await node.run('search', ...search)
    const summary = lines.at(-1)
    return summary?.['peersAsked'] === 1 && summary['peersAnswered'] === 1 ? { lines } : undefined
  })
}

function manifest(fields: Record<string, unknown>): string {
  return JSON.stringify({ version: '1.0.0', ...fields })
}

/** What `npm pack` makes of a folder. */
async function npmPack(folder: string, into: string): Promise<string> {
  const { npm_execpath: npmPath } = process.env
  const args = ['pack', folder, '--ignore-scripts', '--pack-destination', into, '--cache', join(into, '.cache')]
  const [command, ...before] = npmPath?.endsWith('.js') ? [process.execPath, npmPath] : ['npm']
  await promisify(execFile)(command as string, [...before, ...args, '--offline', '--no-update-notifier'])
  const tarball = readdirSync(into).find((name) => name.endsWith('.tgz'))
  return join(into, String(tarball))
}
