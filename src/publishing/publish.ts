// Publishing: read and check the package, hash it into the store in one pass, sign release and share, and make all of
// it visible in one transaction; then tell the others.
import { equalBytes } from '../base/bytes.ts'
import type { Effects } from '../base/effects.ts'
import { CatalogError } from '../base/errors.ts'
import { shelvesOf } from '../model/audience.ts'
import type { Grant } from '../model/permission.ts'
import { formatPurl } from '../model/purl.ts'
import { type Artifact, type Release, readRelease } from '../model/release.ts'
import { packageType, recognise } from '../package-types/all.ts'
import type { PreparedArtifact, PreparedPackage } from '../package-types/package-type.ts'
import type { StagedBlob } from '../store/blob-index.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Pins } from '../store/pins.ts'
import type { Records, Submission } from '../store/records.ts'
import type { Scratch } from '../store/scratch.ts'
import type { Notices } from '../trust/notices.ts'
import type { Identity, LocalPublisher } from '../trust/publishers.ts'
import { isOfOrigin, ofRegistry } from '../trust/view.ts'
import type { Curation } from './curation.ts'
import type { Decided, Permissions } from './permissions.ts'

export interface PublishOptions {
  /** By default what was said of the name before, else public; of a release published before, what holds for it. */
  readonly grant?: Grant | undefined
  /** Recognised from the path by default. */
  readonly type?: string | undefined
  readonly name?: string | undefined
  readonly version?: string | undefined
  /** As `PublishSource.bytes`. */
  readonly bytes?: Uint8Array | undefined
  /** What is to name it; without one `latest` is the highest version that is no pre-release. */
  readonly tag?: string | undefined
  /** What is said of it beside. */
  readonly attachments?: readonly PreparedArtifact[] | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Published {
  readonly release: Release
  /** False when this very release was there already. */
  readonly fresh: boolean
}

interface Components {
  records: Records
  permissions: Permissions
  curation: Curation
  notices: Notices
  blobs: Blobs
  pins: Pins
  publisher: LocalPublisher
  scratch: Scratch
  effects: Effects
}

/** An artifact whose bytes are written, and known to nobody yet. */
interface Staged {
  readonly blob: StagedBlob
  readonly artifact: Artifact
}

export class Publishing {
  readonly #components: Components
  constructor(components: Components) {
    this.#components = components
  }

  /**
   * Publish a folder or file. The same bytes again change nothing but the permission.
   *
   * @throws CatalogError what the package type finds wrong; `RELEASE_EXISTS` for other bytes of a version published
   *   before; `UNTRUSTED` when the name is pinned to somebody else; `DISK_FULL`; `ABORTED`
   */
  async publish(path: string, options: PublishOptions = {}): Promise<Published> {
    const { blobs, effects, permissions, publisher, records, scratch } = this.#components
    using announced = records.expect()
    await using folders = scratch.open()
    const staged: Staged[] = []
    try {
      const type = options.type === undefined ? await effects.run(() => recognise(path)) : packageType(options.type)
      const source = { path, name: options.name, version: options.version, bytes: options.bytes }
      const { mayWrite } = folders
      const context = { scratch: () => folders.folder(), mayWrite, signal: options.signal }
      const prepared = await effects.run(() => type.prepare(source, context))
      const identity = await publisher.identity()
      this.#checkPin(type.type, prepared, identity)
      const { attachments = [] } = options
      for (const artifact of [...prepared.artifacts, ...attachments])
        staged.push(await this.#stage(artifact, options.signal))
      const purl = formatPurl({ type: type.type, name: prepared.name, version: prepared.version })
      // Two at once would be a publisher contradicting itself, for good. Commits of other versions share a transaction.
      const published = await permissions.turns.take(purl, () =>
        this.#commit(type.type, prepared, { staged, announced }, options),
      )
      await permissions.tell(published.release)
      return published
    } finally {
      await blobs.discard(staged.map(({ blob }) => blob))
    }
  }

  #checkPin(type: string, { name }: PreparedPackage, { signer }: Identity): void {
    const { pins, records } = this.#components
    const pin = pins.get({ type, name })
    if (!pin && records.releases({ type, name }).some(isOfOrigin)) throw ofRegistry({ type, name }, signer)
    if (!pin || pin.signer === signer) return
    const purl = formatPurl({ type, name })
    throw new CatalogError('UNTRUSTED', `${purl} is pinned to another publisher here: ${pin.signer}.`, {
      hint: `To claim it for this node's publisher: catalog trust ${purl} ${signer}`,
    })
  }

  async #stage({ file, bytes, ...about }: PreparedArtifact, signal?: AbortSignal): Promise<Staged> {
    const blob = await this.#components.blobs.stage({ path: file, bytes }, signal)
    const { size, root, sha256, sha512 } = blob
    return { blob, artifact: { ...about, size, root, sha256, ...(sha512 ? { sha512 } : {}) } }
  }

  async #commit(
    type: string,
    prepared: PreparedPackage,
    { staged, announced }: { staged: readonly Staged[]; announced: Disposable },
    { grant, tag }: PublishOptions,
  ): Promise<Published> {
    const { curation, notices, permissions, publisher, records } = this.#components
    const { signer } = await publisher.identity()
    const { name, version } = prepared
    const purl = formatPurl({ type, name, version })
    const earlier = records.releases({ type, name }, version).find(({ record }) => record.signer === signer)
    if (earlier) {
      if (notices.isWithdrawn(earlier)) throw wasWithdrawn(purl)
      if (!sameBytes(earlier, staged)) throw exists(purl)
      await this.#restore(earlier, staged)
      await records.admitAll(await permissions.changes(earlier, grant))
      if (tag !== undefined) await curation.tag({ type, name, version }, tag)
      return { release: earlier, fresh: false }
    }
    const { artifacts: _, ...described } = prepared
    const body = { type, ...described, artifacts: staged.map(({ artifact }) => artifact) }
    const [record, decided] = await Promise.all([
      publisher.sign({ kind: 'release', subject: purl, body: plain(body) }),
      permissions.decide({ type, name, version }, grant),
    ])
    const release = readRelease(record)
    const audiences = shelvesOf(decided.grant)
    await curation.publishing({ release, audiences, tag }, (notices) =>
      this.#store(release, { staged, announced }, decided, notices),
    )
    return { release, fresh: true }
  }

  /** Bytes onto the disk first, then everything that makes them visible in one transaction. */
  async #store(
    release: Release,
    { staged, announced }: { staged: readonly Staged[]; announced: Disposable },
    decided: Decided,
    notices: readonly Submission[],
  ): Promise<void> {
    const { permissions, pins, records } = this.#components
    const link = await this.#sealed(staged, release.record.id)
    const submissions = await permissions.submissions(release, decided)
    announced[Symbol.dispose]()
    await records.admitAll([...submissions, ...notices], () => {
      link()
      pins.put(release.body, release.record.signer, 'published')
    })
  }

  /** Publishing the same bytes again brings back what was found damaged, or evicted. */
  async #restore(release: Release, staged: readonly Staged[]): Promise<void> {
    const { blobs, records } = this.#components
    const { id } = release.record
    const lost = staged.filter(({ artifact: { root } }) => !blobs.get(root) || blobs.originOf(root, id) !== 'published')
    if (lost.length > 0) await records.admitAll([], await this.#sealed(lost, id))
  }

  /** @returns what links them, for a transaction */
  async #sealed(staged: readonly Staged[], release: Uint8Array): Promise<() => void> {
    const { blobs } = this.#components
    const sealed = staged.map(({ blob }) => blob)
    await blobs.seal(sealed, release)
    return () => {
      for (const blob of sealed) blobs.link(blob, release, 'published')
    }
  }
}

function sameBytes({ body }: Release, staged: readonly Staged[]): boolean {
  if (body.artifacts.length !== staged.length) return false
  return body.artifacts.every(({ root }) => staged.some(({ blob }) => equalBytes(blob.root, root)))
}

function exists(purl: string): CatalogError {
  return new CatalogError('RELEASE_EXISTS', `${purl} is published already, with other bytes.`, {
    hint: 'A published version never changes. Publish a new version.',
  })
}

function wasWithdrawn(purl: string): CatalogError {
  return new CatalogError('RELEASE_EXISTS', `${purl} was published before, and withdrawn.`, {
    hint: `Publish a new version, or put this one back: catalog withdraw ${purl} --undo`,
  })
}

/** Without the keys that are undefined: CBOR has no such value. */
function plain(body: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined))
}
