// Operations on records that compete.
import { z } from 'zod'
import { toHex } from '../../base/bytes.ts'
import { CatalogError } from '../../base/errors.ts'
import { formatPurl, parsePurl } from '../../model/purl.ts'
import { operation, purl } from './operation.ts'

const record = z.string().regex(/^[0-9a-fA-F]{4,64}$/, 'must be a record id, or four digits of it at least')

/** `conflict` {subject, kind, policy, by, chosen, candidates} for each, then `summary` {conflicts, open}. */
export const conflicts = operation({
  input: z.strictObject({ purl: purl.optional(), proof: z.boolean().optional() }),
  async *run({ sharing }, { purl, proof = false }) {
    const counts = { conflicts: 0, open: 0 }
    for (const { candidates, ...conflict } of sharing.disputes.list(purl === undefined ? undefined : parsePurl(purl))) {
      counts.conflicts++
      if (conflict.by === 'nothing') counts.open++
      const shown = proof ? candidates : candidates.map(({ signatures: _, signed: __, ...candidate }) => candidate)
      yield { type: 'conflict', ...conflict, candidates: shown }
    }
    yield { type: 'summary', ...counts }
  },
})

/** `resolved` {purl, publisher?, record?}. */
export const resolveConflict = operation({
  input: z.strictObject({ purl, publisher: z.string().optional(), record: record.optional() }),
  async *run({ sharing }, { purl, publisher, record }) {
    if ((publisher === undefined) === (record === undefined)) {
      throw new CatalogError('USAGE', 'Either a publisher is chosen for a name, or a record for a release.', {
        hint: `See which there are: catalog conflicts show ${purl}`,
      })
    }
    if (record !== undefined) {
      const release = await sharing.disputes.resolve(purl, record)
      yield { type: 'resolved', purl: release.purl, record: toHex(release.record.id) }
      return
    }
    const { type, name } = parsePurl(purl)
    const pin = await sharing.trustPublisher(formatPurl({ type, name }), publisher)
    yield { type: 'resolved', purl: formatPurl(pin), publisher: pin.signer }
  },
})

/** `attested` {purl, record}. */
export const attest = operation({
  input: z.strictObject({ purl, record: record.optional() }),
  async *run({ sharing }, { purl, record }) {
    const release = await sharing.disputes.attest(purl, record)
    yield { type: 'attested', purl: release.purl, record: toHex(release.record.id) }
  },
})
