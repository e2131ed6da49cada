// Signed records as a network has them: packages of the corpus, by some hundreds of publishers, all of them public.
import { sha256 } from '../../src/base/bytes.ts'
import { type SigningKey, signingKey } from '../../src/model/ed25519.ts'
import { firstDocumentBody } from '../../src/model/publisher.ts'
import { formatPurl } from '../../src/model/purl.ts'
import { type CatalogRecord, signRecord } from '../../src/model/record.ts'

export const PUBLISHERS = 500

export interface Publisher {
  readonly signer: string
  readonly document: CatalogRecord
  readonly key: SigningKey
}

/** Always the same from the same name. */
export function publisherOf(name: string): Publisher {
  const seed = (use: string) => signingKey(sha256(Buffer.from(`${use} ${name}`)))
  const [root, key] = [seed('root'), seed('release')]
  const base = { v: 1 as const, kind: 'publisher', subject: 'v1', signer: 'publisher:', signerVersion: 1, at: 0 }
  const document = signRecord({ ...base, body: firstDocumentBody(root.publicKey, key.publicKey) }, [root])
  return { signer: document.signer, document, key }
}

/** The publisher's document, the release, and the share that shows it to everybody. */
export function recordsOf(
  { signer, document, key }: Publisher,
  { name, description }: { name: string; description: string },
): CatalogRecord[] {
  const version = '1.0.0'
  const subject = formatPurl({ type: 'npm', name, version })
  const hash = sha256(Buffer.from(name))
  const artifacts = [{ path: 'package.tgz', mediaType: 'application/gzip', size: 1, root: hash, sha256: hash }]
  const text = { description, keywords: [], license: '', category: '', tags: [], priority: 0 }
  const release = { type: 'npm', name, version, artifacts, manifest: {}, dependencies: [], ...text }
  const base = { v: 1 as const, subject, signer, signerVersion: 1, at: 1 }
  return [
    document,
    signRecord({ ...base, kind: 'release', body: release }, [key]),
    signRecord({ ...base, kind: 'share', seq: 1, body: { permission: 'public' } }, [key]),
  ]
}

/** A number below `below`, always the same for the same text, whatever machine asks. */
export function drawn(text: string, below: number): number {
  return Buffer.from(sha256(Buffer.from(text))).readUInt32LE() % below
}
