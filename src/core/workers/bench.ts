// What a task has at hand on its thread.
import { CatalogError } from '../../base/errors.ts'
import { CHUNK_BYTES } from '../../base/limits.ts'
import { MiB } from '../../base/units.ts'
import { type Core, DIGEST_BYTES } from '../surface.ts'

/**
 * Bytes between two looks at whether to stop, at least. Sixteen chunks keep every lane of either core busy and stay in
 * the L2 cache.
 */
export const BATCH_BYTES = MiB

export interface Bench {
  /** Works on `bytes` where they lie. */
  readonly core: Core
  /** The same with room to grow, for roots: the outline of a blob can be 32 MiB. */
  readonly roots: Core
  /** The task's own, whole chunks; overwritten. */
  readonly bytes: Uint8Array
  readonly mustStop: boolean
}

/** To be called once a batch. @throws CatalogError `ABORTED` */
export function goOn({ mustStop }: Pick<Bench, 'mustStop'>): void {
  if (mustStop) throw new CatalogError('ABORTED', 'Cancelled.')
}

/**
 * Ids of the 64 KiB chunks of some bytes.
 *
 * @param out - 32 bytes for each of them
 */
export function hashChunks(core: Core, bytes: Uint8Array, out: Uint8Array): void {
  const ranges = new Uint32Array((out.length / DIGEST_BYTES) * 2)
  for (let i = 0, at = 0; i < ranges.length; i += 2, at += CHUNK_BYTES) {
    ranges[i] = at
    ranges[i + 1] = Math.min(CHUNK_BYTES, bytes.length - at)
  }
  core.sha256Many(bytes, ranges, out)
}

/** Bytes that the ids of so many bytes take. */
export function outlineBytes(size: number): number {
  return Math.ceil(size / CHUNK_BYTES) * DIGEST_BYTES
}
