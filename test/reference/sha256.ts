// SHA-256 as FIPS 180-4 writes it, one word at a time, and the state in which it waits for the next piece.
import { CatalogError } from '../../src/base/errors.ts'
import { SHA256_STATE_BYTES } from '../../src/core/surface.ts'

const BLOCK_BYTES = 64
const FRESH = 0
const BEGUN = 1
const FINISHED = 2

/** The first 64 primes. */
const PRIMES = Array.from({ length: 312 }, (_, n) => n).filter((n) => n > 1 && !hasDivisor(n))
/** §5.3.3: the first 32 bits of the fractional parts of the square roots of the first 8 primes. */
const INITIAL = PRIMES.slice(0, 8).map((prime) => Number(BigInt.asUintN(32, root(BigInt(prime) << 64n, 2n))))
/** §4.2.2: the same of the cube roots of the first 64. */
const K = PRIMES.map((prime) => Number(BigInt.asUintN(32, root(BigInt(prime) << 96n, 3n))))

function hasDivisor(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return true
  return false
}

/** The largest integer whose power is at most `n`. */
function root(n: bigint, power: bigint): bigint {
  let found = 0n
  for (let bit = 1n << 63n; bit > 0n; bit >>= 1n) if ((found + bit) ** power <= n) found += bit
  return found
}

const rotated = (x: number, bits: number): number => (x >>> bits) | (x << (32 - bits))

/** §6.2.2: the chaining words after one more block. */
function compress(words: readonly number[], block: Uint8Array): number[] {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength)
  const w = Array.from({ length: 16 }, (_, t) => view.getUint32(4 * t))
  for (let t = 16; t < 64; t++) {
    const [w2, w7, w15, w16] = [w[t - 2], w[t - 7], w[t - 15], w[t - 16]] as [number, number, number, number]
    const s0 = rotated(w15, 7) ^ rotated(w15, 18) ^ (w15 >>> 3)
    const s1 = rotated(w2, 17) ^ rotated(w2, 19) ^ (w2 >>> 10)
    w.push((s1 + w7 + s0 + w16) >>> 0)
  }
  type Eight = [number, number, number, number, number, number, number, number]
  let [a, b, c, d, e, f, g, h] = words as Eight
  for (let t = 0; t < 64; t++) {
    const s1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)
    const t1 = h + s1 + ((e & f) ^ (~e & g)) + (K[t] as number) + (w[t] as number)
    const s0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)
    const t2 = s0 + ((a & b) ^ (a & c) ^ (b & c))
    ;[a, b, c, d, e, f, g, h] = [(t1 + t2) >>> 0, a, b, c, (d + t1) >>> 0, e, f, g]
  }
  return [a, b, c, d, e, f, g, h].map((word, i) => (word + (words[i] as number)) >>> 0)
}

/** A state, taken apart. */
export interface Sha256State {
  /** Eight of them. */
  words: number[]
  /** Length of the message so far. */
  bytes: bigint
  /** What has come and fills no block yet. */
  pending: Uint8Array
  phase: number
}

/**
 * What the 112 bytes say.
 *
 * @throws CatalogError `CORE_RANGE` when no call can have left them so
 */
export function readState(state: Uint8Array): Sha256State {
  const view = new DataView(state.buffer, state.byteOffset, SHA256_STATE_BYTES)
  const phase = view.getUint32(104, true)
  if (phase === FRESH && state.every((byte) => byte === 0)) {
    return { words: [...INITIAL], bytes: 0n, pending: new Uint8Array(0), phase }
  }
  if ((phase !== BEGUN && phase !== FINISHED) || view.getUint32(108, true) !== 0) {
    throw new CatalogError('CORE_RANGE', 'the state is not one that sha256Update leaves')
  }
  const words = Array.from({ length: 8 }, (_, i) => view.getUint32(4 * i, true))
  const bytes = view.getBigUint64(32, true)
  return { words, bytes, pending: state.slice(40, 40 + Number(bytes % BigInt(BLOCK_BYTES))), phase }
}

function writeState(state: Uint8Array, { words, bytes, pending, phase }: Sha256State): void {
  const view = new DataView(state.buffer, state.byteOffset, SHA256_STATE_BYTES)
  state.fill(0)
  // Words are numbers, hence little-endian; the digest is a string of bytes and has its own order (§3.1).
  words.forEach((word, i) => {
    view.setUint32(4 * i, word, phase !== FINISHED)
  })
  view.setBigUint64(32, bytes, true)
  state.set(pending, 40)
  view.setUint32(104, phase, true)
}

/** The message goes on with `piece`, and ends with it when it is the last. */
export function update(state: Uint8Array, piece: Uint8Array, final: boolean): void {
  const { words, bytes, pending, phase } = readState(state)
  if (phase === FINISHED) throw new CatalogError('CORE_RANGE', 'the state is finished')
  const total = bytes + BigInt(piece.length)
  const rest = Buffer.concat([pending, piece, ...(final ? [padding(total)] : [])])
  let at = 0
  let chained = words
  for (; at + BLOCK_BYTES <= rest.length; at += BLOCK_BYTES) {
    chained = compress(chained, rest.subarray(at, at + BLOCK_BYTES))
  }
  writeState(state, { words: chained, bytes: total, pending: rest.subarray(at), phase: final ? FINISHED : BEGUN })
}

/** §5.1.1: a one bit, zeros, and the length in bits, up to the end of a block. */
function padding(bytes: bigint): Uint8Array {
  const zeros = (2 * BLOCK_BYTES - 9 - Number(bytes % BigInt(BLOCK_BYTES))) % BLOCK_BYTES
  const padded = Buffer.alloc(1 + zeros + 8)
  padded[0] = 0x80
  padded.writeBigUInt64BE(8n * bytes, 1 + zeros)
  return padded
}
