// `catalog up` as people start it: a supervisor, and the node in a process of its own.
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { type Line, run, startNode, type TestNode } from './processes.ts'

tap.setTimeout(240_000)

const SOURCE = { 'package.json': '{"name":"buoy","version":"1.0.0"}' }

/** The node that was started after the one of that pid. */
function nextAfter(node: TestNode, pid: number): Promise<Line> {
  return node.command.line(({ type, pid: other }) => type === 'ready' && Number(other) > 0 && other !== pid)
}

const isGivenBack = (dataDir: string) => !existsSync(join(dataDir, 'node.lock'))

test('a node that dies comes back on its data directory, and it is said', async (t) => {
  const folder = t.testdir({ source: SOURCE })
  const node = await startNode(t, join(folder, 'node'), { supervised: true })
  t.not(node.pid, node.command.process.pid)
  t.match(await node.run('publish', join(folder, 'source')), { status: 0 })

  process.kill(node.pid, 'SIGKILL')
  const again = await nextAfter(node, node.pid)
  t.match(again, { peerId: node.peerId })
  t.match(await node.run('info', 'pkg:npm/buoy'), { status: 0, lines: [{ local: true }] })
  t.match(await node.run('status'), { lines: [{ online: true, dataDir: node.dataDir }] })

  process.kill(Number(again['pid']), 'SIGABRT')
  await node.command.line(({ type, pid }) => type === 'ready' && pid !== node.pid && pid !== again['pid'])
  const { status, lines, stderr } = await node.stop()
  t.equal(status, 0)
  t.ok(isGivenBack(node.dataDir), 'Ctrl-C at the supervisor closes the node')
  t.match(
    lines.filter(({ type }) => type === 'restart'),
    [
      { status: 'SIGKILL', delayMs: 1000 },
      { status: 'SIGABRT', delayMs: 2000 },
    ],
  )
  t.match(stderr, /was ended by SIGKILL\. It is started again in 1 s\.\n(.*\n)*.*SIGABRT.* 2 s\./)
})

test('Ctrl-C in a terminal, which both of them get, ends both of them once', async (t) => {
  const node = await startNode(t, join(t.testdir({}), 'node'), { supervised: true, ownGroup: true })
  process.kill(-Number(node.command.process.pid), 'SIGINT')
  const { status, lines } = await node.command.result
  t.equal(status, 0)
  t.ok(isGivenBack(node.dataDir))
  t.same(
    lines.filter(({ type }) => type === 'restart'),
    [],
  )
})

test('a signal to the node itself ends it, and with it the supervisor', async (t) => {
  const node = await startNode(t, join(t.testdir({}), 'node'), { supervised: true })
  process.kill(node.pid, 'SIGTERM')
  t.match(await node.command.result, { status: 0, stderr: '' })
  t.ok(isGivenBack(node.dataDir))
})

test('a node whose supervisor was killed closes by itself', async (t) => {
  const node = await startNode(t, join(t.testdir({}), 'node'), { supervised: true })
  // Ends when both have: the node has the supervisor's stdout.
  await node.kill()
  t.match(await node.command.result, { status: 'SIGKILL' })
  t.ok(isGivenBack(node.dataDir))
  const { lines } = await run(['status', '--data-dir', node.dataDir])
  t.match(lines, [{ storage: { recovery: { cut: [], removed: [], scratch: 0 } } }], 'nothing was left to be mended')
})

test('a node that cannot be opened is not started again', async (t) => {
  const folder = t.testdir({ node: 'a file' })
  const refused = await run(['up', '--data-dir', join(folder, 'node')])
  t.match(refused, { status: 7, lines: [{ type: 'error', code: 'DATA_DIR' }], stderr: '' })
  t.equal(refused.lines.length, 1)
})

test('when the database can write no more, another process opens it, with all that was acknowledged', async (t) => {
  const folder = t.testdir({ source: SOURCE, more: {} })
  const dataDir = join(folder, 'node')
  t.match(await run(['publish', join(folder, 'source'), '--data-dir', dataDir]), { status: 0 })
  const fileKiBMax = Math.ceil(statSync(join(dataDir, 'database/data.mdb')).size / 1024) + 64
  const node = await startNode(t, dataDir, { supervised: true, fileKiBMax })
  const { published, refused } = await publishUntilRefused(t, node, join(folder, 'more'))
  t.match(refused.lines.at(-1), { type: 'error', code: /^(STORE_FAILED|CLOSED)$/ }, 'told, or cut off by its end')

  const { status } = await node.command.line(({ type }) => type === 'restart')
  t.match(String(status), /^(75|SIG(ABRT|SEGV))$/, 'its own wish, or the end of what had got out of order')
  await nextAfter(node, node.pid)
  for (const purl of ['pkg:npm/buoy@1.0.0', ...published]) {
    t.match(await node.run('info', purl), { status: 0, lines: [{ local: true }] })
  }
  t.match((await node.run('doctor')).lines, [{ type: 'summary', findings: 0 }])
})

/** Files of 12 KB, which lie in the database. */
async function publishUntilRefused(t: Test, node: TestNode, folder: string) {
  const published: string[] = []
  for (let count = 1; count <= 40; count++) {
    const path = join(folder, `file-${count}`)
    writeFileSync(path, Buffer.alloc(12_000, count))
    const result = await node.run('publish', path, '--type', 'generic', '--version', '1.0.0')
    if (result.status !== 0) return { published, refused: result }
    published.push(String(result.lines[0]?.['purl']))
  }
  t.fail('the database never met its limit')
  throw new Error('the database never met its limit')
}
