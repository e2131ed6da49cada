// Sketches of large shelves, kept beside their tries: what two nodes compare to tell which records only one of them
// has. A sketch is a cache as of a change of the feed, and caught up from there: in memory for shelves in use, written
// down now and then, so that a start does not put in all records anew.
import { LRUCache } from 'lru-cache'
import { toHex } from '../base/bytes.ts'
import { tellFailure } from '../base/failure.ts'
import { SYNC_SKETCHES_HELD_MAX, SYNC_SYMBOLS_MAX } from '../base/sync-limits.ts'
import { type Core, SYMBOL_BYTES } from '../core/surface.ts'
import type { Environment } from './environment.ts'
import type { Records } from './records.ts'
import { shelfKey } from './trie-rows.ts'

interface Components {
  environment: Environment
  records: Records
  core: Core
}

interface Held {
  readonly symbols: Uint8Array
  /** The last change that is in it. */
  sequence: number
  /** The last one that was in it when it was written down. */
  written: number
}

/** Where the symbols begin in a row: behind u64be of the last change that is in them. */
const SYMBOLS_AT = 8
/** Changes after which it is written down again. */
const CHECKPOINT_CHANGES = 1_000
/** Changes read from the feed in one go. */
const CHANGES_PER_READ = 1_000

export class Sketches {
  readonly #components: Components
  readonly #held = new LRUCache<string, Held>({ max: SYNC_SKETCHES_HELD_MAX })

  constructor(components: Components) {
    this.#components = components
  }

  /** All symbols of a shelf as it is now; not to be changed, and to be used before anything else is awaited. */
  of(audience: string, signer: string): Uint8Array {
    const { records, core } = this.#components
    const key = shelfKey(audience, signer)
    const last = records.lastSequence()
    let held = this.#held.get(toHex(key)) ?? this.#written(key)
    // To put in all records anew takes no longer than to look through many times as many changes.
    if (!held || held.sequence > last || last - held.sequence > records.shelves.get(audience, signer).count) {
      const symbols = sketchOf(core, records.shelves.ids(audience, signer), SYNC_SYMBOLS_MAX)
      held = { symbols, sequence: last, written: Number.NEGATIVE_INFINITY }
    }
    this.#held.set(toHex(key), held)
    this.#catchUp(held, audience, signer)
    if (held.sequence - held.written >= CHECKPOINT_CHANGES) this.#write(key, held)
    return held.symbols
  }

  #written(key: Uint8Array): Held | undefined {
    const row = this.#components.environment.sketches.get(key)
    if (row?.length !== SYMBOLS_AT + SYNC_SYMBOLS_MAX * SYMBOL_BYTES) return undefined
    const sequence = Number(new DataView(row.buffer, row.byteOffset).getBigUint64(0))
    return { symbols: new Uint8Array(row.subarray(SYMBOLS_AT)), sequence, written: sequence }
  }

  #write(key: Uint8Array, held: Held): void {
    const row = Buffer.alloc(SYMBOLS_AT + held.symbols.length)
    row.writeBigUInt64BE(BigInt(held.sequence))
    row.set(held.symbols, SYMBOLS_AT)
    held.written = held.sequence
    const { environment } = this.#components
    environment
      .transaction(() => environment.sketches.put(key, row), row.length)
      .catch((thrown) => tellFailure('write down a sketch', thrown, 'CLOSED', 'DISK_FULL'))
  }

  #catchUp(held: Held, audience: string, signer: string): void {
    const { records, core } = this.#components
    for (;;) {
      const changes = records.changesAfter(held.sequence, CHANGES_PER_READ)
      const own = changes.filter((change) => change.audience === audience && change.signer === signer)
      for (const [op, sign] of [['add', 1] as const, ['remove', -1] as const]) {
        const ids = own.filter((change) => change.op === op).map(({ id }) => id)
        if (ids.length > 0) core.sketchUpdate(held.symbols, SYNC_SYMBOLS_MAX, shortIds(ids), sign)
      }
      held.sequence = changes.at(-1)?.sequence ?? held.sequence
      if (changes.length < CHANGES_PER_READ) return
    }
  }
}

/** A sketch of a set of record ids. */
export function sketchOf(core: Core, ids: readonly Uint8Array[], symbols: number): Uint8Array {
  const sketch = new Uint8Array(symbols * SYMBOL_BYTES)
  core.sketchUpdate(sketch, symbols, shortIds(ids), 1)
  return sketch
}

/** The first eight bytes of each id, as the number that a sketch knows it by. */
export function shortIds(ids: readonly Uint8Array[]): BigUint64Array {
  const bytes = new Uint8Array(ids.length * 8)
  for (const [index, id] of ids.entries()) bytes.set(id.subarray(0, 8), index * 8)
  return new BigUint64Array(bytes.buffer)
}
