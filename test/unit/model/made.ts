// Publishers, releases and shares as the tests need them: every call makes new ones, the same from the same arguments.
import { base58btc } from 'multiformats/bases/base58'
import { type SigningKey, signingKey } from '../../../src/model/ed25519.ts'
import type { Permission } from '../../../src/model/permission.ts'
import { firstDocumentBody } from '../../../src/model/publisher.ts'
import { formatPurl } from '../../../src/model/purl.ts'
import { type CatalogRecord, type Statement, signRecord } from '../../../src/model/record.ts'
import type { ReleaseBody } from '../../../src/model/release.ts'

export interface MadePublisher {
  readonly signer: string
  readonly document: CatalogRecord
  readonly root: SigningKey
  readonly releaseKey: SigningKey
}

/** The key of the seed that is one byte 32 times over. */
export function keyOf(byte: number): SigningKey {
  return signingKey(new Uint8Array(32).fill(byte))
}

/** A 1-of-1 publisher; another number, another publisher. */
export function publisherOf(number: number): MadePublisher {
  const root = keyOf(2 * number + 1)
  const releaseKey = keyOf(2 * number + 2)
  const document = signRecord(documentOf({ body: firstDocumentBody(root.publicKey, releaseKey.publicKey) }), [root])
  return { signer: document.signer, document, root, releaseKey }
}

/** Statement of a first publisher document, with changes. */
export function documentOf(changes: Partial<Statement>): Statement {
  return { v: 1, kind: 'publisher', subject: 'v1', signer: 'publisher:', signerVersion: 1, at: 0, body: {}, ...changes }
}

export function bodyOf(changes: Partial<ReleaseBody> = {}): ReleaseBody {
  const artifact = { path: 'file.tgz', mediaType: 'application/gzip', size: 3 }
  return {
    type: 'npm',
    name: 'parser',
    version: '1.0.0',
    artifacts: [{ ...artifact, root: new Uint8Array(32).fill(7), sha256: new Uint8Array(32).fill(8) }],
    manifest: {},
    dependencies: [],
    description: '',
    keywords: [],
    license: 'MIT',
    category: '',
    tags: [],
    priority: 0,
    ...changes,
  }
}

export function releaseOf(
  { signer, releaseKey }: MadePublisher,
  changes: Partial<ReleaseBody> = {},
  statement: Partial<Statement> = {},
): CatalogRecord {
  const body = bodyOf(changes)
  const base = { v: 1 as const, kind: 'release', subject: formatPurl(body), signer, signerVersion: 1, at: 1, body }
  return signRecord({ ...base, ...statement }, [releaseKey])
}

export function shareOf(
  { signer, releaseKey }: MadePublisher,
  subject: string,
  seq: number,
  permission: Permission = 'public',
  statement: Partial<Statement> = {},
): CatalogRecord {
  const base = { v: 1 as const, kind: 'share', subject, signer, signerVersion: 1, seq, at: 1, body: { permission } }
  return signRecord({ ...base, ...statement }, [releaseKey])
}

/** Any other numbered record of a publisher: a share with lists, a group, its devices. */
export function numberedOf(
  { signer, releaseKey }: MadePublisher,
  kind: string,
  subject: string,
  seq: number,
  body: Record<string, unknown>,
  statement: Partial<Statement> = {},
): CatalogRecord {
  return signRecord({ v: 1, kind, subject, signer, signerVersion: 1, seq, at: 1, body, ...statement }, [releaseKey])
}

/** A peer id like libp2p's, of the key of this seed byte. */
export function peerOf(byte: number): string {
  return base58btc.baseEncode(Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20, ...keyOf(byte).publicKey))
}
