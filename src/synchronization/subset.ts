// A part of a shelf: the releases that a filter means, what says who may have them, and whatever says whose they are.
// The same part on both sides, as it follows from the records alone.
import { CatalogError } from '../base/errors.ts'
import { GLOB_PREFIX, type Glob, matchesGlob, parseGlob, parseSubject } from '../model/glob.ts'
import { ORIGIN_KIND } from '../model/origin.ts'
import { nameKey, type PackageName, parsePurl } from '../model/purl.ts'
import type { CatalogRecord } from '../model/record.ts'
import { type ReleaseBody, readRelease } from '../model/release.ts'
import type { SyncFilter } from '../wire/sync-messages.ts'

type Meant = Pick<ReleaseBody, 'type' | 'name' | 'category' | 'tags'>

/** @throws CatalogError `USAGE` for a glob that is none */
function meantBy({ types, categories, tags, names }: SyncFilter): (body: Meant) => boolean {
  const globs = names?.map(globOf)
  return (body) =>
    (!types || types.includes(body.type)) &&
    (!categories || categories.includes(body.category)) &&
    (!tags || tags.some((tag) => body.tags.includes(tag))) &&
    (!globs || globs.some((glob) => matchesGlob(glob, body)))
}

/** Those of a shelf's records that a filter means. */
export function subsetOf(filter: SyncFilter, records: Iterable<CatalogRecord>): Uint8Array[] {
  const isMeant = meantBy(filter)
  const [ids, others]: [Uint8Array[], CatalogRecord[]] = [[], []]
  const names = new Set<string>()
  for (const record of records) {
    const body = bodyOf(record)
    if (!body) others.push(record)
    else if (isMeant(body)) {
      ids.push(record.id)
      names.add(nameKey(body))
    }
  }
  for (const record of others) {
    const name = nameOf(record)
    if (!name || names.has(nameKey(name))) ids.push(record.id)
  }
  return ids
}

/** How a filter is told apart from others. */
export function filterKey(filter: SyncFilter): string {
  return JSON.stringify(filter, Object.keys(filter).sort())
}

/** What a release says of itself; of an outside registry's, whose statement names it alone, no more than the name. */
function bodyOf(record: CatalogRecord): Meant | undefined {
  if (record.statement.kind === 'release') return readRelease(record).body
  const name = record.statement.kind === ORIGIN_KIND ? nameOf(record) : undefined
  return name && { ...name, category: '', tags: [] }
}

/** The package that a record is about; none for what is about all, or about no package. */
function nameOf({ statement: { subject } }: CatalogRecord): PackageName | undefined {
  if (!subject.startsWith('pkg:') || subject.startsWith(GLOB_PREFIX)) return undefined
  try {
    return parsePurl(subject)
  } catch {
    return undefined // of a kind that this build does not know
  }
}

function globOf(text: string): Glob {
  const glob = parseGlob(parseSubject(text))
  if (!glob) throw new CatalogError('USAGE', `"${text.slice(0, 120)}" is no glob of names, as pkg:npm/@scope/* is.`)
  return glob
}
