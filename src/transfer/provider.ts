// Serving blobs over libp2p streams: the outline, a range of chunks, or both of a small blob. What may be served to
// whom is decided in grants.ts.
import { hasBit } from '../base/bitmap.ts'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { BLOB_AT_HAND_BYTES_MAX, BLOB_FRAME_BYTES, CHUNK_BYTES } from '../base/limits.ts'
import type { Rpc } from '../network/rpc.ts'
import type { Blobs } from '../store/blobs.ts'
import { BLOB, type BlobRequest } from '../wire/messages.ts'
import type { TransferGate } from './gate.ts'
import type { BlobGrants, Grant } from './grants.ts'
import type { Transfers } from './transfers.ts'

interface Components {
  rpc: Rpc
  blobs: Blobs
  grants: BlobGrants
  transfers: Transfers
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
    const { root, release, want } = request
    // Held until the last byte is out: what is evicted meanwhile stays readable for who has begun.
    using grant = this.#components.grants.grant({ peer, root, release })
    if (want === 'both' && grant.size > BLOB_AT_HAND_BYTES_MAX) {
      throw new CatalogError('LIMIT_EXCEEDED', `A blob of more than ${BLOB_AT_HAND_BYTES_MAX} bytes comes in parts.`)
    }
    using upload = this.#components.transfers.sends({
      root,
      peer,
      plane: 'stream',
      purl: grant.purl,
      total: grant.size,
      priority: grant.priority,
    })
    for await (const data of this.#pieces(grant, request)) {
      using _turn = await this.#components.gate.pass('up', peer, data.length, { priority: grant.priority, signal })
      yield { data }
      upload.sent(data.length)
      emit('catalog:transfer', { peer, bytes: data.length, direction: 'sent', plane: 'stream' })
    }
  }

  #pieces(grant: Grant, request: BlobRequest): AsyncGenerator<Uint8Array> {
    if (request.want === 'both') return this.#both(grant)
    return request.want === 'outline' ? this.#outline(grant, request) : this.#data(grant, request)
  }

  async *#both(grant: Grant): AsyncGenerator<Uint8Array> {
    const all = { first: 0, count: Math.max(1, Math.ceil(grant.size / CHUNK_BYTES)) }
    yield* this.#outline(grant, all)
    yield* this.#data(grant, all)
  }

  async *#outline(grant: Grant, { first, count }: { first: number; count: number }): AsyncGenerator<Uint8Array> {
    const ids = (await grant.outline()).subarray(first * 32, (first + count) * 32)
    for (let at = 0; at < ids.length; at += BLOB_FRAME_BYTES) yield ids.subarray(at, at + BLOB_FRAME_BYTES)
  }

  async *#data(grant: Grant, { first, count }: { first: number; count: number }): AsyncGenerator<Uint8Array> {
    const { held, lease, size } = grant
    const end = Math.min(size, (first + count) * CHUNK_BYTES)
    for (let chunk = first; held && chunk * CHUNK_BYTES < end; chunk++) {
      if (!hasBit(held, chunk)) throw new CatalogError('NOT_FOUND', `Chunk ${chunk} is not here yet.`)
    }
    // One for all pieces: collecting a fresh one each took as long as sending it.
    const buffer = new Uint8Array(Math.min(BLOB_FRAME_BYTES, Math.max(0, end - first * CHUNK_BYTES)))
    for (let at = first * CHUNK_BYTES; at < end; at += BLOB_FRAME_BYTES) {
      const data = buffer.subarray(0, Math.min(BLOB_FRAME_BYTES, end - at))
      if ((await this.#components.blobs.readFrom(lease, at, data)) < data.length) {
        throw new CatalogError('FILE_UNREADABLE', 'The pack of a blob is shorter than it should be.')
      }
      yield data
    }
  }
}
