// What an outside registry says of a package, as it goes on to clients: the same, but for where the tarballs are.
import { CatalogError } from '../../base/errors.ts'
import type { UpstreamDocument } from '../../publishing/upstream/documents.ts'
import { GATEWAY } from '../../publishing/upstream/packument.ts'

/** @param registry - the URL of the gateway, with a slash at its end */
export function documentAt({ bytes: { buffer, byteOffset, length } }: UpstreamDocument, registry: string): Buffer {
  return Buffer.from(Buffer.from(buffer, byteOffset, length).toString().replaceAll(GATEWAY, registry))
}

/** @param asked - a version or a tag @throws CatalogError `NOT_FOUND` */
export function versionIn(document: UpstreamDocument, asked: string, registry: string): object {
  const version = document.tags.get(asked) ?? asked
  if (!document.versions.has(version)) {
    throw new CatalogError('NOT_FOUND', 'There is no such version of this package.')
  }
  const { versions } = JSON.parse(documentAt(document, registry).toString()) as { versions: Record<string, object> }
  return versions[version] as object
}

export function tagsIn({ tags }: UpstreamDocument): Record<string, string> {
  return Object.fromEntries(tags)
}
