// What a third node changes: packages outlive their publisher, several providers share one fetch, and two publishers of
// one name are a question to the user.
import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { connected, eventually, sha256Of, startNode, type TestNode } from './processes.ts'

tap.setTimeout(120_000)

const BYTES = 24_000_000

test('what one node fetched it provides to the next, also when the publisher is gone', async (t) => {
  const folder = t.testdir({})
  const file = join(folder, 'noise.bin')
  writeFileSync(file, randomBytes(BYTES))
  const sha256 = await sha256Of(file)
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => startNode(t, join(folder, name))))
  if (!a || !b || !c) throw new Error('three nodes were started')
  const purl = 'pkg:generic/noise@1.0.0'
  t.match(await a.run('publish', file, '--type', 'generic', '--version', '1.0.0'), { status: 0, lines: [{ purl }] })
  await connected(b, a)
  t.match(await b.run('fetch', purl, '--output', join(folder, 'b.bin')), { status: 0 })

  await connected(c, a)
  await connected(c, b)
  const output = join(folder, 'c.bin')
  const shared = (await c.run('fetch', purl, '--output', output)).lines.at(-1)
  t.match(shared, { type: 'fetched', sha256, failures: [] })
  const sources = shared?.['sources'] as { peer: string; bytes: number }[]
  t.same(new Set(sources.map(({ peer }) => peer)), new Set([a.peerId, b.peerId]), 'both delivered')
  t.equal(
    sources.reduce((sum, { bytes }) => sum + bytes, 0),
    BYTES,
    'every byte once',
  )
  t.equal(await sha256Of(output), sha256)

  await a.stop()
  const d = await startNode(t, join(folder, 'd'))
  await connected(d, b)
  const found = await eventually('the package found at B', async () => {
    const { lines } = await d.run('search', 'noise')
    return lines.find((line) => line['purl'] === purl)
  })
  t.match(found, { type: 'result', verified: true })
  const type = purl.slice('pkg:'.length, purl.indexOf('/'))
  const under = async (filter: string) => (await d.run('search', 'noise', filter)).lines.map((line) => line['purl'])
  t.ok((await under(`type:${type}`)).includes(purl), 'peers filter too')
  t.notOk((await under('type:nothing')).includes(purl))
  const last = join(folder, 'd.bin')
  t.match(await d.run('fetch', purl, '--output', last), { status: 0 })
  t.equal(await sha256Of(last), sha256)
})

test('a name that two publishers claim is nobody’s until the user decides', async (t) => {
  const named = (description: string) => ({
    'package.json': JSON.stringify({ name: 'buoy', version: '1.0.0', description }),
  })
  const folder = t.testdir({ first: named('Red'), second: named('Green') })
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => startNode(t, join(folder, name))))
  if (!a || !b || !c) throw new Error('three nodes were started')
  await a.run('publish', join(folder, 'first'))
  await b.run('publish', join(folder, 'second'))
  await connected(c, a)
  await connected(c, b)
  const results = await eventually('both found', async () => {
    const { lines } = await c.run('search', 'buoy')
    const both = lines.filter(({ type }) => type === 'result')
    return both.length === 2 ? both : undefined
  })
  t.match(results, [
    { trust: 'contested', verified: false },
    { trust: 'contested', verified: false },
  ])
  const purl = 'pkg:npm/buoy@1.0.0'
  const to = join(folder, 'installed')
  const refused = await c.run('install', purl, '--to', to)
  const hint = /catalog trust pkg:npm\/buoy/
  t.match(refused, { status: 5, lines: [{ type: 'error', code: 'UNTRUSTED', hint }] })
  t.notOk(existsSync(join(to, 'buoy')))

  const publisher = await publisherOf(b)
  t.match(await c.run('trust', 'pkg:npm/buoy', publisher), { status: 0, lines: [{ type: 'trusted', publisher }] })
  t.match((await c.run('info', purl)).lines[0], { description: 'Green', publisher, trust: 'pinned' })
  const installed = await c.run('install', purl, '--to', to)
  t.match(installed.lines.at(-1), { type: 'installed', purl })
  // A's own node never takes B's package for its own.
  t.match((await a.run('info', purl)).lines[0], { description: 'Red', trust: 'pinned' })
})

async function publisherOf(node: TestNode): Promise<string> {
  return String((await node.run('status')).lines[0]?.['publisher'])
}
