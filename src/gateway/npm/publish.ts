// Publishing as npm does it: its document is read as it comes, the tarball written beside, and then published as from
// the command line.
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { CatalogError, hasCode } from '../../base/errors.ts'
import { ARCHIVE_BYTES_MAX } from '../../base/limits.ts'
import { MiB } from '../../base/units.ts'
import { LATEST } from '../../model/notice.ts'
import type { PackageView } from '../../package-view.ts'
import type { SharingManager } from '../../sharing-manager.ts'
import { PublishBody, type PublishDocument } from './publish-body.ts'

/** Looked for on the disk at a time: a client need not say how much will come. */
const ROOM_BYTES = 16 * MiB

interface Components {
  view: PackageView
  sharing: SharingManager
}

/**
 * Take a document of npm's: a new version is published, and nothing else done with it then.
 *
 * @param name - as the path has it
 * @returns the document when no tarball came with it: something else is to be changed
 * @throws CatalogError `USAGE`, `UNTRUSTED`, `RELEASE_EXISTS` with npm's words, `MANIFEST_INVALID`, `DISK_FULL`,
 *   `LIMIT_EXCEEDED`
 */
export async function publish(
  { view, sharing }: Components,
  name: string,
  body: Readable,
  signal: AbortSignal,
): Promise<PublishDocument | undefined> {
  await using folders = view.workspace()
  const path = join(await folders.folder(), 'package.tgz')
  const { document, decoded } = await received(body, path, folders.mayWrite)
  if (document.name !== name) throw new CatalogError('USAGE', 'The document is of another package than its path.')
  const sent = checked(document, decoded)
  if (!sent) return document
  const { publisher } = await sharing.status()
  await view.checkFree({ type: 'npm', name }, publisher ?? 'PUBLISHER', signal)
  const { version, tag, access } = sent
  const permission = access === 'restricted' ? { permission: 'private' as const } : {}
  try {
    const { fresh } = await sharing.sharePackage(path, { type: 'npm', name, version, tag, ...permission, signal })
    if (!fresh) throw taken(version)
  } catch (thrown) {
    throw hasCode(thrown, 'RELEASE_EXISTS') ? taken(version, thrown) : thrown
  }
  return undefined
}

async function received(
  body: Readable,
  path: string,
  mayWrite: (bytes: number) => void,
): Promise<{ document: PublishDocument; decoded: number }> {
  const reader = new PublishBody()
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
      for (const piece of pieces) await writeAll(file, piece)
    }
  } finally {
    await file.close()
  }
  return { document: reader.end(), decoded: reader.decoded }
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await file.write(bytes, written)).bytesWritten
  }
}

interface Sent {
  readonly version: string
  readonly tag: string
  readonly access: PublishDocument['access']
}

/** What is published with a document, if a tarball came with it. It may tell of the versions before as well. */
function checked(document: PublishDocument, decoded: number): Sent | undefined {
  const { name, access, versions } = document
  const tarballs = Object.entries(document._attachments).filter(([file]) => file.endsWith('.tgz'))
  const [tarball, ...others] = tarballs
  if (!tarball) return undefined
  const [file, { length }] = tarball
  const all = Object.keys(versions)
  const version = all.length === 1 ? all[0] : all.find((each) => file === `${name}-${each}.tgz`)
  if (version === undefined || others.length > 0) {
    throw new CatalogError('USAGE', 'One version is published at a time, with one tarball.')
  }
  if (length !== decoded) throw new CatalogError('USAGE', 'The tarball is not as long as it says.')
  const [tag = LATEST] = Object.entries(document['dist-tags']).find(([, named]) => named === version) ?? []
  return { version, tag, access }
}

/** In the words that clients look for. */
function taken(version: string, cause?: unknown): CatalogError {
  return new CatalogError('RELEASE_EXISTS', `You cannot publish over the previously published versions: ${version}.`, {
    cause,
  })
}
