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

interface Candidate {
  readonly root: Uint8Array
  readonly size: number
  readonly usedAt: number
}

export class Quota {
  readonly #components: Components
  readonly max: number

  /** @param max - bytes of mirrored data */
  constructor(components: Components, { max }: { max: number }) {
    this.#components = components
    this.max = max
  }

  /**
   * Make room for a blob that is to be fetched.
   *
   * @throws CatalogError `LIMIT_EXCEEDED` when it cannot fit, whatever is evicted
   */
  async makeRoom(bytes: number): Promise<void> {
    const { blobs, packs, environment } = this.#components
    const excess = () => blobs.usage().mirroredBytes + bytes - this.max
    if (excess() <= 0) return
    await blobs.saveUses()
    const candidates = this.#candidates()
    const evictable = candidates.reduce((sum, { size }) => sum + size, 0)
    if (excess() > evictable) throw this.#tooSmall(bytes)
    await environment.transaction(() => {
      for (const { root, size } of candidates) {
        if (excess() <= 0) break
        blobs.remove(root)
        emit('catalog:evicted', { root: toHex(root), bytes: size })
      }
    })
    await packs.collect()
  }

  /** What may go, least recently read first. */
  #candidates(): Candidate[] {
    const { blobs, kept } = this.#components
    const found: Candidate[] = []
    for (const { root, size } of blobs.list()) {
      const links = blobs.releasesOf(root)
      const held = links.some(({ release, origin }) => origin === 'published' || kept.has(release))
      if (!held) found.push({ root, size, usedAt: blobs.usedAt(root) })
    }
    return found.sort((a, b) => a.usedAt - b.usedAt)
  }

  #tooSmall(bytes: number): CatalogError {
    const { mirroredBytes } = this.#components.blobs.usage()
    return new CatalogError(
      'LIMIT_EXCEEDED',
      `${formatBytes(bytes)} do not fit the ${formatBytes(this.max)} kept for mirrored data, ` +
        `of which ${formatBytes(mirroredBytes)} are in use.`,
      { hint: 'Raise it with "catalog up --max-mirror-storage SIZE", or unpin something with "catalog unpin PURL".' },
    )
  }
}
