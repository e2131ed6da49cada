import { createHash, hash } from 'node:crypto'
import { channel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { directEffects } from '../../../../src/base/effects.ts'
import { WORKER_TASKS_WAITING_MAX } from '../../../../src/base/limits.ts'
import { GiB, KiB, MiB } from '../../../../src/base/units.ts'
import { rootOf } from '../../../../src/core/digest-tree.ts'
import { loadCore } from '../../../../src/core/load.ts'
import type { Backend } from '../../../../src/core/surface.ts'
import { WorkerPool } from '../../../../src/core/workers/pool.ts'

const forced = process.env['CATALOG_CORE']
const backends: Backend[] = forced === 'native' || forced === 'wasm' ? [forced] : ['native', 'wasm']

function poolOf(core: Backend, threads = 2): WorkerPool {
  return new WorkerPool({ effects: directEffects }, { threads, core })
}

function content(bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes)
  for (let i = 0; i < bytes; i++) buffer[i] = Math.imul(i + 1, 2654435761) >>> 24
  return buffer
}

function newFile(path: string) {
  return { path, create: true, sync: true }
}

/** The same by node:crypto, chunk by chunk. */
async function expected(bytes: Buffer) {
  const ids: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 64 * KiB)
    ids.push(hash('sha256', bytes.subarray(at, at + 64 * KiB), 'buffer'))
  const outline = new Uint8Array(Buffer.concat(ids))
  return {
    size: bytes.length,
    root: rootOf(await loadCore('wasm'), outline, bytes.length),
    outline,
    sha256: new Uint8Array(createHash('sha256').update(bytes).digest()),
  }
}

/** A file of zeros that takes many seconds to hash and no disk. */
function endless(dir: string): string {
  const path = join(dir, 'endless')
  writeFileSync(path, '')
  truncateSync(path, 32 * GiB)
  return path
}

for (const backend of backends) {
  test(`${backend}: digests are those of node:crypto`, async (t) => {
    await using pool = poolOf(backend)
    const dir = t.testdir({})
    for (const size of [0, 1, 64 * KiB, 200 * KiB + 1, MiB, 3 * MiB + 17]) {
      const path = join(dir, String(size))
      const bytes = content(size)
      writeFileSync(path, bytes)
      t.strictSame(await pool.digest({ path }), await expected(bytes), `${size} bytes`)
    }
    const part = await pool.digest({ path: join(dir, String(MiB)), offset: 10, length: 70_000, sha512: true })
    const bytes = content(MiB).subarray(10, 70_010)
    t.strictSame(part, { ...(await expected(bytes)), sha512: new Uint8Array(hash('sha512', bytes, 'buffer')) })
  })

  test(`${backend}: ingest writes the very bytes it names`, async (t) => {
    await using pool = poolOf(backend)
    const dir = t.testdir({})
    for (const size of [0, 200 * KiB + 1, 2 * MiB + 5]) {
      const path = join(dir, `from-${size}`)
      const target = join(dir, `to-${size}`)
      writeFileSync(path, content(size))
      t.strictSame(await pool.ingest({ path, target: newFile(target) }), await expected(content(size)))
      t.ok(readFileSync(target).equals(content(size)), `${size} bytes`)
    }
  })

  test(`${backend}: errors keep their code and leave no target behind`, async (t) => {
    await using pool = poolOf(backend)
    const dir = t.testdir({ taken: 'mine', file: 'abc', folder: {} })
    const at = (name: string) => join(dir, name)
    const target = newFile(at('target'))
    const unreadable = { name: 'CatalogError', code: 'FILE_UNREADABLE' }
    await t.rejects(pool.digest({ path: at('missing') }), { ...unreadable, message: /ENOENT/ })
    await t.rejects(pool.digest({ path: at('folder') }), unreadable)
    await t.rejects(pool.ingest({ path: at('missing'), target }), unreadable)
    await t.rejects(pool.ingest({ path: at('file'), length: 4, target }), unreadable)
    await t.rejects(pool.ingest({ path: at('file'), target: newFile(at('taken')) }), { code: 'TARGET_EXISTS' })
    await t.rejects(pool.ingest({ path: at('file'), target: newFile(at('nowhere/target')) }), { code: 'STORE_FAILED' })
    t.equal(readFileSync(at('taken'), 'utf8'), 'mine', "somebody else's file is not touched")
    t.same(readdirSync(dir).sort(), ['file', 'folder', 'taken'])
  })

  test(`${backend}: an extent in a file that exists is written in place`, async (t) => {
    await using pool = poolOf(backend)
    const dir = t.testdir({ pack: 'x'.repeat(3 * MiB) })
    const path = join(dir, 'from')
    writeFileSync(path, content(MiB + 5))
    const target = { path: join(dir, 'pack'), offset: 1_000 }
    t.strictSame(await pool.ingest({ path, offset: 5, target }), await expected(content(MiB + 5).subarray(5)))
    const pack = readFileSync(target.path)
    t.equal(pack.length, 3 * MiB)
    t.ok(pack.subarray(1_000, 1_000 + MiB).equals(content(MiB + 5).subarray(5)))
    const around = Buffer.concat([pack.subarray(0, 1_000), pack.subarray(1_000 + MiB)])
    t.ok(around.equals(Buffer.alloc(around.length, 'x')), 'and nothing else')
    await t.rejects(pool.ingest({ path: join(dir, 'missing'), target }), { code: 'FILE_UNREADABLE' })
    t.ok(readFileSync(target.path).equals(pack), 'a file it has not made stays')
    await t.rejects(pool.ingest({ path, target: { path: join(dir, 'none') } }), { code: 'STORE_FAILED' })
  })

  test(`${backend}: a blob is checked against its root, and its chunks against its outline`, async (t) => {
    await using pool = poolOf(backend)
    const path = join(t.testdir({}), 'blob')
    const size = 5 * 64 * KiB + 9
    const bytes = Buffer.concat([Buffer.from('header'), content(size)])
    writeFileSync(path, bytes)
    const { root, outline } = await expected(content(size))
    const blob = { path, offset: 6, size, root, outline }
    t.strictSame(await pool.verify(blob), { ok: true, bad: [], bytes: size })
    for (const chunk of [1, 5]) bytes[6 + chunk * 64 * KiB] = 0
    writeFileSync(path, bytes)
    t.strictSame(await pool.verify(blob), { ok: false, bad: [1, 5], bytes: size })
    t.strictSame(await pool.verify({ ...blob, outline: undefined }), { ok: false, bad: [], bytes: size })
    truncateSync(path, size)
    await t.rejects(pool.verify(blob), { code: 'FILE_UNREADABLE' })
    await t.rejects(pool.verify({ ...blob, size: 64 * KiB }), { code: 'CORE_LENGTH' })
  })

  test(`${backend}: an abort in the middle removes the partial target and the thread goes on`, async (t) => {
    await using pool = poolOf(backend, 1)
    const dir = t.testdir({ small: 'abc' })
    const target = join(dir, 'target')
    const controller = new AbortController()
    using watcher = disposable(watch(dir))
    using threads = threadCount()
    const ingest = pool.ingest({ path: endless(dir), target: newFile(target) }, controller.signal)
    const queued = pool.digest({ path: join(dir, 'small') })
    while (!existsSync(target) || statSync(target).size === 0) await once(watcher.watcher, 'change')
    const reason = new Error('enough')
    controller.abort(reason)
    await t.rejects(ingest, { name: 'CatalogError', code: 'ABORTED', cause: reason })
    t.notOk(existsSync(target))
    t.equal((await queued).size, 3, 'the next in the queue has its turn')
    t.equal(threads.started, 1, 'on the same thread')
  })
}

test('a signal that has fired already, and a task still in the queue', async (t) => {
  await using pool = poolOf(backends[0] ?? 'wasm', 1)
  const dir = t.testdir({ small: 'abc' })
  const small = join(dir, 'small')
  const target = join(dir, 'target')
  const fired = AbortSignal.abort()
  await t.rejects(pool.ingest({ path: small, target: newFile(target) }, fired), { code: 'ABORTED' })
  await t.rejects(pool.digest({ path: small }, fired), { code: 'ABORTED' })
  const [running, waiting] = [new AbortController(), new AbortController()]
  const busy = pool.digest({ path: endless(dir) }, running.signal)
  const queued = pool.ingest({ path: small, target: newFile(target) }, waiting.signal)
  waiting.abort()
  await t.rejects(queued, { code: 'ABORTED' })
  running.abort()
  await t.rejects(busy, { code: 'ABORTED' })
  t.equal((await pool.digest({ path: small })).size, 3, 'a task stopped before its thread was ready does no harm')
  t.same(readdirSync(dir).sort(), ['endless', 'small'])
})

test('more than a blob may have is refused before it is read', async (t) => {
  await using pool = poolOf(backends[0] ?? 'wasm', 1)
  const path = endless(t.testdir({}))
  truncateSync(path, 64 * GiB + 1)
  await t.rejects(pool.digest({ path }), { code: 'LIMIT_EXCEEDED' })
})

test('a target without room is an error that names it, and what was made for it goes', async (t) => {
  await using pool = poolOf(backends[0] ?? 'wasm', 1)
  const dir = t.testdir({ small: 'abc' })
  const target = { path: '/dev/full' }
  await t.rejects(pool.ingest({ path: join(dir, 'small'), target }), { name: 'CatalogError', code: 'DISK_FULL' })
  t.same(readdirSync(dir), ['small'])
})

test('more tasks than may wait are refused', async (t) => {
  await using pool = poolOf(backends[0] ?? 'wasm', 1)
  const dir = t.testdir({ small: 'abc' })
  const controller = new AbortController()
  const path = endless(dir)
  const tasks = Array.from({ length: 1 + WORKER_TASKS_WAITING_MAX }, () => pool.digest({ path }, controller.signal))
  await t.rejects(pool.digest({ path: join(dir, 'small') }), { name: 'CatalogError', code: 'LIMIT_EXCEEDED' })
  controller.abort()
  const ends = await Promise.allSettled(tasks)
  t.ok(ends.every((end) => end.status === 'rejected' && end.reason.code === 'ABORTED'))
  t.equal((await pool.digest({ path: join(dir, 'small') })).size, 3)
})

test('closing ends what is under way and what is waiting', async (t) => {
  const pool = poolOf(backends[0] ?? 'wasm', 1)
  const dir = t.testdir({ small: 'abc' })
  const path = endless(dir)
  const target = newFile(join(dir, 'target'))
  await pool.digest({ path: join(dir, 'small') })
  const tasks = [pool.ingest({ path, target }), pool.ingest({ path, target: newFile(join(dir, 'other')) })]
  using watcher = disposable(watch(dir))
  while (!existsSync(target.path) || statSync(target.path).size === 0) await once(watcher.watcher, 'change')
  const start = process.hrtime.bigint()
  const [ends] = await Promise.all([Promise.allSettled(tasks), pool.close(), pool.close()])
  for (const end of ends) t.match(end, { status: 'rejected', reason: { name: 'CatalogError', code: 'CLOSED' } })
  const ms = Number(process.hrtime.bigint() - start) / 1e6
  t.comment(`closed in ${ms.toFixed()} ms`)
  t.ok(ms < 1_000, 'at once: about 60 ms on an idle machine')
  t.same(readdirSync(dir).sort(), ['endless', 'small'])
})

test('a closed pool refuses', async (t) => {
  const dir = t.testdir({ small: 'abc' })
  const path = join(dir, 'small')
  for (const used of [true, false]) {
    const pool = poolOf(backends[0] ?? 'wasm', 1)
    if (used) await pool.digest({ path })
    await pool.close()
    await t.rejects(pool.digest({ path }), { code: 'CLOSED' })
    await t.rejects(pool.digestBytes(Buffer.from('abc')), { code: 'CLOSED' })
    await t.rejects(pool.slot(), { code: 'CLOSED' })
    await t.rejects(pool.ingest({ path, target: newFile(join(dir, 'target')) }), { code: 'CLOSED' })
  }
  t.same(readdirSync(dir), ['small'])
})

test('every call goes through the effects it was given', async (t) => {
  const order: string[] = []
  const effects: typeof directEffects = {
    async run(work) {
      order.push('start')
      const result = await work()
      order.push('end')
      return result
    },
  }
  await using pool = new WorkerPool({ effects }, { threads: 1, core: backends[0] ?? 'wasm' })
  const dir = t.testdir({ small: 'abc' })
  await pool.digest({ path: join(dir, 'small') })
  await pool.ingest({ path: join(dir, 'small'), target: newFile(join(dir, 'target')) })
  t.same(order, ['start', 'end', 'start', 'end'])
})

function disposable(watcher: ReturnType<typeof watch>) {
  return { watcher, [Symbol.dispose]: () => watcher.close() }
}

/** Worker threads started while it lives. */
function threadCount() {
  const starts = channel('worker_threads')
  const count = { started: 0, [Symbol.dispose]: () => starts.unsubscribe(add) }
  function add() {
    count.started++
  }
  starts.subscribe(add)
  return count
}
