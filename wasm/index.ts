// The WebAssembly core. The host imports a memory, lays everything out from `heapBase` on and passes pointers;
// nothing is allocated here and no state is kept, so any number of instances of one build may share one memory as long
// as each is given scratch of its own.

import { SHA256_SCRATCH } from './sha256'

export { erasureScratch, rsEncode, rsReconstruct } from './erasure'
export { chunk, chunkScratch } from './gear'
export { merkleRoot, merkleScratch, merkleVerify } from './merkle'
export { sha256Many, sha256Update } from './sha256'
export { sketchDecode, sketchScratch, sketchUpdate } from './sketch'

/** First byte of the memory that belongs to the host; below lie the constants. */
export function heapBase(): usize {
  return __heap_base
}

/** Version of the surface both cores share. */
export function abi(): u32 {
  return 2
}

/** Whether this is the build with relaxed SIMD. */
export function isRelaxed(): bool {
  return ASC_FEATURE_RELAXED_SIMD
}

/** Bytes of scratch that `sha256Many` and `sha256Update` need. */
export function sha256Scratch(): u32 {
  return <u32>SHA256_SCRATCH
}
