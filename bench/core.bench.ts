// The kernels of both cores, each against the nearest thing that everybody has: node:crypto, a copy, or a calibrated
// microsecond. What is timed has first been compared with the reference that the conformance suite uses.
import { createHash, hash } from 'node:crypto'
import { equalBytes } from '../src/base/bytes.ts'
import { CHUNK_BYTES } from '../src/base/limits.ts'
import { MiB } from '../src/base/units.ts'
import { chunkLengths } from '../src/core/digest-tree.ts'
import { loadCore } from '../src/core/load.ts'
import {
  type Core,
  DIGEST_BYTES,
  PROFILE_CONTENT_16K,
  PROFILE_FIXED_64K,
  SHA256_STATE_BYTES,
  SYMBOL_BYTES,
} from '../src/core/surface.ts'
import { WasmCore } from '../src/core/wasm.ts'
import { type Kernels, ReferenceCore } from '../test/reference/core.ts'
import { copier, memoryCopier, piecesOf, SOURCE_BYTES, spendMicros } from './baselines.ts'
import type { Contest, Figures } from './harness.ts'
import type { Suite } from './suite.ts'

const CHUNKS = 64
const LEAVES = 4096
const DATA_SHARDS = 10
const PARITY_SHARDS = 4
/** A tenth of 1 MiB, in whole cache lines. */
const SHARD_BYTES = 104_832
const STRIPE_BYTES = DATA_SHARDS * SHARD_BYTES
const SYMBOLS = 16_384
const ADDED = 2048
/** About as many as 16,384 symbols can tell. */
const DIFFERENCES = 10_000
/** The shortest and the longest chunk of `PROFILE_CONTENT_16K`. */
const SHORTEST = 4096
const LONGEST = 65_536

const CONTESTS: Readonly<Record<string, (core: Core) => Contest>> = {
  'sha256Many, 64 × 64 KiB': chunkIds,
  'sha256Update, 64 × 64 KiB': wholeDigest,
  'chunk, 4 MiB': contentCuts,
  'merkleRoot, 4,096 leaves': root,
  'rsEncode, 10 + 4 of 1 MiB': (core) => parity(core, SOURCE_BYTES),
  'rsEncode, 10 + 4 in the cache': (core) => parity(core, STRIPE_BYTES),
  'rsReconstruct, 4 of 10 + 4': repair,
  'sketchUpdate, 16,384 symbols': additions,
  'sketchDecode, 10,000 differences': differences,
}

const core: Suite = async (compare) => {
  for (const backend of ['native', 'wasm'] as const) {
    const candidate = await loadCore(backend)
    for (const [name, open] of Object.entries(CONTESTS)) {
      await compare({ name: `${backend} ${name}`, features: candidate.features(), open: () => open(candidate) })
    }
  }
}
export default core

function chunkIds(candidate: Core): Contest {
  const buffer = noise(candidate, CHUNKS * CHUNK_BYTES)
  const chunks = piecesOf(buffer, CHUNK_BYTES)
  const ranges = Uint32Array.from({ length: 2 * CHUNKS }, (_, i) => (i % 2 ? CHUNK_BYTES : (i / 2) * CHUNK_BYTES))
  const out = new Uint8Array(CHUNKS * DIGEST_BYTES)
  const byCore = () => candidate.sha256Many(buffer, ranges, out)
  const byNode = () => chunks.map((chunk) => hash('sha256', chunk, 'buffer'))
  byCore()
  mustEqual(candidate, out, Buffer.concat(byNode()))
  return { amount: buffer.length / MiB, candidate: byCore, baseline: byNode }
}

function wholeDigest(candidate: Core): Contest {
  const buffer = noise(candidate, CHUNKS * CHUNK_BYTES)
  const pieces = piecesOf(buffer, CHUNK_BYTES)
  const state = new Uint8Array(SHA256_STATE_BYTES)
  const byCore = () => {
    state.fill(0)
    for (let at = 0; at < buffer.length; at += CHUNK_BYTES) {
      candidate.sha256Update(state, buffer, at, CHUNK_BYTES, at + CHUNK_BYTES === buffer.length)
    }
  }
  const byNode = () => {
    const sha256 = createHash('sha256')
    for (const piece of pieces) sha256.update(piece)
    return sha256.digest()
  }
  byCore()
  mustEqual(candidate, state.subarray(0, DIGEST_BYTES), byNode())
  return { amount: buffer.length / MiB, candidate: byCore, baseline: byNode }
}

function contentCuts(candidate: Core): Contest {
  const buffer = noise(candidate, CHUNKS * CHUNK_BYTES)
  const cuts = new Uint32Array(buffer.length / SHORTEST)
  const byCore = () => candidate.chunk(buffer, 0, buffer.length, PROFILE_CONTENT_16K, true, cuts)
  // The first MiB is enough to compare: a cut depends on nothing before its chunk.
  const expected = new Uint32Array(cuts.length)
  new ReferenceCore().chunk(buffer, 0, MiB + LONGEST, PROFILE_CONTENT_16K, false, expected)
  const found = byCore()
  const firstOf = (all: Uint32Array) => all.filter((cut) => cut > 0 && cut <= MiB)
  mustEqual(candidate, bytesOf(firstOf(cuts)), bytesOf(firstOf(expected)))
  if (cuts[found - 1] !== buffer.length) throw new Error(`${candidate.backend}: the last cut is not the end`)
  const byNode = () => hash('sha256', buffer, 'buffer')
  return { amount: buffer.length / MiB, candidate: byCore, baseline: byNode }
}

function root(candidate: Core): Contest {
  const ids = noise(candidate, LEAVES * DIGEST_BYTES)
  const lengths = chunkLengths(LEAVES * CHUNK_BYTES)
  const rootBy = (core: Kernels) => {
    const out = new Uint8Array(DIGEST_BYTES)
    core.merkleRoot(ids, lengths, PROFILE_FIXED_64K, out)
    return out
  }
  mustEqual(candidate, rootBy(candidate), rootBy(new ReferenceCore()))
  return calibrated(2 * LEAVES - 1, 'node', () => rootBy(candidate))
}

/** @param sourceBytes - what the stripes are taken from, one after the other */
function parity(candidate: Core, sourceBytes: number): Contest {
  const stripes = piecesOf(noise(candidate, sourceBytes), STRIPE_BYTES)
  const shards = space(candidate, PARITY_SHARDS * SHARD_BYTES)
  const encode = (core: Kernels, stripe: Uint8Array) =>
    core.rsEncode(DATA_SHARDS, PARITY_SHARDS, SHARD_BYTES, stripe, shards)
  const [first = shards] = stripes
  encode(candidate, first)
  const found = shards.slice()
  encode(new ReferenceCore(), first)
  mustEqual(candidate, found, shards)
  return {
    amount: (stripes.length * STRIPE_BYTES) / MiB,
    candidate: () => {
      for (const stripe of stripes) encode(candidate, stripe)
    },
    baseline: candidate instanceof WasmCore ? memoryCopier(stripes) : copier(stripes),
  }
}

/** One stripe, which stays in the cache: memory would hide what the kernels cost. */
function repair(candidate: Core): Contest {
  const all = DATA_SHARDS + PARITY_SHARDS
  const stripe = noise(candidate, all * SHARD_BYTES)
  const [data, rest] = [stripe.subarray(0, STRIPE_BYTES), stripe.subarray(STRIPE_BYTES)]
  // As many rows to compute as encoding has: four data shards are gone.
  const present = Uint8Array.from({ length: all }, (_, i) => Number(i >= PARITY_SHARDS))
  const want = present.map((there) => 1 - there)
  const encode = () => candidate.rsEncode(DATA_SHARDS, PARITY_SHARDS, SHARD_BYTES, data, rest)
  const rebuild = () => candidate.rsReconstruct(DATA_SHARDS, PARITY_SHARDS, SHARD_BYTES, stripe, present, want)
  encode()
  const expected = stripe.slice()
  stripe.fill(0, 0, PARITY_SHARDS * SHARD_BYTES)
  rebuild()
  mustEqual(candidate, stripe, expected)
  return { amount: STRIPE_BYTES / MiB, candidate: rebuild, baseline: encode }
}

function additions(candidate: Core): Contest {
  const ids = idsFrom(noise(candidate, 8 * ADDED))
  const sketchBy = (core: Kernels) => {
    const sketch = space(candidate, SYMBOLS * SYMBOL_BYTES)
    core.sketchUpdate(sketch, SYMBOLS, ids, 1)
    return sketch
  }
  const sketch = sketchBy(candidate)
  mustEqual(candidate, sketch, sketchBy(new ReferenceCore()))
  return calibrated(ADDED, 'id', () => candidate.sketchUpdate(sketch, SYMBOLS, ids, 1))
}

function differences(candidate: Core): Contest {
  const ids = idsFrom(noise(candidate, 8 * DIFFERENCES))
  const difference = new Uint8Array(SYMBOLS * SYMBOL_BYTES)
  candidate.sketchUpdate(difference, SYMBOLS, ids.subarray(0, DIFFERENCES / 2), 1)
  candidate.sketchUpdate(difference, SYMBOLS, ids.subarray(DIFFERENCES / 2), -1)
  const diff = space(candidate, difference.length)
  const [outIds, outSigns] = [new BigUint64Array(SYMBOLS), new Int8Array(SYMBOLS)]
  const decode = () => {
    diff.set(difference)
    return candidate.sketchDecode(diff, SYMBOLS, outIds, outSigns)
  }
  const found = new Map(Array.from({ length: decode() }, (_, i) => [outIds[i], outSigns[i]]))
  const right = ids.every((id, i) => found.get(id) === (i < DIFFERENCES / 2 ? 1 : -1))
  if (!right || found.size !== DIFFERENCES) throw new Error(`${candidate.backend}: wrong differences`)
  return calibrated(DIFFERENCES, 'difference', decode)
}

/** So many items against as many calibrated microseconds; the ratio is items per one of them. */
function calibrated(items: number, item: string, candidate: () => unknown): Contest {
  const note = ({ value, ratio }: Figures, least: number | null) => {
    const budget = least === null ? '' : `, the budget is ${(1 / least).toFixed(2)}`
    return `${(1e6 / value).toFixed(3)} µs per ${item} here, ${(1 / ratio).toFixed(3)} on a core at 3 GHz${budget}`
  }
  return { amount: items, candidate, baseline: () => spendMicros(items), note }
}

/** Where the workers have their bytes: inside the memory of a WebAssembly core, anywhere for a native one. */
function space(candidate: Core, bytes: number): Uint8Array<ArrayBuffer> {
  return candidate instanceof WasmCore ? candidate.arena(bytes) : new Uint8Array(bytes)
}

/** Bytes without a pattern, the same in every run. */
function noise(candidate: Core, bytes: number): Uint8Array<ArrayBuffer> {
  const filled = space(candidate, bytes)
  const words = new Uint32Array(filled.buffer, filled.byteOffset, bytes / 4)
  let state = 0x2545f491
  for (let i = 0; i < words.length; i++) {
    // xorshift32 (Marsaglia 2003)
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return filled
}

function idsFrom({ buffer, byteOffset, length }: Uint8Array<ArrayBuffer>): BigUint64Array<ArrayBuffer> {
  return new BigUint64Array(buffer, byteOffset, length / 8)
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

function mustEqual({ backend }: Core, found: Uint8Array, expected: Uint8Array): void {
  if (!equalBytes(found, expected)) throw new Error(`${backend}: wrong answer`)
}
