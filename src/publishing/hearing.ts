// An announcement of a release: the record is had from who announced it, and passed on only when it holds.
import { hasCode } from '../base/errors.ts'
import { tellFailure } from '../base/failure.ts'
import type { UnderWay } from '../base/under-way.ts'
import type { Verdict } from '../network/network.ts'
import type { Records } from '../store/records.ts'
import type { SyncSchedule } from '../synchronization/schedule.ts'
import type { RecordExchange } from '../trust/exchange.ts'
import type { Announcement } from '../wire/messages.ts'
import type { Packages } from './packages.ts'

interface Components {
  records: Records
  exchange: RecordExchange
  packages: Packages
  underWay: UnderWay
  schedule: Pick<SyncSchedule, 'soon'>
}

export class Hearing {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  async hear({ id, peer }: Pick<Announcement, 'id' | 'peer'>): Promise<Verdict> {
    const { records, exchange, packages, underWay, schedule } = this.#components
    try {
      if (!records.get(id)) await underWay.run((signal) => exchange.fetchRecords(peer, [id], signal))
      if (!records.get(id)) return 'ignore'
      packages.shown(id, peer)
      schedule.soon(peer)
      return 'accept'
    } catch (thrown) {
      tellFailure(`announcement from ${peer}`, thrown, 'CLOSED')
      return hasCode(thrown, 'RECORD_INVALID', 'RECORD_SIGNATURE') ? 'reject' : 'ignore'
    }
  }
}
