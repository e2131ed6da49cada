// What is told of packages: plain data, as it goes out over HTTP and onto the command line.
import type { FetchSource, ProviderFailure } from '../transfer/report.ts'
import type { TrustState } from '../trust/view.ts'
import type { SharedWith } from './permissions.ts'

export interface ArtifactSummary {
  readonly path: string
  readonly size: number
  /** Hexadecimal. */
  readonly sha256: string
}

export interface SharedPackage {
  readonly purl: string
  /** Record id, hexadecimal. */
  readonly record: string
  readonly permission: string
  /** False when the same bytes were published before. */
  readonly fresh: boolean
  readonly artifacts: readonly ArtifactSummary[]
}

export interface PackageInfo extends Omit<SharedPackage, 'fresh'> {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly license: string
  readonly keywords: readonly string[]
  /** Who may have it, as far as it is known here. */
  readonly sharedWith: SharedWith
  readonly publisher: string
  readonly trust: TrustState
  /** When it was signed, by the publisher's clock; ISO 8601. */
  readonly publishedAt: string
  readonly dependencies: readonly { purl: string; range: string }[]
  /** Whether all its bytes are on this node. */
  readonly local: boolean
  /** All versions known here, newest first. */
  readonly versions: readonly string[]
}

export interface FetchedPackage {
  readonly purl: string
  readonly output: string
  readonly bytes: number
  readonly sha256: string
  readonly sources: readonly FetchSource[]
  /** Peers that were asked and failed, and why. */
  readonly failures: readonly ProviderFailure[]
  readonly ms: number
}
