// What a user can get wrong. Each mistake is answered with one error that says what and why, with the exit status of
// its kind, and leaves the node as it was.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import tap, { type Test, test } from 'tap'
import { freePort } from '../free-port.ts'
import { type Entries, tarOf } from '../unit/package-types/tars.ts'
import { type CommandResult, run, start, startNode, type TestNode } from './processes.ts'

/** What is to be said of a mistake. */
interface Refusal {
  readonly args: readonly string[]
  readonly code: string
  readonly exit: number
  readonly message?: RegExp
}

/** Long enough for what, why and a path; short enough that no input is echoed whole. */
const MESSAGE_LENGTH_MAX = 500
/** Commands running at once: each is a process. */
const PARALLEL = 3
/** Every refusal is a process of its own; on a busy machine they take their time. */
tap.setTimeout(240_000)

const LOOPBACK = ['--host', '127.0.0.1', '--control-port', '0', '--bulk-port', '0', '--http-port', '0']

const packageJson = (version: string, name = 'fine') => JSON.stringify({ name, version })
const tgz = async (entries: Entries) => gzipSync(await tarOf(entries))

function checkRefusal(t: Test, { args, code, exit, message = /./ }: Refusal, result: CommandResult): void {
  const name = args.map((arg) => arg.slice(-40)).join(' ')
  const [error, ...more] = result.lines
  t.match({ ...error, exit: result.status }, { type: 'error', code, message, exit }, name)
  t.equal(more.length, 0, `${name}: one line`)
  t.ok(String(error?.['message']).length <= MESSAGE_LENGTH_MAX, `${name}: a short message`)
  t.notMatch(JSON.stringify(error), /\\n\s+at |undefined|\[object/, `${name}: no stack, nothing unsaid`)
}

async function checkRefusals(t: Test, node: TestNode, refusals: readonly Refusal[]): Promise<void> {
  const before = await kept(node)
  const waiting = [...refusals]
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) checkRefusal(t, next, await node.run(...next.args))
  }
  await Promise.all(Array.from({ length: PARALLEL }, work))
  t.same(await kept(node), before, 'nothing was added or taken away')
  t.same(await readdir(join(node.dataDir, 'scratch')), [], 'nothing half made is left')
}

async function kept(node: TestNode) {
  const { lines, stderr } = await node.run('status')
  const status = lines[0]
  if (status?.type !== 'status') throw new Error(`no status: ${JSON.stringify(lines)} ${stderr}`)
  const { records, releases, blobs, bytes, publisher } = status
  return { records, releases, blobs, bytes, publisher }
}

/** A node with one package, and a folder for inputs. */
async function nodeWithPackage(t: Test): Promise<{ node: TestNode; folder: string }> {
  const folder = t.testdir({ node: {}, fine: { 'package.json': packageJson('1.0.0'), 'index.js': '1\n' } })
  const node = await startNode(t, join(folder, 'node'))
  const { status, stderr } = await node.run('publish', join(folder, 'fine'))
  t.equal(status, 0, stderr)
  return { node, folder }
}

test('archives and folders that cannot be published', async (t) => {
  const { node, folder } = await nodeWithPackage(t)
  const at = (name: string) => join(folder, name)
  const whole = await tgz({ 'package/package.json': packageJson('2.0.0'), 'package/data.bin': randomBytes(100_000) })
  const lengths = [1, 9, 40, Math.floor(whole.length / 2), whole.length - 8, whole.length - 1]
  const inputs: Record<string, Buffer | string> = {
    'escape.tgz': await tgz({ 'package/package.json': packageJson('2.0.0'), '../x': 'out' }),
    'escape-inside.tgz': await tgz({ 'package/package.json': packageJson('2.0.0'), 'package/a/../../../x': 'out' }),
    'link.tgz': await tgz({
      'package/package.json': packageJson('2.0.0'),
      'package/link': { type: 'symlink', linkname: '/etc/passwd' },
    }),
    'garbage.tgz': randomBytes(4_000),
    'empty.tgz': '',
    'no-manifest.tgz': await tgz({ 'package/index.js': '1' }),
    'spaces.tgz': await tgz({ 'package/package.json': packageJson('2.0.0', 'a b') }),
    'long.tgz': await tgz({ 'package/package.json': packageJson('2.0.0', 'n'.repeat(5_000)) }),
    'version.tgz': await tgz({ 'package/package.json': packageJson('two') }),
    'file.bin': 'bytes',
  }
  for (const length of lengths) inputs[`cut-${length}.tgz`] = whole.subarray(0, length)
  for (const [name, content] of Object.entries(inputs)) await writeFile(at(name), content)
  for (const name of ['bare', 'broken', 'other', 'linked']) await mkdir(at(name))
  await writeFile(at('bare/index.js'), '1')
  await writeFile(at('broken/package.json'), '{"name": "broken", ')
  await writeFile(at('other/package.json'), packageJson('1.0.0'))
  await writeFile(at('other/index.js'), '2\n')
  await symlink('/etc/passwd', at('linked/passwd'))
  const publish = (name: string, ...more: string[]) => ['publish', at(name), ...more]
  const asFile = (...more: string[]) => publish('file.bin', ...more)
  await checkRefusals(t, node, [
    { args: publish('escape.tgz'), code: 'ARCHIVE_UNSAFE', exit: 4, message: /\.\.\/x/ },
    { args: publish('escape-inside.tgz'), code: 'ARCHIVE_UNSAFE', exit: 4, message: /\.\./ },
    { args: publish('link.tgz'), code: 'ARCHIVE_UNSAFE', exit: 4, message: /symbolic link/ },
    ...lengths.map((length) => ({
      args: publish(`cut-${length}.tgz`, '--type', 'npm'),
      code: 'ARCHIVE_CORRUPT',
      exit: 4,
    })),
    { args: publish(`cut-${whole.length - 8}.tgz`), code: 'ARCHIVE_CORRUPT', exit: 4 },
    { args: publish('garbage.tgz', '--type', 'npm'), code: 'ARCHIVE_CORRUPT', exit: 4 },
    { args: publish('garbage.tgz'), code: 'ARCHIVE_CORRUPT', exit: 4 },
    { args: publish('empty.tgz', '--type', 'npm'), code: 'ARCHIVE_CORRUPT', exit: 4 },
    { args: publish('no-manifest.tgz', '--type', 'npm'), code: 'MANIFEST_INVALID', exit: 4 },
    { args: publish('spaces.tgz'), code: 'NAME_INVALID', exit: 2, message: /space/ },
    { args: publish('long.tgz'), code: 'MANIFEST_INVALID', exit: 4, message: /name longer than 214/ },
    { args: publish('version.tgz'), code: 'VERSION_INVALID', exit: 2, message: /two/ },
    { args: asFile('--version', '1.0.0', '--name', 'a b'), code: 'NAME_INVALID', exit: 2 },
    { args: asFile('--version', '1.0.0', '--name', 'n'.repeat(5_000)), code: 'NAME_INVALID', exit: 2 },
    { args: asFile('--version', '1 0'), code: 'VERSION_INVALID', exit: 2 },
    { args: asFile('--version', '1.0.0', '--permission', 'everybody'), code: 'USAGE', exit: 2, message: /everybody/ },
    { args: asFile('--version', '1.0.0', '--permission', 'verified'), code: 'PERMISSION_UNSUPPORTED', exit: 2 },
    { args: asFile('--version', '1.0.0', '--permission', 'friends'), code: 'USAGE', exit: 2 },
    { args: asFile('--version', '1.0.0', '--type', 'cargo'), code: 'USAGE', exit: 2, message: /cargo/ },
    { args: publish('missing'), code: 'FILE_UNREADABLE', exit: 7, message: /missing/ },
    { args: publish('bare', '--type', 'npm'), code: 'MANIFEST_INVALID', exit: 4, message: /package\.json/ },
    { args: publish('broken'), code: 'MANIFEST_INVALID', exit: 4, message: /JSON/ },
    { args: publish('linked', '--version', '1.0.0'), code: 'ARCHIVE_UNSAFE', exit: 4, message: /symbolic link/ },
    { args: publish('other'), code: 'RELEASE_EXISTS', exit: 1, message: /pkg:npm\/fine@1\.0\.0/ },
  ])
})

test('the same bytes again are no mistake', async (t) => {
  const { node, folder } = await nodeWithPackage(t)
  const before = await kept(node)
  const again = await node.run('publish', join(folder, 'fine'))
  const { lines } = await node.run('info', 'pkg:npm/fine')
  t.match(again, { status: 0, lines: [{ type: 'published', fresh: false, record: lines[0]?.['record'] }] })
  t.same(await kept(node), before)
})

test('questions that make no sense', async (t) => {
  const { node, folder } = await nodeWithPackage(t)
  const fetch = (purl: string, output: string) => ['fetch', purl, '--output', output]
  const purls = ['fine', 'pkg:npm', 'pkg:npm/', 'pkg:npm/fine@', 'pkg:npm/%zz', 'pkg:npm/fine?a=b', 'p'.repeat(5_000)]
  await checkRefusals(t, node, [
    ...purls.map((purl) => ({ args: ['info', purl], code: 'PURL_INVALID', exit: 2 })),
    { args: ['info', 'pkg:npm/unheard-of'], code: 'NOT_FOUND', exit: 3, message: /unheard-of/ },
    { args: ['info', 'pkg:npm/fine@9.9.9'], code: 'NOT_FOUND', exit: 3, message: /9\.9\.9/ },
    { args: ['info', 'pkg:cargo/fine'], code: 'USAGE', exit: 2, message: /cargo/ },
    { args: fetch('pkg:npm/unheard-of@1.0.0', join(folder, 'out')), code: 'NOT_FOUND', exit: 3 },
    { args: fetch('pkg:npm/fine@1.0.0', '/proc/none/out.tgz'), code: 'FILE_UNREADABLE', exit: 7, message: /none/ },
    { args: fetch('pkg:npm/fine@1.0.0', folder), code: 'FILE_UNREADABLE', exit: 7, message: /folder/ },
    { args: ['install', 'pkg:npm/fine', '--to', '/proc/none/deep'], code: 'FILE_UNREADABLE', exit: 7, message: /none/ },
    { args: ['search', 'fine', '--limit', '0'], code: 'SEARCH_QUERY', exit: 2, message: /1 to 100/ },
    { args: ['search', 'fine', '--limit', '1000'], code: 'SEARCH_QUERY', exit: 2, message: /1 to 100/ },
    { args: ['search', 'fine', '--limit', 'many'], code: 'USAGE', exit: 2, message: /whole number/ },
    { args: ['search', 'q'.repeat(5_000)], code: 'SEARCH_QUERY', exit: 2 },
    { args: ['search', ' '], code: 'SEARCH_QUERY', exit: 2 },
    { args: ['status', '--colour'], code: 'USAGE', exit: 2, message: /--colour/ },
    { args: ['unknown'], code: 'USAGE', exit: 2, message: /unknown/ },
    { args: ['trust', 'pkg:npm/fine', 'somebody'], code: 'USAGE', exit: 2, message: /somebody/ },
    { args: ['trust', 'pkg:npm/unheard-of'], code: 'NOT_FOUND', exit: 3 },
  ])
  const left = (await readdir(folder)).sort()
  t.same(left, ['fine', 'node'], 'no output, whole or partial')
})

test('addresses that lead nowhere', async (t) => {
  const folder = t.testdir({ node: {} })
  const node = await startNode(t, join(folder, 'node'))
  const add = (address: string) => ['peers', 'add', address]
  const port = /\/udp\/(\d+)\//.exec(node.address)?.[1]
  const before = performance.now()
  await checkRefusals(t, node, [
    { args: add('127.0.0.1:9'), code: 'PEER_UNREACHABLE', exit: 6, message: /127\.0\.0\.1\/udp\/9/ },
    { args: add('/ip4/127.0.0.1/tcp/9'), code: 'PEER_UNREACHABLE', exit: 6, message: /tcp\/9/ },
    { args: add('no-such-host.invalid'), code: 'PEER_UNREACHABLE', exit: 6, message: /no-such-host\.invalid/ },
    { args: add('two words'), code: 'ADDRESS_INVALID', exit: 2, message: /two words/ },
    { args: add('127.0.0.1:99999'), code: 'ADDRESS_INVALID', exit: 2, message: /65535/ },
    { args: add('/ip4/nonsense'), code: 'ADDRESS_INVALID', exit: 2, message: /nonsense/ },
    { args: add('/nonsense/1'), code: 'ADDRESS_INVALID', exit: 2 },
    { args: add('/ip4/127.0.0.1'), code: 'ADDRESS_INVALID', exit: 2 },
    { args: add('/ip4/127.0.0.1'.repeat(500)), code: 'ADDRESS_INVALID', exit: 2 },
    { args: add(''), code: 'ADDRESS_INVALID', exit: 2 },
    { args: add(node.address), code: 'ADDRESS_INVALID', exit: 2, message: /this node itself/ },
    { args: add(`127.0.0.1:${port}`), code: 'ADDRESS_INVALID', exit: 2, message: /this node itself/ },
  ])
  t.comment(`${Math.round(performance.now() - before)} ms`)
  t.match(await run(['peers', 'add', '127.0.0.1:9', '--data-dir', join(folder, 'no-node')]), {
    status: 6,
    lines: [{ code: 'PEER_UNREACHABLE', hint: /catalog up/ }],
  })
})

test('a host name leads to its address', async (t) => {
  const folder = t.testdir({ a: {}, b: {} })
  const a = await startNode(t, join(folder, 'a'))
  const b = await startNode(t, join(folder, 'b'))
  const port = /\/udp\/(\d+)\//.exec(a.address)?.[1]
  t.match(await b.run('peers', 'add', `localhost:${port}`), { status: 0, lines: [{ peer: a.peerId }] })
})

test('a node that cannot start says why and leaves nothing behind', async (t) => {
  const folder = t.testdir({ settings: { 'catalog.toml': 'colour = "red"\n' }, broken: { 'catalog.toml': 'colour =' } })
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as { port: number }
  const fresh = join(folder, 'fresh')
  const up = (dataDir: string, ...more: string[]) => ['up', '--data-dir', dataDir, ...LOOPBACK, ...more]
  const refusals: readonly Refusal[] = [
    { args: up(fresh, '--peer', 'two words'), code: 'ADDRESS_INVALID', exit: 2, message: /two words/ },
    { args: up(fresh, '--peer', '/ip4/nonsense'), code: 'ADDRESS_INVALID', exit: 2, message: /nonsense/ },
    { args: up(fresh, '--host', 'nonsense'), code: 'CONFIG_INVALID', exit: 2, message: /host.*IP address/ },
    { args: up(fresh, '--control-port', '70000'), code: 'USAGE', exit: 2, message: /65535/ },
    { args: up(fresh, '--core', 'abacus'), code: 'CONFIG_INVALID', exit: 2, message: /core/ },
    { args: up(join(folder, 'settings')), code: 'CONFIG_INVALID', exit: 2, message: /colour/ },
    { args: up(join(folder, 'broken')), code: 'CONFIG_INVALID', exit: 2, message: /TOML/ },
  ]
  for (const refusal of refusals) checkRefusal(t, refusal, await run(refusal.args))
  t.same((await readdir(folder)).sort(), ['broken', 'settings'])
  t.same(await readdir(join(folder, 'settings')), ['catalog.toml'])
  const taken: readonly Refusal[] = [
    { args: up(fresh, '--control-port', `${port}`), code: 'LISTEN_FAILED', exit: 6, message: /port is in use/ },
    { args: up(fresh, '--http-port', `${port}`), code: 'LISTEN_FAILED', exit: 6, message: new RegExp(`${port}`) },
  ]
  for (const refusal of taken) checkRefusal(t, refusal, await run(refusal.args))
  t.notOk((await readdir(fresh)).includes('node.lock'), 'the directory was given back')
})

test('a node whose peer is away comes up, says so, and finds it later', async (t) => {
  const folder = t.testdir({ a: {}, b: {} })
  const port = await freePort()
  const first = await startNode(t, join(folder, 'a'), { controlPort: port })
  await first.stop()
  const node = start([
    'up',
    '--no-supervise',
    '--data-dir',
    join(folder, 'b'),
    ...LOOPBACK,
    '--peer',
    `127.0.0.1:${port}`,
  ])
  t.teardown(async () => {
    node.process.kill('SIGKILL')
    await node.result
  })
  await node.line(({ type }) => type === 'ready')
  const warning = await node.line(({ type }) => type === 'warning')
  t.match(warning, { code: 'PEER_UNREACHABLE', message: new RegExp(`127\\.0\\.0\\.1/udp/${port}`) })
  const again = await startNode(t, join(folder, 'a'), { controlPort: port })
  const met = await node.line(
    ({ type, peer, state }) => type === 'peer' && peer === again.peerId && state === 'connected',
  )
  t.ok(met)
})
