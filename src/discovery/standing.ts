// Which publishers are known well enough to rank with the rest. Names that were made up for a query come from
// publishers that nobody has heard of before.
import type { Clock } from '../base/clock.ts'
import { NEWCOMER_MS } from '../base/limits.ts'
import { NPM_ORIGIN } from '../model/origin.ts'
import type { Release } from '../model/release.ts'
import { type Heard, WITNESSES_MAX } from '../store/heard.ts'
import type { Pins } from '../store/pins.ts'
import type { Records } from '../store/records.ts'
import type { Candidate } from './federation.ts'
import type { Merits } from './merits.ts'

/** Peers that vouch for a publisher, when it is two of those who mostly name publishers that others know. */
const VOUCHING = 2

interface Components {
  records: Records
  pins: Pins
  heard: Heard
  merits: Merits
  clock: Clock
}

export class Standing {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  /**
   * Whether the publisher of a release is known: the user trusts it with this name, it is this node's own, or peers
   * have named it for a day, or so many of them that no two can have made it up.
   */
  isKnown({ record: { signer }, body }: Release): boolean {
    const { records, pins, heard, merits, clock } = this.#components
    if (signer === NPM_ORIGIN || pins.get(body)?.signer === signer) return true
    const row = heard.get(signer)
    // What peers show is noted as it comes: what stands here without that was made here.
    if (!row) return records.audiencesOf(signer).some((audience) => records.shelves.get(audience, signer).count > 0)
    if (clock.now() - row.since >= NEWCOMER_MS || row.from.length >= WITNESSES_MAX) return true
    return row.from.filter((peer) => merits.vouches(peer)).length >= VOUCHING
  }

  /** Learn from the answers to a query: whom they name, and what that says of who answered. */
  async learn(candidates: readonly Candidate[], isShown: (candidate: Candidate) => boolean): Promise<void> {
    const { heard, merits } = this.#components
    const byPeer = Map.groupBy(candidates, ({ peer }) => peer)
    for (const [peer, offered] of byPeer) {
      const attested = offered.filter(({ release }) => this.isKnown(release)).length
      merits.weigh(peer, { shown: offered.some(isShown), attested, unattested: offered.length - attested })
    }
    const signersOf = (offered: readonly Candidate[]) => offered.map(({ release }) => release.record.signer)
    // All at once, for one commit.
    await Promise.all([...byPeer].map(([peer, offered]) => heard.note(signersOf(offered), peer)))
  }
}
