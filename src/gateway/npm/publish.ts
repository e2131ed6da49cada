// Publishing as npm does it: its document is read as it comes, the tarball kept at hand or, when it is large, written
// beside, and then published as from the command line.
import { createHash } from 'node:crypto'
import { type FileHandle, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { CatalogError, hasCode } from '../../base/errors.ts'
import { ARCHIVE_BYTES_MAX, BLOB_AT_HAND_BYTES_MAX } from '../../base/limits.ts'
import { MiB } from '../../base/units.ts'
import { LATEST } from '../../model/notice.ts'
import { formatPurl } from '../../model/purl.ts'
import type { PreparedArtifact } from '../../package-types/package-type.ts'
import type { PackageView } from '../../package-view.ts'
import type { SharingManager } from '../../sharing-manager.ts'
import type { ScratchFolders } from '../../store/scratch.ts'
import { type Bundle, bundleIn } from './provenance.ts'
import { PublishBody, type PublishDocument } from './publish-body.ts'

/** Looked for on the disk at a time: a client need not say how much will come. */
const ROOM_BYTES = 16 * MiB
const TARBALL = 'package.tgz'

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
  const { document, decoded, sha512, path, bytes } = await received(body, folders)
  if (document.name !== name) throw new CatalogError('USAGE', 'The document is of another package than its path.')
  const sent = checked(document, decoded)
  if (!sent) return document
  const publisher = await sharing.publisher()
  await view.checkFree({ type: 'npm', name }, publisher ?? 'PUBLISHER', signal)
  const { version, tag, access } = sent
  const permission = access === 'restricted' ? { permission: 'private' as const } : {}
  const bundle = bundleIn(document, formatPurl({ type: 'npm', name, version }), sha512)
  const attachments = bundle ? [await written(bundle, join(await folders.folder(), 'bundle.json'))] : []
  const options = { type: 'npm', name, version, tag, bytes, ...permission, attachments, signal }
  try {
    const { fresh } = await sharing.sharePackage(path, options)
    if (!fresh) throw taken(version)
  } catch (thrown) {
    throw hasCode(thrown, 'RELEASE_EXISTS') ? taken(version, thrown) : thrown
  }
  return undefined
}

/** A document and its tarball, whose bytes are given when it is small; of another, `path` is where it lies. */
interface Received {
  readonly document: PublishDocument
  readonly decoded: number
  readonly sha512: string
  readonly path: string
  readonly bytes?: Buffer | undefined
}

async function received(body: Readable, folders: ScratchFolders): Promise<Received> {
  const reader = new PublishBody()
  const hash = createHash('sha512')
  let atHand: Buffer[] = []
  let path = TARBALL
  let file: FileHandle | undefined
  let room = 0
  try {
    for await (const chunk of body) {
      for (const piece of reader.push(chunk)) {
        hash.update(piece)
        atHand.push(piece)
      }
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
  return { document: reader.end(), decoded: reader.decoded, sha512: hash.digest('hex'), path, bytes }
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
