// Whose node a peer is: a node that is a device of a publisher shows that publisher's device record when it says hello,
// so that groups which have the publisher as a member know the node. What is shown is checked, and kept in memory only.
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { HELLO_DEVICES_BYTES_MAX, HELLO_DEVICES_RECORDS_MAX } from '../base/limits.ts'
import { DEVICES_SUBJECT, readDevices } from '../model/group.ts'
import type { Change, Records } from '../store/records.ts'
import type { Access } from './access.ts'
import { verifyRecords } from './verify.ts'

interface Components {
  records: Records
  access: Access
}

export class Devices {
  readonly #components: Components
  readonly #peerId: string

  constructor(components: Components, options: { peerId: string }) {
    this.#components = components
    this.#peerId = options.peerId
  }

  /** Device records that name this node, with the documents that prove them; only as many as a hello has room for. */
  own(): Uint8Array[] {
    const { records, access } = this.#components
    const shown: Uint8Array[] = []
    let bytes = 0
    for (const { audience, signer } of records.shelves.notPublic()) {
      if (audience !== 'private' || !access.isDevice(this.#peerId, signer)) continue
      const documents = records.documents(audience, signer).map(({ record }) => record)
      const device = records.slot(audience, signer, 'device', DEVICES_SUBJECT)
      const envelopes = [...documents, ...device].map(({ envelope }) => envelope)
      bytes += envelopes.reduce((sum, { length }) => sum + length, 0)
      if (bytes > HELLO_DEVICES_BYTES_MAX || shown.length + envelopes.length > HELLO_DEVICES_RECORDS_MAX) break
      shown.push(...envelopes)
    }
    return shown
  }

  /** Whether changes may be of what `own` shows. */
  areIn(changes: readonly Change[]): boolean {
    return changes.some(({ kind, audience }) => kind === 'device' && audience === 'private')
  }

  /** What a peer shows of itself. What does not name it, or does not hold, is its own fault and changes nothing. */
  take(peer: string, envelopes: readonly Uint8Array[]): void {
    try {
      const shown = verifyRecords(envelopes).filter(({ statement }) => statement.kind === 'device')
      for (const record of shown) if (readDevices(record).includes(peer)) this.#components.access.show(record)
    } catch (thrown) {
      emit('catalog:peer', { peer, state: 'refused', reason: CatalogError.from(thrown).message })
    }
  }
}
