// What is counted of fetches and installs outlives a node that is killed.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { startNode } from './processes.ts'

tap.setTimeout(90_000)

test('uses that were written down are there after SIGKILL', async (t) => {
  const folder = t.testdir({ node: {} })
  const publish = async (name: string) => {
    const source = join(folder, name)
    await mkdir(source)
    await writeFile(join(source, 'package.json'), JSON.stringify({ name, version: '1.0.0' }))
    t.match(await node.run('publish', source), { status: 0 })
  }
  const node = await startNode(t, join(folder, 'node'))
  await publish('knot')
  t.match(await node.run('fetch', 'pkg:npm/knot', '--output', join(folder, 'knot.tgz')), { status: 0 })
  for (const to of ['one', 'two']) {
    t.match(await node.run('install', 'pkg:npm/knot', '--to', join(folder, to)), { status: 0 })
  }
  // They go with whatever commits next.
  await publish('rope')
  await node.kill()
  const again = await startNode(t, join(folder, 'node'))
  const { lines } = await again.run('info', 'pkg:npm/knot')
  t.match(lines, [{ usage: { fetches: 1, installs: 2 } }])
  const recommended = await again.run('recommend', 'pkg:npm/knot')
  t.match(recommended.lines, [
    { type: 'recommendation', purl: 'pkg:npm/rope', reasons: [{ kind: 'same-publisher' }] },
    { type: 'summary', recommendations: 1 },
  ])
})
