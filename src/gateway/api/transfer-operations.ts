// Operations on transfers: what is being fetched and sent, and what came of the last ones.
import { z } from 'zod'
import type { TransferView } from '../../transfer/transfers.ts'
import { type Line, operation } from './operation.ts'

/**
 * `transfer` {id, direction: fetch or send, root, purl?, state: running, done or failed, bytes, total, rate, priority,
 * sources: [{peer, plane: bulk or stream, bytes, rate}], startedAt, etaMs?, endedAt?, failure?} for each that is under
 * way, then for the last that have ended, then `summary` {transfers, rateDown, rateUp}. With `watch`, those under way
 * and those that have just ended, every second until the caller goes.
 */
export const transfers = operation({
  input: z.strictObject({ watch: z.boolean().optional() }),
  needsNode: () => true,
  async *run({ sharing }, { watch = false }, signal) {
    let told: Set<number> | undefined
    for await (const { running, recent } of watch ? sharing.watchTransfers(signal) : [sharing.transfers()]) {
      const before = told
      told = new Set(recent.map(({ id }) => id))
      const fresh = before ? recent.filter(({ id }) => !before.has(id)) : watch ? [] : recent
      yield* [...running, ...fresh].map(transferLine)
      yield summary(running)
    }
  },
})

function transferLine({ startedAt, endedAt, ...view }: TransferView): Line {
  const ended = endedAt === undefined ? {} : { endedAt: new Date(endedAt).toISOString() }
  return { type: 'transfer', ...view, startedAt: new Date(startedAt).toISOString(), ...ended }
}

function summary(running: readonly TransferView[]): Line {
  const rateOf = (wanted: TransferView['direction']) =>
    running.reduce((sum, { direction, rate }) => sum + (direction === wanted ? rate : 0), 0)
  return { type: 'summary', transfers: running.length, rateDown: rateOf('fetch'), rateUp: rateOf('send') }
}
