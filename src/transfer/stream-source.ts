// Blobs over `/catalog/blob/1`, a libp2p stream: it reaches every peer that is connected.
import { concatBytes, equalBytes, sha256 } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { CHUNK_BYTES } from '../base/limits.ts'
import type { Rpc } from '../network/rpc.ts'
import { BLOB, type BlobRequest } from '../wire/messages.ts'
import type { Segment } from './chunk-map.ts'
import type { TransferGate } from './gate.ts'
import type { BlobSource, BlobWanted, SegmentEnd, SegmentOptions, SegmentTarget } from './sources.ts'

export class StreamSource implements BlobSource {
  readonly kind = 'stream'
  readonly #rpc: Rpc
  readonly #clock: Clock
  readonly #gate: TransferGate

  constructor({ rpc, clock, gate }: { rpc: Rpc; clock: Clock; gate: TransferGate }) {
    this.#rpc = rpc
    this.#gate = gate
    this.#clock = clock
  }

  reaches(): boolean {
    return true
  }

  async outline(peer: string, blob: BlobWanted, signal: AbortSignal, range?: Segment): Promise<Uint8Array> {
    const { first, count } = range ?? { first: 0, count: chunksOf(blob) }
    const request = { ...naming(blob), want: 'outline' as const, first, count: Math.max(1, count) }
    return await this.#all(peer, request, count * 32, signal)
  }

  async blob(peer: string, blob: BlobWanted, signal: AbortSignal): Promise<{ outline: Uint8Array; bytes: Uint8Array }> {
    const ids = chunksOf(blob) * 32
    const request = { ...naming(blob), want: 'both' as const, first: 0, count: Math.max(1, ids / 32) }
    const all = await this.#all(peer, request, ids + blob.size, signal)
    const [outline, bytes] = [all.subarray(0, ids), all.subarray(ids)]
    for (let chunk = 0; chunk * CHUNK_BYTES < bytes.length; chunk++) {
      const id = sha256(bytes.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES))
      if (!equalBytes(id, outline.subarray(chunk * 32, chunk * 32 + 32))) throw lied(peer, chunk)
    }
    emit('catalog:transfer', { peer, bytes: blob.size, direction: 'received', plane: 'stream' })
    return { outline, bytes }
  }

  async segment(
    peer: string,
    blob: BlobWanted,
    segment: Segment,
    target: SegmentTarget,
    { signal, onProgress }: SegmentOptions,
  ): Promise<SegmentEnd> {
    const startedAt = this.#clock.now()
    let [chunks, bytes] = [0, 0]
    const end = (more: Pick<SegmentEnd, 'error' | 'lie'> = {}): SegmentEnd => {
      return { chunks, bytes, micros: Math.round((this.#clock.now() - startedAt) * 1000), ...more }
    }
    try {
      for await (const piece of this.#pieces(peer, blob, segment, signal)) {
        const lie = target.firstLie(segment.first + chunks, piece)
        const sound = lie < 0 ? piece : piece.subarray(0, (lie - segment.first - chunks) * CHUNK_BYTES)
        if (sound.length > 0) await target.write(segment.first + chunks, sound)
        chunks += Math.ceil(sound.length / CHUNK_BYTES)
        bytes += sound.length
        onProgress(chunks)
        if (lie >= 0) return end({ error: lied(peer, lie), lie })
      }
      return end()
    } catch (thrown) {
      return end({ error: CatalogError.from(thrown, 'PEER_UNREACHABLE') })
    }
  }

  /** Bytes of a segment in order, in pieces of whole chunks, unchecked. */
  async *#pieces(peer: string, blob: BlobWanted, { first, count }: Segment, signal: AbortSignal) {
    const end = Math.min(blob.size, (first + count) * CHUNK_BYTES)
    let at = first * CHUNK_BYTES
    const request = { ...naming(blob), want: 'data' as const, first, count }
    for await (const { data } of this.#rpc.call(BLOB, peer, request, { signal })) {
      const whole = data.length % CHUNK_BYTES === 0 || at + data.length === end
      if (data.length === 0 || at + data.length > end || !whole) throw misfit(peer)
      emit('catalog:transfer', { peer, bytes: data.length, direction: 'received', plane: 'stream' })
      using _turn = await this.#gate.pass('down', peer, data.length, { signal })
      yield data
      at += data.length
    }
    if (at !== end) throw misfit(peer)
  }

  async #all(peer: string, request: BlobRequest, length: number, signal: AbortSignal) {
    const parts: Uint8Array[] = []
    let at = 0
    for await (const { data } of this.#rpc.call(BLOB, peer, request, { signal })) {
      at += data.length
      if (data.length === 0 || at > length) throw misfit(peer)
      using _turn = await this.#gate.pass('down', peer, data.length, { signal })
      parts.push(data)
    }
    if (at !== length) throw misfit(peer)
    return parts.length === 1 ? (parts[0] as Uint8Array) : concatBytes(...parts)
  }
}

function chunksOf({ size }: BlobWanted): number {
  return Math.ceil(size / CHUNK_BYTES)
}

function naming({ root, release }: BlobWanted): { root: Uint8Array; release: Uint8Array } {
  return { root, release }
}

function lied(peer: string, chunk: number): CatalogError {
  return new CatalogError('BLOB_CORRUPT', `It sent chunk ${chunk} with other bytes than were signed.`, {
    details: { peer, chunk },
  })
}

function misfit(peer: string): CatalogError {
  return new CatalogError('PEER_PROTOCOL', `Peer ${peer} sent another number of bytes than was asked for.`)
}
