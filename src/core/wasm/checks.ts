// What the surface asks of its arguments, looked at before anything is copied or computed.
import { CatalogError } from '../../base/errors.ts'
import { CHUNK_BYTES } from '../../base/limits.ts'
import { KiB } from '../../base/units.ts'
import {
  DIGEST_BYTES,
  MERKLE_NODE_BYTES,
  PROFILE_CONTENT_16K,
  PROFILE_CONTENT_64K,
  SHA256_STATE_BYTES,
  SHARDS_MAX,
  SYMBOL_BYTES,
} from '../surface.ts'

const U32_MAX = 2 ** 32 - 1
/** 2²⁶ ids and their scratch are 4.7 GiB: more than a 32-bit memory holds, and 64 times the largest blob. */
const LEAVES_MAX = 2 ** 26 - 1

/** @returns how many ranges there are */
export function checkRanges(buffer: Uint8Array, ranges: Uint32Array, out: Uint8Array): number {
  checkLength('ranges', ranges.length, Math.ceil(ranges.length / 2) * 2)
  const count = ranges.length / 2
  checkLength('out', out.length, count * DIGEST_BYTES)
  for (let i = 0; i < count; i++) {
    const from = ranges[2 * i] ?? 0
    const end = from + (ranges[2 * i + 1] ?? 0)
    if (end <= buffer.length) continue
    throw new CatalogError('CORE_RANGE', `range ${i} covers bytes ${from} to ${end} of a buffer of ${buffer.length}`)
  }
  return count
}

export function checkState(state: Uint8Array): void {
  checkLength('state', state.length, SHA256_STATE_BYTES)
}

export function checkPiece(buffer: Uint8Array, offset: number, length: number): void {
  checkInteger('offset', offset, 0, buffer.length)
  checkInteger('length', length, 0, buffer.length - offset)
}

export function checkCuts(length: number, profile: number, cuts: Uint32Array): void {
  if (cuts.length === 0) throw new CatalogError('CORE_LENGTH', 'cuts has no room')
  checkInteger('length', length, 0, U32_MAX)
  checkInteger('profile', profile, PROFILE_CONTENT_16K, PROFILE_CONTENT_64K)
}

export function checkLeaves(
  ids: Uint8Array,
  lengths: Uint32Array,
  profile: number,
  out: Uint8Array,
  nodes?: Uint8Array,
): void {
  checkLength('ids', ids.length, lengths.length * DIGEST_BYTES)
  checkLength('out', out.length, DIGEST_BYTES)
  if (nodes) checkLength('nodes', nodes.length, Math.max(0, 2 * lengths.length - 1) * MERKLE_NODE_BYTES)
  checkInteger('profile', profile, 0, 255)
  if (lengths.length > LEAVES_MAX) {
    throw new CatalogError('CORE_RANGE', `${lengths.length} chunks do not fit the memory of the WebAssembly core`)
  }
}

/** What is wrong with lengths that the module refuses. */
export function badLength(lengths: Uint32Array, profile: number): CatalogError {
  const largest = profile === PROFILE_CONTENT_64K ? 256 * KiB : CHUNK_BYTES
  const index = lengths.findIndex((length) => length === 0 || length > largest)
  return new CatalogError('CORE_RANGE', `chunk ${index} is ${lengths[index]} bytes long, allowed are 1 to ${largest}`)
}

export function checkClaim(
  root: Uint8Array,
  profile: number,
  total: number,
  count: number,
  index: number,
  id: Uint8Array,
  length: number,
): void {
  checkLength('root', root.length, DIGEST_BYTES)
  checkLength('id', id.length, DIGEST_BYTES)
  checkInteger('profile', profile, 0, 255)
  checkInteger('total', total, 0, Number.MAX_SAFE_INTEGER)
  checkInteger('count', count, 0, U32_MAX)
  checkInteger('index', index, 0, U32_MAX)
  checkInteger('length', length, 0, U32_MAX)
}

export function checkStripe(k: number, m: number, shardBytes: number): void {
  checkInteger('k', k, 1, SHARDS_MAX - 1)
  checkInteger('m', m, 1, SHARDS_MAX - k)
  checkInteger('shardBytes', shardBytes, 1, Number.MAX_SAFE_INTEGER)
}

export function checkSketch(what: string, sketch: Uint8Array, symbols: number): void {
  checkInteger('symbols', symbols, 1, U32_MAX)
  checkLength(what, sketch.length, symbols * SYMBOL_BYTES)
}

export function checkLength(what: string, actual: number, expected: number): void {
  if (actual === expected) return
  throw new CatalogError('CORE_LENGTH', `${what} holds ${actual} elements, expected ${expected}`)
}

export function checkInteger(what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new CatalogError('CORE_RANGE', `${what} is ${value}, allowed are integers from ${least} to ${most}`)
}
