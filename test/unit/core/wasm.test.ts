import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Test, test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import { KiB, MiB } from '../../../src/base/units.ts'
import { artifact } from '../../../src/core/paths.ts'
import {
  type Core,
  MERKLE_NODE_BYTES,
  NEED_MORE,
  PROFILE_CONTENT_16K,
  PROFILE_CONTENT_64K,
  SHA256_STATE_BYTES,
  SYMBOL_BYTES,
} from '../../../src/core/surface.ts'
import { WasmCore, type WasmCoreOptions } from '../../../src/core/wasm.ts'

const PAGE = 64 * KiB
const modules = {
  release: new WebAssembly.Module(readFileSync(artifact('wasm/core.release.wasm'))),
  relaxed: new WebAssembly.Module(readFileSync(artifact('wasm/core.relaxed.wasm'))),
}

/** A test of each build. */
function each(what: string, check: (t: Test, create: (options?: WasmCoreOptions) => Promise<WasmCore>) => unknown) {
  for (const [build, module] of Object.entries(modules)) {
    test(`${build}: ${what}`, async (t) => {
      await check(t, (options) => WasmCore.create(module, options))
    })
  }
}

function sharedMemory(maximum: number): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: 1, maximum, shared: true })
}

function noise(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).map((_, i) => Math.imul(i + 1, 2654435761) >>> 24)
}

function digest(core: Core, bytes: Uint8Array): string {
  const out = new Uint8Array(32)
  core.sha256Many(bytes, Uint32Array.of(0, bytes.length), out)
  return toHex(out)
}

/** All at once; the bytes may lie anywhere. */
function streamed(core: Core, bytes: Uint8Array): string {
  const state = new Uint8Array(SHA256_STATE_BYTES)
  core.sha256Update(state, bytes, 0, bytes.length, true)
  return toHex(state.subarray(0, 32))
}

function cutsOf(core: Core, bytes: Uint8Array, profile: number, room = 10_000): number[] {
  const cuts = new Uint32Array(room)
  return [...cuts.subarray(0, core.chunk(bytes, 0, bytes.length, profile, true, cuts))]
}

test('what each build says of itself', async (t) => {
  const features = async (build: 'release' | 'relaxed') => (await WasmCore.create(modules[build])).features()
  t.same(await features('release'), ['sha256:simd128', 'erasure:simd128'])
  t.same(await features('relaxed'), ['sha256:simd128', 'erasure:relaxed-simd'])
})

test('a browser could load it: nothing of Node is imported, however far away', async (t) => {
  const seen = new Set<string>()
  const visit = (file: string) => {
    if (seen.has(file)) return
    seen.add(file)
    for (const [, specifier = ''] of readFileSync(new URL(file), 'utf8').matchAll(/(?:from|^import) '(.+)'$/gm)) {
      t.match(specifier, /^\.\.?\//, `${specifier} in ${file}`)
      visit(new URL(specifier, file).href)
    }
  }
  visit(new URL('../../../src/core/wasm.ts', import.meta.url).href)
  t.ok(seen.size > 5)
})

each('bytes in the arena are used where they lie, also after the memory has grown', async (t, create) => {
  const memory = sharedMemory(64)
  const core = await create({ memory })
  const arena = core.arena(PAGE).fill(0x61)
  const expected = hash('sha256', Buffer.alloc(PAGE, 'a'))
  t.equal(digest(core, arena), expected)
  t.equal(streamed(core, arena), expected)
  const used = memory.buffer.byteLength
  t.equal(used / PAGE, 2, 'no room was made for a copy')
  const elsewhere = new Uint8Array(10 * PAGE).fill(0x62)
  t.equal(digest(core, elsewhere), hash('sha256', elsewhere))
  t.ok(memory.buffer.byteLength > used, 'the memory grew')
  t.equal(digest(core, arena), expected, 'the arena is untouched and still inside')
  t.not(arena.buffer, memory.buffer)
})

each('a memory that may not grow further is an error, and nothing is written', async (t, create) => {
  const core = await create({ memory: sharedMemory(4) })
  const [large, small] = [noise(4 * PAGE), new Uint8Array(112)]
  const symbols = Math.floor(large.length / SYMBOL_BYTES)
  const sketch = new Uint8Array(symbols * SYMBOL_BYTES)
  const calls: (() => unknown)[] = [
    () => core.sha256Many(large, Uint32Array.of(0, large.length), small.subarray(0, 32)),
    () => core.sha256Many(large, Uint32Array.of(0, 9, 0, large.length), small.subarray(0, 64)),
    () => core.sha256Update(small, large, 0, large.length, true),
    () => core.chunk(large, 0, large.length, PROFILE_CONTENT_16K, true, new Uint32Array(9)),
    () => core.merkleRoot(large, new Uint32Array(large.length / 32).fill(1), 0, small.subarray(0, 32)),
    () => core.rsEncode(1, 1, 3 * PAGE, large.subarray(0, 3 * PAGE), large.subarray(PAGE)),
    () => core.sketchUpdate(sketch, symbols, BigUint64Array.of(1n), 1),
    () => core.arena(4 * PAGE),
  ]
  for (const call of calls) t.throws(call, { code: 'CORE_RANGE', message: /cannot grow/ }, String(call))
  t.same(small, new Uint8Array(112))
  t.same(large, noise(4 * PAGE))
  t.same(sketch, new Uint8Array(sketch.length))
  t.equal(digest(core, new Uint8Array(10)), hash('sha256', Buffer.alloc(10)), 'it still works')
})

each('two instances share a memory, each within its bounds', async (t, create) => {
  const memory = sharedMemory(64)
  const high = await create({ memory, base: 8 * PAGE })
  const bytes = high.arena(100).fill(5)
  const low = await create({ memory, limit: 8 * PAGE })
  t.equal(digest(low, new Uint8Array(300)), hash('sha256', Buffer.alloc(300)))
  t.throws(() => digest(low, new Uint8Array(8 * PAGE)), { code: 'CORE_RANGE' }, 'the lower one keeps off the upper')
  t.same(bytes, new Uint8Array(100).fill(5), 'nothing of the other one is overwritten')
  t.equal(digest(low, bytes), hash('sha256', Buffer.alloc(100, 5)), 'either reads what the other has')
})

each('a tree inside the memory is the tree elsewhere', async (t, create) => {
  const core = await create()
  const ids = core.arena(5 * 32).fill(3)
  const lengths = Uint32Array.of(65_536, 65_536, 65_536, 65_536, 1)
  const [inside, outside] = [core.arena(32), new Uint8Array(32)]
  const [nodesInside, nodesOutside] = [core.arena(9 * MERKLE_NODE_BYTES), new Uint8Array(9 * MERKLE_NODE_BYTES)]
  core.merkleRoot(ids, lengths, 0, inside)
  core.merkleRoot(ids.slice(), lengths, 0, outside, nodesOutside)
  t.same(inside, outside, 'wanted or not, the nodes lead to the same root')
  core.merkleRoot(ids, lengths, 0, inside.fill(0), nodesInside)
  t.same(inside, outside)
  t.same(nodesInside, nodesOutside)
  t.throws(() => core.merkleRoot(ids, lengths.fill(0, 4), 0, inside.fill(7), nodesInside.fill(7)), {
    code: 'CORE_RANGE',
    message: /chunk 4 is 0 bytes/,
  })
  t.same([...inside, ...nodesInside], new Array(32 + 9 * MERKLE_NODE_BYTES).fill(7), 'and nothing is written')
})

each('a proof longer than any tree is high proves nothing, however long it is', async (t, create) => {
  const core = await create({ memory: sharedMemory(2) })
  const claim = (steps: number) => {
    const proof = new Uint8Array(steps * MERKLE_NODE_BYTES)
    return core.merkleVerify(new Uint8Array(32), 0, 1, 2 ** 32 - 1, 0, new Uint8Array(32), 1, proof)
  }
  for (const steps of [0, 31, 32, 33, 100_000]) t.equal(claim(steps), false)
})

each('portions: many ranges of a large buffer elsewhere need only a small memory', async (t, create) => {
  const core = await create({ memory: sharedMemory(40) })
  const buffer = new Uint8Array(6 * MiB).map((_, i) => i >>> 12)
  const count = buffer.length / PAGE
  const ranges = Uint32Array.from({ length: 2 * count }, (_, i) => (i % 2 ? PAGE : (i / 2) * PAGE))
  const out = new Uint8Array(count * 32)
  t.equal(core.sha256Many(buffer, ranges, out), count)
  const expected = Array.from({ length: count }, (_, i) => hash('sha256', buffer.subarray(i * PAGE, (i + 1) * PAGE)))
  t.equal(toHex(out), expected.join(''))
})

each('portions: a message in one piece needs only a small memory', async (t, create) => {
  const core = await create({ memory: sharedMemory(40) })
  const message = noise(3 * MiB + 13)
  for (const start of [0, 3]) t.equal(streamed(core, message.subarray(start)), hash('sha256', message.subarray(start)))
  const state = new Uint8Array(SHA256_STATE_BYTES).fill(1)
  t.throws(() => core.sha256Update(state, message, 0, message.length, false), { code: 'CORE_RANGE' })
  t.same(state, new Uint8Array(SHA256_STATE_BYTES).fill(1))
})

each('portions: the cuts of a large buffer are those of the same bytes inside', async (t, create) => {
  const small = await create({ memory: sharedMemory(40) })
  const large = await create()
  const inside = large.arena(5 * MiB + 1)
  // Noise, but for a stretch that has no other cuts than those of the largest length.
  inside.set(noise(inside.length))
  inside.fill(0, MiB + 5, 3 * MiB)
  for (const profile of [PROFILE_CONTENT_16K, PROFILE_CONTENT_64K]) {
    const expected = cutsOf(large, inside, profile)
    t.equal(expected.at(-1), inside.length)
    for (const start of [0, 1]) {
      const elsewhere = new Uint8Array(start + inside.length)
      elsewhere.set(inside, start)
      t.same(cutsOf(small, elsewhere.subarray(start), profile), expected)
      t.same(cutsOf(small, elsewhere.subarray(start), profile, 17), expected.slice(0, 17), 'as many as there is room')
    }
    const cuts = new Uint32Array(1_000)
    const found = small.chunk(inside.slice(), 0, inside.length, profile, false, cuts)
    t.same([...cuts.subarray(0, found)], expected.slice(0, found), 'what may go on')
    t.ok(expected.length - found <= 1)
  }
})

each('portions: no more is copied than the cuts that there is room for can need', async (t, create) => {
  const core = await create({ memory: sharedMemory(3) })
  const bytes = new Uint8Array(3 * MiB)
  t.same(cutsOf(core, bytes, PROFILE_CONTENT_16K, 1), [64 * KiB])
})

each('portions: a large stripe elsewhere is coded by columns', async (t, create) => {
  const small = await create({ memory: sharedMemory(20) })
  const large = await create()
  const [k, m] = [10, 4]
  for (const shardBytes of [MiB, 200_003]) {
    const inside = large.arena((k + m) * shardBytes)
    const data = inside.subarray(0, k * shardBytes)
    data.set(noise(data.length))
    large.rsEncode(k, m, shardBytes, data, inside.subarray(data.length))
    const stripe = new Uint8Array(1 + inside.length).subarray(1)
    stripe.set(data)
    small.rsEncode(k, m, shardBytes, stripe.subarray(0, data.length), stripe.subarray(data.length))
    t.ok(Buffer.compare(stripe, inside) === 0, 'the parity is the same')
    const present = Uint8Array.from({ length: k + m }, (_, i) => Number(i % 4 !== 1))
    const gap = (i: number) => stripe.subarray(i * shardBytes, (i + 1) * shardBytes).fill(0)
    for (const i of [1, 5, 9, 13]) gap(i)
    const want = Uint8Array.from({ length: k + m }, (_, i) => Number(i !== 5))
    t.equal(small.rsReconstruct(k, m, shardBytes, stripe, present, want), 3)
    inside.subarray(5 * shardBytes, 6 * shardBytes).fill(0)
    t.ok(Buffer.compare(stripe, inside) === 0, 'what is wanted is there again, and nothing else')
  }
})

each('parity may lie inside the memory and the data elsewhere, or the other way round', async (t, create) => {
  const core = await create()
  const [k, m, shardBytes] = [3, 2, 50_001]
  const data = noise(k * shardBytes)
  const expected = new Uint8Array(m * shardBytes)
  core.rsEncode(k, m, shardBytes, data, expected)
  const parity = core.arena(expected.length)
  core.rsEncode(k, m, shardBytes, data, parity)
  t.ok(Buffer.compare(parity, expected) === 0)
  const inside = core.arena(data.length)
  inside.set(data)
  const again = new Uint8Array(expected.length)
  core.rsEncode(k, m, shardBytes, inside, again)
  t.ok(Buffer.compare(again, expected) === 0)
})

each('too few shards are an error, unless all that is wanted is there', async (t, create) => {
  const core = await create()
  const shards = noise(4 * 100)
  const rebuild = (want: number[]) => {
    return core.rsReconstruct(3, 1, 100, shards, Uint8Array.of(1, 0, 0, 1), Uint8Array.from(want))
  }
  t.equal(rebuild([1, 0, 0, 1]), 0)
  t.throws(() => rebuild([0, 1, 0, 0]), { code: 'CORE_RANGE', message: /2 shards are present, 3 are needed/ })
  t.same(shards, noise(400))
})

each('portions: a set of many ids, and the difference of two', async (t, create) => {
  const core = await create({ memory: sharedMemory(40) })
  const symbols = 3_000
  const ids = BigUint64Array.from({ length: 100_000 }, (_, i) => BigInt(i) * 0x9e3779b97f4a7c15n)
  const [whole, parts] = [new Uint8Array(symbols * SYMBOL_BYTES), core.arena(symbols * SYMBOL_BYTES)]
  t.equal(core.sketchUpdate(whole, symbols, ids, 1), ids.length)
  for (let i = 0; i < ids.length; i += 20_000) core.sketchUpdate(parts, symbols, ids.subarray(i, i + 20_000), 1)
  t.ok(Buffer.compare(whole, parts) === 0)
  core.sketchUpdate(parts, symbols, ids.subarray(1_000), -1)
  core.sketchUpdate(parts, symbols, BigUint64Array.of(7n), -1)
  const [outIds, outSigns] = [new BigUint64Array(symbols + 9), new Int8Array(symbols + 9)]
  const small = parts.slice(0, 500 * SYMBOL_BYTES)
  t.equal(core.sketchDecode(small, 500, outIds, outSigns), NEED_MORE)
  const inside = core.arena(8 * symbols)
  const idsInside = new BigUint64Array(inside.buffer, inside.byteOffset, symbols)
  t.equal(core.sketchDecode(parts.slice(), symbols, idsInside, outSigns.subarray(0, symbols)), 1_001)
  t.equal(core.sketchDecode(parts, symbols, outIds, outSigns), 1_001)
  t.same(idsInside.subarray(0, 1_001), outIds.subarray(0, 1_001))
  const sorted = (all: BigUint64Array) => [...all].sort((a, b) => (a < b ? -1 : 1))
  t.same(sorted(outIds.slice(0, 1_001)), sorted(BigUint64Array.of(7n, ...ids.subarray(0, 1_000))))
  t.equal(outSigns[outIds.indexOf(7n)], -1)
  t.equal(outSigns.subarray(0, 1_001).filter((sign) => sign === 1).length, 1_000)
  t.equal(outIds[1_001], 0n, 'nothing is written behind them')
})

each('buffers in shared memory of somebody else are copied in and out', async (t, create) => {
  const core = await create()
  const shared = (length: number) => new Uint8Array(new SharedArrayBuffer(length + 8), 5, length)
  const bytes = shared(300_000)
  bytes.set(noise(bytes.length))
  const plain = bytes.slice()
  const out = shared(32)
  core.sha256Many(bytes, Uint32Array.of(1, 299_999), out)
  t.equal(toHex(out), hash('sha256', plain.subarray(1)))
  t.same(cutsOf(core, bytes, PROFILE_CONTENT_16K), cutsOf(core, plain, PROFILE_CONTENT_16K))
  const [parity, expected] = [shared(100_000), new Uint8Array(100_000)]
  core.rsEncode(3, 1, 100_000, bytes, parity)
  core.rsEncode(3, 1, 100_000, plain, expected)
  t.ok(Buffer.compare(parity, expected) === 0)
})
