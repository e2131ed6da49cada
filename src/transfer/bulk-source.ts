// Blobs over the native QUIC plane: bytes go from the socket to their place in a file without entering JavaScript. Here
// it is told how far they have come, and who may have what of this node's.
import type { Clock } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { BULK_PROGRESS_MS, CHUNK_BYTES } from '../base/limits.ts'
import type { BulkAuthorise, BulkPlane, BulkProvider, BulkSegment } from '../network/bulk.ts'
import type { HelloService } from '../network/hello.ts'
import type { Segment } from './chunk-map.ts'
import type { BlobGrants, Grant } from './grants.ts'
import type { BlobSource, BlobWanted, SegmentEnd, SegmentOptions, SegmentTarget } from './sources.ts'
import type { Transfers } from './transfers.ts'

interface Components {
  hello: Pick<HelloService, 'bulkAddress'>
  clock: Clock
  /** Opens the plane, if this process has one. */
  open: () => Promise<BulkPlane | undefined>
}

export class BulkSource implements BlobSource {
  readonly kind = 'bulk'
  readonly #components: Components
  #plane: BulkPlane | undefined

  constructor(components: Components) {
    this.#components = components
  }

  /** Open the plane. Without one, because its port is taken for example, blobs come and go over streams. */
  async start(): Promise<void> {
    try {
      this.#plane = await this.#components.open()
    } catch (thrown) {
      const { code, message } = CatalogError.from(thrown)
      emit('catalog:failure', { task: 'open the bulk plane', code, message })
    }
  }

  async stop(): Promise<void> {
    const plane = this.#plane
    this.#plane = undefined
    await plane?.close()
  }

  /** The UDP port that peers are told of. */
  get port(): number | undefined {
    return this.#plane?.port
  }

  /** Who may have what has changed. */
  forgetRefusals(): void {
    this.#plane?.forgetRefusals()
  }

  reaches(peer: string): boolean {
    return this.#plane !== undefined && this.#components.hello.bulkAddress(peer) !== undefined
  }

  async outline(peer: string, blob: BlobWanted, signal: AbortSignal, range?: Segment): Promise<Uint8Array> {
    // There is nothing to be had of an empty blob, and all of it is known.
    if (blob.size === 0) return new Uint8Array(0)
    const { plane, provider } = this.#to(peer)
    return await plane.fetchOutline(provider, blob, { signal }, range)
  }

  async blob(peer: string, blob: BlobWanted, signal: AbortSignal): Promise<{ outline: Uint8Array; bytes: Uint8Array }> {
    if (blob.size === 0) return { outline: new Uint8Array(0), bytes: new Uint8Array(0) }
    const { plane, provider } = this.#to(peer)
    return await plane.fetchBlob(provider, blob, { signal })
  }

  async segment(
    peer: string,
    blob: BlobWanted,
    { first, count }: Segment,
    target: SegmentTarget,
    { signal, onProgress }: SegmentOptions,
  ): Promise<SegmentEnd> {
    const { file } = target
    try {
      if (!file) throw new CatalogError('INTERNAL', 'A segment needs a file to go to.')
      const { plane, provider } = this.#to(peer)
      target.mustFit(Math.min(blob.size, (first + count) * CHUNK_BYTES) - first * CHUNK_BYTES)
      const outline = target.outline.subarray(first * 32, (first + count) * 32)
      const running = plane.fetchSegment(provider, blob, { first, count, outline }, file, { signal })
      return await this.#followed(running, first, target, onProgress)
    } catch (thrown) {
      return { chunks: 0, bytes: 0, micros: 0, error: CatalogError.from(thrown, 'PEER_UNREACHABLE') }
    }
  }

  /** Mark chunks as they come: what is only known at the end of a segment would be lost with the process. */
  async #followed(
    running: BulkSegment,
    first: number,
    target: SegmentTarget,
    onProgress: (chunks: number) => void,
  ): Promise<SegmentEnd> {
    let marked = 0
    let fault: unknown
    const marking = new Set<Promise<void>>()
    const mark = (chunks: number) => {
      if (chunks <= marked) return
      const work: Promise<void> = target
        .mark(first + marked, chunks - marked)
        .catch((thrown) => {
          fault ??= thrown
          running.cancel()
        })
        .finally(() => marking.delete(work))
      marking.add(work)
      marked = chunks
      onProgress(chunks)
    }
    let cancel: () => void = () => undefined
    const look = () => {
      mark(running.progress().chunks)
      cancel = this.#components.clock.after(BULK_PROGRESS_MS, look)
    }
    look()
    const end = await running.done
    cancel()
    mark(end.chunks)
    await Promise.all(marking)
    return fault === undefined ? end : { ...end, error: CatalogError.from(fault, 'STORE_FAILED') }
  }

  #to(peer: string): { plane: BulkPlane; provider: BulkProvider } {
    const address = this.#components.hello.bulkAddress(peer)
    if (!this.#plane || !address) throw new CatalogError('PEER_UNREACHABLE', `No bulk plane leads to ${peer}.`)
    return { plane: this.#plane, provider: { peer, ...address } }
  }
}

/** What this node says to requests over the bulk plane. */
export function bulkAuthorise({ grants, transfers }: { grants: BlobGrants; transfers: Transfers }): BulkAuthorise {
  return async ({ peer, root, release, outline }) => {
    const grant = grants.grant({ peer, root, release })
    try {
      const ids = outline ? { outline: await outlineOf(grant) } : {}
      const { size, held, purl, lease, priority } = grant
      const upload = transfers.sends({ root, peer, plane: 'bulk', purl, total: size, priority })
      let counted = 0
      const count = (sent: number) => {
        if (sent > counted) upload.sent(sent - counted)
        counted = Math.max(sent, counted)
      }
      const ended = (sent: number) => {
        count(sent)
        upload[Symbol.dispose]()
        grant[Symbol.dispose]()
      }
      const { path, offset, bytes } = lease
      const data = path === undefined ? { bytes: bytes ?? new Uint8Array(0) } : { path, offset }
      return { data, size, ...ids, ...(held && { held }), priority, sent: count, ended }
    } catch (thrown) {
      grant[Symbol.dispose]()
      throw thrown
    }
  }
}

async function outlineOf({ lease, outlineAt, outline }: Grant) {
  if (lease.path !== undefined && outlineAt !== undefined) return { path: lease.path, offset: outlineAt }
  return { bytes: await outline() }
}
