// What `npm publish --provenance` sends beside a tarball: a bundle of Sigstore's with a statement of who built it from
// what. It is kept with the release if it is about these very bytes; whether its signatures hold, which hangs on
// Sigstore's roots and log, is for clients to check ("npm audit signatures").
import { z } from 'zod'
import { CatalogError } from '../../base/errors.ts'
import { ATTESTATION_BYTES_MAX } from '../../base/http-limits.ts'
import { BUNDLE_TYPE } from '../../model/release.ts'
import type { PublishDocument } from './publish-body.ts'

const SUFFIX = '.sigstore'

/** Source: sigstore/protobuf-specs, "sigstore_bundle.proto". */
const bundleSchema = z.looseObject({
  mediaType: z.string().startsWith(BUNDLE_TYPE).max(128),
  dsseEnvelope: z.looseObject({
    payloadType: z.literal('application/vnd.in-toto+json'),
    payload: z.base64(),
  }),
})
/** Source: in-toto attestation framework, "Statement" v0.1 and v1. */
const statementSchema = z.looseObject({
  predicateType: z.url().max(256),
  subject: z.array(z.looseObject({ name: z.string(), digest: z.record(z.string(), z.string()) })).max(64),
})

export interface Bundle {
  readonly text: string
  /** What it is called among a release's artifacts. */
  readonly path: string
  readonly mediaType: string
  readonly predicateType: string
}

/**
 * @param purl - of the version that is published
 * @param sha512 - of its tarball, hexadecimal
 * @returns nothing where nothing was sent
 * @throws CatalogError `USAGE` when it is no such bundle, or about something else; `LIMIT_EXCEEDED`
 */
export function bundleIn(document: PublishDocument, purl: string, sha512: string): Bundle | undefined {
  const [entry, ...more] = Object.entries(document._attachments).filter(([file]) => file.endsWith(SUFFIX))
  if (!entry) return undefined
  const [file, { data }] = entry
  if (typeof data !== 'string' || more.length > 0) throw new CatalogError('USAGE', 'One attestation is sent, as text.')
  if (Buffer.byteLength(data) > ATTESTATION_BYTES_MAX) {
    throw new CatalogError('LIMIT_EXCEEDED', `An attestation has at most ${ATTESTATION_BYTES_MAX} bytes.`)
  }
  const { mediaType, predicateType, subject } = read(data)
  if (!subject.some(({ name, digest }) => name === purl && digest['sha512'] === sha512)) {
    throw new CatalogError('USAGE', 'What is attested is about another package, or other bytes of it.')
  }
  return { text: data, path: file.slice(file.lastIndexOf('/') + 1), mediaType, predicateType }
}

/** A bundle that is kept, as JSON. @throws CatalogError `NOT_FOUND` when a publisher elsewhere has attached no such */
export function bundleOf(text: string): unknown {
  try {
    return bundleSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new CatalogError('NOT_FOUND', 'What is attested cannot be read.', { cause })
  }
}

function read(text: string) {
  try {
    const { mediaType, dsseEnvelope } = bundleSchema.parse(JSON.parse(text))
    const statement = Buffer.from(dsseEnvelope.payload, 'base64').toString()
    return { mediaType, ...statementSchema.parse(JSON.parse(statement)) }
  } catch (cause) {
    throw new CatalogError('USAGE', 'What is attested is not in a bundle of Sigstore’s.', { cause })
  }
}
