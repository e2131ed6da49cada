import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { claimDirectory, dataPaths, ownerOf } from '../../../src/store/data-directory.ts'

const STARTERS = 8
const NODE = ['--disable-warning=ExperimentalWarning']
const CLAIMANT = fileURLToPath(new URL('claimant.ts', import.meta.url))

/** Run a command to its end. */
async function live(command: string, args: readonly string[]) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { end: code ?? signal, stdout, stderr }
}

/** Pid of a process that has ended. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  await once(child, 'exit')
  return child.pid as number
}

test('a directory is made for this user only, and its lock names this process', async (t) => {
  const paths = dataPaths(join(t.testdir({}), 'deep', 'data'))
  const lock = await claimDirectory(paths)
  t.equal(statSync(paths.root).mode & 0o777, 0o700)
  t.equal(statSync(paths.keys).mode & 0o777, 0o700)
  t.equal(ownerOf(paths), process.pid)
  lock.release()
  t.equal(ownerOf(paths), undefined)
  t.same(readdirSync(paths.root), ['keys'], 'nothing else is left')
})

test('a directory that others could read is closed to them', async (t) => {
  const paths = dataPaths(t.testdir({}))
  chmodSync(paths.root, 0o755)
  const lock = await claimDirectory(paths)
  t.equal(statSync(paths.root).mode & 0o777, 0o700)
  lock.release()
})

test('a directory in use is refused with the pid, and taken once it is free', async (t) => {
  const paths = dataPaths(t.testdir({}))
  const lock = await claimDirectory(paths)
  await t.rejects(claimDirectory(paths), {
    code: 'DATA_DIR_LOCKED',
    message: new RegExp(`process ${process.pid}`),
    details: { pid: process.pid },
  })
  t.equal(ownerOf(paths), process.pid, 'the attempt took nothing away')
  lock.release()
  const again = await claimDirectory(paths)
  again.release()
})

test('of many that want it at once, one gets it', async (t) => {
  const paths = dataPaths(t.testdir({}))
  const claims = await Promise.allSettled(Array.from({ length: 8 }, () => claimDirectory(paths)))
  t.equal(claims.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const claim of claims) {
    if (claim.status === 'rejected') t.match(claim.reason, { code: 'DATA_DIR_LOCKED' })
    else claim.value.release()
  }
})

test('the lock of a process that has ended is taken over', async (t) => {
  const paths = dataPaths(t.testdir({}))
  writeFileSync(paths.lock, JSON.stringify({ pid: await deadPid(), began: '1' }))
  t.equal(ownerOf(paths), undefined)
  const lock = await claimDirectory(paths)
  t.equal(JSON.parse(readFileSync(paths.lock, 'utf8')).pid, process.pid)
  lock.release()
})

test('of many starters that see the same dead owner, one at a time has the directory', async (t) => {
  const paths = dataPaths(t.testdir({}))
  const starters = Array.from({ length: STARTERS }, () => live(process.execPath, [...NODE, CLAIMANT, paths.root]))
  for (const { end, stdout, stderr } of await Promise.all(starters)) {
    t.same([end, stdout], ['SIGKILL', 'held'], stderr)
  }
  t.equal(ownerOf(paths), undefined)
  const lock = await claimDirectory(paths)
  lock.release()
  t.same(readdirSync(paths.root), ['keys'], 'nothing else is left')
})

test('claims of processes that have ended keep nobody out, and go', async (t) => {
  const dead = JSON.stringify({ pid: await deadPid(), began: '1' })
  const paths = dataPaths(t.testdir({ 'node.lock.1-1': dead, 'node.lock.1-2.new': dead, 'node.lock.1-3': '{' }))
  const lock = await claimDirectory(paths)
  t.same(readdirSync(paths.root), ['keys', 'node.lock'])
  lock.release()
})

test('who has said so first by name goes first, and is told of by its pid', async (t) => {
  const paths = dataPaths(t.testdir({}))
  const lock = await claimDirectory(paths)
  const mine = readFileSync(paths.lock, 'utf8')
  lock.release()
  writeFileSync(`${paths.lock}.!`, mine)
  await t.rejects(claimDirectory(paths), { code: 'DATA_DIR_LOCKED', details: { pid: process.pid } })
  t.same(readdirSync(paths.root), ['keys', 'node.lock.!'])
})

test('a later process with the pid of the owner is not taken for it', async (t) => {
  const paths = dataPaths(t.testdir({}))
  // Where there is no /proc the start time is empty for everyone, and only the pid decides.
  const began = existsSync('/proc/self/stat') ? 'another time' : 'unknown'
  writeFileSync(paths.lock, JSON.stringify({ pid: process.pid, began }))
  t.equal(ownerOf(paths), undefined)
  const lock = await claimDirectory(paths)
  lock.release()
})

test('a lock that cannot be read holds nobody', async (t) => {
  for (const text of ['', '{', '{"pid":"x"}', '[]', '{"pid":1.5}']) {
    const paths = dataPaths(t.testdir({ 'node.lock': text }))
    t.equal(ownerOf(paths), undefined, text)
    const lock = await claimDirectory(paths)
    lock.release()
  }
})

test('a path that is a file, or lies below one, cannot be the directory', async (t) => {
  const dir = t.testdir({ file: 'mine' })
  for (const path of [join(dir, 'file'), join(dir, 'file', 'below')]) {
    await t.rejects(claimDirectory(dataPaths(path)), { code: 'DATA_DIR', hint: /--data-dir/ }, path)
    t.equal(ownerOf(dataPaths(path)), undefined)
  }
  t.equal(readFileSync(join(dir, 'file'), 'utf8'), 'mine')
})

test('a lock that is a folder is no reason to remove it', async (t) => {
  const paths = dataPaths(t.testdir({}))
  mkdirSync(paths.lock)
  await t.rejects(claimDirectory(paths), { code: /^(DATA_DIR|FILE_UNREADABLE)$/ })
  t.ok(statSync(paths.lock).isDirectory())
})

test('a socket whose path would be too long lies in the runtime directory, one for each data directory', async (t) => {
  const before = process.env['XDG_RUNTIME_DIR']
  t.teardown(() => {
    if (before === undefined) delete process.env['XDG_RUNTIME_DIR']
    else process.env['XDG_RUNTIME_DIR'] = before
  })
  process.env['XDG_RUNTIME_DIR'] = '/run/user/1000'
  t.equal(dataPaths('/srv/catalog').socket, '/srv/catalog/node.sock')
  t.equal(dataPaths(`/${'x'.repeat(96)}`).socket.length, 107, 'the longest that fits')
  const [one, other] = ['a', 'b'].map((end) => dataPaths(`/${'é'.repeat(60)}/${end}`).socket)
  t.match(one, /^\/run\/user\/1000\/catalog-[0-9a-f]{16}\.sock$/)
  t.not(one, other)
  t.equal(one, dataPaths(`/${'é'.repeat(60)}/a/`).socket)
  delete process.env['XDG_RUNTIME_DIR']
  t.match(dataPaths(`/${'x'.repeat(97)}`).socket, /catalog-[0-9a-f]{16}\.sock$/)
})
