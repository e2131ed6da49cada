// Operations on synchronization: with a peer, now; with whom it goes by itself; and whose records are kept up to date.
import { z } from 'zod'
import { SYNC_FILTER_VALUES_MAX } from '../../base/sync-limits.ts'
import { ARTIFACTS, STRATEGIES } from '../../synchronization/options.ts'
import { operation } from './operation.ts'

const values = z.array(z.string().min(1)).max(SYNC_FILTER_VALUES_MAX).optional()
const filter = z.strictObject({ types: values, categories: values, tags: values, publishers: values, names: values })

/**
 * `synced` {peer, strategy, sent, received, surplus, lacking, bytes, rounds, ms, shelves, unequal,
 * artifacts: {fetched, failed}, conflicts, dryRun}: records
 * that went and came, those that were missing there and here, and shelves that differ still. Or `waiting` {work,
 * subject} when the peer cannot be reached: it is done once it can.
 */
export const sync = operation({
  input: z.strictObject({
    peer: z.string().min(1),
    strategy: z.enum(STRATEGIES).optional(),
    filter: filter.optional(),
    artifacts: z.enum(ARTIFACTS).optional(),
    dryRun: z.boolean().optional(),
  }),
  needsNode: () => true,
  async *run({ sharing }, { peer, dryRun = false, ...options }, signal) {
    const work = () => sharing.syncWithPeer(peer, { ...options, dryRun, signal })
    const report = dryRun ? await work() : await sharing.outbox.nowOrLater('sync', peer, work, options)
    yield report ? { type: 'synced', ...report, dryRun } : { type: 'waiting', work: 'sync', subject: peer }
  },
})

/**
 * `schedule` {peer, syncedAt?, nextAt?, failures?, failure?, last?: as `synced`} for each peer that was synchronized
 * with or will be, then `summary` {syncs}.
 */
export const syncStatus = operation({
  input: z.strictObject({}),
  async *run({ sharing }) {
    const { synchronization } = sharing
    const synced = new Map(synchronization.synced().map(({ peer, at }) => [peer, isoTime(at)]))
    const scheduled = synchronization.schedule
      .list()
      .map(({ nextAt, ...rest }) => ({ ...rest, nextAt: isoTime(nextAt) }))
    const others = [...synced.keys()].filter((peer) => !scheduled.some((each) => each.peer === peer))
    const all = [...scheduled, ...others.map((peer) => ({ peer }))]
    for (const each of all) yield { type: 'schedule', ...each, syncedAt: synced.get(each.peer) ?? null }
    yield { type: 'summary', syncs: all.length }
  },
})

/** `following` {signer, since} for each, then `summary` {following}. */
export const following = operation({
  input: z.strictObject({}),
  async *run({ sharing }) {
    const all = sharing.synchronization.followed()
    for (const { signer, at } of all) yield { type: 'following', signer, since: isoTime(at) }
    yield { type: 'summary', following: all.length }
  },
})

/** `followed` {signer, changed}. */
export const follow = operation({
  input: z.strictObject({ signer: z.string() }),
  async *run({ sharing }, { signer }) {
    yield { type: 'followed', signer, changed: await sharing.synchronization.follow(signer) }
  },
})

/** `unfollowed` {signer, changed}. */
export const unfollow = operation({
  input: z.strictObject({ signer: z.string() }),
  async *run({ sharing }, { signer }) {
    yield { type: 'unfollowed', signer, changed: await sharing.synchronization.unfollow(signer) }
  },
})

function isoTime(at: number): string {
  return new Date(at).toISOString()
}
