import { createHash, hash } from 'node:crypto'
import { channel } from 'node:diagnostics_channel'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { directEffects } from '../../../../src/base/effects.ts'
import { CHUNK_BYTES, SLOT_BYTES, UPLOAD_SLOTS, UPLOADS_WAITING_MAX } from '../../../../src/base/limits.ts'
import type { Backend } from '../../../../src/core/surface.ts'
import { SHA256_STATE_BYTES } from '../../../../src/core/surface.ts'
import { WorkerPool } from '../../../../src/core/workers/pool.ts'

const forced = process.env['CATALOG_CORE']
const backends: Backend[] = forced === 'native' || forced === 'wasm' ? [forced] : ['native', 'wasm']

function poolOf(core: Backend = backends[0] ?? 'wasm'): WorkerPool {
  return new WorkerPool({ effects: directEffects }, { threads: 1, core })
}

function content(bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes)
  for (let i = 0; i < bytes; i++) buffer[i] = Math.imul(i + 1, 2654435761) >>> 24
  return buffer
}

for (const backend of backends) {
  test(`${backend}: bytes at hand have the names that a file of them has`, async (t) => {
    await using pool = poolOf(backend)
    const path = join(t.testdir({}), 'file')
    for (const size of [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * SLOT_BYTES, 2 * SLOT_BYTES + 100_001]) {
      writeFileSync(path, content(size))
      t.strictSame(await pool.digestBytes(content(size)), await pool.digest({ path }), `${size} bytes`)
    }
  })

  test(`${backend}: a blob comes portion by portion and is written where it shall lie`, async (t) => {
    await using pool = poolOf(backend)
    const dir = t.testdir({})
    const bytes = content(3 * CHUNK_BYTES + 7)
    const place = { path: join(dir, 'blob'), offset: 100, create: true }
    using slot = await pool.slot()
    slot.bytes.set(bytes.subarray(0, 2 * CHUNK_BYTES))
    const blank = new Uint8Array(SHA256_STATE_BYTES)
    const first = { length: 2 * CHUNK_BYTES, state: blank, final: false, target: place }
    const { ids, state } = await pool.ingestSlot(slot, first)
    t.same(blank, new Uint8Array(SHA256_STATE_BYTES), 'the state handed in stays')
    slot.bytes.set(bytes.subarray(2 * CHUNK_BYTES))
    const target = { path: place.path, offset: 100 + 2 * CHUNK_BYTES, sync: true }
    const last = await pool.ingestSlot(slot, { length: CHUNK_BYTES + 7, state, final: true, target })
    t.ok(readFileSync(place.path).subarray(100).equals(bytes))
    const chunks = [0, 1, 2, 3].map((i) => bytes.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES))
    t.ok(Buffer.concat([ids, last.ids]).equals(Buffer.concat(chunks.map((chunk) => hash('sha256', chunk, 'buffer')))))
    t.ok(Buffer.from(last.state.subarray(0, 32)).equals(createHash('sha256').update(bytes).digest()))
  })
}

test("a slot is the worker's while it works on it", async (t) => {
  await using pool = poolOf()
  const slot = await pool.slot()
  const portion = { length: 10, state: new Uint8Array(SHA256_STATE_BYTES), final: true }
  const work = pool.ingestSlot(slot, portion)
  t.throws(() => slot.bytes, { code: 'INTERNAL' })
  t.throws(() => slot.release(), { code: 'INTERNAL' })
  await t.rejects(pool.ingestSlot(slot, portion), { code: 'INTERNAL' })
  t.equal((await work).ids.length, 32)
  t.equal(slot.bytes.length, SLOT_BYTES)
  slot.release()
  await t.rejects(pool.ingestSlot(slot, portion), { code: 'INTERNAL' })
})

test('a portion that fails leaves the slot to its owner and no file behind', async (t) => {
  await using pool = poolOf()
  const dir = t.testdir({})
  using slot = await pool.slot()
  const portion = { length: SLOT_BYTES, state: new Uint8Array(SHA256_STATE_BYTES), final: true }
  const target = { path: join(dir, 'made'), create: true }
  await t.rejects(pool.ingestSlot(slot, { ...portion, length: SLOT_BYTES + 1, target }), { code: 'CORE_RANGE' })
  await t.rejects(pool.ingestSlot(slot, portion, AbortSignal.abort()), { code: 'ABORTED' })
  await t.rejects(pool.ingestSlot(slot, { ...portion, target: { path: '/dev/full' } }), { code: 'DISK_FULL' })
  t.same(readdirSync(dir), [])
  t.equal((await pool.ingestSlot(slot, portion)).ids.length, 32 * (SLOT_BYTES / CHUNK_BYTES))
})

test('who fills no slot keeps no task waiting, and who finds none free waits', async (t) => {
  await using pool = poolOf()
  const small = join(t.testdir({ small: 'abc' }), 'small')
  const slots = await Promise.all(Array.from({ length: UPLOAD_SLOTS }, () => pool.slot()))
  t.equal((await pool.digest({ path: small })).size, 3, 'files have slots of their own')
  const waiting = Array.from({ length: UPLOADS_WAITING_MAX }, () => pool.slot())
  await t.rejects(pool.slot(), { code: 'LIMIT_EXCEEDED' })
  slots[0]?.release()
  t.equal((await waiting[0])?.index, slots[0]?.index)
  const rest = Promise.allSettled(waiting.slice(1))
  await pool.close()
  t.ok((await rest).every((end) => end.status === 'rejected' && end.reason.code === 'CLOSED'))
})

test('a single chunk is hashed without a thread', async (t) => {
  let threads = 0
  const count = () => threads++
  channel('worker_threads').subscribe(count)
  t.teardown(() => channel('worker_threads').unsubscribe(count))
  await using pool = poolOf()
  await pool.digestBytes(content(CHUNK_BYTES))
  t.equal(threads, 0)
  await pool.digestBytes(content(CHUNK_BYTES + 1))
  t.equal(threads, 1)
})
