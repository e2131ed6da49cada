// The data of a vector, told in a few words rather than stored.
import { splitmixBytes } from './splitmix.ts'

/** Bytes of splitmix64 from a seed, one byte over and over, or the bytes themselves in hexadecimal. */
export type Part = { seed: number; length: number } | { byte: number; length: number } | { hex: string }

export function bytesOf(parts: readonly Part[]): Uint8Array {
  return Buffer.concat(
    parts.map((part) => {
      if ('hex' in part) return Buffer.from(part.hex, 'hex')
      if ('seed' in part) return splitmixBytes(BigInt(part.seed), part.length)
      return Buffer.alloc(part.length, part.byte)
    }),
  )
}
