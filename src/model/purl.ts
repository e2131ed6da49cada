// Package URLs: `pkg:npm/%40scope/name@1.0.0`. Own code because names keep their case here (old npm names have
// capitals), where the purl libraries lower-case them, and because only type, name and version are used.
// Source: the purl specification's rules for percent-encoding; qualifiers and subpaths are refused.
import { CatalogError } from '../base/errors.ts'
import { NAME_LENGTH_MAX, SUBJECT_LENGTH_MAX, VERSION_LENGTH_MAX } from '../base/limits.ts'

/** A package of some type: `{type: 'npm', name: '@scope/name'}`. */
export interface PackageName {
  readonly type: string
  readonly name: string
}

export interface Purl extends PackageName {
  readonly version?: string
}

/** What tells a package from others, whoever claims its name. */
export function nameKey({ type, name }: PackageName): string {
  return `${type}\n${name}`
}

/** What names a package of a publisher: several may claim one name. */
export function packageKey(name: PackageName, signer: string): string {
  return `${nameKey(name)}\n${signer}`
}

const TYPE = /^[a-z][a-z0-9.-]{0,31}$/

/** Parse and check; both `@scope` and `%40scope` are read. @throws CatalogError `PURL_INVALID` */
export function parsePurl(text: string): Purl {
  const refuse = (why: string): never => {
    const shown = text.length > 120 ? `${text.slice(0, 120)}…` : text
    throw new CatalogError('PURL_INVALID', `"${shown}" is not a package URL: ${why}.`, {
      hint: 'Write it as pkg:npm/name@1.0.0 or pkg:generic/name@1.0.0.',
    })
  }
  if (text.length > SUBJECT_LENGTH_MAX) refuse(`longer than ${SUBJECT_LENGTH_MAX} characters`)
  const match = /^pkg:([^/]+)\/(.+)$/.exec(text)
  if (!match) return refuse('it must start with "pkg:TYPE/"')
  const [, type = '', rest = ''] = match
  if (!TYPE.test(type)) refuse('its type has unusual characters')
  if (/[?#]/.test(rest)) refuse('qualifiers and subpaths are not supported')
  const at = rest.lastIndexOf('@')
  const hasVersion = at > 0 && !rest.slice(at).includes('/')
  const name = decode(hasVersion ? rest.slice(0, at) : rest)
  const version = hasVersion ? decode(rest.slice(at + 1)) : undefined
  if (name === undefined || (hasVersion && version === undefined)) return refuse('its percent-encoding is broken')
  if (name === '' || version === '') refuse('a part of it is empty')
  if (name.length > NAME_LENGTH_MAX) refuse(`its name is longer than ${NAME_LENGTH_MAX} characters`)
  if (version !== undefined && version.length > VERSION_LENGTH_MAX) {
    refuse(`its version is longer than ${VERSION_LENGTH_MAX} characters`)
  }
  return version === undefined ? { type, name } : { type, name, version }
}

/** Canonical text. Parsing it gives the same purl again. */
export function formatPurl(purl: Purl): string {
  const name = purl.name.split('/').map(encode).join('/')
  return `pkg:${purl.type}/${name}${purl.version === undefined ? '' : `@${encode(purl.version)}`}`
}

/** Parse a purl that must name a version. @throws CatalogError `PURL_INVALID` */
export function parseVersionedPurl(text: string): Purl & { version: string } {
  const purl = parsePurl(text)
  if (purl.version === undefined) {
    throw new CatalogError('PURL_INVALID', `"${text}" names no version.`, {
      hint: `Write ${formatPurl({ ...purl, version: '1.0.0' })}, with the version you mean.`,
    })
  }
  return { ...purl, version: purl.version }
}

/** What stands for itself. */
const PLAIN = /^[\w.~:+-]*$/

/** encodeURIComponent, less what the specification leaves plain (`:`) and with what it does not (`!'()*`). */
function encode(part: string): string {
  if (PLAIN.test(part)) return part
  return encodeURIComponent(part)
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%3A', ':')
    .replaceAll('%2B', '+')
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined // malformed percent-encoding: the caller names the fault
  }
}
