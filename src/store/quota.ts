// The quota of mirrored data: blobs that others published and the user did not pin. When a fetch would exceed it, what
// has not been read for longest goes first.
import { toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { formatBytes } from '../base/units.ts'
import type { Blobs } from './blobs.ts'
import type { Environment } from './environment.ts'
import { isInGrace } from './grace.ts'
import type { Idle } from './idle.ts'
import type { Packs } from './packs.ts'

interface Components {
  environment: Environment
  blobs: Blobs
  packs: Packs
  clock: Clock
}

/** Blobs evicted in one transaction: others get their turn in between. */
const EVICT_BATCH = 500

export class Quota {
  readonly #components: Components
  readonly max: number
  /** Bytes of what is being fetched: room that others may not count on. */
  #promised = 0

  /** @param max - bytes of mirrored data */
  constructor(components: Components, { max }: { max: number }) {
    this.#components = components
    this.max = max
  }

  /**
   * Make room for a blob that is to be fetched. It is kept until what is returned is disposed of: when the fetch has
   * ended, well or not.
   *
   * @throws CatalogError `LIMIT_EXCEEDED` when it cannot fit, whatever is evicted
   */
  async makeRoom(bytes: number): Promise<Disposable> {
    this.#promised += bytes
    const giveBack = () => {
      this.#promised -= bytes
    }
    try {
      if (this.#excess() > 0) await this.#evict(bytes)
    } catch (thrown) {
      giveBack()
      throw thrown
    }
    return { [Symbol.dispose]: giveBack }
  }

  #excess(): number {
    return this.#components.blobs.usage().mirroredBytes + this.#promised - this.max
  }

  async #evict(bytes: number): Promise<void> {
    const { blobs, packs, environment, clock } = this.#components
    await blobs.saveUses()
    // What was found in packs without a database has a time to come (rebuild.ts): it does not go before then.
    const until = isInGrace(environment, clock) ? clock.now() : undefined
    const evictable = blobs.idle.bytes() - (until === undefined ? 0 : blobs.idle.bytesAfter(until))
    if (this.#excess() > evictable) throw this.#tooSmall(bytes)
    while (this.#excess() > 0) {
      const gone = await environment.transaction(() => this.#evictSome(until))
      // Whoever makes room at the same time may have made it for all.
      if (gone.length === 0 && this.#excess() > 0) throw this.#tooSmall(bytes)
      for (const { root, size } of gone) emit('catalog:evicted', { root: toHex(root), bytes: size })
      await packs.collect()
    }
  }

  /** In a transaction: what is published or pinned by then is not in the order any more. @returns what is gone */
  #evictSome(until: number | undefined): Idle[] {
    const { blobs } = this.#components
    const gone: Idle[] = []
    for (const idle of blobs.idle.first(EVICT_BATCH, until)) {
      if (this.#excess() <= 0) break
      blobs.remove(idle.root)
      gone.push(idle)
    }
    return gone
  }

  #tooSmall(bytes: number): CatalogError {
    const { mirroredBytes } = this.#components.blobs.usage()
    return new CatalogError(
      'LIMIT_EXCEEDED',
      `${formatBytes(bytes)} do not fit the ${formatBytes(this.max)} kept for mirrored data, ` +
        `of which ${formatBytes(mirroredBytes + this.#promised - bytes)} are in use.`,
      { hint: 'Raise it with "catalog up --max-mirror-storage SIZE", or unpin something with "catalog unpin PURL".' },
    )
  }
}
