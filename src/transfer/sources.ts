// Where bytes come from: one interface, and a choice among its implementations for each peer. All of them obey
// test/conformance/source.test.ts.
import type { Clock } from '../base/clock.ts'
import { type CatalogError, hasCode } from '../base/errors.ts'
import { BULK_AVOIDED_MS } from '../base/limits.ts'
import type { Segment } from './chunk-map.ts'

/** The native QUIC plane, or libp2p streams. */
export type Plane = 'bulk' | 'stream'

/** What is wanted: a blob, named by a release. */
export interface BlobWanted {
  /** 32 bytes. */
  readonly root: Uint8Array
  readonly size: number
  /** Record id of the release that names it, 32 bytes. */
  readonly release: Uint8Array
}

/** Where the chunks of a segment go: a `Download`. */
export interface SegmentTarget {
  /** 32 bytes a chunk, true to the root. */
  readonly outline: Uint8Array
  /** Of the first byte of the blob; nothing when it waits in memory. */
  readonly file: { readonly path: string; readonly offset: number } | undefined
  /** @throws CatalogError `DISK_FULL` */
  mustFit(bytes: number): void
  /** @returns the first chunk of `bytes` that is not what the outline says, or −1 */
  firstLie(first: number, bytes: Uint8Array): number
  /** Chunks that were checked are written to where they belong. */
  write(first: number, bytes: Uint8Array): Promise<void>
  /** Chunks that were checked lie where they belong already. */
  mark(first: number, count: number): Promise<void>
}

export interface SegmentOptions {
  readonly signal: AbortSignal
  /** Chunks from the first on that are verified and written by now; more each time. */
  readonly onProgress: (chunks: number) => void
}

/** What came of a segment. */
export interface SegmentEnd {
  /** Chunks verified and written, from the first on. */
  readonly chunks: number
  readonly bytes: number
  readonly micros: number
  /** Why it is not all of them. Faults of the disk here have codes of the disk. */
  readonly error?: CatalogError | undefined
  /** The chunk that is not what was signed. */
  readonly lie?: number | undefined
}

export interface BlobSource {
  readonly kind: Plane
  /** Whether it makes sense to ask `peer` over this plane. */
  reaches(peer: string): boolean
  /**
   * Chunk ids, 32 bytes each, unchecked; all of them unless a range is named.
   *
   * @throws CatalogError as `Rpc.call`
   */
  outline(peer: string, blob: BlobWanted, signal: AbortSignal, range?: Segment): Promise<Uint8Array>
  /**
   * Outline and bytes of a small blob (`BLOB_AT_HAND_BYTES_MAX`) in one round trip. The bytes are what the outline
   * says; the outline may be unchecked.
   *
   * @throws CatalogError as `Rpc.call`; `BLOB_CORRUPT` with `details.chunk` for a lie
   */
  blob(peer: string, blob: BlobWanted, signal: AbortSignal): Promise<{ outline: Uint8Array; bytes: Uint8Array }>
  /** Chunks into their place, each checked before it is written. Never rejects. */
  segment(
    peer: string,
    blob: BlobWanted,
    segment: Segment,
    target: SegmentTarget,
    options: SegmentOptions,
  ): Promise<SegmentEnd>
}

/** The planes there are, the best first, and which of them serves for whom. */
export class Sources {
  readonly #planes: readonly BlobSource[]
  readonly #clock: Clock
  /** Until when a peer is not asked over a plane, by both. */
  readonly #avoided = new Map<string, number>()
  readonly #proven = new Set<string>()

  constructor({ planes, clock }: { planes: readonly BlobSource[]; clock: Clock }) {
    this.#planes = planes
    this.#clock = clock
  }

  /** A peer has come, perhaps with another address: try the best plane again. */
  forget(peer: string): void {
    for (const { kind } of this.#planes) {
      this.#avoided.delete(`${kind} ${peer}`)
      this.#proven.delete(`${kind} ${peer}`)
    }
  }

  /**
   * Ask a peer over the best plane that leads to it. Where the better one turns out not to, the next one is tried at
   * once, and for a while from the start.
   *
   * @param ask - may be called once for each plane; rejects, or resolves with an `error`, when it fails
   */
  async ask<T extends { error?: CatalogError | undefined; chunks?: number }>(
    peer: string,
    ask: (source: BlobSource) => Promise<T>,
    onPlane: (plane: Plane) => void = () => undefined,
  ): Promise<T> {
    const usable = this.#usable(peer)
    for (const [index, source] of usable.entries()) {
      const key = `${source.kind} ${peer}`
      const other = index + 1 < usable.length
      onPlane(source.kind)
      try {
        const result = await ask(source)
        if (!other || !this.#leadsNowhere(key, result.error) || (result.chunks ?? 0) > 0) {
          if (!result.error || (result.chunks ?? 0) > 0) this.#proven.add(key)
          return result
        }
      } catch (thrown) {
        if (!other || !this.#leadsNowhere(key, thrown)) throw thrown
      }
      this.#avoid(key)
    }
    throw new RangeError('no plane leads to any peer')
  }

  #usable(peer: string): BlobSource[] {
    const now = this.#clock.now()
    const last = this.#planes.length - 1
    return this.#planes.filter((source, index) => {
      if (index === last) return true
      return source.reaches(peer) && (this.#avoided.get(`${source.kind} ${peer}`) ?? 0) <= now
    })
  }

  /** A plane that has served for a peer before leads to it: the peer itself has failed then. */
  #leadsNowhere(key: string, error: unknown): boolean {
    return hasCode(error, 'PEER_UNREACHABLE', 'PEER_TIMEOUT') && !this.#proven.has(key)
  }

  #avoid(key: string): void {
    const now = this.#clock.now()
    for (const [other, until] of this.#avoided) if (until <= now) this.#avoided.delete(other)
    this.#avoided.set(key, now + BULK_AVOIDED_MS)
  }
}
