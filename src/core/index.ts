// The kernels alone, for who wants digests without a node: `catalog-mesh/core`.
export { type CoreChoice, loadCore } from './load.ts'
export { type Backend, CORE_ABI, type Core, DIGEST_BYTES, PROFILE_FIXED_64K } from './surface.ts'
