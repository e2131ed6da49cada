// The façade of what a node keeps: checking it, clearing it, keeping releases for good, copying all of it. Beside
// SharingManager for the HTTP API, the command line and programs that import the library.
import { equalBytes, toHex } from './base/bytes.ts'
import type { Clock } from './base/clock.ts'
import type { Disk } from './base/disk.ts'
import type { Effects } from './base/effects.ts'
import { CatalogError } from './base/errors.ts'
import type { UnderWay } from './base/under-way.ts'
import { formatPurl, parsePurl } from './model/purl.ts'
import type { Packages } from './publishing/packages.ts'
import { type BackupOptions, backUp, type Copied } from './store/backup.ts'
import { type Blobs, rootsOf } from './store/blobs.ts'
import { checkStore, type Finding } from './store/check.ts'
import type { DataPaths } from './store/data-directory.ts'
import type { Environment } from './store/environment.ts'
import type { Garbage, GarbageCollector } from './store/gc.ts'
import type { Kept, KeptRelease } from './store/kept.ts'
import type { Packs } from './store/packs.ts'
import type { Quota } from './store/quota.ts'
import type { Records } from './store/records.ts'
import type { Recovery } from './store/recovery.ts'
import type { Repacked, Repacker } from './store/repack.ts'
import type { Scrubber } from './store/scrub.ts'
import type { Space } from './store/space.ts'
import type { FetchOptions } from './transfer/fetcher.ts'

export interface VerifiedArtifact {
  /** Of one release it is kept under; nothing when no record of one is here. */
  readonly purl?: string | undefined
  /** Its path in that release. */
  readonly path?: string | undefined
  /** Hexadecimal. */
  readonly root: string
  readonly bytes: number
  readonly ok: boolean
  /** What was found, when it is not ok. */
  readonly reason?: string | undefined
}

export interface PinnedRelease {
  readonly purl: string
  /** Record id, hexadecimal. */
  readonly record: string
  /** ISO 8601. */
  readonly pinnedAt: string
  /** Whether all its bytes are here; false as well when its record is gone. */
  readonly local: boolean
}

export interface StorageStatus {
  /** Bytes of what others published, and the most that is kept of it. */
  readonly mirroredBytes: number
  readonly maxMirrorStorage: number
  /** Bytes of what this node published. */
  readonly ownBytes: number
  /** Releases kept for good. */
  readonly pinned: number
  /** Of the disk the store is on: bytes free, and how many of them are left alone. */
  readonly freeBytes: number
  readonly reserveBytes: number
  /** Whether the rewriting of packs is held. */
  readonly paused: boolean
  /** What opening the store did about how its last use ended. */
  readonly recovery: Recovery
}

export interface VerifyOptions {
  /** Bytes a second, at most. */
  readonly rate?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: { bytes: number; total: number }) => void) | undefined
}

export interface CollectOptions {
  /** Tell, and change nothing. */
  readonly dryRun?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** What a collection found or did, as it goes. */
export type Collected = { readonly garbage: Garbage } | { readonly repacked: Repacked }

export interface StorageComponents {
  blobs: Blobs
  collector: GarbageCollector
  environment: Environment
  kept: Kept
  packages: Packages
  packs: Packs
  quota: Quota
  records: Records
  recovery: Recovery
  repacker: Repacker
  scrubber: Scrubber
  space: Space
  clock: Clock
  disk: Disk
  effects: Effects
  paths: DataPaths
  underWay: UnderWay
}

type ArtifactName = Required<Pick<VerifiedArtifact, 'purl' | 'path'>>

export class StorageManager {
  readonly #components: StorageComponents

  constructor(components: StorageComponents) {
    this.#components = components
  }

  status(): StorageStatus {
    const { blobs, kept, quota, recovery, repacker, space } = this.#components
    const { bytes, mirroredBytes } = blobs.usage()
    const { free, reserve } = space.state()
    return {
      mirroredBytes,
      maxMirrorStorage: quota.max,
      ownBytes: bytes - mirroredBytes,
      pinned: kept.list().length,
      freeBytes: free,
      reserveBytes: reserve,
      paused: repacker.isPaused,
      recovery,
    }
  }

  /**
   * Hash again what is kept. What is damaged goes out of sight; a running node fetches the damaged chunks again.
   *
   * @param text - one package; everything by default
   * @throws CatalogError `NOT_FOUND` when nothing of that package is kept, `ABORTED`
   */
  verify(text?: string, options: VerifyOptions = {}): AsyncGenerator<VerifiedArtifact> {
    return this.#components.underWay.steps((signal) => this.#verify(text, { ...options, signal }), options.signal)
  }

  async *#verify(text: string | undefined, options: VerifyOptions): AsyncGenerator<VerifiedArtifact> {
    const { blobs, scrubber } = this.#components
    const { onProgress, ...scrubbing } = options
    const roots = text === undefined ? undefined : this.#rootsOf(text)
    const total = roots?.reduce((sum, root) => sum + (blobs.get(root)?.size ?? 0), 0) ?? blobs.usage().bytes
    const onBytes = (bytes: number) => onProgress?.({ bytes, total })
    // Looked up beforehand: once it is out of sight, nothing tells what a damaged blob is of.
    let name: ArtifactName | undefined
    const nameOf = (root: Uint8Array) => this.#nameOf(root)
    const named = function* () {
      for (const root of roots ?? rootsOf(blobs)) {
        name = nameOf(root)
        yield root
      }
    }
    for await (const { root, bytes, reason } of scrubber.run(named(), { ...scrubbing, onBytes })) {
      yield { ...name, root: toHex(root), bytes, ok: reason === undefined, reason }
    }
  }

  /**
   * Forget what nobody wants, then rewrite packs of which little is left, unless that is held.
   *
   * @throws CatalogError `ABORTED`, `DISK_FULL`; what was told of is done
   */
  collect(options: CollectOptions = {}): AsyncGenerator<Collected> {
    return this.#components.underWay.steps((signal) => this.#collect({ ...options, signal }), options.signal)
  }

  async *#collect({ dryRun = false, signal }: CollectOptions): AsyncGenerator<Collected> {
    const { collector, repacker } = this.#components
    if (dryRun) {
      for (const garbage of collector.mark()) yield { garbage }
      for (const { pack, live, end } of repacker.candidates()) {
        yield { repacked: { pack, movedBytes: live, freedBytes: end - live } }
      }
      return
    }
    for await (const garbage of collector.sweep(signal)) yield { garbage }
    if (repacker.isPaused) return
    for await (const repacked of repacker.run({ signal })) yield { repacked }
  }

  /** Hold the rewriting of packs, or let it go on. */
  setPaused(paused: boolean): void {
    if (paused) this.#components.repacker.pause()
    else this.#components.repacker.resume()
  }

  get isPaused(): boolean {
    return this.#components.repacker.isPaused
  }

  /**
   * Have a release here and keep it, whatever becomes of its records and however much is mirrored. It is kept from now
   * on, also when fetching it fails.
   *
   * @throws CatalogError as `SharingManager.fetchPackage`; `LIMIT_EXCEEDED` when it does not fit what may be mirrored
   */
  pin(text: string, options: FetchOptions = {}): Promise<PinnedRelease> {
    return this.#components.underWay.run((signal) => this.#pin(text, { ...options, signal }), options.signal)
  }

  async #pin(text: string, options: FetchOptions): Promise<PinnedRelease> {
    const { packages, kept } = this.#components
    const { release } = await packages.resolve(parsePurl(text), options.signal)
    await kept.add(release.record.id, release.purl)
    for (const artifact of release.body.artifacts) {
      const fetched = await packages.fetch(release, artifact, options)
      fetched.lease[Symbol.dispose]()
    }
    const { id } = release.record
    const at = kept.since(id) ?? this.#components.clock.now()
    return this.#pinned({ release: id, purl: release.purl, at })
  }

  /** No longer keep a version, or every version of a package. @returns whether one was pinned */
  unpin(text: string): Promise<boolean> {
    return this.#components.underWay.run(() => this.#unpin(text))
  }

  async #unpin(text: string): Promise<boolean> {
    const { kept } = this.#components
    const { type, name, version } = parsePurl(text)
    let changed = false
    for (const { release, purl } of kept.list()) {
      const pinned = parsePurl(purl)
      const isMeant = pinned.type === type && pinned.name === name && (version ?? pinned.version) === pinned.version
      if (isMeant && (await kept.remove(release))) changed = true
    }
    return changed
  }

  pins(): PinnedRelease[] {
    return this.#components.kept.list().map((kept) => this.#pinned(kept))
  }

  /**
   * Copy everything to a new folder, consistently, while the node goes on.
   *
   * @throws CatalogError `TARGET_EXISTS`, `DISK_FULL`, `FILE_UNREADABLE`, `ABORTED`
   */
  backUp(target: string, options: BackupOptions = {}): Promise<Copied> {
    const { paths, underWay } = this.#components
    return underWay.run((signal) => backUp(this.#components, paths, target, { ...options, signal }), options.signal)
  }

  /**
   * Every rule of the store's format, held against what is there; nothing for a sound one. A change under way may look
   * like a fault for a moment: what is found is told when a second look finds it too.
   */
  check(options: { signal?: AbortSignal | undefined } = {}): AsyncGenerator<Finding> {
    return this.#components.underWay.steps((signal) => this.#check(signal), options.signal)
  }

  async *#check(signal: AbortSignal): AsyncGenerator<Finding> {
    const first = new Set<string>()
    for await (const finding of checkStore(this.#components, signal)) first.add(JSON.stringify(finding))
    if (first.size === 0) return
    for await (const finding of checkStore(this.#components, signal)) {
      if (first.has(JSON.stringify(finding))) yield finding
    }
  }

  #pinned({ release: id, purl, at }: KeptRelease): PinnedRelease {
    const { blobs, records } = this.#components
    const artifacts = records.release(id)?.body.artifacts
    return {
      purl,
      record: toHex(id),
      pinnedAt: new Date(at).toISOString(),
      local: artifacts?.every(({ root }) => blobs.get(root) !== undefined) ?? false,
    }
  }

  /** Of a blob in one of the releases it is kept under. */
  #nameOf(root: Uint8Array): ArtifactName | undefined {
    const { records, blobs } = this.#components
    for (const { release: id } of blobs.releasesOf(root)) {
      const release = records.release(id)
      const artifact = release?.body.artifacts.find((each) => equalBytes(each.root, root))
      if (release && artifact) return { purl: release.purl, path: artifact.path }
    }
    return undefined
  }

  #rootsOf(text: string): Uint8Array[] {
    const { records, blobs } = this.#components
    const purl = parsePurl(text)
    const roots = records
      .releases(purl, purl.version)
      .flatMap(({ body }) => body.artifacts.map(({ root }) => root))
      .filter((root) => blobs.get(root) !== undefined)
    if (roots.length === 0) throw new CatalogError('NOT_FOUND', `${formatPurl(purl)} is not kept on this node.`)
    return roots
  }
}
