// The quota of mirrored data: blobs that others published and the user did not pin. When a fetch would exceed it, what
// has not been read for longest goes first.
import { toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { formatBytes } from '../base/units.ts'
import type { Blobs } from './blobs.ts'
import type { Environment } from './environment.ts'
import type { Kept } from './kept.ts'
import type { Packs } from './packs.ts'

interface Components {
  environment: Environment
  blobs: Blobs
  packs: Packs
  kept: Kept
}

/** Blobs evicted in one transaction: others get their turn in between. */
const EVICT_BATCH = 500

interface Candidate {
  readonly root: Uint8Array
  readonly size: number
  readonly usedAt: number
}

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
    const { blobs, packs, environment } = this.#components
    await blobs.saveUses()
    const candidates = this.#candidates()
    const evictable = candidates.reduce((sum, { size }) => sum + size, 0)
    if (this.#excess() > evictable) throw this.#tooSmall(bytes)
    for (let at = 0; at < candidates.length && this.#excess() > 0; at += EVICT_BATCH) {
      const batch = candidates.slice(at, at + EVICT_BATCH)
      for (const { root, size } of await environment.transaction(() => batch.filter((each) => this.#evictOne(each)))) {
        emit('catalog:evicted', { root: toHex(root), bytes: size })
      }
      await packs.collect()
    }
    if (this.#excess() > 0) throw this.#tooSmall(bytes)
  }

  /** @returns false when there is room enough already, or it has gone or become wanted meanwhile */
  #evictOne({ root }: Candidate): boolean {
    const { blobs } = this.#components
    if (this.#excess() <= 0 || !blobs.get(root) || this.#isHeld(root)) return false
    blobs.remove(root)
    return true
  }

  /** What may go, least recently read first. */
  #candidates(): Candidate[] {
    const { blobs } = this.#components
    const found: Candidate[] = []
    for (const { root, size } of blobs.list()) {
      if (!this.#isHeld(root)) found.push({ root, size, usedAt: blobs.usedAt(root) })
    }
    return found.sort((a, b) => a.usedAt - b.usedAt)
  }

  #isHeld(root: Uint8Array): boolean {
    const { blobs, kept } = this.#components
    return blobs.releasesOf(root).some(({ release, origin }) => origin === 'published' || kept.has(release))
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
