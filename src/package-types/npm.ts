// npm packages: a folder with a package.json, or a tarball as `npm pack` makes it.
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import semver from 'semver'
import type { ByteSource } from '../base/byte-source.ts'
import { CatalogError } from '../base/errors.ts'
import { NAME_LENGTH_MAX, PACKAGE_JSON_BYTES_MAX, VERSION_LENGTH_MAX } from '../base/limits.ts'
import { readArchive, unpackArchive, unreadable } from './archive.ts'
import { quote } from './entry-path.ts'
import { npmExecutables, npmFiles } from './npm-files.ts'
import { type NpmManifest, npmManifest, parsePackageJson } from './npm-manifest.ts'
import { packFolder } from './pack.ts'
import type { PackageType, PreparedPackage, PublishSource, ScratchContext } from './package-type.ts'

/** The time npm gives every entry: late enough for ZIP tools, which cannot tell times before 1980. */
const NPM_TIME = new Date('1985-10-26T08:15:00.000Z')
/** Names that would mean something else on disk or to a browser. */
const RESERVED_NAMES: ReadonlySet<string> = new Set(['node_modules', 'favicon.ico'])
const RANGE_LENGTH_MAX = 256
/** Ranges that mean "whatever is newest". */
const ANY: ReadonlySet<string> = new Set(['', '*', 'latest'])

export const npm: PackageType = {
  type: 'npm',
  recognises,
  checkName,
  checkVersion,
  compareVersions: (a, b) => semver.compare(a, b),
  isPrerelease: (version) => semver.prerelease(version) !== null,
  satisfies,
  prepare,
  unpack: (source, target, signal) => unpackArchive(source.file, target, { gzip: true, strip: 1, signal }),
}

/**
 * What an npm tarball says of itself: the derivation of DESIGN.md §5. The last `package.json` one folder deep counts,
 * for that is the one npm leaves on disk.
 *
 * @throws CatalogError `FILE_UNREADABLE`, `ARCHIVE_CORRUPT`, `ARCHIVE_UNSAFE`, `MANIFEST_INVALID`, `ABORTED`
 */
export async function readNpmArchive(file: string | ByteSource, signal?: AbortSignal): Promise<NpmManifest> {
  let packageJson: Buffer | undefined
  const topFiles: string[] = []
  await readArchive(file, { gzip: true, strip: 1, signal }, async (entry, content) => {
    if (entry.kind === 'directory' || entry.path.includes('/')) return
    topFiles.push(entry.path)
    if (entry.path !== 'package.json') return
    if (entry.size > PACKAGE_JSON_BYTES_MAX) throw tooLong()
    const pieces: Buffer[] = []
    for await (const piece of content) pieces.push(piece)
    packageJson = Buffer.concat(pieces)
    return
  })
  if (packageJson === undefined) {
    throw new CatalogError('MANIFEST_INVALID', 'This archive holds no package.json in its top folder.', {
      hint: 'Make it with "npm pack", or publish it with --type generic.',
    })
  }
  return npmManifest(packageJson, topFiles)
}

/** npm's rules, those for old packages: names with capitals or `!` exist, and keep their spelling. */
function checkName(name: string): void {
  const refuse = (why: string): never => {
    throw new CatalogError('NAME_INVALID', `${quote(name)} is not an npm package name: ${why}.`, {
      hint: 'Write it as name or @scope/name, for example @acme/parser.',
    })
  }
  if (name === '') refuse('it is empty')
  if (name.length > NAME_LENGTH_MAX) refuse(`it is longer than ${NAME_LENGTH_MAX} characters`)
  if (/\s/.test(name)) refuse('it holds a space')
  const scoped = /^@([^/]+)\/([^/]+)$/.exec(name)
  if (name.startsWith('@') && !scoped) refuse('a scoped name has the form @scope/name')
  if (/^[._]/.test(name)) refuse('it starts with a dot or an underscore')
  for (const part of scoped?.slice(1) ?? [name]) {
    if (part.startsWith('.')) refuse('a part of it starts with a dot')
    if (!part.isWellFormed() || encodeURIComponent(part) !== part) {
      refuse('it holds characters that a URL would have to escape')
    }
  }
  if (RESERVED_NAMES.has(name.toLowerCase())) refuse('it is reserved')
}

function checkVersion(version: string): void {
  const refuse = (why: string, hint: string): never => {
    throw new CatalogError('VERSION_INVALID', `${quote(version)} is not an npm version: ${why}.`, { hint })
  }
  if (version.length > VERSION_LENGTH_MAX) refuse(`it is longer than ${VERSION_LENGTH_MAX} characters`, 'Shorten it.')
  const valid = semver.valid(version)
  if (valid === null) refuse('it is not MAJOR.MINOR.PATCH', 'Write it as 1.2.3 or 1.2.3-beta.1.')
  // `v1.0.0` and `1.0.0+build` are the same version as 1.0.0 to npm, so only one spelling may name it.
  else if (valid !== version) refuse('it has more than one spelling', `Write it as ${quote(valid)}.`)
}

function satisfies(version: string, range: string): boolean {
  if (range.length > RANGE_LENGTH_MAX) return false
  if (ANY.has(range.trim())) return semver.prerelease(version) === null
  return semver.satisfies(version, range, { loose: true })
}

async function recognises(path: string): Promise<boolean> {
  const isFile = async (file: string) => (await stat(file).catch(() => undefined))?.isFile() === true
  if (!/\.(tgz|tar\.gz)$/i.test(path)) return isFile(join(path, 'package.json'))
  if (!(await isFile(path))) return isFile(join(path, 'package.json'))
  let found = false
  try {
    await readArchive(path, { gzip: true, strip: 1 }, async (entry) => {
      found = entry.kind === 'file' && entry.path === 'package.json'
      return found ? 'stop' : undefined
    })
  } catch (error) {
    // To be told that it is broken, rather than to have it published as just some file.
    if (error instanceof CatalogError) return true
    throw error
  }
  return found
}

async function prepare(source: PublishSource, context: ScratchContext): Promise<PreparedPackage> {
  const { path, bytes } = source
  const file = bytes || !(await isFolder(path)) ? path : await pack(source, context)
  // Read from the archive even when it was just made: what counts is what is in it.
  const derived = await readNpmArchive(bytes ? { offset: 0, length: bytes.length, bytes } : file, context.signal)
  checkAgainst(source, derived)
  return {
    ...derived,
    artifacts: [{ path: artifactPath(derived), file, bytes, mediaType: 'application/gzip' }],
    category: '',
    tags: [],
    priority: 0,
  }
}

async function isFolder(path: string): Promise<boolean> {
  const stats = await stat(path).catch((error: unknown) => {
    throw unreadable(error, path)
  })
  return stats.isDirectory()
}

/** Names are checked before the folder is packed, so that a wrong flag costs no minute of packing. */
async function pack({ path, ...asked }: PublishSource, context: ScratchContext): Promise<string> {
  const bytes = await readPackageJson(join(path, 'package.json'))
  checkAgainst({ path, ...asked }, npmManifest(bytes, []))
  const packageJson = parsePackageJson(bytes)
  const files = await npmFiles(path, packageJson)
  const executables = npmExecutables(packageJson)
  // A folder of its own: names and versions may be longer together than a file name can be.
  const output = join(await context.scratch(), 'package.tgz')
  const { mayWrite, signal } = context
  const options = { prefix: 'package/', mtime: NPM_TIME, gzip: true, executables, mayWrite, signal }
  await packFolder(path, files, output, options)
  return output
}

async function readPackageJson(path: string): Promise<Buffer> {
  const size = await stat(path).then(
    (stats) => stats.size,
    (cause: unknown) => {
      throw new CatalogError('MANIFEST_INVALID', 'This folder has no package.json.', {
        hint: 'Run "npm init" in it, or publish it with --type generic.',
        cause,
      })
    },
  )
  if (size > PACKAGE_JSON_BYTES_MAX) throw tooLong()
  try {
    return await readFile(path)
  } catch (error) {
    throw unreadable(error, path)
  }
}

function checkAgainst(asked: PublishSource, found: NpmManifest): void {
  checkName(found.name)
  checkVersion(found.version)
  for (const field of ['name', 'version'] as const) {
    if (asked[field] === undefined || asked[field] === found[field]) continue
    throw new CatalogError(
      'USAGE',
      `The ${field} ${quote(asked[field])} was asked for, but package.json says ${quote(found[field])}.`,
      { hint: `Leave out --${field}, or change package.json.` },
    )
  }
}

/** As `npm pack` names it: `@scope/name` 1.0.0 is `scope-name-1.0.0.tgz`. */
export function artifactPath({ name, version }: { name: string; version: string }): string {
  return `${name.replace(/^@/, '').replace('/', '-')}-${version}.tgz`
}

function tooLong(): CatalogError {
  return new CatalogError('MANIFEST_INVALID', `package.json is longer than ${PACKAGE_JSON_BYTES_MAX} bytes.`)
}
