// The two cores against node:crypto: many chunk ids at once, and the root over them.
import { hash } from 'node:crypto'
import { equalBytes } from '../src/base/bytes.ts'
import { CHUNK_BYTES } from '../src/base/limits.ts'
import { MiB } from '../src/base/units.ts'
import { rootOf } from '../src/core/digest-tree.ts'
import { type Core, DIGEST_BYTES, loadCore } from '../src/core/index.ts'
import { WasmCore } from '../src/core/wasm.ts'
import type { Suite } from './harness.ts'

const CHUNKS = 64
const LEAVES = 16_384

const core: Suite = async (compare) => {
  for (const backend of ['native', 'wasm'] as const) {
    const candidate = await loadCore(backend)
    await compare({ name: `sha256Many ${backend}, 64 × 64 KiB`, ...chunkIds(candidate) })
    await compare({ name: `merkleRoot ${backend}, 16384 leaves`, ...root(candidate) })
  }
}
export default core

function chunkIds(candidate: Core) {
  // Where the workers have their bytes: inside the memory of a WebAssembly core, anywhere for a native one.
  const bytes = CHUNKS * CHUNK_BYTES
  const buffer = candidate instanceof WasmCore ? candidate.arena(bytes) : new Uint8Array(bytes)
  for (let i = 0; i < bytes; i++) buffer[i] = Math.imul(i, 2654435761) >>> 24
  const ranges = Uint32Array.from({ length: 2 * CHUNKS }, (_, i) => (i % 2 ? CHUNK_BYTES : (i / 2) * CHUNK_BYTES))
  const chunks = Array.from({ length: CHUNKS }, (_, i) => buffer.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES))
  const out = new Uint8Array(CHUNKS * DIGEST_BYTES)
  const byCore = () => candidate.sha256Many(buffer, ranges, out)
  const byNode = () => chunks.map((chunk) => hash('sha256', chunk, 'buffer'))
  byCore()
  if (!equalBytes(out, Buffer.concat(byNode()))) throw new Error(`${candidate.backend}: wrong digests`)
  return { amount: bytes / MiB, candidate: byCore, baseline: byNode }
}

function root(candidate: Core) {
  const ids = new Uint8Array(LEAVES * DIGEST_BYTES).map((_, i) => i & 255)
  const byCore = () => rootOf(candidate, ids, LEAVES * CHUNK_BYTES)
  // As many hashes of the same lengths, without the tree around them.
  const [leaf, node] = [new Uint8Array(41), new Uint8Array(73)]
  const byNode = () => {
    for (let i = 0; i < LEAVES; i++) hash('sha256', leaf, 'buffer')
    for (let i = 0; i < LEAVES; i++) hash('sha256', node, 'buffer')
  }
  return { amount: LEAVES, candidate: byCore, baseline: byNode }
}
