// Operations on what a node keeps: checking it, clearing it, keeping releases for good, copying all of it.
import { z } from 'zod'
import { toHex } from '../../base/bytes.ts'
import { CatalogError } from '../../base/errors.ts'
import type { Repair } from '../../store/check.ts'
import type { FetchProgress } from '../../transfer/fetcher.ts'
import { type Line, operation, path, purl, withProgress } from './operation.ts'

/**
 * `verified` {purl?, path?, root, bytes, ok, reason?} for each artifact, `progress` {bytes, total} between them, at the
 * end `summary` {artifacts, bytes, damaged}. Fails with `BLOB_CORRUPT` when something is damaged.
 */
export const verify = operation({
  input: z.strictObject({ purl: purl.optional(), rate: z.number().positive().optional() }),
  run: ({ storage }, { purl, rate }, signal) =>
    withProgress(async (report) => {
      const sums = { artifacts: 0, bytes: 0, damaged: 0 }
      const onProgress = (progress: { bytes: number; total: number }) => void report({ type: 'progress', ...progress })
      for await (const artifact of storage.verify(purl, { rate, signal, onProgress })) {
        await report({ type: 'verified', ...artifact })
        sums.artifacts++
        sums.bytes += artifact.bytes
        if (!artifact.ok) sums.damaged++
      }
      void report({ type: 'summary', ...sums })
      if (sums.damaged === 0) return
      throw new CatalogError('BLOB_CORRUPT', `${sums.damaged} of ${sums.artifacts} artifacts kept here were damaged.`, {
        hint:
          'They are out of sight. A running node fetches their damaged parts from peers that have them; or run: ' +
          'catalog fetch PURL --output FILE',
      })
    }),
})

/**
 * `garbage` {kind: blob or fetch, root, release, purl?, bytes, reason: no-release, withdrawn or stale-fetch} for each
 * piece forgotten, `repacked` {pack, movedBytes, freedBytes} for each pack rewritten, at the end `summary` {dryRun,
 * garbage, garbageBytes, packs, movedBytes, freedBytes, paused}. With `pause` or `resume` only `rewriting` {paused}.
 */
export const gc = operation({
  input: z
    .strictObject({ dryRun: z.boolean().optional(), pause: z.boolean().optional(), resume: z.boolean().optional() })
    .refine(({ dryRun, pause, resume }) => [dryRun, pause, resume].filter(Boolean).length <= 1, {
      error: 'dryRun, pause and resume exclude each other',
    }),
  // Rewriting is held in the process that does it.
  needsNode: ({ pause, resume }) => pause === true || resume === true,
  async *run({ storage }, { dryRun = false, pause = false, resume = false }, signal) {
    if (pause || resume) {
      storage.setPaused(pause)
      yield { type: 'rewriting', paused: pause }
      return
    }
    const sums = { garbage: 0, garbageBytes: 0, packs: 0, movedBytes: 0, freedBytes: 0 }
    for await (const collected of storage.collect({ dryRun, signal })) {
      if ('garbage' in collected) {
        const { root, release, ...garbage } = collected.garbage
        sums.garbage++
        sums.garbageBytes += garbage.bytes
        yield { type: 'garbage', root: toHex(root), release: toHex(release), ...garbage }
      } else {
        const { movedBytes, freedBytes } = collected.repacked
        sums.packs++
        sums.movedBytes += movedBytes
        sums.freedBytes += freedBytes
        yield { type: 'repacked', ...collected.repacked }
      }
    }
    yield { type: 'summary', dryRun, ...sums, paused: storage.isPaused }
  },
})

/** `progress` {purl, bytes, total} while it is fetched, then `pinned` {purl, record, pinnedAt, local}. */
export const pin = operation({
  input: z.strictObject({ purl }),
  run: ({ sharing, storage }, { purl }, signal) =>
    withProgress(async (report) => {
      const onProgress = (progress: FetchProgress) => void report({ type: 'progress', purl, ...progress })
      const pinned = await sharing.outbox.nowOrLater('pin', purl, () => storage.pin(purl, { signal, onProgress }))
      void report(pinned ? { type: 'pinned', ...pinned } : { type: 'waiting', work: 'pin', subject: purl })
    }),
})

/** `unpinned` {purl, changed}. */
export const unpin = operation({
  input: z.strictObject({ purl }),
  async *run({ storage }, { purl }) {
    yield { type: 'unpinned', purl, changed: await storage.unpin(purl) }
  },
})

/** `pinned` {purl, record, pinnedAt, local} for each, then `summary` {pinned}. */
export const pinned = operation({
  input: z.strictObject({}),
  async *run({ storage }) {
    const pins = storage.pins()
    for (const each of pins) yield { type: 'pinned', ...each }
    yield { type: 'summary', pinned: pins.length }
  },
})

/** `progress` {bytes, total}, then `backup` {to, files, bytes}. */
export const backup = operation({
  input: z.strictObject({ to: path }),
  run: ({ storage }, { to }, signal) =>
    withProgress(async (report) => {
      const { files, bytes } = await storage.backUp(to, {
        signal,
        onProgress: ({ bytes, total }) => void report({ type: 'progress', bytes, total }),
      })
      void report({ type: 'backup', to, files, bytes })
    }),
})

const REPAIRS: Record<Repair, string> = {
  verify: 'catalog verify (what is damaged is fetched again)',
  'rebuild-index': 'stop the node, then: catalog doctor --rebuild-index',
  restore: 'a backup, restored to an empty data directory: catalog restore DIR',
}

/**
 * `finding` {subject, problem, repair: verify, rebuild-index or restore} for each rule that does not hold, then
 * `summary` {findings}. Fails with `STORE_DAMAGED` when there is one.
 */
export const doctor = operation({
  input: z.strictObject({}),
  async *run({ storage }, _, signal) {
    let findings = 0
    const repairs = new Set<Repair>()
    for await (const finding of storage.check({ signal })) {
      findings++
      repairs.add(finding.repair)
      yield { type: 'finding', ...finding } satisfies Line
    }
    yield { type: 'summary', findings }
    if (findings === 0) return
    const what = findings === 1 ? 'One rule of the store does not hold.' : `${findings} rules of the store do not hold.`
    const hint = `What repairs it: ${[...repairs].map((repair) => REPAIRS[repair]).join('; ')}.`
    throw new CatalogError('STORE_DAMAGED', what, { hint })
  },
})
