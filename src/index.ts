// The library: public exports only.
export { CatalogError, type ErrorCode } from './base/errors.ts'
export type { Completion, Highlights, Why } from './discovery/hints.ts'
export type { Reason, ReasonKind, Recommendation, RecommendOptions } from './discovery/recommendations.ts'
export type { CompletionOptions, SearchAnswer, SearchOptions, SearchResult } from './discovery/search.ts'
export { CatalogNode, type NodeOptions } from './node.ts'
export type { ConnectedPeer, FetchedPackage, NodeStatus, PackageInfo, SharedPackage } from './publishing/answers.ts'
export type { Installed } from './publishing/install.ts'
export { type ShareOptions, SharingManager } from './sharing-manager.ts'
export {
  type PinnedRelease,
  StorageManager,
  type StorageStatus,
  type VerifiedArtifact,
} from './storage-manager.ts'
export type { TransferView } from './transfer/transfers.ts'
