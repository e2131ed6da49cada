// Where bytes can come from. One interface, so that a faster plane can stand beside the libp2p stream.
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { CHUNK_BYTES } from '../base/limits.ts'
import type { Rpc } from '../network/rpc.ts'
import { BLOB } from '../wire/messages.ts'
import type { TransferGate } from './gate.ts'

/** What is wanted: a blob, named by a release. */
export interface BlobWanted {
  /** 32 bytes. */
  readonly root: Uint8Array
  readonly size: number
  /** Record id of the release that names it, 32 bytes. */
  readonly release: Uint8Array
}

export interface BlobSource {
  /** All chunk ids, 32 bytes each, unchecked. */
  outline(peer: string, blob: BlobWanted, signal: AbortSignal): Promise<Uint8Array>
  /** Bytes of chunks [first, first + count) in order, in pieces of whole chunks, unchecked. */
  chunks(peer: string, blob: BlobWanted, first: number, count: number, signal: AbortSignal): AsyncIterable<Uint8Array>
}

/** Blobs over `/catalog/blob/1`, a libp2p stream. */
export class StreamSource implements BlobSource {
  readonly #rpc: Rpc
  readonly #gate: TransferGate

  constructor({ rpc, gate }: { rpc: Rpc; gate: TransferGate }) {
    this.#rpc = rpc
    this.#gate = gate
  }

  async outline(peer: string, blob: BlobWanted, signal: AbortSignal): Promise<Uint8Array> {
    const expected = Math.ceil(blob.size / CHUNK_BYTES) * 32
    const outline = new Uint8Array(expected)
    let at = 0
    const request = { ...naming(blob), want: 'outline' as const, first: 0, count: Math.max(1, expected / 32) }
    for await (const { data } of this.#rpc.call(BLOB, peer, request, { signal })) {
      if (at + data.length > expected) throw misfit(peer)
      outline.set(data, at)
      at += data.length
    }
    if (at !== expected) throw misfit(peer)
    return outline
  }

  async *chunks(
    peer: string,
    blob: BlobWanted,
    first: number,
    count: number,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const end = Math.min(blob.size, (first + count) * CHUNK_BYTES)
    let at = first * CHUNK_BYTES
    const request = { ...naming(blob), want: 'data' as const, first, count }
    for await (const { data } of this.#rpc.call(BLOB, peer, request, { signal })) {
      const whole = data.length % CHUNK_BYTES === 0 || at + data.length === end
      if (data.length === 0 || at + data.length > end || !whole) throw misfit(peer)
      emit('catalog:transfer', { peer, bytes: data.length, direction: 'received' })
      using _turn = await this.#gate.pass('down', peer, data.length, { signal })
      yield data
      at += data.length
    }
    if (at !== end) throw misfit(peer)
  }
}

function naming({ root, release }: BlobWanted): { root: Uint8Array; release: Uint8Array } {
  return { root, release }
}

function misfit(peer: string): CatalogError {
  return new CatalogError('PEER_PROTOCOL', `Peer ${peer} sent another number of bytes than was asked for.`)
}
