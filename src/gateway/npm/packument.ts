// Packuments: all that npm's registry says of a package in one answer, in its two forms. Made of signed
// records alone, so that two nodes that know the same ones say the same, but for where they are.
import { attestationOf, type Release } from '../../model/release.ts'
import type { PackageState } from '../../package-view.ts'
import { attestationsPath, type PackumentForm, tarballFile } from '../../publishing/upstream/packument.ts'
import { integrityOf, type Signatures } from './registry-key.ts'

export const MEDIA_TYPES: Record<PackumentForm, string> = {
  full: 'application/json; charset=utf-8',
  install: 'application/vnd.npm.install-v1+json; charset=utf-8',
}

/** Source: npm's registry documentation, "package-metadata". */
const INSTALL_FIELDS = [
  'name',
  'version',
  'dependencies',
  'optionalDependencies',
  'devDependencies',
  'bundleDependencies',
  'peerDependencies',
  'peerDependenciesMeta',
  'bin',
  'directories',
  'engines',
  'os',
  'cpu',
  'libc',
  'funding',
] as const
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall']

type Json = Record<string, unknown>

/** What of an answer is the gateway's own. */
export interface Told {
  /** Its URL, with a slash at its end. */
  readonly registry: string
  readonly signatures: Signatures
}

export function packument(state: PackageState, form: PackumentForm, told: Told): Json {
  const { name, releases } = state
  const versions = Object.fromEntries(
    releases.map((release) => [release.body.version, versionDocument(state, release, form, told)]),
  )
  const tags = { 'dist-tags': state.tags }
  const modified = timeOf(releases.reduce((last, release) => (at(release) > at(last) ? release : last)))
  if (form === 'install') return { name, modified, ...tags, versions }
  const created = timeOf(releases.reduce((first, release) => (at(release) < at(first) ? release : first)))
  const times = releases.map((release) => [release.body.version, timeOf(release)])
  const best = releases.find(({ body }) => body.version === state.tags['latest'])?.body
  const { keywords, license, homepage, repository, bugs, author } = (best?.manifest ?? {}) as Json
  return {
    ...{ _id: name, name, description: best?.description, ...tags, versions },
    time: { created, modified, ...Object.fromEntries(times) },
    ...{ keywords, license, homepage, repository, bugs, author, readme: '' },
  }
}

/** What is said of one version. */
export function versionDocument({ deprecated }: PackageState, release: Release, form: PackumentForm, told: Told): Json {
  const { manifest, name, version } = release.body
  // Whatever a peer says that it is.
  const scripts: Json = Object(manifest['scripts'])
  const hasInstallScript = INSTALL_SCRIPTS.some((script) => script in scripts)
  const fields = form === 'full' ? manifest : picked(manifest)
  const message = deprecated.get(version)
  return {
    ...fields,
    // Under which the release stands: a manifest says so too, and is not what was signed for it.
    ...{ name, version, ...(form === 'full' && { _id: `${name}@${version}` }) },
    ...(hasInstallScript && { hasInstallScript }),
    ...(message && { deprecated: message }),
    dist: dist(release, told),
  }
}

/** The version whose tarball is called so, if one of this package can be. */
export function versionOf(name: string, file: string): string | undefined {
  const version = file.slice(tarballFile(name, '').length - '.tgz'.length, -'.tgz'.length)
  return version !== '' && file === tarballFile(name, version) ? version : undefined
}

/**
 * Without `shasum`, which every client does without where there is an integrity: SHA-1 says nothing that the signed
 * SHA-512 does not, and would take reading bytes that may not be here yet.
 */
function dist(release: Release, { registry, signatures }: Told): Json {
  const { name, version } = release.body
  const integrity = integrityOf(release)
  const tarball = `${registry}${name}/-/${tarballFile(name, version)}`
  const attestation = attestationOf(release)
  const attestations = attestation && {
    url: `${registry}${attestationsPath(name, version)}`,
    provenance: { predicateType: attestation.predicateType },
  }
  return {
    tarball,
    ...(integrity && { integrity, signatures: signatures.get(release) }),
    ...(attestations && { attestations }),
  }
}

function picked(manifest: Json): Json {
  return Object.fromEntries(INSTALL_FIELDS.flatMap((field) => (field in manifest ? [[field, manifest[field]]] : [])))
}

function at({ record }: Release): number {
  return record.statement.at
}

function timeOf(release: Release): string {
  return new Date(at(release)).toISOString()
}
