// The main job, end to end: two processes with data directories of their own; publish on one, find and install on the
// other.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { connected, startNode } from './processes.ts'

const SEMVER = fileURLToPath(new URL('../../node_modules/semver', import.meta.url))

test('a real package published on one node is found, fetched and installed on another', async (t) => {
  const folder = t.testdir({ a: {}, b: {} })
  const a = await startNode(t, join(folder, 'a'))
  const b = await startNode(t, join(folder, 'b'), { peers: [a.address] })
  await connected(b, a)
  const published = await a.run('publish', SEMVER)
  t.equal(published.status, 0, published.stderr)
  const output = join(folder, 'fetched.tgz')
  const purl = String(published.lines[0]?.['purl'])
  const fetched = await b.run('fetch', purl, '--output', output)
  t.match(fetched.lines.at(-1), { type: 'fetched', purl, sources: [{ peer: a.peerId }] })
  const digest = createHash('sha256').update(readFileSync(output)).digest('hex')
  t.match(published.lines[0], { type: 'published', artifacts: [{ sha256: digest }] })
})
