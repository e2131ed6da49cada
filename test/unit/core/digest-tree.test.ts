import { test } from 'tap'
import { BLOB_BYTES_MAX, CHUNK_BYTES } from '../../../src/base/limits.ts'
import { chunkLengths, merkleProof, rootOf } from '../../../src/core/digest-tree.ts'
import { loadCore } from '../../../src/core/load.ts'
import { type Core, MERKLE_NODE_BYTES, PROFILE_FIXED_64K } from '../../../src/core/surface.ts'

test('chunks are 64 KiB and the last one is what is left', async (t) => {
  t.same(chunkLengths(0), new Uint32Array(0))
  t.same(chunkLengths(1), Uint32Array.of(1))
  t.same(chunkLengths(CHUNK_BYTES), Uint32Array.of(CHUNK_BYTES))
  t.same(chunkLengths(CHUNK_BYTES + 1), Uint32Array.of(CHUNK_BYTES, 1))
  t.equal(chunkLengths(BLOB_BYTES_MAX).length, BLOB_BYTES_MAX / CHUNK_BYTES)
})

test('a size that no blob has is refused', async (t) => {
  for (const size of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, BLOB_BYTES_MAX + 1]) {
    t.throws(() => chunkLengths(size), { code: 'CORE_RANGE' }, String(size))
  }
})

test('rootOf asks the core with the lengths that the size implies', async (t) => {
  const asked: unknown[] = []
  const core: Pick<Core, 'merkleRoot'> = {
    merkleRoot(ids, lengths, profile, out) {
      asked.push(ids, lengths, profile)
      out.fill(9)
      return 1
    },
  }
  const ids = new Uint8Array(64)
  t.same(rootOf(core as Core, ids, CHUNK_BYTES + 5), new Uint8Array(32).fill(9))
  t.same(asked, [ids, Uint32Array.of(CHUNK_BYTES, 5), PROFILE_FIXED_64K])
})

test('a proof leads from each chunk of every small tree to its root, and to no other', async (t) => {
  const core = await loadCore('wasm')
  for (let count = 1; count <= 40; count++) {
    const ids = Uint8Array.from({ length: 32 * count }, (_, i) => (i * 31 + count) & 255)
    const total = (count - 1) * CHUNK_BYTES + 7
    const [root, nodes] = [new Uint8Array(32), new Uint8Array((2 * count - 1) * MERKLE_NODE_BYTES)]
    core.merkleRoot(ids, chunkLengths(total), PROFILE_FIXED_64K, root, nodes)
    for (let index = 0; index < count; index++) {
      const proof = merkleProof(nodes, count, index)
      const id = ids.subarray(32 * index, 32 * index + 32)
      const bytes = index === count - 1 ? 7 : CHUNK_BYTES
      t.ok(core.merkleVerify(root, PROFILE_FIXED_64K, total, count, index, id, bytes, proof), `${index} of ${count}`)
      const other = (index + 1) % count
      if (count === 1) continue
      t.notOk(core.merkleVerify(root, PROFILE_FIXED_64K, total, count, other, id, bytes, proof))
    }
  }
  t.throws(() => merkleProof(new Uint8Array(40), 2, 0), { code: 'CORE_LENGTH' })
  t.throws(() => merkleProof(new Uint8Array(120), 2, 2), { code: 'CORE_RANGE' })
})
