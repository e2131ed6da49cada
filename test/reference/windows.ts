// 64 bytes at whose end a chunk may end: for tests that put a cut where they want one.
import { rolled } from './gear.ts'
import { splitmixBytes } from './splitmix.ts'

/** In a run of this byte content never ends a chunk. */
export const QUIET_BYTE = 0

/** The first 64 bytes of certain data whose gear hash begins with so many zero bits and no more; at most 18. */
export function windowWith(zeros: number): Uint8Array {
  const data = splitmixBytes(3n, 2 ** 19)
  let hash = 0n
  for (let end = 1; end <= data.length; end++) {
    hash = rolled(hash, data[end - 1] as number)
    if (end >= 64 && 64 - hash.toString(2).length === zeros) return data.subarray(end - 64, end)
  }
  throw new RangeError(`no window with ${zeros} zeros`)
}
