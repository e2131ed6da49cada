// What an outside registry says of a package, as it goes on to clients: the same, but for where the tarballs are.
import { CatalogError } from '../../base/errors.ts'
import type { UpstreamDocument } from '../../publishing/upstream/documents.ts'
import { GATEWAY } from '../../publishing/upstream/packument.ts'

interface Packument {
  readonly 'dist-tags'?: Record<string, string>
  readonly versions: Record<string, object>
}

/** @param registry - the URL of the gateway, with a slash at its end */
export function documentAt({ bytes }: UpstreamDocument, registry: string): Buffer {
  return Buffer.from(textOf(bytes).replaceAll(GATEWAY, registry))
}

/** @param asked - a version or a tag @throws CatalogError `NOT_FOUND` */
export function versionIn(document: UpstreamDocument, asked: string, registry: string): object {
  const { versions } = JSON.parse(documentAt(document, registry).toString()) as Packument
  const version = tagsIn(document)[asked] ?? asked
  const found = Object.hasOwn(versions, version) ? versions[version] : undefined
  if (!found) throw new CatalogError('NOT_FOUND', 'There is no such version of this package.')
  return found
}

export function tagsIn({ bytes }: UpstreamDocument): Record<string, string> {
  return (JSON.parse(textOf(bytes)) as Packument)['dist-tags'] ?? {}
}

function textOf({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString()
}
