// A source for tests that only has to say what it sends: checking and writing are done here as a plane does them.
import { concatBytes, equalBytes, sha256 } from '../../../src/base/bytes.ts'
import { CatalogError } from '../../../src/base/errors.ts'
import { CHUNK_BYTES } from '../../../src/base/limits.ts'
import type { Segment } from '../../../src/transfer/chunk-map.ts'
import type {
  BlobSource,
  BlobWanted,
  SegmentEnd,
  SegmentOptions,
  SegmentTarget,
} from '../../../src/transfer/sources.ts'

export abstract class PieceSource implements BlobSource {
  readonly kind = 'stream'

  abstract outline(peer: string, blob: BlobWanted, signal: AbortSignal): Promise<Uint8Array>

  /** Bytes of chunks in order, in pieces of whole chunks. */
  abstract pieces(peer: string, blob: BlobWanted, segment: Segment, signal: AbortSignal): AsyncIterable<Uint8Array>

  reaches(): boolean {
    return true
  }

  async blob(peer: string, blob: BlobWanted, signal: AbortSignal): Promise<{ outline: Uint8Array; bytes: Uint8Array }> {
    const outline = await this.outline(peer, blob, signal)
    const parts: Uint8Array[] = []
    if (blob.size > 0) {
      const all = { first: 0, count: Math.ceil(blob.size / CHUNK_BYTES) }
      for await (const piece of this.pieces(peer, blob, all, signal)) parts.push(piece)
    }
    const bytes = concatBytes(...parts)
    for (let chunk = 0; chunk * CHUNK_BYTES < Math.max(bytes.length, blob.size); chunk++) {
      const id = sha256(bytes.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES))
      const sound = equalBytes(id, outline.subarray(chunk * 32, chunk * 32 + 32))
      if (!sound) throw new CatalogError('BLOB_CORRUPT', `It sent chunk ${chunk} wrong.`, { details: { chunk } })
    }
    return { outline, bytes }
  }

  async segment(
    peer: string,
    blob: BlobWanted,
    segment: Segment,
    target: SegmentTarget,
    { signal, onProgress }: SegmentOptions,
  ): Promise<SegmentEnd> {
    let [chunks, bytes] = [0, 0]
    try {
      for await (const piece of this.pieces(peer, blob, segment, signal)) {
        const lie = target.firstLie(segment.first + chunks, piece)
        const error = new CatalogError('BLOB_CORRUPT', `It sent chunk ${lie} with other bytes than were signed.`)
        if (lie >= 0) return { chunks, bytes, micros: 0, error, lie }
        await target.write(segment.first + chunks, piece)
        chunks += Math.ceil(piece.length / CHUNK_BYTES)
        bytes += piece.length
        onProgress(chunks)
      }
      return { chunks, bytes, micros: 0 }
    } catch (thrown) {
      return { chunks, bytes, micros: 0, error: CatalogError.from(thrown, 'PEER_UNREACHABLE') }
    }
  }
}
