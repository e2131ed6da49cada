// The kernels alone, for who wants them without a node: `catalog-mesh/core`.
export { merkleProof } from './digest-tree.ts'
export { type CoreChoice, loadCore } from './load.ts'
export {
  type Backend,
  CORE_ABI,
  type Core,
  DIGEST_BYTES,
  MERKLE_NODE_BYTES,
  NEED_MORE,
  PROFILE_CONTENT_16K,
  PROFILE_CONTENT_64K,
  PROFILE_FIXED_64K,
  SHA256_STATE_BYTES,
  SHARDS_MAX,
  SYMBOL_BYTES,
} from './surface.ts'
