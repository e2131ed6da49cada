// Mirrored blobs that may go when room is needed, in the order in which they go: what was not read for longest first.
// Kept in step by whoever changes what is known of a blob (blob-index.ts), inside the same transaction.
import { concatBytes } from '../base/bytes.ts'
import type { Environment } from './environment.ts'

const TIME_BYTES = 8
/** In `meta`: the sum of sizes over all rows. */
const SUM = 'idleBytes'

/** A blob that this node did not publish, and that the user does not keep. */
export interface Idle {
  readonly root: Uint8Array
  /** Above 0: what takes no room makes none. */
  readonly size: number
  /** When it was last read, or else came; as written down in the database. */
  readonly since: number
}

export class IdleOrder {
  readonly #environment: Environment

  constructor({ environment }: { environment: Environment }) {
    this.#environment = environment
  }

  /** Bytes of all of them. */
  bytes(): number {
    return this.#environment.meta.get(SUM) ?? 0
  }

  /** The first of them. @param until - no more than was last read by then */
  first(limit: number, until = Number.MAX_SAFE_INTEGER): Idle[] {
    return [...this.#environment.idle.getRange({ limit, end: timeKey(until + 1) })].map(decoded)
  }

  /** Bytes of those that were read later, by the clock of that time: they are few, or none. */
  bytesAfter(time: number): number {
    let bytes = 0
    for (const { value } of this.#environment.idle.getRange({ start: timeKey(time + 1) })) bytes += value
    return bytes
  }

  has(idle: Idle): boolean {
    return this.#environment.idle.get(keyOf(idle)) === idle.size
  }

  /** A blob that was one of them as `before` says, or was none, is one as `after` says, or is none any more. */
  change(before: Idle | undefined, after: Idle | undefined): void {
    if (before?.since === after?.since && before?.size === after?.size) return
    const { idle, meta } = this.#environment
    if (before) idle.remove(keyOf(before))
    if (after) idle.put(keyOf(after), after.size)
    meta.put(SUM, this.bytes() + (after?.size ?? 0) - (before?.size ?? 0))
  }

  clear(): void {
    const { idle, meta } = this.#environment
    for (const key of [...idle.getKeys({})]) idle.remove(key)
    meta.put(SUM, 0)
  }
}

function keyOf({ since, root }: Idle): Uint8Array {
  return concatBytes(timeKey(since), root)
}

function timeKey(time: number): Buffer {
  const key = Buffer.alloc(TIME_BYTES)
  key.writeBigUInt64BE(BigInt(Math.max(0, Math.floor(time))))
  return key
}

function decoded({ key, value }: { key: Uint8Array; value: number }): Idle {
  const bytes = Buffer.from(key)
  return { since: Number(bytes.readBigUInt64BE()), root: new Uint8Array(bytes.subarray(TIME_BYTES)), size: value }
}
