// Garbage collection: mark what some release on a shelf, or the user, still wants; forget the rest. Bytes that nobody
// wants any more are given back when their pack is rewritten (repack.ts) or empty.
import type { Clock } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { DOWNLOAD_STALE_MS } from '../base/limits.ts'
import { readRelease } from '../model/release.ts'
import type { Blobs } from './blobs.ts'
import type { Environment } from './environment.ts'
import type { Kept } from './kept.ts'
import type { Packs } from './packs.ts'
import type { Records } from './records.ts'

/** Blobs forgotten in one transaction: others get their turn in between. */
const SWEEP_BATCH = 500

/** Why something is garbage. */
export type GarbageReason =
  /** No record of the release is on any shelf. */
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
    const { blobs, environment, clock } = this.#components
    for (const { root, size } of blobs.list()) {
      let wanted = 0
      const releases = blobs.releasesOf(root)
      for (const [i, { release }] of releases.entries()) {
        const reason = this.#unwanted(release)
        if (!reason) wanted++
        // Its bytes go with the last release that it is kept under.
        const bytes = wanted === 0 && i === releases.length - 1 ? size : 0
        if (reason) yield { kind: 'blob', root, release, bytes, reason, ...this.#named(release) }
      }
    }
    for (const { key, value } of environment.downloads.getRange({})) {
      const [root, release] = [new Uint8Array(key), new Uint8Array(value.release)]
      if (blobs.isDownloading(root)) continue
      const stale = clock.now() - value.at > DOWNLOAD_STALE_MS
      const reason = stale ? 'stale-fetch' : this.#unwanted(release)
      if (reason) yield { kind: 'fetch', root, release, bytes: value.size, reason, ...this.#named(release) }
    }
  }

  /**
   * Forget what is garbage, telling of each piece once it is gone.
   *
   * @throws CatalogError `ABORTED` between two transactions; what was told of is gone then, the rest is as it was
   */
  async *sweep(signal?: AbortSignal): AsyncGenerator<Garbage> {
    const { environment, packs } = this.#components
    const found = [...this.mark()]
    for (let at = 0; at < found.length; at += SWEEP_BATCH) {
      if (signal?.aborted) throw new CatalogError('ABORTED', 'Cancelled.', { cause: signal.reason })
      const batch = found.slice(at, at + SWEEP_BATCH)
      // Marked outside, so looked at again inside: someone may have come to want it meanwhile.
      const gone = await environment.transaction(() => batch.filter((garbage) => this.#forget(garbage)))
      await packs.collect()
      yield* gone
    }
  }

  #forget({ kind, root, release, reason }: Garbage): boolean {
    const { blobs } = this.#components
    if (kind === 'fetch') {
      if (blobs.isDownloading(root)) return false
      blobs.dropDownload(root)
      return true
    }
    if (this.#unwanted(release) !== reason || !blobs.isUnder(root, release)) return false
    blobs.unlink(root, release)
    return true
  }

  #unwanted(id: Uint8Array): GarbageReason | undefined {
    const { records, kept } = this.#components
    if (kept.has(id)) return undefined
    const record = records.get(id)
    if (record?.statement.kind !== 'release') return 'no-release'
    const { subject } = record.statement
    const withdrawn = (['public', 'private'] as const).some(
      (audience) => records.slot(audience, record.signer, 'withdrawal', subject).length > 0,
    )
    return withdrawn ? 'withdrawn' : undefined
  }

  #named(release: Uint8Array): { purl?: string } {
    const record = this.#components.records.get(release)
    return record?.statement.kind === 'release' ? { purl: readRelease(record).purl } : {}
  }
}
