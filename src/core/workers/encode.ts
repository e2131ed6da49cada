// From a blob to the parity of its stripes. Each parity shard is written as one run, stripe after stripe.
import { CatalogError } from '../../base/errors.ts'
import { CHUNK_BYTES } from '../../base/limits.ts'
import { DIGEST_BYTES, PROFILE_FIXED_64K } from '../surface.ts'
import { BATCH_BYTES, type Bench, goOn } from './bench.ts'
import { LocalFile } from './local-file.ts'
import { Stripes } from './stripes.ts'
import type { EncodeTask, ShardDigest } from './tasks.ts'

/**
 * Compute and write the parity of a blob, and name all its shards.
 *
 * @throws CatalogError `FILE_UNREADABLE`, `DISK_FULL`, `STORE_FAILED`, `ABORTED`, and as `Stripes` does
 */
export function encodeStripes(bench: Bench, task: EncodeTask): ShardDigest {
  const stripes = new Stripes(task)
  if (task.targets.length !== stripes.m) {
    throw new CatalogError('CORE_LENGTH', `${task.targets.length} places for ${stripes.m} parity shards`)
  }
  const ids = new Uint8Array(stripes.ids * DIGEST_BYTES)
  using source = LocalFile.toRead(task.source.path)
  const targets: LocalFile[] = []
  try {
    for (const { path } of task.targets) targets.push(LocalFile.toWrite(path))
    const perBatch = stripes.batch(BATCH_BYTES, bench.bytes.length)
    for (let first = 0; first < stripes.count; first += perBatch) {
      goOn(bench)
      const batch = { first, count: Math.min(perBatch, stripes.count - first) }
      const data = readData(bench, stripes, batch, source, task.source.offset)
      const parity = encode(bench, stripes, batch, data)
      hashShards(bench, stripes, batch, ids)
      writeParity(stripes, batch, parity, targets, task)
    }
    for (const [j, { sync }] of task.targets.entries()) if (sync) targets[j]?.sync()
  } finally {
    for (const target of targets) target[Symbol.dispose]()
  }
  const root = new Uint8Array(DIGEST_BYTES)
  bench.roots.merkleRoot(ids, stripes.lengths(), PROFILE_FIXED_64K, root)
  return { ids, root }
}

interface Batch {
  /** First stripe. */
  first: number
  /** Stripes. */
  count: number
}

/** The chunks of a batch side by side at the start of the slot, padded with zeros to whole stripes. */
function readData(
  { bytes }: Bench,
  { k, size }: Stripes,
  { first, count }: Batch,
  source: LocalFile,
  offset: number,
): Uint8Array {
  const at = first * k * CHUNK_BYTES
  const data = bytes.subarray(0, count * k * CHUNK_BYTES)
  const present = Math.min(data.length, size - at)
  source.read(data.subarray(0, present), offset + at, offset + size)
  data.fill(0, present)
  return data
}

/** The parity of a batch, stripe by stripe, behind its data. */
function encode({ core, bytes }: Bench, { k, m }: Stripes, { count }: Batch, data: Uint8Array): Uint8Array {
  const [dataBytes, parityBytes] = [k * CHUNK_BYTES, m * CHUNK_BYTES]
  const parity = bytes.subarray(data.length, data.length + count * parityBytes)
  for (let i = 0; i < count; i++) {
    const from = data.subarray(i * dataBytes, (i + 1) * dataBytes)
    core.rsEncode(k, m, CHUNK_BYTES, from, parity.subarray(i * parityBytes, (i + 1) * parityBytes))
  }
  return parity
}

/** All shards of the batch in one call: the more there are, the fuller the lanes. */
function hashShards({ core, bytes }: Bench, stripes: Stripes, { first, count }: Batch, ids: Uint8Array): void {
  const { k, m, width } = stripes
  const parityAt = count * k * CHUNK_BYTES
  const ranges: number[] = []
  for (let i = 0; i < count; i++) {
    for (let shard = 0; shard < width; shard++) {
      const length = stripes.pieceBytes(first + i, shard)
      const at = shard < k ? (i * k + shard) * CHUNK_BYTES : parityAt + (i * m + shard - k) * CHUNK_BYTES
      if (length > 0) ranges.push(at, length)
    }
  }
  const start = stripes.idIndex(first, 0) * DIGEST_BYTES
  const out = ids.subarray(start, start + (ranges.length / 2) * DIGEST_BYTES)
  core.sha256Many(bytes, Uint32Array.from(ranges), out)
}

function writeParity(
  { m }: Stripes,
  { first, count }: Batch,
  parity: Uint8Array,
  files: LocalFile[],
  { targets }: EncodeTask,
): void {
  for (const [j, file] of files.entries()) {
    for (let i = 0; i < count; i++) {
      const at = (i * m + j) * CHUNK_BYTES
      file.write(parity.subarray(at, at + CHUNK_BYTES), (targets[j]?.offset ?? 0) + (first + i) * CHUNK_BYTES)
    }
  }
}
