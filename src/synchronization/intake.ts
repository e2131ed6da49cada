// Records that come for a shelf, from whoever sent them: admitted by the rule that holds for all, and only where this
// node belongs to the shelf's audience.
import { CatalogError } from '../base/errors.ts'
import { SYNC_ADMITTED_AT_ONCE_MAX } from '../base/sync-limits.ts'
import { type CatalogRecord, decodeRecord } from '../model/record.ts'
import { isRelease } from '../model/release.ts'
import type { Heard } from '../store/heard.ts'
import type { Records, Submission } from '../store/records.ts'
import { addressed } from '../trust/addressed.ts'
import type { RecordExchange } from '../trust/exchange.ts'
import type { ShelfName } from './session.ts'

interface Components {
  records: Records
  heard: Heard
  exchange: Pick<RecordExchange, 'addressee'>
}

export class Intake {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  /**
   * @returns those that were new
   * @throws CatalogError `RECORD_INVALID`, `RECORD_SIGNATURE` for what does not hold, `LIMIT_EXCEEDED` for a full
   *   shelf; what came before and holds is kept
   */
  async take(shelf: ShelfName, envelopes: readonly Uint8Array[], peer: string): Promise<CatalogRecord[]> {
    const admitted: CatalogRecord[] = []
    for (let at = 0; at < envelopes.length; at += SYNC_ADMITTED_AT_ONCE_MAX) {
      admitted.push(...(await this.#takeSome(shelf, envelopes.slice(at, at + SYNC_ADMITTED_AT_ONCE_MAX), peer)))
    }
    return admitted
  }

  async #takeSome(shelf: ShelfName, envelopes: readonly Uint8Array[], peer: string): Promise<CatalogRecord[]> {
    const { records, heard } = this.#components
    const came = envelopes.map(decodeRecord)
    const publishers = came.flatMap((record) => (isRelease(record) ? [record.signer] : []))
    const submissions = this.#submissions(shelf, came)
    const [reports] = await Promise.all([records.admit(submissions), heard.note([...new Set(publishers)], peer)])
    const refused = reports.find(({ outcome }) => outcome === 'refused')
    if (refused?.error) {
      const reason = refused.error.message
      throw new CatalogError(refused.error.code, `Peer ${peer} sent a record that cannot be kept: ${reason}`, {
        details: { peer },
        cause: refused.error,
      })
    }
    return submissions.flatMap(({ record }, at) => (reports[at]?.outcome === 'admitted' ? [record] : []))
  }

  #submissions({ audience, signer }: ShelfName, came: readonly CatalogRecord[]): Submission[] {
    if (came.some((record) => record.signer !== signer)) {
      throw new CatalogError('RECORD_INVALID', 'A record came for the shelf of somebody who did not sign it.')
    }
    const me = this.#components.exchange.addressee
    if (me.belongs(audience, signer)) return came.map((record) => ({ record, audience }))
    // What makes this node belong may be among them: the next time all the others are taken, too.
    return addressed(came, me).filter((submission) => submission.audience === audience)
  }
}
