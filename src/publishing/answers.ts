// What is told of packages, peers and the node: plain data, as it goes out over HTTP and onto the command line.
import type { Account } from '../store/ledger.ts'
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
  /** Versions by tag; `latest` only where its publisher set it. */
  readonly tags: Readonly<Record<string, string>>
  /** Why it should not be used, if its publisher says so. */
  readonly deprecated: string | null
  /** Taken back by its publisher, and kept here. */
  readonly withdrawn: boolean
  /** How often it was used here: ever, and by sums that fade over an hour, a day and thirty days. */
  readonly usage: Readonly<Record<'fetches' | 'installs' | 'hour' | 'day' | 'month', number>>
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

/** With the bytes that ever went to and came from it, the ratio of the two, and what it gave of both together. */
export interface ConnectedPeer extends Pick<Account, 'sent' | 'received' | 'ratio' | 'contribution'> {
  readonly peer: string
  readonly agent: string
  readonly addresses: readonly string[]
}

export interface NodeStatus {
  readonly version: string
  readonly peerId: string
  readonly publisher: string | null
  readonly online: boolean
  readonly addresses: readonly string[]
  /** UDP port of the bulk plane; null without one: blobs then come and go over libp2p streams. */
  readonly bulkPort: number | null
  readonly http: string | null
  readonly peers: number
  readonly records: number
  readonly releases: number
  readonly blobs: number
  readonly bytes: number
  /** What waits for a peer: own records that nobody was told of, and what was asked for meanwhile. */
  readonly waiting: {
    readonly records: number
    readonly works: readonly { readonly kind: string; readonly subject: string; readonly since: string }[]
  }
  readonly core: { readonly backend: string; readonly features: readonly string[] }
  readonly dataDir: string
  readonly uptimeMs: number
}
