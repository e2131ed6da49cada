// The core once more, to be read rather than run: each function as its definition in `src/core/surface.ts` says, with
// the plainest arithmetic that gives the right answer. The suite in `test/conformance` holds the real cores to it.
import { hash } from 'node:crypto'
import { CatalogError } from '../../src/base/errors.ts'
import {
  CORE_ABI,
  type Core,
  DIGEST_BYTES,
  MERKLE_NODE_BYTES,
  NEED_MORE,
  SHA256_STATE_BYTES,
  SHARDS_MAX,
  SYMBOL_BYTES,
} from '../../src/core/surface.ts'
import { parityOf, rebuilt } from './erasure.ts'
import { chunkSizes, cutsOf } from './gear.ts'
import * as merkle from './merkle.ts'
import { update } from './sha256.ts'
import * as sketches from './sketch.ts'

const U8_MAX = 2 ** 8 - 1
const U32_MAX = 2 ** 32 - 1

/** What the suite needs of a core: the functions. */
export type Kernels = Omit<Core, 'backend'>

export class ReferenceCore implements Kernels {
  abi(): number {
    return CORE_ABI
  }

  features(): readonly string[] {
    return ['core:reference']
  }

  sha256Many(buffer: Uint8Array, ranges: Uint32Array, out: Uint8Array): number {
    checkLength('ranges', ranges.length, Math.ceil(ranges.length / 2) * 2)
    const count = ranges.length / 2
    checkLength('out', out.length, count * DIGEST_BYTES)
    const pieces = Array.from({ length: count }, (_, i) => {
      return piece(buffer, ranges[2 * i] as number, ranges[2 * i + 1] as number)
    })
    pieces.forEach((bytes, i) => {
      out.set(hash('sha256', bytes, 'buffer'), i * DIGEST_BYTES)
    })
    return count
  }

  sha256Update(state: Uint8Array, buffer: Uint8Array, offset: number, length: number, final: boolean): number {
    checkLength('state', state.length, SHA256_STATE_BYTES)
    update(state, piece(buffer, offset, length), final)
    return final ? DIGEST_BYTES : 0
  }

  chunk(
    buffer: Uint8Array,
    offset: number,
    length: number,
    profile: number,
    final: boolean,
    cuts: Uint32Array,
  ): number {
    const sizes = chunkSizes(profile)
    if (sizes === undefined) throw outOfRange(`profile ${profile} does not cut by content`)
    if (cuts.length === 0) throw new CatalogError('CORE_LENGTH', 'there is no room for a cut')
    const found = cutsOf(piece(buffer, offset, length), sizes, final, cuts.length)
    cuts.set(found)
    return found.length
  }

  merkleRoot(ids: Uint8Array, lengths: Uint32Array, profile: number, out: Uint8Array, nodes?: Uint8Array): number {
    const count = lengths.length
    checkLength('ids', ids.length, count * DIGEST_BYTES)
    checkLength('out', out.length, DIGEST_BYTES)
    if (nodes) checkLength('nodes', nodes.length, Math.max(2 * count - 1, 0) * MERKLE_NODE_BYTES)
    checkInteger('profile', profile, 0, U8_MAX)
    for (const length of lengths) checkInteger('a length', length, 1, merkle.chunkBytesMax(profile))
    const leaves = merkle.leavesOf(ids, lengths)
    const nothing = { bytes: 0n, hash: hash('sha256', '', 'buffer') }
    const top = count === 0 ? nothing : merkle.topOf(leaves)
    out.set(merkle.rootOf(profile, top.bytes, count, top.hash))
    nodes?.set(merkle.toBytes(merkle.levelsOf(leaves)))
    return 1
  }

  merkleVerify(
    root: Uint8Array,
    profile: number,
    total: number,
    count: number,
    index: number,
    id: Uint8Array,
    length: number,
    proof: Uint8Array,
  ): boolean {
    checkLength('root', root.length, DIGEST_BYTES)
    checkLength('id', id.length, DIGEST_BYTES)
    checkInteger('profile', profile, 0, U8_MAX)
    checkInteger('total', total, 0, Number.MAX_SAFE_INTEGER)
    for (const value of [count, index, length]) checkInteger('count, index or length', value, 0, U32_MAX)
    const steps = merkle.fromBytes(proof)
    if (steps === undefined || index >= count || length < 1 || length > merkle.chunkBytesMax(profile)) return false
    const top = merkle.climb(merkle.leaf(id, length), index, count, steps)
    if (top?.bytes !== BigInt(total)) return false
    return Buffer.compare(merkle.rootOf(profile, total, count, top.hash), root) === 0
  }

  rsEncode(k: number, m: number, shardBytes: number, data: Uint8Array, parity: Uint8Array): number {
    checkStripe(k, m, shardBytes)
    checkLength('data', data.length, k * shardBytes)
    checkLength('parity', parity.length, m * shardBytes)
    parityOf(shardsOf(data, shardBytes), m, shardBytes).forEach((shard, j) => {
      parity.set(shard, j * shardBytes)
    })
    return m
  }

  rsReconstruct(
    k: number,
    m: number,
    shardBytes: number,
    shards: Uint8Array,
    present: Uint8Array,
    want: Uint8Array,
  ): number {
    checkStripe(k, m, shardBytes)
    checkLength('shards', shards.length, (k + m) * shardBytes)
    checkLength('present', present.length, k + m)
    checkLength('want', want.length, k + m)
    const all = [...shardsOf(shards, shardBytes).entries()]
    const known = all.filter(([i]) => present[i] !== 0)
    const wanted = all.map(([i]) => i).filter((i) => present[i] === 0 && want[i] !== 0)
    if (wanted.length === 0) return 0
    if (known.length < k) throw outOfRange(`${known.length} shards are present, ${k} are needed`)
    rebuilt(k, shardBytes, new Map(known.slice(0, k)), wanted).forEach((shard, i) => {
      shards.set(shard, (wanted[i] as number) * shardBytes)
    })
    return wanted.length
  }

  sketchUpdate(sketch: Uint8Array, symbols: number, ids: BigUint64Array, sign: 1 | -1): number {
    checkInteger('symbols', symbols, 1, U32_MAX)
    checkLength('sketch', sketch.length, symbols * SYMBOL_BYTES)
    if (sign !== 1 && sign !== -1) throw outOfRange(`the sign is ${sign}`)
    const parsed = sketches.fromBytes(sketch)
    for (const id of ids) sketches.toggle(parsed, { id, sign })
    sketches.toBytes(parsed, sketch)
    return ids.length
  }

  sketchDecode(diff: Uint8Array, symbols: number, outIds: BigUint64Array, outSigns: Int8Array): number {
    checkInteger('symbols', symbols, 1, U32_MAX)
    checkLength('diff', diff.length, symbols * SYMBOL_BYTES)
    checkLength('outSigns', outSigns.length, outIds.length)
    const found = sketches.decode(sketches.fromBytes(diff))
    if (found === undefined || found.length > outIds.length) return NEED_MORE
    outIds.set(found.map(({ id }) => id))
    outSigns.set(found.map(({ sign }) => sign))
    return found.length
  }
}

function outOfRange(message: string): CatalogError {
  return new CatalogError('CORE_RANGE', message)
}

function checkLength(what: string, actual: number, expected: number): void {
  if (actual !== expected) throw new CatalogError('CORE_LENGTH', `${what} has ${actual} elements, not ${expected}`)
}

function checkInteger(what: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return
  throw outOfRange(`${what} is ${value}, allowed are ${min} to ${max}`)
}

function checkStripe(k: number, m: number, shardBytes: number): void {
  checkInteger('k', k, 1, SHARDS_MAX - 1)
  checkInteger('m', m, 1, SHARDS_MAX - k)
  checkInteger('shardBytes', shardBytes, 1, Number.MAX_SAFE_INTEGER)
}

/** A copy of part of a buffer, which may be shared memory. */
function piece(buffer: Uint8Array, offset: number, length: number): Uint8Array {
  checkInteger('offset', offset, 0, buffer.length)
  checkInteger('length', length, 0, buffer.length - offset)
  return Uint8Array.from(buffer.subarray(offset, offset + length))
}

function shardsOf(bytes: Uint8Array, shardBytes: number): Uint8Array[] {
  return Array.from({ length: bytes.length / shardBytes }, (_, i) => {
    return bytes.slice(i * shardBytes, (i + 1) * shardBytes)
  })
}
