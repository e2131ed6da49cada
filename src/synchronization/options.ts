// How a synchronization is asked for, and what is told of it.
import type { SyncFilter } from '../wire/sync-messages.ts'

/** How two nodes come to the same: WIRE.md and README.md say when each is the right one. */
export const STRATEGIES = ['incremental', 'differential', 'full', 'priority', 'selective'] as const
export type Strategy = (typeof STRATEGIES)[number]

export const ARTIFACTS = ['none', 'pinned', 'all'] as const

export interface SyncOptions {
  /** `incremental` by default, and `selective` with a filter. */
  readonly strategy?: Strategy | undefined
  readonly filter?: SyncFilter | undefined
  /** Find out what is missing, and change nothing. */
  readonly dryRun?: boolean | undefined
  /** Whose bytes to fetch as well: of packages of which a version is pinned here, or of all that is synchronized. */
  readonly artifacts?: (typeof ARTIFACTS)[number] | undefined
  /** Take up shelves that only the peer keeps; true by default. */
  readonly others?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

export interface SyncReport {
  readonly peer: string
  readonly strategy: Strategy
  /** Records that the peer took, and that were admitted here. */
  readonly sent: number
  readonly received: number
  /** Records that were missing there and here, when it began. */
  readonly surplus: number
  readonly lacking: number
  /** Of all messages, both ways. */
  readonly bytes: number
  /** Requests that were answered, one after the other. */
  readonly rounds: number
  readonly ms: number
  readonly shelves: number
  /** Shelves that are not equal after all. */
  readonly unequal: number
  /** Artifacts that were fetched, and that could not be. */
  readonly artifacts: { readonly fetched: number; readonly failed: number }
  /** Releases that came and compete with others of the same version. */
  readonly conflicts: number
}
