// Where content says that a chunk ends.
import { PROFILE_CONTENT_16K, PROFILE_CONTENT_64K } from '../../src/core/surface.ts'
import { splitmix64, u64 } from './splitmix.ts'

const WINDOW_BYTES = 64
/** "Catalog1" in ASCII. */
const SEED = 0x436174616c6f6731n
const outputs = splitmix64(SEED)
/** What each byte adds to the hash. */
const GEAR = BigUint64Array.from({ length: 256 }, () => outputs.next().value)

/** Sizes of a profile's chunks, in bytes. */
export interface ChunkSizes {
  min: number
  avg: number
  max: number
}

/** @returns undefined when content does not decide in that profile */
export function chunkSizes(profile: number): ChunkSizes | undefined {
  const avg = { [PROFILE_CONTENT_16K]: 16_384, [PROFILE_CONTENT_64K]: 65_536 }[profile]
  return avg === undefined ? undefined : { min: avg / 4, avg, max: avg * 4 }
}

/** The definition: Σ G(bⱼ) << (63 − j) modulo 2⁶⁴ over the 64 bytes. */
export function gearHash(window: Uint8Array): bigint {
  const shifted = Array.from(window, (byte, j) => (GEAR[byte] as bigint) << BigInt(WINDOW_BYTES - 1 - j))
  return u64(shifted.reduce((sum, term) => sum + term, 0n))
}

/**
 * The hash one byte further. Gone through from anywhere 64 bytes back or more, it is that of the last 64: what came
 * before has been shifted out.
 */
export function rolled(hash: bigint, byte: number): bigint {
  return BigInt.asUintN(64, (hash << 1n) + (GEAR[byte] as bigint))
}

/**
 * Length of the chunk that `bytes` begin with.
 *
 * @param final - whether the data ends with `bytes`
 * @returns 0 when more data is needed to tell, or there is none
 */
export function chunkLength(bytes: Uint8Array, { min, avg, max }: ChunkSizes, final: boolean): number {
  const meanBits = Math.log2(avg)
  let hash = 0n
  for (let length = min - WINDOW_BYTES + 1; length <= bytes.length; length++) {
    hash = rolled(hash, bytes[length - 1] as number)
    if (length < min) continue
    const zeros = length <= avg ? meanBits + 2 : meanBits - 2
    if (length === max || hash >> BigInt(64 - zeros) === 0n) return length
  }
  return final ? bytes.length : 0
}

/** The ends of the chunks, at most `room` of them. */
export function cutsOf(bytes: Uint8Array, sizes: ChunkSizes, final: boolean, room: number): number[] {
  const cuts: number[] = []
  for (let start = 0; cuts.length < room; ) {
    const length = chunkLength(bytes.subarray(start, start + sizes.max), sizes, final)
    if (length === 0) break
    start += length
    cuts.push(start)
  }
  return cuts
}
