// The packages that the fault tests publish and fetch: a name says all about one, its bytes too, so that whoever finds
// it after a crash knows what it must be.
import { BLOB_AT_HAND_BYTES_MAX, BLOB_INLINE_BYTES_MAX, CHUNK_BYTES } from '../../src/base/limits.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { KiB } from '../../src/base/units.ts'
import { formatPurl } from '../../src/model/purl.ts'
import type { CatalogRecord } from '../../src/model/record.ts'
import type { Artifact } from '../../src/model/release.ts'
import { publisherOf, releaseOf, shareOf } from '../unit/model/made.ts'
import { blobOf, type Made } from '../unit/store/opened.ts'

export const TYPE = 'generic'
export const VERSION = '1.0.0'

/** `own`: published by the store under test. `far`: by somebody else, fetched. */
export type Kind = 'own' | 'far'

export interface Package {
  readonly kind: Kind
  /** Sets one package apart from others with the same content. */
  readonly number: number
  /** Number of what is in it. */
  readonly content: number
}

/** Those at which a blob is kept in another way, and those of the last chunk. */
const BOUNDARIES = [BLOB_INLINE_BYTES_MAX, CHUNK_BYTES, BLOB_AT_HAND_BYTES_MAX].flatMap((at) => [at - 1, at, at + 1])

/** How large the blobs are: in the database, written together, written in place. */
const SIZES: readonly ((random: Random) => number)[] = [
  (random) => 16 + Math.floor(random.fraction() * (BLOB_INLINE_BYTES_MAX - 16)),
  (random) => 17 * KiB + Math.floor(random.fraction() * 200 * KiB),
  (random) => 17 * KiB + Math.floor(random.fraction() * 900 * KiB),
  (random) => 1025 * KiB + Math.floor(random.fraction() * 1000 * KiB),
  (random) => BOUNDARIES[Math.floor(random.fraction() * BOUNDARIES.length)] ?? CHUNK_BYTES,
]

/** From this number on, a content's number is its size and this. */
const SIZED = 10_000
const KEPT_CONTENTS = 200
const contents = new Map<number, Made>()

export function contentOf(number: number): Made {
  const known = contents.get(number)
  if (known) return known
  const random = seededRandom(number + 1)
  const size = number >= SIZED ? number - SIZED : SIZES[number % SIZES.length]?.(random)
  const made = blobOf(size ?? 0, number + 1)
  const [oldest] = contents.keys()
  if (contents.size >= KEPT_CONTENTS && oldest !== undefined) contents.delete(oldest)
  contents.set(number, made)
  return made
}

/** Number of a content of that many bytes. */
export function contentSized(bytes: number): number {
  return SIZED + bytes
}

export function nameOf({ kind, number, content }: Package): string {
  return `${kind}-${number}-${content}`
}

export function packageOf(name: string): Package {
  const [kind, number, content] = name.split('-')
  return { kind: kind as Kind, number: Number(number), content: Number(content) }
}

export function purlOf(name: string): string {
  return formatPurl({ type: TYPE, name, version: VERSION })
}

/** Who publishes what is far. */
const stranger = publisherOf(7)

export interface FarRelease {
  readonly release: CatalogRecord
  readonly artifact: Artifact
  /** All that its publisher says of it. */
  readonly records: readonly CatalogRecord[]
}

export function farRelease(name: string): FarRelease {
  const { root, size, sha256 } = contentOf(packageOf(name).content)
  const artifact = { path: `${name}.bin`, mediaType: 'application/octet-stream', size, root, sha256 }
  const release = releaseOf(stranger, { type: TYPE, name, version: VERSION, artifacts: [artifact] })
  return { release, artifact, records: [stranger.document, release, shareOf(stranger, purlOf(name), 1)] }
}
