// Mending: what a scrub has found damaged is fetched again from whoever has it, only the damaged chunks of it.
import { equalBytes } from '../base/bytes.ts'
import { hasCode } from '../base/errors.ts'
import { tellFailure } from '../base/failure.ts'
import type { UnderWay } from '../base/under-way.ts'
import type { Records } from '../store/records.ts'
import type { Damage } from '../store/scrub.ts'
import type { Packages } from './packages.ts'

interface Components {
  records: Records
  packages: Packages
  underWay: UnderWay
}

export class Mending {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  /** Under the first of its releases that somebody delivers it under. Never rejects: a failure is told as an event. */
  async mend({ root, releases }: Damage): Promise<void> {
    const { records, packages, underWay } = this.#components
    for (const id of releases) {
      const release = records.release(id)
      const artifact = release?.body.artifacts.find((each) => equalBytes(each.root, root))
      if (!release || !artifact) continue
      try {
        const fetched = await underWay.run((signal) => packages.fetch(release, artifact, { signal }))
        fetched.lease[Symbol.dispose]()
        return
      } catch (thrown) {
        if (hasCode(thrown, 'CLOSED')) return
        tellFailure(`mend ${release.purl}`, thrown)
      }
    }
  }
}
