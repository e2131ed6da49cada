// Operations on synchronization: with a peer, now.
import { z } from 'zod'
import { SYNC_FILTER_VALUES_MAX } from '../../base/sync-limits.ts'
import { STRATEGIES } from '../../synchronization/service.ts'
import { operation } from './operation.ts'

const values = z.array(z.string().min(1)).max(SYNC_FILTER_VALUES_MAX).optional()
const filter = z.strictObject({ types: values, categories: values, tags: values, publishers: values, names: values })

/**
 * `synced` {peer, strategy, sent, received, surplus, lacking, bytes, rounds, ms, shelves, unequal, conflicts}: records
 * that went and came, those that were missing there and here, and shelves that differ still.
 */
export const sync = operation({
  input: z.strictObject({
    peer: z.string().min(1),
    strategy: z.enum(STRATEGIES).optional(),
    filter: filter.optional(),
    dryRun: z.boolean().optional(),
  }),
  needsNode: () => true,
  async *run({ sharing }, { peer, dryRun = false, ...options }, signal) {
    const report = await sharing.syncWithPeer(peer, { ...options, dryRun, signal })
    yield { type: 'synced', ...report, dryRun }
  },
})
