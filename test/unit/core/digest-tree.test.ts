import { test } from 'tap'
import { BLOB_BYTES_MAX, CHUNK_BYTES } from '../../../src/base/limits.ts'
import { chunkLengths, rootOf } from '../../../src/core/digest-tree.ts'
import { type Core, PROFILE_FIXED_64K } from '../../../src/core/surface.ts'

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
