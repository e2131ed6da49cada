// Blobs in files for tests of the bulk plane, laid out as the store does it: bytes of others, the data, the chunk ids.
import { writeFileSync } from 'node:fs'
import { CHUNK_BYTES } from '../../src/base/limits.ts'
import { seededRandom } from '../../src/base/random.ts'
import { loadCore } from '../../src/core/load.ts'
import type { BulkGrant, BulkWanted } from '../../src/network/bulk.ts'

/** Of the data in its file. */
const OFFSET = 100
const PATTERN_BYTES = 65_521

export interface Blob {
  readonly bytes: Uint8Array
  readonly outline: Uint8Array
  readonly wanted: BulkWanted
  readonly chunks: number
}

/** A blob of other bytes for every seed. */
export async function blobOf(size: number, seed: number): Promise<Blob> {
  const core = await loadCore()
  // A length without a common factor with a chunk's: no two chunks are alike.
  const bytes = new Uint8Array(Buffer.alloc(size, seededRandom(seed).bytes(PATTERN_BYTES)))
  const chunks = Math.ceil(size / CHUNK_BYTES)
  const lengths = Uint32Array.from({ length: chunks }, (_, i) => Math.min(CHUNK_BYTES, size - i * CHUNK_BYTES))
  const ranges = Uint32Array.from({ length: 2 * chunks }, (_, i) =>
    i % 2 ? (lengths[i >> 1] ?? 0) : (i >> 1) * CHUNK_BYTES,
  )
  const outline = new Uint8Array(32 * chunks)
  core.sha256Many(bytes, ranges, outline)
  const root = new Uint8Array(32)
  core.merkleRoot(outline, lengths, 0, root)
  return { bytes, outline, chunks, wanted: { root, size, release: new Uint8Array(32).fill(7) } }
}

export interface End {
  readonly sent: number
  readonly code: string | undefined
}

/** Put a blob in a file; what is returned grants it. */
export function stored({ bytes, outline, wanted }: Blob, path: string, ended: (end: End) => void = () => undefined) {
  writeFileSync(path, Buffer.concat([Buffer.alloc(OFFSET, 1), bytes, outline]))
  return (): BulkGrant => ({
    data: { path, offset: OFFSET },
    outline: { path, offset: OFFSET + bytes.length },
    size: wanted.size,
    priority: 'normal',
    ended: (sent, error) => ended({ sent, code: error?.code }),
  })
}
