// Reading the packuments of an outside registry. They reach some MiB, so a thread does it (reader.ts).

import type { RegistrySignature } from '../../model/origin.ts'

/** `full` is the whole manifest of each version; `install` what a client needs to resolve and install. */
export type PackumentForm = 'full' | 'install'

/** Stands for the gateway's URL, which changes from start to start, in what is kept. */
export const GATEWAY = 'http://catalog.invalid/npm/'

/** What a registry says of one version. */
export interface VersionWord {
  readonly tarball: string
  readonly integrity?: string | undefined
  /** SHA-1 in hexadecimal: all that the oldest have. */
  readonly shasum?: string | undefined
  readonly signatures: readonly RegistrySignature[]
}

export interface ReadPackument {
  /** The document, with tarballs where the gateway has them. */
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly versions: ReadonlyMap<string, VersionWord>
  /** Versions by tag. */
  readonly tags: ReadonlyMap<string, string>
}

type Json = Record<string, unknown>

/**
 * @param name - of the package that was asked for
 * @throws Error when it is no packument of that package
 */
export function readPackument(bytes: Uint8Array, name: string): ReadPackument {
  const document: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString())
  if (!isObject(document) || document['name'] !== name || !isObject(document['versions'])) {
    throw new Error('it is not what a registry says of this package')
  }
  const versions = new Map<string, VersionWord>()
  const kept: Json = {}
  for (const [version, manifest] of Object.entries(document['versions'])) {
    const word = isObject(manifest) && manifest['version'] === version ? wordOf(manifest) : undefined
    if (!word) continue
    versions.set(version, word)
    const { dist, ...rest } = manifest as Json
    kept[version] = { ...rest, dist: distAt(dist as Json, name, version) }
  }
  const { _attachments, ...rest } = document
  const tags = isObject(rest['dist-tags']) ? Object.entries(rest['dist-tags']) : []
  // Memory of its own, which can be given away.
  return {
    bytes: new TextEncoder().encode(JSON.stringify({ ...rest, versions: kept })),
    versions,
    tags: new Map(tags.filter(isText)),
  }
}

/** As the gateway names the tarballs of all packages: npm leaves the scope out. */
export function tarballFile(name: string, version: string): string {
  return `${name.slice(name.lastIndexOf('/') + 1)}-${version}.tgz`
}

/** What is attested of a version, at a registry and at the gateway. */
export function attestationsPath(name: string, version: string): string {
  return `-/npm/v1/attestations/${name.replace('/', '%2f')}@${version}`
}

function distAt(dist: Json, name: string, version: string): Json {
  const { attestations } = dist
  return {
    ...dist,
    tarball: `${GATEWAY}${name}/-/${tarballFile(name, version)}`,
    ...(isObject(attestations) && {
      attestations: { ...attestations, url: `${GATEWAY}${attestationsPath(name, version)}` },
    }),
  }
}

function wordOf({ dist }: Json): VersionWord | undefined {
  if (!isObject(dist) || typeof dist['tarball'] !== 'string') return undefined
  const { tarball, integrity, shasum, signatures } = dist
  return {
    tarball,
    ...(typeof integrity === 'string' && { integrity }),
    ...(typeof shasum === 'string' && { shasum }),
    signatures: Array.isArray(signatures) ? signatures.flatMap(signatureOf).slice(0, SIGNATURES_READ_MAX) : [],
  }
}

const SIGNATURES_READ_MAX = 8

function signatureOf(signature: unknown): RegistrySignature[] {
  if (!isObject(signature)) return []
  const { keyid, sig } = signature
  return typeof keyid === 'string' && typeof sig === 'string' ? [{ keyid, sig }] : []
}

function isText(entry: [string, unknown]): entry is [string, string] {
  return typeof entry[1] === 'string'
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
