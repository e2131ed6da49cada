// Publishing as npm does it: its document is read as it comes, the tarball written beside, and then published as from
// the command line.
import { createHash } from 'node:crypto'
import { type FileHandle, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { CatalogError, hasCode } from '../../base/errors.ts'
import { ARCHIVE_BYTES_MAX } from '../../base/limits.ts'
import { MiB } from '../../base/units.ts'
import { formatPurl } from '../../model/purl.ts'
import type { PreparedArtifact } from '../../package-types/package-type.ts'
import type { PackageView } from '../../package-view.ts'
import type { SharingManager } from '../../sharing-manager.ts'
import { type Bundle, bundleIn } from './provenance.ts'
import { PublishBody, type PublishDocument } from './publish-body.ts'

/** Looked for on the disk at a time: a client need not say how much will come. */
const ROOM_BYTES = 16 * MiB

interface Components {
  view: PackageView
  sharing: SharingManager
}

/**
 * @param name - as the path has it
 * @throws CatalogError `USAGE`, `RELEASE_EXISTS` with npm's words, `MANIFEST_INVALID`, `LIMIT_EXCEEDED`, `DISK_FULL`
 */
export async function publish(
  { view, sharing }: Components,
  name: string,
  body: Readable,
  signal: AbortSignal,
): Promise<void> {
  await using folders = view.workspace()
  const folder = await folders.folder()
  const path = join(folder, 'package.tgz')
  const { document, decoded, sha512 } = await received(body, path, folders.mayWrite)
  const { version, access } = checked(document, name, decoded)
  const permission = access === 'restricted' ? { permission: 'private' as const } : {}
  const bundle = bundleIn(document, formatPurl({ type: 'npm', name, version }), sha512)
  const attachments = bundle ? [await written(bundle, join(folder, 'bundle.json'))] : []
  const options = { type: 'npm', name, version, ...permission, attachments, signal }
  try {
    const { fresh } = await sharing.sharePackage(path, options)
    if (!fresh) throw taken(version)
  } catch (thrown) {
    throw hasCode(thrown, 'RELEASE_EXISTS') ? taken(version, thrown) : thrown
  }
}

async function received(
  body: Readable,
  path: string,
  mayWrite: (bytes: number) => void,
): Promise<{ document: PublishDocument; decoded: number; sha512: string }> {
  const reader = new PublishBody()
  const hash = createHash('sha512')
  const file = await open(path, 'wx')
  let room = 0
  try {
    for await (const chunk of body) {
      const pieces = reader.push(chunk)
      if (reader.decoded > ARCHIVE_BYTES_MAX) {
        throw new CatalogError('LIMIT_EXCEEDED', `A tarball has at most ${ARCHIVE_BYTES_MAX} bytes.`)
      }
      if (reader.decoded > room) {
        mayWrite(ROOM_BYTES)
        room = reader.decoded + ROOM_BYTES
      }
      for (const piece of pieces) {
        hash.update(piece)
        await writeAll(file, piece)
      }
    }
  } finally {
    await file.close()
  }
  return { document: reader.end(), decoded: reader.decoded, sha512: hash.digest('hex') }
}

async function written({ text, ...about }: Bundle, file: string): Promise<PreparedArtifact> {
  await writeFile(file, text, { flag: 'wx' })
  return { ...about, file }
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await file.write(bytes, written)).bytesWritten
  }
}

/** What of a document can be done here; of all else it is said that it cannot. */
function checked(document: PublishDocument, name: string, decoded: number): { version: string; access?: string } {
  const versions = Object.keys(document.versions)
  const tarballs = Object.entries(document._attachments).filter(([file]) => file.endsWith('.tgz'))
  const [version] = versions
  const [tarball] = tarballs
  if (document.name !== name) throw new CatalogError('USAGE', 'The document is of another package than its path.')
  if (tarballs.length === 0) {
    throw new CatalogError('USAGE', 'Only new versions can be published here yet: nothing else can be changed.')
  }
  if (versions.length !== 1 || version === undefined || tarballs.length !== 1) {
    throw new CatalogError('USAGE', 'One version is published at a time, with one tarball.')
  }
  if (tarball?.[1].length !== decoded) throw new CatalogError('USAGE', 'The tarball is not as long as it says.')
  const tags = Object.keys(document['dist-tags'])
  if (tags.some((tag) => tag !== 'latest')) {
    throw new CatalogError('USAGE', 'No tag but "latest" is kept yet, which is always the highest version.', {
      hint: 'Publish a pre-release with: catalog publish PATH',
    })
  }
  return { version, ...(document.access ? { access: document.access } : {}) }
}

/** In the words that clients look for. */
function taken(version: string, cause?: unknown): CatalogError {
  return new CatalogError('RELEASE_EXISTS', `You cannot publish over the previously published versions: ${version}.`, {
    cause,
  })
}
