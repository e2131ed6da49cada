// A shelf of as many ids as one likes, in a database of its own: ids are put straight into its trie and its sketch, as
// nobody signs a million records for a figure of how two such shelves are compared.
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sha256 } from '../../src/base/bytes.ts'
import { directEffects } from '../../src/base/effects.ts'
import { SYNC_SYMBOLS_MAX } from '../../src/base/sync-limits.ts'
import { type Core, SYMBOL_BYTES } from '../../src/core/surface.ts'
import type { TrieNode } from '../../src/model/trie.ts'
import { Environment } from '../../src/store/environment.ts'
import { Shelves } from '../../src/store/shelves.ts'
import { shortIds } from '../../src/store/sketches.ts'
import type { Answering } from '../../src/synchronization/answers.ts'
import { shelfName } from '../../src/synchronization/catalogue.ts'
import type { Replica, ShelfName } from '../../src/synchronization/session.ts'
import type { SyncSet } from '../../src/synchronization/sets.ts'
import type { SyncReply } from '../../src/wire/sync-messages.ts'

const NAME = shelfName('public', `publisher:${'0'.repeat(64)}`)

export const idOf = (number: number): Uint8Array => sha256(Buffer.from(`bench ${number}`))

export class BenchShelf implements Replica, Answering, SyncSet, AsyncDisposable {
  readonly core: Core
  readonly #folder = mkdtempSync(join(tmpdir(), 'catalog-bench-'))
  readonly #environment = new Environment({ effects: directEffects }, { path: join(this.#folder, 'database') })
  readonly #shelves = new Shelves({ environment: this.#environment })
  readonly #sketch = new Uint8Array(SYNC_SYMBOLS_MAX * SYMBOL_BYTES)

  constructor(core: Core) {
    this.core = core
  }

  /** @returns milliseconds that the changes themselves took, without the commit */
  async put(ids: readonly Uint8Array[]): Promise<number> {
    const ms = await this.#environment.transaction(() => {
      const began = performance.now()
      const batch = this.#shelves.batch()
      for (const id of ids) batch.change('add', NAME.audience, NAME.signer, id, 100)
      batch.apply()
      this.core.sketchUpdate(this.#sketch, SYNC_SYMBOLS_MAX, shortIds(ids), 1)
      return performance.now() - began
    })
    return ms
  }

  has(id: Uint8Array): boolean {
    return this.#shelves.has(NAME.audience, NAME.signer, id)
  }

  get root(): Uint8Array {
    return this.#shelves.get(NAME.audience, NAME.signer).root
  }

  get count(): number {
    return this.#shelves.get(NAME.audience, NAME.signer).count
  }

  sketch(symbols: number): Uint8Array {
    return this.#sketch.subarray(0, symbols * SYMBOL_BYTES)
  }

  idsBelow(path: Uint8Array): Uint8Array[] {
    return this.#shelves.idsBelow(NAME.audience, NAME.signer, path)
  }

  idsAfter(id: Uint8Array | undefined, most: number): Uint8Array[] {
    return this.#shelves.idsAfter(NAME.audience, NAME.signer, id, most)
  }

  node(path: Uint8Array): TrieNode {
    return this.#shelves.node(NAME.audience, NAME.signer, path)
  }

  shelves(): ShelfName[] {
    return [NAME]
  }

  find(): ShelfName {
    return NAME
  }

  set(): SyncSet {
    return this
  }

  envelope(id: Uint8Array): Uint8Array {
    return id
  }

  documents(): readonly Uint8Array[] {
    return []
  }

  ordered(_shelf: ShelfName, ids: readonly Uint8Array[]): readonly Uint8Array[] {
    return ids
  }

  wanted(): undefined {
    return undefined
  }

  async take(_shelf: ShelfName, records: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
    await this.put(records)
    return records
  }

  *changes(): Generator<SyncReply> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#environment.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}
