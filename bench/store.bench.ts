// The store against what it is built of: blobs in packs against LMDB values and files, releases and records against
// plain puts, reads against pread. Everything is durable before it counts, on both sides.
import { hash } from 'node:crypto'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open as openLmdb, type RootDatabase } from 'lmdb'
import { toHex } from '../src/base/bytes.ts'
import { formatBytes, KiB, MiB } from '../src/base/units.ts'
import { CatalogNode } from '../src/node.ts'
import { spendMicros } from './baselines.ts'
import type { Contest } from './harness.ts'
import { type Bench, blobsOf, openBench, RELEASE, recordsOf } from './store-bench.ts'
import type { Suite } from './suite.ts'

const TOTAL_BYTES = 256 * MiB
const GROUP_BYTES = 16 * MiB
const ROUNDS = 5
const RELEASES = 5_000
const RELEASE_BYTES = 4 * KiB
/** Publishes under way at once. */
const CONCURRENT = 250
const RECORDS = 100_000
const BATCH = 1_000
const READ_BYTES = 64 * KiB
const READS = 500

type Make = (ends: AsyncDisposableStack, folder: string) => Promise<Contest> | Contest

const store: Suite = async (compare) => {
  const folder = mkdtempSync(join(tmpdir(), 'catalog-bench-'))
  const contest = async (name: string, make: Make) => {
    // What one contest has opened is closed before the next.
    await using ends = new AsyncDisposableStack()
    await compare({ name, open: async () => make(ends, folder) })
  }
  try {
    for (const size of [64 * KiB, 256 * KiB, MiB]) {
      const name = `256 MiB as blobs of ${formatBytes(size)}`
      await contest(`${name} against LMDB`, (ends) => againstLmdb(ends, folder, size))
      await contest(`${name} against files`, (ends) => againstFiles(ends, folder, size))
    }
    await contest('5,000 releases of 4 KiB', (ends) => releases(ends, folder, rowsLeft))
    await contest('5,000 releases of 4 KiB against three values each', (ends) => releases(ends, folder, threeValues))
    await contest('random reads of 64 KiB', reads)
    await contest('100,000 records in batches of 1,000', (ends) => records(ends, folder, 'micros'))
    await contest('100,000 records against plain puts', (ends) => records(ends, folder, 'puts'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
export default store

/** A store that is made anew before each turn. */
class Fresh<T extends AsyncDisposable> implements AsyncDisposable {
  readonly #folder: string
  readonly #make: (folder: string) => Promise<T>
  #made: T | undefined

  constructor(folder: string, make: (folder: string) => Promise<T>) {
    this.#folder = folder
    this.#make = make
  }

  get now(): T {
    if (!this.#made) throw new Error('not made yet')
    return this.#made
  }

  async renew(): Promise<void> {
    await this[Symbol.asyncDispose]()
    mkdirSync(this.#folder, { recursive: true })
    this.#made = await this.#make(this.#folder)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#made?.[Symbol.asyncDispose]()
    this.#made = undefined
    await rm(this.#folder, { recursive: true, force: true })
  }
}

interface Lmdb extends AsyncDisposable {
  readonly root: RootDatabase<Uint8Array, Uint8Array>
}

/** With the settings of the store. */
async function lmdb(path: string): Promise<Lmdb> {
  const root = openLmdb<Uint8Array, Uint8Array>({
    ...{ path, noSubdir: false, maxDbs: 64, overlappingSync: false, encoding: 'binary', keyEncoding: 'binary' },
  })
  return { root, [Symbol.asyncDispose]: () => root.close() }
}

function putAll({ root }: Lmdb, rows: readonly (readonly [Uint8Array, Uint8Array])[]): void {
  root.transactionSync(() => {
    for (const [key, value] of rows) void root.put(key, value)
  })
}

const groups = <T>(all: readonly T[], count: number): T[][] =>
  Array.from({ length: Math.ceil(all.length / count) }, (_, i) => all.slice(i * count, (i + 1) * count))

/** Write blobs at hand, group by group; while one is being acknowledged the next is on its way, as from two peers. */
async function writeBlobs({ blobs, environment }: Bench, all: ReturnType<typeof blobsOf>[]): Promise<void> {
  const write = async (group: ReturnType<typeof blobsOf>) => {
    const staged = group.map((blob) => ({ ...blob }))
    await blobs.seal(staged, RELEASE)
    await environment.transaction(() => {
      for (const blob of staged) blobs.link(blob, RELEASE, 'published')
    })
    await blobs.discard(staged)
  }
  let before: Promise<void> | undefined
  for (const group of all) {
    const writing = write(group)
    await before
    before = writing
  }
  await before
}

function writing(ends: AsyncDisposableStack, folder: string, size: number) {
  const all = groups(blobsOf(TOTAL_BYTES / size, size), GROUP_BYTES / size)
  const bench = ends.use(new Fresh(join(folder, 'store'), openBench))
  return {
    all,
    contest: {
      amount: TOTAL_BYTES / MiB,
      rounds: ROUNDS,
      seconds: 0,
      candidate: () => writeBlobs(bench.now, all),
      prepare: () => bench.renew(),
    },
  }
}

function againstLmdb(ends: AsyncDisposableStack, folder: string, size: number): Contest {
  const { all, contest } = writing(ends, folder, size)
  const values = ends.use(new Fresh(join(folder, 'values'), lmdb))
  const baseline = () => {
    for (const group of all) {
      putAll(
        values.now,
        group.map(({ root, bytes }) => [root, bytes]),
      )
    }
  }
  return { ...contest, baseline, prepareBaseline: () => values.renew() }
}

function againstFiles(ends: AsyncDisposableStack, folder: string, size: number): Contest {
  const { all, contest } = writing(ends, folder, size)
  const files = join(folder, 'files')
  const one = async (root: Uint8Array, bytes: Uint8Array) => {
    await using file = await open(join(files, toHex(root)), 'wx')
    await file.write(bytes)
    await file.datasync()
  }
  const baseline = async () => {
    for (const group of all) await Promise.all(group.map(({ root, bytes }) => one(root, bytes)))
  }
  const prepareBaseline = async () => {
    await rm(files, { recursive: true, force: true })
    mkdirSync(files)
  }
  return { ...contest, baseline, prepareBaseline }
}

/** A row of a table, as bytes. */
type Row = readonly [table: string, key: Uint8Array, value: Uint8Array]

/** Publish all files, by the calls that a user makes. */
async function publishAll({ sharing }: CatalogNode, files: readonly string[]): Promise<void> {
  for (const group of groups(files, CONCURRENT)) {
    await Promise.all(group.map((path) => sharing.sharePackage(path, { type: 'generic', version: '1.0.0' })))
  }
}

const openNode = (dataDir: string) => CatalogNode.open({ dataDir, mdns: false })

/** @param rowsOf - what a bare database has to store, as many rows to a commit as publishing has of releases */
async function releases(
  ends: AsyncDisposableStack,
  folder: string,
  rowsOf: (given: { files: readonly string[]; folder: string }) => Promise<readonly Row[]>,
): Promise<Contest> {
  const source = join(folder, 'sources')
  mkdirSync(source, { recursive: true })
  const files = Array.from({ length: RELEASES }, (_, i) => {
    const path = join(source, `file-${i}.txt`)
    writeFileSync(path, Buffer.alloc(RELEASE_BYTES, `${i} `))
    return path
  })
  const rows = await rowsOf({ files, folder: join(folder, 'example') })
  const node = ends.use(new Fresh(join(folder, 'node'), openNode))
  const values = ends.use(new Fresh(join(folder, 'values'), lmdb))
  return {
    amount: RELEASES,
    rounds: ROUNDS,
    seconds: 0,
    candidate: () => publishAll(node.now, files),
    baseline: () => putRows(values.now, groups(rows, Math.ceil(rows.length / (RELEASES / CONCURRENT)))),
    prepare: () => node.renew(),
    prepareBaseline: () => values.renew(),
  }
}

/** Every row that publishing these files leaves in the database, in the order of the hash of its key. */
async function rowsLeft({ files, folder }: { files: readonly string[]; folder: string }): Promise<Row[]> {
  await using ends = new AsyncDisposableStack()
  ends.defer(() => rm(folder, { recursive: true, force: true }))
  const node = await openNode(folder)
  await publishAll(node, files).finally(() => node.close())
  const { root } = ends.use(await lmdb(join(folder, 'database')))
  const rows: Row[] = []
  for (const name of root.getKeys()) {
    const table = Buffer.from(name).toString().replaceAll('\0', '')
    const all = root.openDB<Uint8Array, Uint8Array>({ name: table, encoding: 'binary', keyEncoding: 'binary' })
    for (const { key, value } of all.getRange({})) rows.push([table, Buffer.from(key), Buffer.from(value)])
  }
  const order = new Map(rows.map((row) => [row, hash('sha256', row[1])]))
  return rows.sort((a, b) => ((order.get(a) ?? '') < (order.get(b) ?? '') ? -1 : 1))
}

/** The bytes of each file, a release of about 700 and a share of about 400, by keys that are hashes as theirs are. */
async function threeValues({ files }: { files: readonly string[] }): Promise<Row[]> {
  return files.flatMap((path) =>
    [RELEASE_BYTES, 700, 400].map(
      (bytes) => ['values', hash('sha256', `${path} ${bytes}`, 'buffer'), Buffer.alloc(bytes, path)] as const,
    ),
  )
}

function putRows({ root }: Lmdb, all: readonly (readonly Row[])[]): void {
  const names = new Set(all.flatMap((group) => group.map(([table]) => table)))
  const tables = new Map(
    [...names].map((name) => [
      name,
      root.openDB<Uint8Array, Uint8Array>({ name, encoding: 'binary', keyEncoding: 'binary' }),
    ]),
  )
  for (const group of all) {
    root.transactionSync(() => {
      for (const [table, key, value] of group) void tables.get(table)?.put(key, value)
    })
  }
}

async function reads(ends: AsyncDisposableStack, folder: string): Promise<Contest> {
  const bench = ends.use(new Fresh(join(folder, 'store'), openBench))
  await bench.renew()
  const all = blobsOf(1_024, READ_BYTES)
  await writeBlobs(bench.now, groups(all, 256))
  const path = join(folder, 'plain')
  writeFileSync(path, Buffer.concat(all.map(({ bytes }) => bytes)))
  const file = await open(path, 'r')
  ends.defer(() => file.close())
  const order = Array.from({ length: READS }, (_, i) => Math.imul(i, 2654435761) >>> 22)
  const buffer = new Uint8Array(READ_BYTES)
  return {
    amount: READS,
    candidate: async () => {
      for (const index of order) {
        using lease = bench.now.blobs.lease(all[index]?.root ?? RELEASE)
        if (lease) await bench.now.blobs.readFrom(lease, 0, buffer)
      }
    },
    baseline: async () => {
      for (const index of order) await file.read(buffer, 0, READ_BYTES, index * READ_BYTES)
    },
  }
}

function records(ends: AsyncDisposableStack, folder: string, baseline: 'micros' | 'puts'): Contest {
  const batches = groups(recordsOf(RECORDS), BATCH)
  const bench = ends.use(new Fresh(join(folder, 'store'), openBench))
  const values = ends.use(new Fresh(join(folder, 'values'), lmdb))
  const candidate = async () => {
    for (const batch of batches) await bench.now.records.admitAll(batch)
  }
  const puts = () => {
    for (const batch of batches) {
      putAll(
        values.now,
        batch.map(({ record }) => [record.id, record.envelope]),
      )
    }
  }
  return {
    amount: RECORDS,
    rounds: 3,
    seconds: 0,
    candidate,
    baseline: baseline === 'puts' ? puts : () => spendMicros(RECORDS),
    prepare: () => bench.renew(),
    prepareBaseline: () => values.renew(),
  }
}
