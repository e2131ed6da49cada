import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import { SLOT_BYTES } from '../../../src/base/limits.ts'
import { Arena, LentSlot, shareSlots } from '../../../src/core/arena.ts'
import { artifact } from '../../../src/core/paths.ts'
import { WasmCore } from '../../../src/core/wasm.ts'

const INTERNAL = { name: 'CatalogError', code: 'INTERNAL' }

function arenaOf(count: number, waitingMax = 10) {
  const shared = shareSlots(count)
  return { shared, arena: new Arena(shared, { first: 0, count, waitingMax }) }
}

/** Whether a promise has settled, once everything that is ready has run. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  await new Promise(setImmediate)
  return (await Promise.race([promise, Promise.resolve(pending)])) === pending
}

test('a slot has one owner at a time', async (t) => {
  const { shared, arena } = arenaOf(1)
  const slot = await arena.acquire()
  t.equal(slot.bytes.length, SLOT_BYTES)
  slot.bytes[0] = 7
  t.throws(() => new LentSlot(shared, slot.index), {
    ...INTERNAL,
    message: 'Slot 0 is with the main thread, not with a worker.',
  })
  slot.lend()
  t.throws(() => slot.bytes, INTERNAL, 'lent: not ours to touch')
  t.throws(() => slot.release(), INTERNAL, 'nor to give to others')
  t.throws(() => slot.lend(), INTERNAL, 'nor to lend twice')
  const lent = new LentSlot(shared, slot.index)
  t.equal(lent.bytes[0], 7, 'the same bytes')
  lent.bytes[0] = 8
  lent[Symbol.dispose]()
  t.throws(() => lent.bytes, INTERNAL, "given back: not the worker's any more")
  slot.reclaim()
  t.equal(slot.bytes[0], 8)
  slot.release()
  slot.release()
  t.throws(() => slot.bytes, INTERNAL, 'released')
  const next = await arena.acquire()
  t.equal(next.index, 0, 'released once, however often it was said')
  t.throws(() => slot.bytes, INTERNAL, 'whoever had it before does not reach into it')
  t.throws(() => slot.lend(), INTERNAL)
})

test('a slot that the worker lost with its thread is reclaimed', async (t) => {
  const { shared, arena } = arenaOf(1)
  using slot = await arena.acquire()
  slot.lend()
  new LentSlot(shared, slot.index)
  slot.reclaim()
  t.equal(slot.bytes.length, SLOT_BYTES)
})

test('a worker is asked to stop, and the next one is not', async (t) => {
  const { shared, arena } = arenaOf(1)
  using slot = await arena.acquire()
  slot.lend()
  const lent = new LentSlot(shared, slot.index)
  t.notOk(lent.mustStop)
  slot.stop()
  t.ok(lent.mustStop)
  lent[Symbol.dispose]()
  slot.reclaim()
  slot.lend()
  t.notOk(new LentSlot(shared, slot.index).mustStop)
  slot.reclaim()
})

test('who finds no slot waits for its turn, up to a bound', async (t) => {
  const { arena } = arenaOf(2, 3)
  const [a, b] = [await arena.acquire(), await arena.acquire()]
  const leaving = new AbortController()
  const first = arena.acquire()
  const second = arena.acquire(leaving.signal)
  const third = arena.acquire()
  await t.rejects(arena.acquire(), { code: 'LIMIT_EXCEEDED' })
  t.ok(await isPending(first))
  const reason = new Error('no longer needed')
  leaving.abort(reason)
  await t.rejects(second, { name: 'CatalogError', code: 'ABORTED', cause: reason })
  const fourth = arena.acquire()
  b.release()
  t.equal((await first).index, b.index, 'first come, first served')
  t.ok(await isPending(third))
  a.release()
  t.equal((await third).index, a.index)
  t.ok(await isPending(fourth))
  ;(await first).release()
  ;(await fourth).release()
  await t.rejects(arena.acquire(AbortSignal.abort()), { code: 'ABORTED' })
  t.equal((await arena.acquire()).index, b.index, 'which took nothing')
})

test('arenas over the same memory have slots of their own', async (t) => {
  const shared = shareSlots(3)
  const tasks = new Arena(shared, { first: 0, count: 2, waitingMax: 0 })
  const uploads = new Arena(shared, { first: 2, count: 1, waitingMax: 0 })
  const slots = [await tasks.acquire(), await tasks.acquire(), await uploads.acquire()]
  t.same(
    slots.map(({ index }) => index),
    [0, 1, 2],
  )
  for (const slot of slots) slot.bytes.fill(slot.index + 1)
  for (const slot of slots)
    t.ok(
      slot.bytes.every((byte) => byte === slot.index + 1),
      'nobody else wrote there',
    )
  for (const arena of [tasks, uploads]) await t.rejects(arena.acquire(), { code: 'LIMIT_EXCEEDED' })
})

test('cores in the scratch of their slots work on one memory without meeting', async (t) => {
  const module = new WebAssembly.Module(readFileSync(artifact('wasm/core.release.wasm')))
  const { shared, arena } = arenaOf(2)
  const before = shared.memory.buffer.byteLength
  const slots = [await arena.acquire(), await arena.acquire()]
  for (const slot of slots) slot.bytes.fill(slot.index + 1)
  for (const slot of slots) slot.lend()
  const lent = slots.map(({ index }) => new LentSlot(shared, index))
  const cores = await Promise.all(lent.map(({ scratch }) => WasmCore.create(module, scratch)))
  const ranges = Uint32Array.from({ length: 128 }, (_, i) => (i % 2 ? 65_536 : i * 32_768))
  for (const [i, core] of [...cores, ...cores].entries()) {
    for (const [owner, { bytes }] of lent.entries()) {
      const out = new Uint8Array(64 * 32)
      core.sha256Many(bytes, ranges, out)
      const expected = hash('sha256', new Uint8Array(65_536).fill(owner + 1))
      t.equal(toHex(out.subarray(63 * 32)), expected, `core ${i % 2}, slot ${owner}`)
    }
  }
  for (const [owner, { bytes }] of lent.entries()) {
    t.ok(
      bytes.every((byte) => byte === owner + 1),
      'the bytes were only read',
    )
  }
  t.equal(shared.memory.buffer.byteLength, before, 'and the memory has not grown')
})

test("the WebAssembly core's constants lie before the first slot", async (t) => {
  const { shared, arena } = arenaOf(1)
  using slot = await arena.acquire()
  const bytes = readFileSync(artifact('wasm/core.release.wasm'))
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory: shared.memory } })
  const { heapBase } = instance.exports as { heapBase(): number }
  t.ok(heapBase() <= slot.bytes.byteOffset, `${heapBase()} of ${slot.bytes.byteOffset} bytes`)
})
