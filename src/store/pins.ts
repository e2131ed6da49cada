// Pins: this user's decisions about who owns a name. Records from peers never make one.
import type { Clock } from '../base/clock.ts'
import type { PackageName } from '../model/purl.ts'
import type { Environment } from './environment.ts'
import { LAST_PART, type PinRow } from './tables.ts'

export interface Pin extends PinRow, PackageName {}

export class Pins {
  readonly #environment: Environment
  readonly #clock: Clock

  constructor({ environment, clock }: { environment: Environment; clock: Clock }) {
    this.#environment = environment
    this.#clock = clock
  }

  /** Who has a name, or else the scope that it is in. */
  get({ type, name }: PackageName): Pin | undefined {
    const scope = /^@[^/]+\//.exec(name)?.[0]
    return this.#of({ type, name }) ?? (scope === undefined ? undefined : this.#of({ type, name: `${scope}*` }))
  }

  #of({ type, name }: PackageName): Pin | undefined {
    const row = this.#environment.pins.get([type, name])
    return row && { type, name, ...row }
  }

  set(name: PackageName, signer: string, reason: PinRow['reason']): Promise<void> {
    return this.#environment.transaction(() => this.put(name, signer, reason))
  }

  /** As `set`, inside a transaction of the caller. */
  put({ type, name }: PackageName, signer: string, reason: PinRow['reason']): void {
    this.#environment.pins.put([type, name], { signer, reason, at: this.#clock.now() })
  }

  async remove({ type, name }: PackageName): Promise<boolean> {
    return this.#environment.transaction(() => {
      const there = this.#environment.pins.doesExist([type, name])
      this.#environment.pins.remove([type, name])
      return there
    })
  }

  list(): Pin[] {
    const pins: Pin[] = []
    for (const { key, value } of this.#environment.pins.getRange({ end: [LAST_PART] })) {
      const [type = '', name = ''] = key
      pins.push({ type, name, ...value })
    }
    return pins
  }
}
