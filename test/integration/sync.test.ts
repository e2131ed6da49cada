// Two processes make what they keep the same.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { connected, startNode, type TestNode } from './processes.ts'

tap.setTimeout(120_000)

/** Publish packages of these names, of which nothing is announced to anybody yet. */
async function publish(folder: string, node: TestNode, names: readonly string[], more: readonly string[] = []) {
  for (const name of names) {
    const source = join(folder, name)
    mkdirSync(source)
    writeFileSync(join(source, 'package.json'), JSON.stringify({ name, version: '1.0.0', description: 'To be synced' }))
    await node.run('publish', source, ...more)
  }
}

async function synced(t: Test, node: TestNode, ...args: string[]) {
  const { status, lines, stderr } = await node.run('sync', ...args)
  t.equal(status, 0, stderr)
  return lines.at(-1) as Record<string, unknown>
}

test('both sides have all records afterwards, and no others', async (t) => {
  const folder = t.testdir({ a: {}, b: {} })
  const a = await startNode(t, join(folder, 'a'))
  await publish(folder, a, ['amber'])
  const b = await startNode(t, join(folder, 'b'))
  await publish(folder, b, ['beige'])
  await publish(folder, b, ['black'], ['--permission', 'private'])
  await b.run('peers', 'add', a.address)
  await connected(b, a)
  // What is announced once there is somebody to hear it may come first.
  t.match(await synced(t, b, a.peerId), { unequal: 0, conflicts: 0 })
  t.match((await b.run('info', 'pkg:npm/amber')).lines[0], { type: 'info', local: false })
  t.match(await synced(t, a, b.peerId), { unequal: 0, conflicts: 0 })
  t.equal((await a.run('info', 'pkg:npm/beige')).status, 0)
  t.equal((await a.run('info', 'pkg:npm/black')).status, 3, 'what is private stays where it is')
  const again = await synced(t, a, b.peerId, '--strategy', 'differential')
  t.match(again, { received: 0, sent: 0, lacking: 0, surplus: 0, shelves: 2 })
  t.match((await a.run('sync', 'status')).lines, [{ type: 'schedule', peer: b.peerId }, { syncs: 1 }])
})
