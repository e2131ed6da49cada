// What a package type must know: how its names, versions and archives are read, ordered and unpacked. Everything
// else (signing, storing, finding, fetching) is the same for all types. Types are listed in all.ts; no discovery.
import type { ByteSource } from '../base/byte-source.ts'
import type { Dependency } from '../model/release.ts'

/** What a publish is given: a path and what the user said about it. */
export interface PublishSource {
  /** A folder or a file. */
  readonly path: string
  readonly name?: string | undefined
  readonly version?: string | undefined
  /** Of an npm tarball that is at hand: the path is then only what it is called. */
  readonly bytes?: Uint8Array | undefined
}

/** A file ready to be hashed and stored, with what the release will say of it. */
export interface PreparedArtifact {
  /** Its name in the release, for example `name-1.0.0.tgz`. */
  readonly path: string
  /** Where its bytes are now: the source itself, or a file made in the scratch folder. */
  readonly file: string
  /** The bytes themselves, where they are at hand. */
  readonly bytes?: Uint8Array | undefined
  readonly mediaType: string
  /** Of an attestation: what it says. */
  readonly predicateType?: string
}

/** A checked package: all that a release body needs but sizes and hashes. */
export interface PreparedPackage {
  readonly name: string
  readonly version: string
  readonly artifacts: readonly PreparedArtifact[]
  readonly manifest: Record<string, unknown>
  readonly dependencies: readonly Dependency[]
  readonly description: string
  readonly keywords: readonly string[]
  readonly license: string
  readonly category: string
  readonly tags: readonly string[]
  /** 0–1. */
  readonly priority: number
}

export interface UnpackReport {
  readonly files: number
  readonly bytes: number
}

export interface ScratchContext {
  /** Makes a folder for what has to be made; the caller removes it. */
  readonly scratch: () => Promise<string>
  /** Throws when there is no room there for so many bytes more. */
  readonly mayWrite?: ((bytes: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface UnpackSource {
  /** Where the artifact's bytes lie. Untrusted, though their hash is checked. */
  readonly file: string | ByteSource
  /** The artifact's path and media type in the release. */
  readonly path: string
  readonly mediaType: string
}

export interface PackageType {
  /** The purl type. */
  readonly type: string
  /** Whether a folder or file looks like this type, when the user names none. */
  recognises(path: string): Promise<boolean>
  /** @throws CatalogError `NAME_INVALID` with the rule that was broken */
  checkName(name: string): void
  /** @throws CatalogError `VERSION_INVALID` */
  checkVersion(version: string): void
  /** Order of two valid versions: negative when `a` is older. */
  compareVersions(a: string, b: string): number
  /** Pre-releases are never chosen unless asked for by name. */
  isPrerelease(version: string): boolean
  /** Whether a valid version lies in a range; false for a range that cannot be read. */
  satisfies(version: string, range: string): boolean
  /**
   * Read, check and, for a folder, pack.
   *
   * @throws CatalogError `FILE_UNREADABLE`, `NAME_INVALID`, `VERSION_INVALID`, `MANIFEST_INVALID`,
   *   `ARCHIVE_CORRUPT`, `ARCHIVE_UNSAFE`, `LIMIT_EXCEEDED`; `USAGE` when the user said too little or otherwise
   */
  prepare(source: PublishSource, context: ScratchContext): Promise<PreparedPackage>
  /**
   * Unpack an artifact into `target`, an empty folder. Never runs anything, writes no links or special files and
   * nothing outside `target`.
   *
   * @throws CatalogError `ARCHIVE_CORRUPT`, `ARCHIVE_UNSAFE`, `DISK_FULL`; `TARGET_EXISTS` when `target` is not empty
   */
  unpack(source: UnpackSource, target: string, signal?: AbortSignal): Promise<UnpackReport>
}
