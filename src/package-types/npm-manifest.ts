// What a release says of an npm package: a frozen function of the package.json in its archive. Nodes that hold the
// same archive derive the same manifest, byte for byte, so a change here is a new NPM_MANIFEST_VERSION, with new
// vectors beside the old ones (test/vectors/npm-manifest).
import { CatalogError } from '../base/errors.ts'
import {
  DEPENDENCIES_MAX,
  DESCRIPTION_LENGTH_MAX,
  KEYWORD_LENGTH_MAX,
  KEYWORDS_MAX,
  MANIFEST_BYTES_MAX,
  NAME_LENGTH_MAX,
  VERSION_LENGTH_MAX,
} from '../base/limits.ts'
import type { Dependency } from '../model/release.ts'
import { quote } from './entry-path.ts'

export const NPM_MANIFEST_VERSION = 1

/**
 * The fields taken over, as they stand: what a registry's answer needs so that clients can resolve and install
 * (dependencies of all kinds, bin, engines, os, cpu, libc), what they show, and the entry points tools look up.
 * Not taken: scripts (only their names), and whatever is the publisher's own business: files, publishConfig,
 * contributors, settings of tools.
 */
const FIELDS = [
  'name',
  'version',
  'description',
  'keywords',
  'license',
  'author',
  'homepage',
  'repository',
  'bugs',
  'funding',
  'type',
  'main',
  'module',
  'browser',
  'types',
  'typings',
  'exports',
  'sideEffects',
  'bin',
  'directories',
  'engines',
  'os',
  'cpu',
  'libc',
  'dependencies',
  'optionalDependencies',
  'peerDependencies',
  'peerDependenciesMeta',
  'bundleDependencies',
  'devDependencies',
] as const

/** Given up one after the other, in this order, until the manifest fits: nothing here is needed to install. */
const EXPENDABLE = [
  'devDependencies',
  'keywords',
  'funding',
  'scripts',
  'author',
  'bugs',
  'repository',
  'homepage',
  'directories',
  'browser',
  'sideEffects',
  'exports',
  'typings',
  'types',
  'module',
  'main',
  'type',
  'license',
  'description',
] as const

/** Maps of text to text; what is not text in them is left out, as npm does. */
const TEXT_MAPS: ReadonlySet<string> = new Set([
  'dependencies',
  'optionalDependencies',
  'peerDependencies',
  'devDependencies',
])

const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall']
const RANGE_LENGTH_MAX = 256
const SHORT_TEXT_LENGTH_MAX = 256
/** Deepest nesting of one field; real `exports` stay below 6. A deeper field is left out. */
const FIELD_DEPTH_MAX = 12

/** `__proto__` would change the copy's prototype; DAG-CBOR libraries take a map with the key `/` for a link. */
const UNSAFE_KEYS: ReadonlySet<string> = new Set(['__proto__', '/'])

/** What package.json says, in the words of a release. */
export interface NpmManifest {
  readonly name: string
  readonly version: string
  readonly manifest: Record<string, unknown>
  readonly dependencies: readonly Dependency[]
  readonly description: string
  readonly keywords: readonly string[]
  readonly license: string
}

/**
 * Derive a release's manifest.
 *
 * @param packageJson - the file's bytes
 * @param topFiles - names of the files beside it
 * @throws CatalogError `MANIFEST_INVALID`
 */
export function npmManifest(packageJson: Uint8Array, topFiles: readonly string[]): NpmManifest {
  const source = parsePackageJson(packageJson)
  const name = requireText(source, 'name', NAME_LENGTH_MAX)
  const version = requireText(source, 'version', VERSION_LENGTH_MAX)
  const dependencies = runtimeDependencies(source)
  const manifest = fieldsOf(source, topFiles)
  fit(manifest)
  return {
    name,
    version,
    manifest,
    dependencies,
    description: cut(text(source['description']), DESCRIPTION_LENGTH_MAX),
    keywords: keywordsOf(source['keywords']),
    license: licenseOf(source),
  }
}

/**
 * Read package.json as npm does: UTF-8, with or without a byte-order mark; of a key given twice the later counts.
 *
 * @throws CatalogError `MANIFEST_INVALID`
 */
export function parsePackageJson(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(bytes))
  } catch (cause) {
    throw invalid('is not JSON', 'Run "npm pkg fix", or look for a missing comma or quote.', cause)
  }
  if (!isMap(value)) throw invalid('is not a JSON object', 'It must look like {"name": "…", "version": "1.0.0"}.')
  return value
}

function requireText(source: Record<string, unknown>, field: string, max: number): string {
  const value = source[field]
  if (typeof value !== 'string' || value === '') {
    throw invalid(`has no ${field}`, `Run "npm pkg set ${field}=…" in the package's folder.`)
  }
  if (value.length > max) throw invalid(`has a ${field} longer than ${max} characters`)
  return value.toWellFormed()
}

function fieldsOf(source: Record<string, unknown>, topFiles: readonly string[]): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  for (const field of FIELDS) {
    // npm reads both spellings; the manifest has one.
    const given = field === 'bundleDependencies' ? (source[field] ?? source['bundledDependencies']) : source[field]
    const value = TEXT_MAPS.has(field) ? textMap(given) : plain(given, FIELD_DEPTH_MAX)
    if (value !== undefined) fields[field] = value
  }
  const scripts = textMap(source['scripts']) ?? {}
  if (Object.keys(scripts).length > 0) fields['scripts'] = Object.keys(scripts).sort()
  if (runsOnInstall(scripts, source, topFiles)) fields['hasInstallScript'] = true
  return fields
}

/** npm builds a package that has a binding.gyp, unless it says how itself or forbids it. */
function runsOnInstall(scripts: Record<string, string>, source: Record<string, unknown>, topFiles: readonly string[]) {
  if (INSTALL_SCRIPTS.some((script) => Object.hasOwn(scripts, script))) return true
  return topFiles.includes('binding.gyp') && source['gypfile'] !== false
}

/** What an installer fetches: `optionalDependencies` win over `dependencies` of the same name, as in npm. */
function runtimeDependencies(source: Record<string, unknown>): Dependency[] {
  const optional = textMap(source['optionalDependencies']) ?? {}
  const required = textMap(source['dependencies']) ?? {}
  const found: Dependency[] = []
  for (const name of [...new Set([...Object.keys(required), ...Object.keys(optional)])].sort()) {
    const isOptional = Object.hasOwn(optional, name)
    const range = (isOptional ? optional[name] : required[name]) ?? ''
    if (name === '' || name.length > NAME_LENGTH_MAX) {
      throw invalid(`depends on a name of ${name.length} characters`, `At most ${NAME_LENGTH_MAX} are allowed.`)
    }
    if (range.length > RANGE_LENGTH_MAX) {
      throw invalid(`asks for ${quote(name)} in a range longer than ${RANGE_LENGTH_MAX} characters`)
    }
    found.push({ type: 'npm', name, range, ...(isOptional ? { optional: true } : {}) })
  }
  if (found.length > DEPENDENCIES_MAX) throw invalid(`has more than ${DEPENDENCIES_MAX} dependencies`)
  return found
}

function keywordsOf(value: unknown): string[] {
  const given = typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : []
  const words = given.map((word) => cut(text(word).trim(), KEYWORD_LENGTH_MAX)).filter((word) => word !== '')
  return [...new Set(words)].slice(0, KEYWORDS_MAX)
}

/** `"MIT"`, `{"type": "MIT"}`, or the old list of these under `licenses`, which meant a choice. */
function licenseOf(source: Record<string, unknown>): string {
  const nameOf = (value: unknown) => text(isMap(value) ? (value['type'] ?? value['name']) : value)
  const single = nameOf(source['license'])
  const list = Array.isArray(source['licenses']) ? source['licenses'].slice(0, KEYWORDS_MAX) : []
  const choice = list.map(nameOf).filter((name) => name !== '')
  return cut(single !== '' ? single : choice.join(' OR '), SHORT_TEXT_LENGTH_MAX)
}

function fit(manifest: Record<string, unknown>): void {
  const size = () => Buffer.byteLength(JSON.stringify(manifest))
  for (const field of EXPENDABLE) {
    if (size() <= MANIFEST_BYTES_MAX) return
    delete manifest[field]
  }
  if (size() > MANIFEST_BYTES_MAX) {
    throw invalid(
      `holds more than ${MANIFEST_BYTES_MAX} bytes that an installer needs`,
      'Shorten its lists of dependencies or its bin.',
    )
  }
}

/**
 * A copy with only what every encoding can hold: text without lone surrogates, no infinite numbers (`1e999` becomes
 * null, as JSON itself has it), and no unsafe keys.
 *
 * @returns undefined for undefined and for values nested deeper than `depth`
 */
function plain(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : null
  if (typeof value !== 'object' || value === null) return value
  if (depth === 0) return undefined
  if (Array.isArray(value)) {
    const items = value.map((item) => plain(item, depth - 1))
    return items.includes(undefined) ? undefined : items
  }
  const copy: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    if (UNSAFE_KEYS.has(key)) continue
    const kept = plain(item, depth - 1)
    if (kept === undefined) return undefined
    copy[key.toWellFormed()] = kept
  }
  return copy
}

function textMap(value: unknown): Record<string, string> | undefined {
  if (!isMap(value)) return undefined
  const texts = Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  const kept = texts.filter(([key]) => !UNSAFE_KEYS.has(key))
  return Object.fromEntries(kept.map(([key, item]) => [key.toWellFormed(), item.toWellFormed()]))
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.toWellFormed() : ''
}

/** At most `max` UTF-16 units, never half a character. */
function cut(value: string, max: number): string {
  if (value.length <= max) return value
  const piece = value.slice(0, max)
  return piece.isWellFormed() ? piece : piece.slice(0, -1)
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(why: string, hint?: string, cause?: unknown): CatalogError {
  return new CatalogError('MANIFEST_INVALID', `package.json ${why}.`, { hint, cause })
}
