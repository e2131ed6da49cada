// Serving blobs: the outline or a range of chunks, under a release that names them. A blob is served under a release
// only if this node published it or fetched it under that release, and only to who may see the release.

import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { BLOB_FRAME_BYTES, CHUNK_BYTES } from '../base/limits.ts'
import { readRelease } from '../model/release.ts'
import type { Rpc } from '../network/rpc.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Records } from '../store/records.ts'
import type { Shares } from '../trust/shares.ts'
import { BLOB, type BlobRequest } from '../wire/messages.ts'
import type { TransferGate } from './gate.ts'

interface Components {
  rpc: Rpc
  records: Records
  shares: Shares
  blobs: Blobs
  gate: TransferGate
}

export class BlobProvider {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  async start(): Promise<void> {
    await this.#components.rpc.serve(BLOB, (request, { peer, signal }) => this.#open(request, peer, signal))
  }

  async *#open(request: BlobRequest, peer: string, signal: AbortSignal): AsyncGenerator<{ data: Uint8Array }> {
    const { root, want, first, count } = request
    this.#authorise(request)
    const { blobs } = this.#components
    const blob = blobs.get(root)
    // Held until the last byte is out: what is evicted meanwhile stays readable for who has begun.
    using lease = blobs.lease(root)
    if (!blob || !lease) throw absent()
    const outline = want === 'outline' ? await blobs.outline(root) : undefined
    const [whole, each] = outline ? [outline.length, 32] : [blob.size, CHUNK_BYTES]
    const end = Math.min(whole, (first + count) * each)
    let at = first * each
    // One for all pieces: collecting a fresh one each took as long as sending it.
    const buffer = new Uint8Array(outline ? 0 : Math.min(BLOB_FRAME_BYTES, Math.max(0, end - at)))
    while (at < end) {
      const length = Math.min(BLOB_FRAME_BYTES, end - at)
      const data = outline ? outline.subarray(at, at + length) : buffer.subarray(0, length)
      if (!outline && (await blobs.readFrom(lease, at, data)) < length) {
        throw new CatalogError('FILE_UNREADABLE', 'The pack of a blob is shorter than it should be.')
      }
      using _turn = await this.#components.gate.pass('up', peer, length, { signal })
      yield { data }
      emit('catalog:transfer', { peer, bytes: length, direction: 'sent' })
      at += length
    }
  }

  /** @throws CatalogError `NOT_FOUND`, whatever the reason: refused looks like absent */
  #authorise({ root, release: id }: BlobRequest): void {
    const { records, shares, blobs } = this.#components
    const record = records.get(id)
    if (record?.statement.kind !== 'release') throw absent()
    if (!blobs.isUnder(root, id) || !shares.isPublic(readRelease(record))) throw absent()
  }
}

function absent(): CatalogError {
  return new CatalogError('NOT_FOUND', 'This blob is not known here.')
}
