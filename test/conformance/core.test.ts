// The native and the WebAssembly core against published vectors, frozen roots and each other.
import { deepEqual, equal } from 'node:assert/strict'
import { hash, randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { test } from 'tap'
import { fromHex, toHex } from '../../src/base/bytes.ts'
import { loadCore } from '../../src/core/load.ts'
import { artifact } from '../../src/core/paths.ts'
import { CORE_ABI, type Core, DIGEST_BYTES, PROFILE_FIXED_64K } from '../../src/core/surface.ts'

interface Sha256Vector {
  source: string
  unit: string
  repeat: number
  digest: string
}
interface MerkleVector {
  count: number
  last: number
  root: string
}
const sha256Vectors = vectors<Sha256Vector>('sha256')
const merkleVectors = vectors<MerkleVector>('merkle')
const seed = Number(process.env['CATALOG_SEED'] ?? randomInt(2 ** 31))
const CHUNK = 65_536

for (const backend of ['native', 'wasm'] as const) {
  test(`${backend}: what it says of itself`, async (t) => {
    const core = await loadCore(backend)
    t.equal(core.backend, backend)
    t.equal(core.abi(), CORE_ABI)
    t.ok(core.features().length > 0)
    for (const feature of core.features()) t.match(feature, /^[a-zA-Z0-9]+:[a-z0-9-]+$/)
  })

  test(`${backend}: published SHA-256 vectors, one by one and all at once`, async (t) => {
    const core = await loadCore(backend)
    const messages = sha256Vectors.map(({ unit, repeat }) => Buffer.from(unit.repeat(repeat), 'hex'))
    const digests = sha256Vectors.map(({ digest }) => digest)
    const alone = messages.map((message) => digestsOf(core, message, [[0, message.length]]))
    t.same(alone.flat(), digests)
    const ranges: [number, number][] = []
    let end = 0
    for (const { length } of messages) {
      ranges.push([end, length])
      end += length
    }
    t.same(digestsOf(core, Buffer.concat(messages), ranges), digests, 'lanes of very different lengths')
  })

  test(`${backend}: every length around the padding's edges, in every lane`, async (t) => {
    const core = await loadCore(backend)
    const buffer = Uint8Array.from({ length: 200 }, (_, i) => (i * 37) & 255)
    const lengths = Array.from({ length: 131 }, (_, i) => i)
    for (const shift of [0, 1, 2, 3]) {
      const ranges = lengths.map((length): [number, number] => [shift + (length % 17), length]).slice(shift)
      t.same(digestsOf(core, buffer, ranges), reference(buffer, ranges), `${ranges.length} ranges`)
    }
  })

  test(`${backend}: frozen Merkle roots`, async (t) => {
    const core = await loadCore(backend)
    for (const { count, last, root } of merkleVectors) {
      const { ids, lengths } = blobOf(count, last)
      t.equal(rootBy(core, ids, lengths), root, `${count} chunks, the last of ${last} bytes`)
      t.equal(referenceRoot(ids, lengths, PROFILE_FIXED_64K), root, 'the reference agrees')
    }
  })

  test(`${backend}: wrong shapes and ranges are refused and nothing is written`, async (t) => {
    const core = await loadCore(backend)
    const out = new Uint8Array(DIGEST_BYTES).fill(7)
    const bytes = new Uint8Array(10)
    const hashing = (ranges: number[]) => () => core.sha256Many(bytes, Uint32Array.from(ranges), out)
    t.throws(hashing([0, 5, 1]), { name: 'CatalogError', code: 'CORE_LENGTH' }, 'odd ranges')
    t.throws(hashing([0, 5, 1, 5]), { code: 'CORE_LENGTH' }, 'room for one digest of two')
    t.throws(hashing([6, 5]), { code: 'CORE_RANGE' }, 'past the end')
    t.throws(hashing([2 ** 32 - 1, 2]), { code: 'CORE_RANGE' }, 'no wrapping round')
    const naming = (ids: number, lengths: number[], profile = 0, target = out) => {
      return () => core.merkleRoot(new Uint8Array(ids), Uint32Array.from(lengths), profile, target)
    }
    t.throws(naming(33, [1]), { code: 'CORE_LENGTH' }, 'a byte too many')
    t.throws(naming(32, []), { code: 'CORE_LENGTH' }, 'an id without length')
    t.throws(naming(32, [1], 0, new Uint8Array(31)), { code: 'CORE_LENGTH' }, 'no room for the root')
    t.throws(naming(32, [0]), { code: 'CORE_RANGE' }, 'an empty chunk')
    t.throws(naming(64, [CHUNK, CHUNK + 1]), { code: 'CORE_RANGE' }, 'a chunk too long')
    t.throws(naming(32, [1], 256), { code: 'CORE_RANGE' }, 'a profile of two bytes')
    t.same(out, new Uint8Array(DIGEST_BYTES).fill(7))
    t.equal(core.sha256Many(bytes, new Uint32Array(0), new Uint8Array(0)), 0, 'no range is fine')
  })

  test(`${backend}: buffers in shared memory and views into larger ones`, async (t) => {
    const core = await loadCore(backend)
    const shared = new Uint8Array(new SharedArrayBuffer(5000), 1000, 3000)
    for (let i = 0; i < shared.length; i++) shared[i] = i % 251
    const ranges: [number, number][] = [
      [0, 3000],
      [1, 2999],
      [3000, 0],
    ]
    t.same(digestsOf(core, shared, ranges), reference(shared, ranges))
  })
}

test('native, WebAssembly and the reference agree on random ranges and trees', async (t) => {
  t.comment(`seed ${seed} (CATALOG_SEED repeats it)`)
  const [native, wasm] = [await loadCore('native'), await loadCore('wasm')]
  const buffer = Uint8Array.from({ length: 20_000 }, (_, i) => Math.imul(i, 2654435761) >>> 24)
  const range = fc
    .tuple(fc.nat(buffer.length), fc.nat(buffer.length))
    .map(([a, b]): [number, number] => [Math.min(a, b), Math.abs(a - b)])
  const small = fc.tuple(fc.nat(1000), fc.nat(300))
  fc.assert(
    fc.property(fc.array(fc.oneof(range, small), { maxLength: 24 }), (ranges) => {
      const expected = reference(buffer, ranges)
      deepEqual(digestsOf(native, buffer, ranges), expected)
      deepEqual(digestsOf(wasm, buffer, ranges), expected)
    }),
    { seed, numRuns: 200 },
  )
  const leaves = fc.array(fc.integer({ min: 1, max: CHUNK }), { maxLength: 70 })
  fc.assert(
    fc.property(leaves, fc.nat(255), (chosen, profile) => {
      const lengths = Uint32Array.from(chosen)
      const { ids } = blobOf(lengths.length, 1)
      const expected = referenceRoot(ids, lengths, profile)
      equal(rootBy(native, ids, lengths, profile), expected)
      equal(rootBy(wasm, ids, lengths, profile), expected)
    }),
    { seed, numRuns: 100 },
  )
})

test('both modules export the surface, and the package exports no more of it than it says', async (t) => {
  const surface = ['abi', 'merkleRoot', 'sha256Many']
  const module = await WebAssembly.compile(readFileSync(artifact('wasm/core.release.wasm')))
  const functions = WebAssembly.Module.exports(module).filter(({ kind }) => kind === 'function')
  t.same(functions.map(({ name }) => name).sort(), [...surface, 'heapBase', 'scratchBytes'].sort())
  t.same(
    WebAssembly.Module.imports(module).map(({ module, name }) => `${module}.${name}`),
    ['env.memory'],
  )
  const addon = (await import(pathToFileURL(artifact('native/index.js')).href)) as Record<string, unknown>
  for (const name of [...surface, 'features']) t.type(addon[name], 'function', name)
  const exported = await import('../../src/core/index.ts')
  t.same(Object.keys(exported).sort(), ['CORE_ABI', 'DIGEST_BYTES', 'PROFILE_FIXED_64K', 'loadCore'])
})

function vectors<T>(name: string): T[] {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8')) as T[]
}

function digestsOf(core: Core, buffer: Uint8Array, ranges: [number, number][]): string[] {
  const out = new Uint8Array(ranges.length * DIGEST_BYTES)
  const count = core.sha256Many(buffer, Uint32Array.from(ranges.flat()), out)
  return Array.from({ length: count }, (_, i) => toHex(out.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES)))
}

function reference(buffer: Uint8Array, ranges: [number, number][]): string[] {
  return ranges.map(([offset, length]) => hash('sha256', buffer.slice(offset, offset + length)))
}

function rootBy(core: Core, ids: Uint8Array, lengths: Uint32Array, profile = PROFILE_FIXED_64K): string {
  const out = new Uint8Array(DIGEST_BYTES)
  core.merkleRoot(ids, lengths, profile, out)
  return toHex(out)
}

/** Chunk i of the blobs in merkle.json has the id SHA-256(u32be i). */
function blobOf(count: number, last: number): { ids: Uint8Array; lengths: Uint32Array } {
  const ids = Array.from({ length: count }, (_, i) => fromHex(hash('sha256', integer(i, 4))) ?? new Uint8Array())
  const lengths = new Uint32Array(count).fill(CHUNK)
  if (count > 0) lengths[count - 1] = last
  return { ids: Buffer.concat(ids), lengths }
}

/** The definition, word for word: RFC 9162 §2.1.1 with the prefixes and lengths of DESIGN §5. */
function referenceRoot(ids: Uint8Array, lengths: Uint32Array, profile: number): string {
  const total = lengths.reduce((sum, length) => sum + length, 0)
  const head = [Buffer.of(2, 1, 1, profile), integer(total, 8), integer(lengths.length, 4)]
  return hash('sha256', Buffer.concat([...head, referenceTop(ids, lengths)]))
}

function referenceTop(ids: Uint8Array, lengths: Uint32Array): Buffer {
  const total = integer(
    lengths.reduce((sum, length) => sum + length, 0),
    8,
  )
  if (lengths.length === 0) return hash('sha256', '', 'buffer')
  if (lengths.length === 1) return hash('sha256', Buffer.concat([Buffer.of(0), total, ids]), 'buffer')
  let split = 1
  while (split * 2 < lengths.length) split *= 2
  const left = referenceTop(ids.subarray(0, split * DIGEST_BYTES), lengths.subarray(0, split))
  const right = referenceTop(ids.subarray(split * DIGEST_BYTES), lengths.subarray(split))
  return hash('sha256', Buffer.concat([Buffer.of(1), total, left, right]), 'buffer')
}

function integer(value: number, bytes: number): Buffer {
  return Buffer.from(value.toString(16).padStart(bytes * 2, '0'), 'hex')
}
