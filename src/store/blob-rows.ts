// Between rows of the index and what they say: a blob's names, the place of its extent, the ends that seal it.
import { concatBytes } from '../base/bytes.ts'
import { encodeFooter, encodeHeader, extentBytes, HEADER_BYTES } from './extent.ts'
import type { Packs, Place } from './packs.ts'
import type { BlobRow, DownloadRow } from './tables.ts'

export interface BlobNames {
  readonly root: Uint8Array
  readonly size: number
  readonly sha256: Uint8Array
  readonly sha512?: Uint8Array | undefined
}

/** A blob as hashed on this node. */
export interface HashedBlob extends BlobNames {
  /** 32 bytes a chunk. */
  readonly outline: Uint8Array
}

export function namesOf(root: Uint8Array, { size, sha256, sha512 }: BlobRow): BlobNames {
  return { root, size, sha256: new Uint8Array(sha256), ...(sha512 && { sha512: new Uint8Array(sha512) }) }
}

export function rowOf({ size, sha256, sha512 }: BlobNames, at: number, place: Place | undefined): BlobRow {
  const where = place && { pack: place.pack, offset: place.offset }
  return { size, sha256, ...(sha512 && { sha512 }), at, ...where }
}

/** @returns nothing for a blob that lies in the database */
export function placeOf({ size, pack, offset }: BlobRow): Place | undefined {
  return pack === undefined || offset === undefined ? undefined : extentOf({ size, pack, offset })
}

export function extentOf({ size, pack, offset }: Pick<DownloadRow, 'size' | 'pack' | 'offset'>): Place {
  return { pack, offset, bytes: extentBytes(size) }
}

/** Header and footer around data that is written already; sealed once they are synced. */
export async function writeEnds(packs: Packs, place: Place, blob: HashedBlob, release: Uint8Array): Promise<void> {
  await packs.write(place, 0, encodeHeader(blob))
  await packs.write(place, HEADER_BYTES + blob.size, encodeFooter(blob, { ...blob, release }))
}

/** Key of a row about a blob under a release. */
export function blobReleaseKey(root: Uint8Array, release: Uint8Array): Uint8Array {
  return concatBytes(root, release)
}
