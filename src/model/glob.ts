// What a share is about: one release by its purl, or names of a type by a glob. `*` stands for any characters, also for
// none and for `/`; there is nothing else to it, so that matching takes time in proportion to the name.
import { CatalogError } from '../base/errors.ts'
import { formatPurl, type PackageName, parsePurl, parseVersionedPurl } from './purl.ts'

/** Subjects of shares by glob start so, which keeps them apart from releases in every ordered table. */
export const GLOB_PREFIX = 'glob:'

export interface Glob {
  readonly type: string
  /** What stands between the stars; a single piece is a whole name. */
  readonly pieces: readonly string[]
}

/**
 * The subject of a share as a user writes it: `pkg:npm/name@1.0.0` is one release; `pkg:npm/name` and
 * `pkg:npm/@scope/*` are all versions of the names they match.
 *
 * @returns the subject as it stands in a record
 * @throws CatalogError `PURL_INVALID`
 */
export function parseSubject(text: string): string {
  if (!text.includes('*') && parsePurl(text).version !== undefined) return formatPurl(parseVersionedPurl(text))
  return formatGlob(readGlob(text, 'pkg:'))
}

/** A subject as a user writes it. */
export function showSubject(subject: string): string {
  return subject.startsWith(GLOB_PREFIX) ? `pkg:${subject.slice(GLOB_PREFIX.length)}` : subject
}

/** @returns undefined for what is no glob, or is written otherwise than this build would: it matches nothing */
export function parseGlob(subject: string): Glob | undefined {
  if (!subject.startsWith(GLOB_PREFIX)) return undefined
  try {
    const glob = readGlob(subject, GLOB_PREFIX)
    return formatGlob(glob) === subject ? glob : undefined
  } catch {
    return undefined // admission lets every subject pass, so anything may stand there
  }
}

export function formatGlob({ type, pieces }: Glob): string {
  const start = `pkg:${type}/`
  const encoded = pieces.map((piece) => formatPurl({ type, name: piece }).slice(start.length))
  return `${GLOB_PREFIX}${type}/${encoded.join('*')}`
}

export function matchesGlob({ type, pieces }: Glob, name: PackageName): boolean {
  if (type !== name.type) return false
  const [first = '', ...others] = pieces
  const last = others.pop()
  if (last === undefined) return name.name === first
  if (!name.name.startsWith(first)) return false
  let at = first.length
  for (const piece of others) {
    // The earliest place of each leaves the most room for the rest.
    const found = name.name.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return name.name.length >= at + last.length && name.name.endsWith(last)
}

/** How much a glob says: more is more specific, and a whole name is above every glob with stars. */
export function globWeight({ pieces }: Glob): number {
  const literal = pieces.reduce((sum, piece) => sum + piece.length, 0)
  return pieces.length === 1 ? Number.MAX_SAFE_INTEGER : literal
}

function readGlob(text: string, prefix: string): Glob {
  const [type = '', ...rest] = text.startsWith(prefix) ? text.slice(prefix.length).split('/') : []
  const pieces = rest.join('/').split(/\*+/)
  // With a letter for each star it must be a purl without a version: no star may stand inside of an escape.
  const { version } = parsePurl(`pkg:${type}/${pieces.join('x')}`)
  if (version !== undefined) {
    throw new CatalogError('PURL_INVALID', `"${text.slice(0, 120)}" is a glob with a version.`, {
      hint: 'A glob is about names, with all their versions. Name single versions one by one, without "*".',
    })
  }
  return { type, pieces: pieces.map(decodeURIComponent) }
}
