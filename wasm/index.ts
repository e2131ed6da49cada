// The WebAssembly core. The host imports a memory, lays everything out from `heapBase` on and passes pointers;
// nothing is allocated here and no state is kept, so any number of instances may share one memory as long as
// each is given scratch of its own.

import { merkleScratch } from './merkle'

export { erasureScratch, rsEncode, rsReconstruct } from './erasure'
export { chunk, chunkScratch } from './gear'
export { merkleRoot } from './merkle'
export { sha256Many } from './sha256'

/** First byte of the memory that belongs to the host; below lie the constants. */
export function heapBase(): usize {
  return __heap_base
}

/** Version of the surface both cores share. */
export function abi(): u32 {
  return 1
}

/** Bytes of scratch that either function needs for n ranges or chunks. */
export function scratchBytes(n: u32): u32 {
  return merkleScratch(n)
}
