// A release: one published version, the signed record that names its artifacts. Write-once: no seq, no permission.
import { z } from 'zod'
import { CatalogError } from '../base/errors.ts'
import {
  ARTIFACTS_MAX,
  BLOB_BYTES_MAX,
  DEPENDENCIES_MAX,
  DESCRIPTION_LENGTH_MAX,
  KEYWORD_LENGTH_MAX,
  KEYWORDS_MAX,
  NAME_LENGTH_MAX,
  VERSION_LENGTH_MAX,
} from '../base/limits.ts'
import { bytesOf } from './cbor.ts'
import { formatPurl } from './purl.ts'
import { type CatalogRecord, readOnce } from './record.ts'

const shortText = z.string().max(256)

const artifactSchema = z.looseObject({
  path: z.string().min(1).max(512),
  mediaType: z.string().min(1).max(128),
  size: z.int().min(0).max(BLOB_BYTES_MAX),
  root: bytesOf(32),
  sha256: bytesOf(32),
  sha512: bytesOf(64).optional(),
  /** Of an attestation: what it says. */
  predicateType: shortText.optional(),
})

const dependencySchema = z.looseObject({
  type: z.string().max(32),
  name: z.string().max(NAME_LENGTH_MAX),
  range: shortText,
  optional: z.boolean().optional(),
})

/** What a package's own manifest says of it. */
export const describedSchema = z.looseObject({
  manifest: z.record(z.string(), z.unknown()),
  dependencies: z.array(dependencySchema).max(DEPENDENCIES_MAX),
  description: z.string().max(DESCRIPTION_LENGTH_MAX),
  keywords: z.array(z.string().max(KEYWORD_LENGTH_MAX)).max(KEYWORDS_MAX),
  license: shortText,
})

const releaseSchema = z.looseObject({
  type: z.string().regex(/^[a-z][a-z0-9.-]{0,31}$/),
  name: z.string().min(1).max(NAME_LENGTH_MAX),
  version: z.string().min(1).max(VERSION_LENGTH_MAX),
  artifacts: z.array(artifactSchema).min(1).max(ARTIFACTS_MAX),
  ...describedSchema.shape,
  category: shortText,
  tags: z.array(z.string().max(KEYWORD_LENGTH_MAX)).max(KEYWORDS_MAX),
  priority: z.number().min(0).max(1),
})

/** One file of a release. `root` addresses its blob; sha256 (32 bytes) and sha512 (64) are aliases of it. */
export type Artifact = z.infer<typeof artifactSchema>
/** What a release needs at run time. `range` is in the words of its package type. */
export type Dependency = z.infer<typeof dependencySchema>
export type ReleaseBody = z.infer<typeof releaseSchema>

/** A release record with its body read. */
export interface Release {
  readonly record: CatalogRecord
  readonly purl: string
  readonly body: ReleaseBody
}

/** An attestation that stands beside what it is about, in a bundle of Sigstore's: nothing of it is ever installed. */
export const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle'

/** What a release is, without what is said of it. */
export function contentOf({ body }: Release): readonly Artifact[] {
  return body.artifacts.filter(({ mediaType }) => !mediaType.startsWith(BUNDLE_TYPE))
}

/** Who built a release from what, if its publisher has attached that. */
export function attestationOf({ body }: Release): (Artifact & { readonly predicateType: string }) | undefined {
  return body.artifacts.find(
    (artifact): artifact is Artifact & { predicateType: string } =>
      artifact.mediaType.startsWith(BUNDLE_TYPE) && artifact.predicateType !== undefined,
  )
}

/** Whether a record can be read as a release: it is signed as such, or is an origin's statement that stands for one. */
export function isRelease(record: CatalogRecord): boolean {
  return record.statement.kind === 'release' || record.findings.release !== undefined
}

/** Have a record read as a release that says less itself. */
export function standAsRelease(record: CatalogRecord, body: ReleaseBody): Release {
  const release = { record, purl: formatPurl(body), body }
  record.findings.release = release
  return release
}

/** What a record stood for is not true. */
export function standForNothing(record: CatalogRecord): void {
  record.findings.release = undefined
}

/**
 * Read a release record's body and hold its subject against it.
 *
 * @throws CatalogError `RECORD_INVALID` when the body has another shape or the subject is not its purl
 */
export const readRelease = readOnce('release', parseRelease)

function parseRelease(record: CatalogRecord): Release {
  if (record.statement.kind !== 'release') {
    throw new CatalogError('RECORD_INVALID', `This is a ${record.statement.kind} record, not a release.`)
  }
  const body = releaseSchema.safeParse(record.statement.body)
  if (!body.success)
    throw new CatalogError('RECORD_INVALID', 'This release has an invalid body.', { cause: body.error })
  const purl = formatPurl(body.data)
  if (record.statement.subject !== purl) {
    throw new CatalogError('RECORD_INVALID', `This release of ${purl} says it is about something else.`)
  }
  if (record.statement.seq !== undefined) throw new CatalogError('RECORD_INVALID', 'A release has no seq.')
  return { record, purl, body: body.data }
}
