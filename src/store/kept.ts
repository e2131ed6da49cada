// Releases that the user keeps, whatever becomes of their records and however full the disk: "catalog pin". (Pins in
// pins.ts are about who owns a name.)
import type { Clock } from '../base/clock.ts'
import type { BlobIndex } from './blob-index.ts'
import type { Environment } from './environment.ts'
import type { KeptRow } from './tables.ts'

interface Components {
  environment: Environment
  blobs: BlobIndex
  clock: Clock
}

export interface KeptRelease extends KeptRow {
  /** Record id. */
  readonly release: Uint8Array
}

export class Kept {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  has(release: Uint8Array): boolean {
    return this.#components.environment.kept.doesExist(release)
  }

  /** When it was pinned, if it is. */
  since(release: Uint8Array): number | undefined {
    return this.#components.environment.kept.get(release)?.at
  }

  list(): KeptRelease[] {
    const rows = this.#components.environment.kept.getRange({})
    return [...rows].map(({ key, value }) => ({ release: new Uint8Array(key), ...value }))
  }

  /** @returns false when it was kept already */
  add(release: Uint8Array, purl: string): Promise<boolean> {
    const { environment, blobs, clock } = this.#components
    return environment.transaction(() => {
      if (this.has(release)) return false
      blobs.reckoned(blobs.rootsUnder(release), () => environment.kept.put(release, { at: clock.now(), purl }))
      return true
    })
  }

  /** @returns whether it was kept */
  remove(release: Uint8Array): Promise<boolean> {
    const { environment, blobs } = this.#components
    return environment.transaction(() => {
      const was = this.has(release)
      if (was) blobs.reckoned(blobs.rootsUnder(release), () => environment.kept.remove(release))
      return was
    })
  }
}
