// What choices between competing records are made from: the user's rules, what publishers attest, what was resolved.

import { equalBytes } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { type ConflictRules, type Judging, policyFor } from '../model/conflict.ts'
import { type DecisionKind, readDecision } from '../model/decision.ts'
import type { PackageName } from '../model/purl.ts'
import type { Release } from '../model/release.ts'
import type { Records } from '../store/records.ts'

interface Components {
  records: Records
  clock: Clock
}

export class Judgement {
  readonly #components: Components
  readonly #rules: ConflictRules
  /** This node's publisher, once it has one. */
  owner: string | undefined

  constructor(components: Components, options: { rules: ConflictRules; owner: string | undefined }) {
    this.#components = components
    this.#rules = options.rules
    this.owner = options.owner
  }

  /** What a choice between releases of a name is made from. */
  of(name: PackageName): Judging {
    const { attesters } = this.#rules
    return {
      policy: policyFor(name, this.#rules),
      now: this.#components.clock.now(),
      attesters: attesters.size,
      attested: (release) => this.#attested(release),
      resolved: (purl) =>
        this.owner === undefined ? undefined : this.#said('private', this.owner, 'resolution', purl),
    }
  }

  #attested({ purl, record }: Release): number {
    return [...this.#rules.attesters].filter((signer) => {
      const said = this.#said('public', signer, 'attestation', purl)
      return said && equalBytes(said, record.id)
    }).length
  }

  #said(audience: 'public' | 'private', signer: string, kind: DecisionKind, subject: string): Uint8Array | undefined {
    const [record, ...others] = this.#components.records.slot(audience, signer, kind, subject)
    // Who says two things at once has said nothing.
    return record && others.length === 0 ? readDecision(record) : undefined
  }
}
