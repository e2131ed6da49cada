// Releases that the user keeps, whatever becomes of their records and however full the disk: "catalog pin". (Pins in
// pins.ts are about who owns a name.)
import type { Clock } from '../base/clock.ts'
import type { Environment } from './environment.ts'

export class Kept {
  readonly #environment: Environment
  readonly #clock: Clock

  constructor({ environment, clock }: { environment: Environment; clock: Clock }) {
    this.#environment = environment
    this.#clock = clock
  }

  has(release: Uint8Array): boolean {
    return this.#environment.kept.doesExist(release)
  }

  /** When it was pinned, if it is. */
  since(release: Uint8Array): number | undefined {
    return this.#environment.kept.get(release)
  }

  /** Record ids and since when. */
  list(): { release: Uint8Array; at: number }[] {
    const rows = this.#environment.kept.getRange({})
    return [...rows].map(({ key, value }) => ({ release: new Uint8Array(key), at: value }))
  }

  /** @returns false when it was kept already */
  add(release: Uint8Array): Promise<boolean> {
    return this.#environment.transaction(() => {
      if (this.has(release)) return false
      this.#environment.kept.put(release, this.#clock.now())
      return true
    })
  }

  /** @returns whether it was kept */
  remove(release: Uint8Array): Promise<boolean> {
    return this.#environment.transaction(() => {
      const was = this.has(release)
      if (was) this.#environment.kept.remove(release)
      return was
    })
  }
}
