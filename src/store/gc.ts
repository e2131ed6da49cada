// Garbage collection: mark what some release on a shelf, or the user, still wants; forget the rest. Bytes that nobody
// wants any more are given back when their pack is rewritten (repack.ts) or empty.
import { type Clock, sleep } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { DOWNLOAD_STALE_MS } from '../base/limits.ts'
import { countingNotice, readNotice } from '../model/notice.ts'
import type { Blobs } from './blobs.ts'
import type { Environment } from './environment.ts'
import { isInGrace } from './grace.ts'
import type { Kept } from './kept.ts'
import type { Packs } from './packs.ts'
import type { Records } from './records.ts'

/** Looked at or forgotten at a time: others get their turn in between. */
const BATCH = 500

/** Why something is garbage. */
export type GarbageReason =
  /** No record of the release is on any shelf, and the index was not made anew of late. */
  | 'no-release'
  /** Its signer has withdrawn the release. */
  | 'withdrawn'
  /** A fetch that nobody has resumed for a week. */
  | 'stale-fetch'

export interface Garbage {
  readonly kind: 'blob' | 'fetch'
  readonly root: Uint8Array
  readonly release: Uint8Array
  /** What is wanted no more, where a record still tells. */
  readonly purl?: string | undefined
  /** That are no longer kept with it gone: none of a blob that another release still keeps. */
  readonly bytes: number
  readonly reason: GarbageReason
}

interface Components {
  environment: Environment
  blobs: Blobs
  packs: Packs
  records: Records
  kept: Kept
  clock: Clock
}

export class GarbageCollector {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  /** Everything that would be forgotten now, and why; changes nothing. */
  *mark(): Generator<Garbage> {
    for (const garbage of this.#look()) if (garbage) yield garbage
  }

  /**
   * Forget what is garbage, telling of each piece once it is gone.
   *
   * @throws CatalogError `ABORTED` between two transactions; what was told of is gone then, the rest is as it was
   */
  async *sweep(signal?: AbortSignal): AsyncGenerator<Garbage> {
    const { clock } = this.#components
    let [seen, batch] = [0, [] as Garbage[]]
    for (const garbage of this.#look()) {
      if (garbage) batch.push(garbage)
      if (++seen % BATCH !== 0) continue
      yield* await this.#forgetAll(batch, signal)
      batch = []
      await sleep(clock, 0, signal).catch(() => undefined) // an abort is told before the next transaction
    }
    yield* await this.#forgetAll(batch, signal)
  }

  /** Every blob under every release and every fetch, one at a time; nothing for one that is wanted. */
  *#look(): Generator<Garbage | undefined> {
    const { blobs, environment } = this.#components
    for (const { root, size } of blobs.list()) {
      let wanted = 0
      const releases = blobs.releasesOf(root)
      for (const [i, { release }] of releases.entries()) {
        const reason = this.#unwanted(release)
        if (!reason) wanted++
        // Its bytes go with the last release that it is kept under.
        const bytes = wanted === 0 && i === releases.length - 1 ? size : 0
        yield reason && { kind: 'blob', root, release, bytes, reason, ...this.#named(release) }
      }
    }
    for (const key of [...environment.downloads.getKeys({})]) {
      const root = new Uint8Array(key)
      const row = environment.downloads.get(root)
      const reason = this.#unwantedFetch(root)
      if (!row || !reason) continue
      const release = new Uint8Array(row.release)
      yield { kind: 'fetch', root, release, bytes: row.size, reason, ...this.#named(release) }
    }
  }

  /** @returns what is gone */
  async #forgetAll(batch: readonly Garbage[], signal: AbortSignal | undefined): Promise<readonly Garbage[]> {
    const { environment, packs } = this.#components
    if (signal?.aborted) throw new CatalogError('ABORTED', 'Cancelled.', { cause: signal.reason })
    if (batch.length === 0) return []
    // Marked outside, so looked at again inside: someone may have come to want it meanwhile.
    const gone = await environment.transaction(() => batch.filter((garbage) => this.#forget(garbage)))
    await packs.collect()
    return gone
  }

  #forget({ kind, root, release, reason }: Garbage): boolean {
    const { blobs } = this.#components
    if (kind === 'fetch') {
      if (this.#unwantedFetch(root) !== reason) return false
      blobs.dropDownload(root)
      return true
    }
    if (this.#unwanted(release) !== reason || !blobs.isUnder(root, release)) return false
    blobs.unlink(root, release)
    return true
  }

  #unwantedFetch(root: Uint8Array): GarbageReason | undefined {
    const { blobs, environment, clock } = this.#components
    const row = environment.downloads.get(root)
    if (!row || blobs.isDownloading(root)) return undefined
    if (clock.now() - row.at > DOWNLOAD_STALE_MS) return 'stale-fetch'
    const releases = [row.release, ...(row.links ?? []).map(({ release }) => release)].map((id) => new Uint8Array(id))
    return releases.every((id) => this.#unwanted(id)) ? this.#unwanted(new Uint8Array(row.release)) : undefined
  }

  #unwanted(id: Uint8Array): GarbageReason | undefined {
    const { records, kept, environment, clock } = this.#components
    if (kept.has(id)) return undefined
    const record = records.release(id)?.record
    if (!record) return isInGrace(environment, clock) ? undefined : 'no-release'
    const { subject } = record.statement
    const withdrawals = records
      .audiencesOf(record.signer)
      .flatMap((audience) => records.slot(audience, record.signer, 'withdrawal', subject))
    const counting = countingNotice(withdrawals)
    return counting && readNotice(counting).withdrawn ? 'withdrawn' : undefined
  }

  #named(id: Uint8Array): { purl?: string } {
    const release = this.#components.records.release(id)
    return release ? { purl: release.purl } : {}
  }
}
