// One synchronization with a peer: carries out what a session asks, and counts what comes of it.
import { type Clock, sleep } from '../base/clock.ts'
import { hasCode } from '../base/errors.ts'
import { tellFailure } from '../base/failure.ts'
import { SYNC_BUSY_RETRIES_MAX } from '../base/sync-limits.ts'
import { SECOND_MS } from '../base/units.ts'
import type { Core } from '../core/surface.ts'
import { nameKey, parsePurl } from '../model/purl.ts'
import type { CatalogRecord } from '../model/record.ts'
import { type Artifact, isRelease, type Release, readRelease } from '../model/release.ts'
import type { Rpc } from '../network/rpc.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Follows } from '../store/follows.ts'
import type { Kept } from '../store/kept.ts'
import type { Records } from '../store/records.ts'
import type { Sketches } from '../store/sketches.ts'
import { SYNC, type SyncReply } from '../wire/sync-messages.ts'
import { type Catalogue, shelfName } from './catalogue.ts'
import { gathered } from './gathered.ts'
import type { Intake } from './intake.ts'
import type { ARTIFACTS, SyncOptions, SyncReport } from './options.ts'
import type { Parts } from './parts.ts'
import { type Outcome, type Replica, type ShelfName, type Step, synchronize } from './session.ts'
import { ROOT_PATH } from './sets.ts'

/** What fetches bytes. */
interface Artifacts {
  /** Remember that a peer showed a release. */
  shown(release: Uint8Array, peer: string): void
  fetch(
    release: Release,
    artifact: Artifact,
    options: { signal: AbortSignal; priority: 'low' },
  ): Promise<{ lease: Disposable }>
}

export interface RunComponents {
  rpc: Rpc
  records: Records
  sketches: Sketches
  follows: Follows
  kept: Kept
  blobs: Blobs
  packages: Artifacts
  core: Core
  clock: Clock
  catalogue: Catalogue
  intake: Intake
  parts: Parts
}

/** One synchronization under way. */
export class Run implements Replica {
  readonly core: Core
  readonly #components: RunComponents
  readonly #peer: string
  readonly #options: SyncOptions
  /** Purls of which more than one release stands here, since one of them came. */
  readonly #contested = new Set<string>()
  #received = 0
  #bytes = 0
  #rounds = 0

  constructor(components: RunComponents, peer: string, options: SyncOptions) {
    this.core = components.core
    this.#components = components
    this.#peer = peer
    this.#options = options
  }

  async carryOut(signal: AbortSignal): Promise<SyncReport> {
    const { clock, follows } = this.#components
    const began = clock.now()
    const { filter, dryRun = false } = this.#options
    const { strategy = filter ? 'selective' : 'incremental' } = this.#options
    const since = follows.synced(this.#peer)?.cursor ?? 'none'
    const outcome = await this.#steps(
      synchronize(this, {
        everything: strategy === 'full',
        importantFirst: strategy === 'priority',
        others: this.#options.others ?? true,
        dryRun,
        ...(filter && { filter }),
        ...(strategy === 'incremental' && !dryRun && { since }),
      }),
      signal,
    )
    const artifacts = await this.#artifacts(dryRun ? 'none' : (this.#options.artifacts ?? 'none'), signal)
    if (!dryRun && !filter && outcome.unequal.length === 0) await follows.noteSynced(this.#peer, outcome.cursor)
    return {
      ...{ peer: this.#peer, strategy, sent: outcome.sent, received: this.#received },
      ...{ surplus: outcome.surplus, lacking: outcome.lacking, bytes: this.#bytes, rounds: this.#rounds },
      artifacts,
      ...{ ms: clock.now() - began, shelves: outcome.shelves, unequal: outcome.unequal.length },
      conflicts: this.#contested.size,
    }
  }

  shelves(): readonly ShelfName[] {
    const publishers = this.#options.filter?.publishers
    const all = this.#components.catalogue.shelvesWith(this.#peer)
    return publishers ? all.filter(({ signer }) => publishers.includes(signer)) : all
  }

  set(shelf: ShelfName) {
    return this.#components.parts.of(shelf, this.#options.filter)
  }

  envelope(id: Uint8Array): Uint8Array | undefined {
    return this.#components.records.envelope(id)
  }

  wanted({ audience, signer }: { audience: string; signer: string }): ShelfName | undefined {
    const { filter } = this.#options
    if (filter?.publishers && !filter.publishers.includes(signer)) return undefined
    return shelfName(audience as ShelfName['audience'], signer)
  }

  async #steps(session: Generator<Step, Outcome, readonly SyncReply[]>, signal: AbortSignal): Promise<Outcome> {
    this.#components.catalogue.refresh()
    await this.#prepare(this.shelves(), signal)
    let next = session.next()
    while (!next.done) {
      this.#components.catalogue.refresh()
      const replies = await this.#ask(next.value, signal)
      await this.#prepare(next.value.shelf ? [next.value.shelf] : [], signal)
      this.#rounds++
      next = session.next(replies)
    }
    return next.value
  }

  async #prepare(shelves: readonly ShelfName[], signal: AbortSignal): Promise<void> {
    const { filter } = this.#options
    if (filter) for (const shelf of shelves) await this.#components.parts.prepare(shelf, filter, signal)
  }

  /** Ask, and again in a while when the peer is busy: it answers so much at a time. */
  async #ask(step: Step, signal: AbortSignal): Promise<SyncReply[]> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#askOnce(step, signal)
      } catch (thrown) {
        if (!hasCode(thrown, 'PEER_BUSY') || attempt >= SYNC_BUSY_RETRIES_MAX) throw thrown
        await sleep(this.#components.clock, SECOND_MS, signal)
      }
    }
  }

  async #askOnce({ request, shelf }: Step, signal: AbortSignal): Promise<SyncReply[]> {
    const replies: SyncReply[] = []
    const onBytes = (bytes: number) => {
      this.#bytes += bytes
    }
    for await (const reply of gathered(this.#components.rpc.call(SYNC, this.#peer, request, { signal, onBytes }))) {
      if (reply.is === 'records' && shelf) await this.#take(shelf, reply.records)
      else if (reply.is === 'changed') await this.#takeChanged(reply)
      else replies.push(reply)
    }
    return replies
  }

  /** Of a shelf that is not known here nothing is taken: whether it is wanted is for the session to say. */
  async #takeChanged({ key, records }: { key: Uint8Array; records: readonly Uint8Array[] }): Promise<void> {
    const shelf = this.#components.catalogue.find(this.#peer, key)
    if (shelf) await this.#take(shelf, records)
  }

  async #take(shelf: ShelfName, records: readonly Uint8Array[]): Promise<void> {
    const admitted = await this.#components.intake.take(shelf, records, this.#peer)
    this.#received += admitted.length
    this.#note(admitted)
  }

  #note(admitted: readonly CatalogRecord[]): void {
    for (const { purl, body } of admitted.filter(isRelease).map(readRelease)) {
      if (this.#components.records.releases(body, body.version).length > 1) this.#contested.add(purl)
    }
  }

  /** Fetch bytes that are not here, slowly; whatever fails is told by number, and stays for the next time. */
  async #artifacts(which: (typeof ARTIFACTS)[number], signal: AbortSignal) {
    const { packages, blobs } = this.#components
    const outcome = { fetched: 0, failed: 0 }
    for (const release of which === 'none' ? [] : this.#wantedBytes(which)) {
      packages.shown(release.record.id, this.#peer)
      for (const artifact of release.body.artifacts) {
        if (blobs.isUnder(artifact.root, release.record.id)) continue
        try {
          const { lease } = await packages.fetch(release, artifact, { signal, priority: 'low' })
          lease[Symbol.dispose]()
          outcome.fetched++
        } catch (thrown) {
          signal.throwIfAborted()
          outcome.failed++
          tellFailure(`fetch ${release.purl}`, thrown)
        }
      }
    }
    return outcome
  }

  *#wantedBytes(which: 'pinned' | 'all'): Generator<Release> {
    const { records, kept } = this.#components
    const pinned = new Set(kept.list().map(({ purl }) => nameKey(parsePurl(purl))))
    for (const shelf of this.shelves()) {
      for (const id of this.set(shelf).idsBelow(ROOT_PATH)) {
        const release = records.release(id)
        if (release && (which === 'all' || pinned.has(nameKey(release.body)))) yield release
      }
    }
  }
}
