import { hash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { directEffects } from '../../../../src/base/effects.ts'
import { CHUNK_BYTES } from '../../../../src/base/limits.ts'
import { GiB } from '../../../../src/base/units.ts'
import { loadCore } from '../../../../src/core/load.ts'
import { type Backend, PROFILE_FIXED_64K } from '../../../../src/core/surface.ts'
import { WorkerPool } from '../../../../src/core/workers/pool.ts'
import { Stripes } from '../../../../src/core/workers/stripes.ts'
import type { RepairTask, ShardDigest, ShardPlace } from '../../../../src/core/workers/tasks.ts'

const forced = process.env['CATALOG_CORE']
const backends: Backend[] = forced === 'native' || forced === 'wasm' ? [forced] : ['native', 'wasm']
const anyBackend = backends[0] ?? 'wasm'
/** Where the blob begins in its file, and the parity in theirs. */
const [BLOB_AT, PARITY_AT] = [11, 7]

function poolOf(core: Backend, threads = 2): WorkerPool {
  return new WorkerPool({ effects: directEffects }, { threads, core })
}

function content(bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes)
  for (let i = 0; i < bytes; i++) buffer[i] = Math.imul(i + 1, 2654435761) >>> 24
  return buffer
}

interface Shape {
  size: number
  k: number
  m: number
}

/** A blob and its parity in files, with the task that repairs nothing yet. */
async function encoded(t: Test, pool: WorkerPool, shape: Shape) {
  const dir = t.testdir({})
  const { size, k, m } = shape
  const blob = join(dir, 'blob')
  writeFileSync(blob, Buffer.concat([Buffer.alloc(BLOB_AT), content(size)]))
  const parity = Array.from({ length: m }, (_, j) => join(dir, `parity-${j}`))
  const targets = parity.map((path, j) => ({ path, offset: PARITY_AT, create: true, sync: j === 0 }))
  const named = await pool.encodeStripes({ ...shape, source: { path: blob, offset: BLOB_AT }, targets })
  const data = Array.from({ length: k }, (_, i) => inBlob(blob, shape, i))
  const sources = [...data, ...parity.map((path) => ({ path, offset: PARITY_AT, stride: CHUNK_BYTES }))]
  const task: RepairTask = { ...shape, sources, ids: named.ids, want: [] }
  return { dir, blob, parity, named, task }
}

/** Where a data shard lies when the blob is whole. */
function inBlob(path: string, { k }: Shape, shard: number): ShardPlace {
  return { path, offset: BLOB_AT + shard * CHUNK_BYTES, stride: k * CHUNK_BYTES }
}

/** The same by definition, stripe by stripe: parity of zero-padded data, ids of what there is. */
async function expected({ size, k, m }: Shape, backend: Backend): Promise<ShardDigest & { parity: Buffer[] }> {
  const core = await loadCore(backend)
  const stripes = Math.ceil(size / (k * CHUNK_BYTES))
  const blob = content(size)
  const parity = Array.from({ length: m }, () => Buffer.alloc(stripes * CHUNK_BYTES))
  const ids: Buffer[] = []
  const lengths: number[] = []
  const name = (piece: Uint8Array) => {
    ids.push(hash('sha256', piece, 'buffer'))
    lengths.push(piece.length)
  }
  for (let stripe = 0; stripe < stripes; stripe++) {
    const bytes = blob.subarray(stripe * k * CHUNK_BYTES, (stripe + 1) * k * CHUNK_BYTES)
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) name(bytes.subarray(at, at + CHUNK_BYTES))
    const data = new Uint8Array(k * CHUNK_BYTES)
    data.set(bytes)
    const shards = new Uint8Array(m * CHUNK_BYTES)
    core.rsEncode(k, m, CHUNK_BYTES, data, shards)
    for (const [j, shard] of parity.entries()) {
      const piece = shards.subarray(j * CHUNK_BYTES, (j + 1) * CHUNK_BYTES)
      shard.set(piece, stripe * CHUNK_BYTES)
      name(piece)
    }
  }
  const root = new Uint8Array(32)
  const all = new Uint8Array(Buffer.concat(ids))
  core.merkleRoot(all, Uint32Array.from(lengths), PROFILE_FIXED_64K, root)
  return { ids: all, root, parity }
}

/** Overwrite a byte of a file. */
function damage(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

const SHAPES: Shape[] = [
  { size: 0, k: 2, m: 1 },
  { size: 1, k: 3, m: 2 },
  { size: 3 * CHUNK_BYTES, k: 3, m: 2 },
  { size: 7 * CHUNK_BYTES + 5, k: 3, m: 2 },
  { size: 33 * CHUNK_BYTES - 1, k: 1, m: 1 },
  { size: 47 * CHUNK_BYTES + 100, k: 10, m: 4 },
  { size: 61 * CHUNK_BYTES, k: 60, m: 4 },
]

for (const backend of backends) {
  test(`${backend}: parity, ids and root are what the definition says`, async (t) => {
    await using pool = poolOf(backend)
    for (const shape of SHAPES) {
      const what = JSON.stringify(shape)
      const { parity, named } = await encoded(t, pool, shape)
      const { parity: shards, ...names } = await expected(shape, backend)
      t.strictSame(named, names, what)
      for (const [j, path] of parity.entries()) {
        t.ok(
          readFileSync(path)
            .subarray(PARITY_AT)
            .equals(shards[j] ?? Buffer.alloc(0)),
          `${what}, parity ${j}`,
        )
      }
    }
  })

  test(`${backend}: any k shards give back the others`, async (t) => {
    await using pool = poolOf(backend)
    for (const shape of SHAPES) {
      const { dir, blob, parity, task } = await encoded(t, pool, shape)
      const [k, m] = [shape.k, shape.m]
      // The last data shards first, and parity for what is left of the m that may go.
      const lostData = Array.from({ length: Math.min(k, m - (m > 1 ? 1 : 0)) }, (_, i) => k - 1 - i)
      const lost = m > 1 ? [...lostData, k] : lostData
      const copy = join(dir, 'copy')
      const original = readFileSync(blob)
      writeFileSync(copy, original)
      for (const shard of lostData) erase(copy, shape, shard)
      const whole = { ...task, sources: task.sources.map((place, i) => (lost.includes(i) ? null : place)) }
      const want = lost.map((index) => ({
        index,
        place: index < k ? inBlob(copy, shape, index) : { ...fileOf(dir, index), create: true, sync: true },
      }))
      const what = `${JSON.stringify(shape)} without ${lost}`
      t.strictSame(await pool.repairStripes({ ...whole, want }), { bad: [] }, what)
      t.ok(readFileSync(copy).equals(original), `${what}: data`)
      if (m > 1) t.ok(readFileSync(fileOf(dir, k).path).equals(readFileSync(parity[0] ?? '').subarray(PARITY_AT)))
    }
  })

  test(`${backend}: a damaged shard serves where it is whole, and its bad pieces are named`, async (t) => {
    await using pool = poolOf(backend)
    const shape = { size: 30 * CHUNK_BYTES + 3, k: 4, m: 2 }
    const { dir, blob, parity, task } = await encoded(t, pool, shape)
    const original = readFileSync(blob)
    damage(blob, BLOB_AT + (2 * 4 + 1) * CHUNK_BYTES)
    damage(blob, BLOB_AT + (5 * 4 + 3) * CHUNK_BYTES + 77)
    damage(blob, BLOB_AT + shape.size - 1)
    damage(parity[0] ?? '', PARITY_AT + 2 * CHUNK_BYTES)
    const sources = task.sources.map((place, i) => (i === 0 ? null : place))
    const want = [0, 1, 2, 3].map((index) => ({ index, place: inBlob(join(dir, 'copy'), shape, index) }))
    writeFileSync(join(dir, 'copy'), Buffer.alloc(BLOB_AT))
    const bad = [
      { stripe: 2, shard: 1 },
      { stripe: 5, shard: 3 },
      { stripe: 7, shard: 2 },
      { stripe: 2, shard: 4 },
    ]
    const failed = pool.repairStripes({ ...task, sources, want })
    await t.rejects(failed, { name: 'CatalogError', code: 'BLOB_CORRUPT', details: { stripes: [2] } })
    const report = await pool.repairStripes({ ...task, want })
    t.same(new Set(report.bad.map(named)), new Set(bad.map(named)))
    t.ok(readFileSync(join(dir, 'copy')).equals(original))
    const inPlace = [1, 2, 3].map((index) => ({ index, place: inBlob(blob, shape, index) }))
    await pool.repairStripes({ ...task, want: inPlace })
    t.ok(readFileSync(blob).equals(original), 'in place too')
  })

  test(`${backend}: shards in files of their own, and files that are short or gone`, async (t) => {
    await using pool = poolOf(backend)
    const shape = { size: 11 * CHUNK_BYTES + 500, k: 3, m: 2 }
    const { dir, blob, task } = await encoded(t, pool, shape)
    const files = [0, 1, 2].map((index) => ({ index, place: { ...fileOf(dir, index), create: true } }))
    await pool.repairStripes({ ...task, want: files })
    const lengths = files.map(({ place }) => readFileSync(place.path).length)
    t.strictSame(lengths, [4 * CHUNK_BYTES, 4 * CHUNK_BYTES, 3 * CHUNK_BYTES + 500], 'padding is not written')
    truncateSync(files[0]?.place.path ?? '', 3 * CHUNK_BYTES + 10)
    const sources = [...files.map(({ place }) => place), ...task.sources.slice(3)]
    sources[1] = fileOf(dir, 99)
    const copy = join(dir, 'copy')
    writeFileSync(copy, Buffer.alloc(BLOB_AT))
    const want = [0, 1, 2].map((index) => ({ index, place: inBlob(copy, shape, index) }))
    const report = await pool.repairStripes({ ...task, sources, want })
    const missing = [0, 1, 2, 3].map((stripe) => ({ stripe, shard: 1 }))
    t.same(new Set(report.bad.map(named)), new Set([...missing, { stripe: 3, shard: 0 }].map(named)))
    t.ok(readFileSync(copy).equals(readFileSync(blob)))
    const blind = { ...task, ids: undefined, sources, want }
    t.equal((await pool.repairStripes(blind)).bad.length, 5, 'what cannot be read is missed without ids too')
  })

  test(`${backend}: parity that was never computed from the data makes nothing`, async (t) => {
    await using pool = poolOf(backend)
    const shape = { size: 4 * CHUNK_BYTES, k: 2, m: 1 }
    const { dir, parity, named: names, task } = await encoded(t, pool, shape)
    damage(parity[0] ?? '', PARITY_AT)
    const ids = names.ids.slice()
    const forgery = readFileSync(parity[0] ?? '').subarray(PARITY_AT, PARITY_AT + CHUNK_BYTES)
    ids.set(hash('sha256', forgery, 'buffer'), 2 * 32)
    const sources = [null, ...task.sources.slice(1)]
    const want = [{ index: 0, place: { ...fileOf(dir, 0), create: true } }]
    const failed = pool.repairStripes({ ...task, ids, sources, want })
    await t.rejects(failed, { code: 'BLOB_CORRUPT', details: { stripes: [0] } })
    t.notOk(readdirSync(dir).includes('shard-0'))
  })
}

test('too few shards: the stripes are named and no file is left', async (t) => {
  await using pool = poolOf(anyBackend)
  const { dir, task } = await encoded(t, pool, { size: 7 * CHUNK_BYTES, k: 3, m: 2 })
  const sources = [null, null, null, ...task.sources.slice(3)]
  const want = [{ index: 0, place: { ...fileOf(dir, 0), create: true } }]
  const failed = pool.repairStripes({ ...task, sources, want })
  // In the last stripe two of the three chunks are absent, so one shard is enough.
  await t.rejects(failed, { code: 'BLOB_CORRUPT', details: { stripes: [0, 1] }, message: /^2 of 3 stripes/ })
  t.notOk(readdirSync(dir).includes('shard-0'))
})

test('shapes that disagree', async (t) => {
  await using pool = poolOf(anyBackend)
  const { dir, blob, task } = await encoded(t, pool, { size: 10, k: 2, m: 1 })
  const source = { path: blob, offset: BLOB_AT }
  const target = { path: join(dir, 'new'), create: true }
  const encode = { size: 10, k: 2, m: 1, source, targets: [target] }
  await t.rejects(pool.encodeStripes({ ...encode, m: 2 }), { code: 'CORE_LENGTH' })
  await t.rejects(pool.encodeStripes({ ...encode, k: 0 }), { code: 'CORE_RANGE' })
  await t.rejects(pool.encodeStripes({ ...encode, k: 64 }), { code: 'LIMIT_EXCEEDED' })
  await t.rejects(pool.encodeStripes({ ...encode, size: 11 }), { code: 'FILE_UNREADABLE' })
  await t.rejects(pool.encodeStripes({ ...encode, m: 2, targets: [target, target] }), { code: 'TARGET_EXISTS' })
  await t.rejects(pool.repairStripes({ ...task, sources: [] }), { code: 'CORE_LENGTH' })
  await t.rejects(pool.repairStripes({ ...task, ids: new Uint8Array(1) }), { code: 'CORE_LENGTH' })
  const want = [{ index: 3, place: { ...target, offset: 0, stride: CHUNK_BYTES } }]
  await t.rejects(pool.repairStripes({ ...task, want }), { code: 'CORE_RANGE' })
  t.notOk(readdirSync(dir).includes('new'))
})

test('a full disk takes the other parity files away again', async (t) => {
  await using pool = poolOf(anyBackend)
  const { dir, blob } = await encoded(t, pool, { size: 10, k: 2, m: 2 })
  const targets = [{ path: join(dir, 'new'), create: true }, { path: '/dev/full' }]
  const encode = { size: 10, k: 2, m: 2, source: { path: blob, offset: BLOB_AT }, targets }
  await t.rejects(pool.encodeStripes(encode), { name: 'CatalogError', code: 'DISK_FULL' })
  t.notOk(readdirSync(dir).includes('new'))
})

test('an abort in the middle leaves no file', async (t) => {
  await using pool = poolOf(anyBackend, 1)
  const dir = t.testdir({ blob: '' })
  const blob = join(dir, 'blob')
  truncateSync(blob, 32 * GiB)
  const shape = { size: 32 * GiB, k: 10, m: 4 }
  const controller = new AbortController()
  const changes = watch(dir)
  t.teardown(() => changes.close())
  // Parity that need not be kept takes no room.
  const targets = [0, 1, 2, 3].map((j) => (j ? { path: '/dev/null' } : { path: join(dir, 'new'), create: true }))
  const encode = pool.encodeStripes({ ...shape, source: { path: blob, offset: 0 }, targets }, controller.signal)
  while (!existsSync(join(dir, 'new')) || statSync(join(dir, 'new')).size === 0) await once(changes, 'change')
  controller.abort()
  await t.rejects(encode, { name: 'CatalogError', code: 'ABORTED' })
  t.same(readdirSync(dir), ['blob'])
  t.ok(new Stripes(shape).count > 50_000, 'it was far from done')
})

function erase(path: string, { size, k }: Shape, shard: number): void {
  const bytes = readFileSync(path)
  for (let at = shard * CHUNK_BYTES; at < size; at += k * CHUNK_BYTES) {
    bytes.fill(0xff, BLOB_AT + at, BLOB_AT + Math.min(size, at + CHUNK_BYTES))
  }
  writeFileSync(path, bytes)
}

function fileOf(dir: string, shard: number): ShardPlace {
  return { path: join(dir, `shard-${shard}`), offset: 0, stride: CHUNK_BYTES }
}

function named({ stripe, shard }: { stripe: number; shard: number }): string {
  return `${stripe}/${shard}`
}
