// Generic packages: any file, or any folder. A file travels as it is; a folder as a plain tar with its contents in
// byte order and without times, so that equal folders have equal digests. An asset.toml at the top of a folder says
// more about it. Everything in a folder is packed but `.git`, whose bytes differ from clone to clone.
import { opendir, readFile, stat } from 'node:fs/promises'
import { basename, extname, join, resolve } from 'node:path'
import { copyToFile } from '../base/byte-source.ts'
import { CatalogError } from '../base/errors.ts'
import { ARCHIVE_FILES_MAX, ASSET_TOML_BYTES_MAX, NAME_LENGTH_MAX, VERSION_LENGTH_MAX } from '../base/limits.ts'
import { aborted, throwIfAborted, unpackArchive, unreadable, wholeFile, writingError } from './archive.ts'
import { type Asset, parseAsset } from './asset-toml.ts'
import { ARCHIVE_LIMITS, entryPath, quote, unsafe } from './entry-path.ts'
import { compareGenericVersions, isGenericPrerelease, satisfiesGeneric } from './generic-versions.ts'
import { packFolder } from './pack.ts'
import type {
  PackageType,
  PreparedPackage,
  PublishSource,
  ScratchContext,
  UnpackReport,
  UnpackSource,
} from './package-type.ts'

/** Means "a folder, packed here", and is unpacked. A tar the user published as a file must come back as that file. */
const FOLDER_MEDIA_TYPE = 'application/x-tar'
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)?$/
const VERSION = /^[0-9A-Za-z][0-9A-Za-z.+_-]*$/
const LEFT_OUT: ReadonlySet<string> = new Set(['.git'])

export const generic: PackageType = {
  type: 'generic',
  recognises: async (path) => {
    const stats = await stat(path).catch(() => undefined)
    return stats !== undefined && (stats.isFile() || stats.isDirectory())
  },
  checkName,
  checkVersion,
  compareVersions: compareGenericVersions,
  isPrerelease: isGenericPrerelease,
  satisfies: satisfiesGeneric,
  prepare,
  unpack,
}

function checkName(name: string): void {
  if (name.length <= NAME_LENGTH_MAX && NAME.test(name)) return
  const why =
    name.length > NAME_LENGTH_MAX
      ? `it is longer than ${NAME_LENGTH_MAX} characters`
      : 'it is made of letters, digits, ".", "_" and "-", starting with a letter or digit'
  throw new CatalogError('NAME_INVALID', `${quote(name)} is not a package name: ${why}.`, {
    hint: 'Write it as name or scope/name, and pass it with --name.',
  })
}

function checkVersion(version: string): void {
  if (version.length <= VERSION_LENGTH_MAX && VERSION.test(version)) return
  const why =
    version.length > VERSION_LENGTH_MAX
      ? `it is longer than ${VERSION_LENGTH_MAX} characters`
      : 'it is made of letters, digits, ".", "+", "_" and "-", starting with a letter or digit'
  throw new CatalogError('VERSION_INVALID', `${quote(version)} is not a version: ${why}.`, {
    hint: 'Write it as 1.2.3 or 2024-03-01.',
  })
}

async function prepare(source: PublishSource, context: ScratchContext): Promise<PreparedPackage> {
  // Resolved, so that "." has a name.
  const path = resolve(source.path)
  const stats = await stat(path).catch((error: unknown) => {
    throw unreadable(error, path)
  })
  throwIfAborted(context.signal)
  if (stats.isDirectory()) return prepareFolder(path, source, context)
  if (!stats.isFile()) throw new CatalogError('FILE_UNREADABLE', `${path} is neither a file nor a folder.`)
  const { name, version } = identify(source, stem(basename(path)), {})
  const artifact = { path: fileName(basename(path)), file: path, mediaType: mediaTypeOf(path) }
  return { name, version, artifacts: [artifact], manifest: { kind: 'file' }, ...describe({ dependencies: [] }) }
}

async function prepareFolder(path: string, source: PublishSource, context: ScratchContext): Promise<PreparedPackage> {
  const { scratch, mayWrite, signal } = context
  const asset = await readAsset(join(path, 'asset.toml'))
  const { name, version } = identify(source, basename(path), asset)
  const paths = await listFolder(path, signal)
  const file = join(await scratch(), 'folder.tar')
  await packFolder(path, paths, file, { mtime: new Date(0), gzip: false, mayWrite, signal })
  const { dependencies, name: _name, version: _version, ...said } = asset
  const manifest = { kind: 'folder', ...said }
  const tar = `${name.replace('/', '-')}-${version}.tar`
  const artifacts = [{ path: tar, file, mediaType: FOLDER_MEDIA_TYPE }]
  return { name, version, artifacts, manifest, ...describe(asset) }
}

/** Flags override asset.toml, which overrides the base name. */
function identify(source: PublishSource, base: string, asset: Partial<Asset>): { name: string; version: string } {
  const name = source.name ?? asset.name ?? base
  const version = source.version ?? asset.version
  checkName(name)
  if (version === undefined) {
    throw new CatalogError('USAGE', `No version is given for ${quote(name)}.`, {
      hint: 'Pass --version 1.0.0, or write version = "1.0.0" into asset.toml at the top of the folder.',
    })
  }
  checkVersion(version)
  return { name, version }
}

function describe(asset: Asset) {
  return {
    dependencies: asset.dependencies,
    description: asset.description ?? '',
    keywords: asset.keywords ?? [],
    license: asset.license ?? '',
    category: asset.category ?? '',
    tags: asset.tags ?? [],
    priority: asset.priority ?? 0,
  }
}

async function readAsset(path: string): Promise<Asset> {
  const stats = await stat(path).catch(() => undefined)
  if (stats === undefined || !stats.isFile()) return { dependencies: [] }
  if (stats.size > ASSET_TOML_BYTES_MAX) {
    throw new CatalogError('MANIFEST_INVALID', `asset.toml is longer than ${ASSET_TOML_BYTES_MAX} bytes.`)
  }
  try {
    return parseAsset(await readFile(path, 'utf8'))
  } catch (error) {
    throw unreadable(error, path)
  }
}

/** All files below `top`, and empty folders with a slash at the end. */
async function listFolder(top: string, signal: AbortSignal | undefined): Promise<string[]> {
  const paths: string[] = []
  const open = ['']
  for (let prefix = open.pop(); prefix !== undefined; prefix = open.pop()) {
    let empty = true
    const folder = join(top, prefix)
    try {
      for await (const entry of await opendir(folder)) {
        throwIfAborted(signal)
        if (LEFT_OUT.has(entry.name)) continue
        empty = false
        const path = prefix + entry.name
        if (entry.isDirectory()) open.push(`${path}/`)
        else if (entry.isFile()) paths.push(path)
        else throw notPlain(path, entry.isSymbolicLink())
        if (paths.length + open.length > ARCHIVE_FILES_MAX) throw tooMany()
      }
    } catch (error) {
      throw unreadable(error, folder)
    }
    if (empty && prefix !== '') paths.push(prefix)
  }
  return paths
}

async function unpack(source: UnpackSource, target: string, signal?: AbortSignal): Promise<UnpackReport> {
  if (source.mediaType === FOLDER_MEDIA_TYPE) return unpackArchive(source.file, target, { gzip: false, signal })
  // The path came with the release, from whoever signed it.
  const name = fileName(source.path)
  throwIfAborted(signal)
  try {
    const from = typeof source.file === 'string' ? await wholeFile(source.file) : source.file
    await copyToFile(from, join(target, name), { mode: 0o644, signal })
    return { files: 1, bytes: from.length }
  } catch (error) {
    if (signal?.aborted) throw aborted(error)
    throw CatalogError.from(writingError(error, name), 'STORE_FAILED')
  }
}

/** @throws CatalogError `ARCHIVE_UNSAFE` unless `name` names a file right in a folder */
function fileName(name: string): string {
  if (name.includes('/') || entryPath(name, 0, ARCHIVE_LIMITS) !== name || name === '') {
    throw unsafe(`${quote(name)} is not a plain file name`)
  }
  return name
}

/** `corpus.tar.gz` → `corpus`. */
function stem(name: string): string {
  const short = name.replace(/\.(tar\.[a-z0-9]{1,4}|tgz)$/i, '')
  return short !== name && short !== '' ? short : name.slice(0, name.length - extname(name).length)
}

function mediaTypeOf(path: string): string {
  return /\.(tgz|gz)$/i.test(path) ? 'application/gzip' : 'application/octet-stream'
}

function notPlain(path: string, link: boolean): CatalogError {
  const what = link ? 'a symbolic link' : 'neither a file nor a folder'
  return new CatalogError('ARCHIVE_UNSAFE', `${quote(path)} is ${what}, which cannot be published.`, {
    hint: 'Remove it from the folder, or put a copy of what it stands for in its place.',
  })
}

function tooMany(): CatalogError {
  return new CatalogError('LIMIT_EXCEEDED', `This folder holds more than ${ARCHIVE_FILES_MAX} files and folders.`, {
    hint: 'Pack it into one file first, and publish that.',
  })
}
