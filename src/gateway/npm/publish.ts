// Publishing as npm does it: its document is read as it comes, the tarball kept at hand or, when it is large, written
// beside, and then published as from the command line.
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { CatalogError, hasCode } from '../../base/errors.ts'
import { ARCHIVE_BYTES_MAX, BLOB_AT_HAND_BYTES_MAX } from '../../base/limits.ts'
import { MiB } from '../../base/units.ts'
import type { PackageView } from '../../package-view.ts'
import type { SharingManager } from '../../sharing-manager.ts'
import type { ScratchFolders } from '../../store/scratch.ts'
import { PublishBody, type PublishDocument } from './publish-body.ts'

/** Looked for on the disk at a time: a client need not say how much will come. */
const ROOM_BYTES = 16 * MiB
const TARBALL = 'package.tgz'

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
  const { document, decoded, path, bytes } = await received(body, folders)
  const { version, access } = checked(document, name, decoded)
  const permission = access === 'restricted' ? { permission: 'private' as const } : {}
  try {
    const { fresh } = await sharing.sharePackage(path, { type: 'npm', name, version, bytes, ...permission, signal })
    if (!fresh) throw taken(version)
  } catch (thrown) {
    throw hasCode(thrown, 'RELEASE_EXISTS') ? taken(version, thrown) : thrown
  }
}

/** A document and its tarball, whose bytes are given when it is small; of another, `path` is where it lies. */
interface Received {
  readonly document: PublishDocument
  readonly decoded: number
  readonly path: string
  readonly bytes?: Buffer | undefined
}

async function received(body: Readable, folders: ScratchFolders): Promise<Received> {
  const reader = new PublishBody()
  let atHand: Buffer[] = []
  let path = TARBALL
  let file: FileHandle | undefined
  let room = 0
  try {
    for await (const chunk of body) {
      atHand.push(...reader.push(chunk))
      if (reader.decoded > ARCHIVE_BYTES_MAX) {
        throw new CatalogError('LIMIT_EXCEEDED', `A tarball has at most ${ARCHIVE_BYTES_MAX} bytes.`)
      }
      if (reader.decoded <= BLOB_AT_HAND_BYTES_MAX) continue
      if (reader.decoded > room) {
        folders.mayWrite(ROOM_BYTES)
        room = reader.decoded + ROOM_BYTES
      }
      if (!file) {
        path = join(await folders.folder(), TARBALL)
        file = await open(path, 'wx')
      }
      for (const piece of atHand) await writeAll(file, piece)
      atHand = []
    }
  } finally {
    await file?.close()
  }
  const bytes = file ? undefined : Buffer.concat(atHand)
  return { document: reader.end(), decoded: reader.decoded, path, bytes }
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
