// asset.toml: what the publisher of a generic folder says about it. All of it is optional; a key that is not known
// is an error, for a misspelt one would otherwise be lost in silence.
import { parse } from 'smol-toml'
import { z } from 'zod'
import { CatalogError } from '../base/errors.ts'
import {
  DEPENDENCIES_MAX,
  DESCRIPTION_LENGTH_MAX,
  KEYWORD_LENGTH_MAX,
  KEYWORDS_MAX,
  NAME_LENGTH_MAX,
  VERSION_LENGTH_MAX,
} from '../base/limits.ts'
import { parsePurl } from '../model/purl.ts'
import type { Dependency } from '../model/release.ts'

const CATEGORIES = [
  'library',
  'application',
  'dataset',
  'template',
  'virtual-machine',
  'container',
  'model',
  'document',
  'media',
  'other',
] as const

const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((value) => value.isWellFormed(), 'is not valid text')
const words = z.array(text(KEYWORD_LENGTH_MAX)).max(KEYWORDS_MAX)
const range = text(256)

const assetSchema = z.strictObject({
  name: text(NAME_LENGTH_MAX).optional(),
  version: text(VERSION_LENGTH_MAX).optional(),
  description: text(DESCRIPTION_LENGTH_MAX).optional(),
  // "Virtual Machine" is how people write it.
  category: z
    .string()
    .transform((value) =>
      value
        .trim()
        .toLowerCase()
        .replace(/[\s_]+/g, '-'),
    )
    .pipe(z.enum(CATEGORIES))
    .optional(),
  tags: words.optional(),
  keywords: words.optional(),
  license: range.optional(),
  priority: z.number().min(0).max(1).optional(),
  dependencies: z.union([z.record(z.string(), range), z.array(text(512)).max(DEPENDENCIES_MAX)]).optional(),
})

export interface Asset extends Omit<z.infer<typeof assetSchema>, 'dependencies'> {
  readonly dependencies: readonly Dependency[]
}

/** @throws CatalogError `MANIFEST_INVALID`, naming the key; `PURL_INVALID` for a dependency that is none */
export function parseAsset(source: string): Asset {
  let table: unknown
  try {
    table = parse(source)
  } catch (cause) {
    throw invalid(`is not TOML: ${firstLine(cause)}`, cause)
  }
  const read = assetSchema.safeParse(table)
  if (!read.success) throw invalid(firstIssue(read.error), read.error)
  const { dependencies = {}, ...asset } = read.data
  const list = Array.isArray(dependencies)
    ? dependencies.map(fromPurl)
    : Object.entries(dependencies).map(([name, wanted]) => fromTable(name, wanted))
  if (list.length > DEPENDENCIES_MAX) throw invalid(`has more than ${DEPENDENCIES_MAX} dependencies`)
  return { ...asset, dependencies: list }
}

/** `pkg:npm/left-pad@1.3.0`, or without a version for any. */
function fromPurl(purl: string): Dependency {
  const { type, name, version } = parsePurl(purl)
  return { type, name, range: version ?? '*' }
}

/** `corpus = "^2.0.0"` is a generic package; `"pkg:npm/left-pad" = "^1.3.0"` one of another type. */
function fromTable(key: string, wanted: string): Dependency {
  if (key.startsWith('pkg:')) return { ...fromPurl(key), range: wanted }
  if (key === '' || key.length > NAME_LENGTH_MAX) throw invalid(`depends on a name of ${key.length} characters`)
  return { type: 'generic', name: key, range: wanted }
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0]
  if (issue === undefined) return 'is invalid'
  if (issue.code === 'unrecognized_keys') {
    return `has keys that are not known: ${issue.keys.slice(0, 8).join(', ').slice(0, 120)}`
  }
  const where = issue.path.map(String).join('.').slice(0, 80)
  const why = issue.path[0] === 'category' ? `must be one of ${CATEGORIES.join(', ')}` : issue.message
  return where === '' ? why : `has an invalid ${where}: ${why}`
}

function firstLine(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split('\n')[0] ?? ''
}

function invalid(why: string, cause?: unknown): CatalogError {
  return new CatalogError('MANIFEST_INVALID', `asset.toml ${why}.`, {
    hint: `Its keys are ${Object.keys(assetSchema.shape).join(', ')}.`,
    cause,
  })
}
