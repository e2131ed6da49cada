// The data directory as its owner and others meet it: one process at a time, nobody else's business, and a clear word
// when it cannot be used.
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { run, startNode } from './processes.ts'

const LOOPBACK = ['--host', '127.0.0.1', '--control-port', '0', '--bulk-port', '0', '--http-port', '0']
/** `nobody`, for a directory that is another user's. */
const NOBODY = 65_534
/** Longest path of a Unix socket on Linux; macOS takes a few less. */
const SOCKET_PATH_BYTES = 107

tap.setTimeout(180_000)

/** Permission bits of a path. */
async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8)
}

/** A folder outside the project: what leads to the project may be closed to other users. */
async function openFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o755)
  return folder
}

/** Short enough for a socket in it, which the folders of the test runner are not. */
async function folderWithPackage(t: Test): Promise<string> {
  const folder = await openFolder(t)
  await mkdir(join(folder, 'fine'))
  await writeFile(join(folder, 'fine/package.json'), '{"name":"fine","version":"1.0.0"}')
  return folder
}

test('a path that is no folder, or where none can be made', async (t) => {
  const folder = t.testdir({ file: 'not a folder' })
  const places = [join(folder, 'file'), join(folder, 'file/below'), '/proc/nowhere', '/proc/nowhere/deep']
  const calls = places.map((place) => ({ command: ['status'], place }))
  for (const { command, place } of [...calls, { command: ['up', ...LOOPBACK], place: join(folder, 'file') }]) {
    const { status, lines } = await run([...command, '--data-dir', place])
    const told = { status: 7, lines: [{ code: 'DATA_DIR', hint: /--data-dir/ }] }
    t.match({ status, lines }, told, `${command[0]} ${place}`)
    t.match(lines[0]?.['message'], place, 'it names the path')
    t.equal(lines.length, 1)
  }
  t.equal(await readFile(join(folder, 'file'), 'utf8'), 'not a folder')
  t.same(await readdir(folder), ['file'])
})

test('a directory this user may not write to', async (t) => {
  const folder = await openFolder(t)
  // Root may write everywhere, so the directory is root's and the command somebody else's.
  const options = process.getuid?.() === 0 ? { uid: NOBODY, env: { HOME: folder } } : {}
  await chmod(folder, 0o555)
  for (const place of [folder, join(folder, 'below')]) {
    for (const command of [['status'], ['up', ...LOOPBACK]]) {
      const result = await run([...command, '--data-dir', place], options)
      t.match(
        result,
        { status: 7, lines: [{ code: 'DATA_DIR', message: /permission denied/ }] },
        `${command[0]} ${place}`,
      )
    }
  }
  t.same(await readdir(folder), [])
})

test('settings this user may not read are not passed over', async (t) => {
  const folder = t.testdir({ node: { 'catalog.toml': 'mdns = false\n' } })
  const settings = join(folder, 'node/catalog.toml')
  if (process.getuid?.() === 0) {
    // To root nothing is closed; a folder in the file's place is as unreadable.
    await rm(settings)
    await mkdir(settings)
  } else await chmod(settings, 0)
  const { status, lines } = await run(['status', '--data-dir', join(folder, 'node')])
  t.match(lines, [{ type: 'error', message: /catalog\.toml/ }])
  t.ok(status === 2 || status === 7, `exit ${status}`)
})

test('a directory in use by a running node', async (t) => {
  const folder = t.testdir({ node: {} })
  const node = await startNode(t, join(folder, 'node'))
  const second = await run(['up', '--data-dir', join(folder, 'node'), ...LOOPBACK])
  const { pid } = node.command.process
  t.match(second, {
    status: 7,
    lines: [{ code: 'DATA_DIR_LOCKED', message: new RegExp(`process ${pid}\\b`), details: { pid } }],
  })
  t.equal(second.lines.length, 1)
  t.match(await node.run('status'), { status: 0, lines: [{ online: true }] }, 'the first goes on')
  await node.stop()
  t.notOk((await readdir(join(folder, 'node'))).includes('node.lock'), 'given back at the end')
})

test('what a killed node left is taken over', async (t) => {
  const folder = await folderWithPackage(t)
  const place = join(folder, 'node')
  const node = await startNode(t, place)
  t.equal((await node.run('publish', join(folder, 'fine'))).status, 0)
  await node.kill()
  const left = await readdir(place)
  t.ok(left.includes('node.lock') && left.includes('node.sock'), 'lock and socket were left')
  t.match(await run(['status', '--data-dir', place]), { status: 0, lines: [{ online: false, releases: 1 }] })
  // This test's process lives, but it did not begin when the lock says.
  await writeFile(join(place, 'node.lock'), JSON.stringify({ pid: process.pid, began: '1' }))
  const next = await startNode(t, place)
  t.equal(next.peerId, node.peerId)
  t.match(await next.run('info', 'pkg:npm/fine'), { status: 0, lines: [{ local: true }] })
})

test('only the owner can read keys and directory and open the socket', async (t) => {
  const folder = await folderWithPackage(t)
  const place = join(folder, 'node')
  await mkdir(place)
  await chmod(place, 0o755)
  const node = await startNode(t, place)
  t.equal((await node.run('publish', join(folder, 'fine'))).status, 0)
  t.equal(await modeOf(place), '700', 'also a directory that was there before')
  t.equal(await modeOf(join(place, 'keys')), '700')
  t.equal(await modeOf(join(place, 'node.sock')), '600')
  t.equal(await modeOf(join(place, 'node.lock')), '600')
  const keys = await readdir(join(place, 'keys'))
  t.same(keys.sort(), ['node.key', 'publisher-release.key', 'publisher-root.key', 'registry.key'])
  for (const key of keys) t.equal(await modeOf(join(place, 'keys', key)), '600', key)
})

test('a key that others can read is refused', async (t) => {
  const folder = t.testdir({ node: {} })
  const place = join(folder, 'node')
  t.equal((await run(['status', '--data-dir', place])).status, 0)
  await chmod(join(place, 'keys/node.key'), 0o644)
  const refused = await run(['status', '--data-dir', place])
  t.match(refused, { status: 7, lines: [{ code: 'DATA_DIR', hint: /chmod 600/ }] })
})

test('a directory whose path is too long for a socket in it', async (t) => {
  const folder = t.testdir({ fine: { 'package.json': '{"name":"fine","version":"1.0.0"}' } })
  const place = join(folder, 'long'.repeat(40), 'path'.repeat(40))
  t.ok(place.length > SOCKET_PATH_BYTES)
  const runtime = await openFolder(t)
  const node = await startNode(t, place, { env: { XDG_RUNTIME_DIR: runtime } })
  t.match(await node.run('publish', join(folder, 'fine')), { status: 0, lines: [{ type: 'published' }] })
  t.match(await node.run('status'), { status: 0, lines: [{ online: true, releases: 1, dataDir: place }] })
  const [socket = '', ...more] = await readdir(runtime)
  t.same(more, [])
  t.equal(await modeOf(join(runtime, socket)), '600')
  await node.stop()
  t.same(await readdir(runtime), [], 'the socket is gone with the node')
})
