import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import { artifact } from '../../../src/core/paths.ts'
import { WasmCore } from '../../../src/core/wasm.ts'

const module = new WebAssembly.Module(readFileSync(artifact('wasm/core.release.wasm')))
const PAGE = 65_536

function sharedMemory(maximum: number): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: 1, maximum, shared: true })
}

function digest(core: WasmCore, bytes: Uint8Array): string {
  const out = new Uint8Array(32)
  core.sha256Many(bytes, Uint32Array.of(0, bytes.length), out)
  return toHex(out)
}

test('bytes in the arena are hashed where they lie, also after the memory has grown', async (t) => {
  const memory = sharedMemory(64)
  const core = await WasmCore.create(module, { memory })
  const arena = core.arena(PAGE)
  arena.fill(0x61)
  const expected = hash('sha256', Buffer.alloc(PAGE, 'a'))
  t.equal(digest(core, arena), expected)
  const used = memory.buffer.byteLength
  t.equal(used / PAGE, 2, 'no room was made for a copy')
  const elsewhere = new Uint8Array(10 * PAGE).fill(0x62)
  t.equal(digest(core, elsewhere), hash('sha256', elsewhere))
  t.ok(memory.buffer.byteLength > used, 'the memory grew')
  t.equal(digest(core, arena), expected, 'the arena is untouched and still inside')
  t.not(arena.buffer, memory.buffer)
})

test('a memory that may not grow further is an error and not a crash', async (t) => {
  const core = await WasmCore.create(module, { memory: sharedMemory(4) })
  t.throws(() => digest(core, new Uint8Array(4 * PAGE)), { code: 'CORE_RANGE', message: /cannot grow/ })
  t.throws(() => core.arena(4 * PAGE), { code: 'CORE_RANGE' })
  t.equal(digest(core, new Uint8Array(10)), hash('sha256', Buffer.alloc(10)), 'it still works')
})

test('two instances share a memory, each within its bounds', async (t) => {
  const memory = sharedMemory(64)
  const high = await WasmCore.create(module, { memory, base: 8 * PAGE })
  const bytes = high.arena(100).fill(5)
  const low = await WasmCore.create(module, { memory, limit: 8 * PAGE })
  t.equal(digest(low, new Uint8Array(300)), hash('sha256', Buffer.alloc(300)))
  t.throws(() => digest(low, new Uint8Array(8 * PAGE)), { code: 'CORE_RANGE' }, 'the lower one keeps off the upper')
  t.same(bytes, new Uint8Array(100).fill(5), 'nothing of the other one is overwritten')
  t.equal(digest(low, bytes), hash('sha256', Buffer.alloc(100, 5)), 'either reads what the other has')
})

test('ids inside the memory name the same root as ids elsewhere', async (t) => {
  const core = await WasmCore.create(module)
  const ids = core.arena(5 * 32).fill(3)
  const lengths = Uint32Array.of(65_536, 65_536, 65_536, 65_536, 1)
  const [inside, outside] = [new Uint8Array(32), new Uint8Array(32)]
  core.merkleRoot(ids, lengths, 0, inside)
  core.merkleRoot(ids.slice(), lengths, 0, outside)
  t.same(inside, outside)
})

test('portions: many ranges of a large buffer elsewhere need only a small memory', async (t) => {
  const memory = sharedMemory(40)
  const core = await WasmCore.create(module, { memory })
  const buffer = new Uint8Array(6 * 2 ** 20).map((_, i) => i >>> 12)
  const count = buffer.length / PAGE
  const ranges = Uint32Array.from({ length: 2 * count }, (_, i) => (i % 2 ? PAGE : (i / 2) * PAGE))
  const out = new Uint8Array(count * 32)
  t.equal(core.sha256Many(buffer, ranges, out), count)
  const expected = Array.from({ length: count }, (_, i) => hash('sha256', buffer.subarray(i * PAGE, (i + 1) * PAGE)))
  t.equal(toHex(out), expected.join(''))
})
