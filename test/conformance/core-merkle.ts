// Trees over chunk ids: roots, their nodes, and proofs, honest and otherwise.
import { equal } from 'node:assert/strict'
import { hash } from 'node:crypto'
import fc from 'fast-check'
import { DIGEST_BYTES, MERKLE_NODE_BYTES, PROFILE_CONTENT_64K, PROFILE_FIXED_64K } from '../../src/core/surface.ts'
import { attempt, type Blob, type Claim, root, tree, verify } from '../reference/calls.ts'
import * as merkle from '../reference/merkle.ts'
import { splitmixBytes } from '../reference/splitmix.ts'
import { agree, each, eachReal, vectors } from './core-suite.ts'

interface RootVector {
  count: number
  last: number
  root: string
}
interface TreeVector {
  profile: number
  lengths: number[]
  root: string
  nodes: string
  proofs: { index: number; proof: string }[]
}

const CHUNK_BYTES = 65_536
const pool = splitmixBytes(9n, 16_384)

each('frozen roots', (t, { placed }) => {
  for (const { count, last, root: expected } of vectors<RootVector>('merkle')) {
    const lengths = new Uint32Array(count).fill(CHUNK_BYTES)
    if (count > 0) lengths[count - 1] = last
    t.equal(root(placed(), { ids: numbered(count), lengths, profile: PROFILE_FIXED_64K }), expected, `${count} chunks`)
  }
})

each('frozen trees with all their nodes', (t, { placed, places }) => {
  for (const place of places) {
    for (const vector of vectors<TreeVector>('merkle-tree')) {
      const blob = blobOfVector(vector)
      t.same(tree(placed(place), blob), { root: vector.root, nodes: vector.nodes }, `${vector.lengths.length} chunks`)
      t.equal(root(placed(place), blob), vector.root, 'the root alone')
    }
  }
})

each('frozen proofs', (t, { placed, places }) => {
  for (const place of places) {
    for (const vector of vectors<TreeVector>('merkle-tree')) {
      for (const { index, proof } of vector.proofs) {
        const claim = claimOf(blobOfVector(vector), index)
        t.equal(Buffer.from(claim.proof).toString('hex'), proof)
        t.ok(verify(placed(place), claim), `chunk ${index} of ${vector.lengths.length}`)
      }
    }
  }
})

each('the proof of every chunk of every small blob, and for no other place', (t, { core }) => {
  const wrong: string[] = []
  for (let count = 1; count <= 24; count++) {
    const blob = { ids: numbered(count), lengths: new Uint32Array(count).fill(9), profile: PROFILE_FIXED_64K }
    for (let index = 0; index < count; index++) {
      const claim = claimOf(blob, index)
      for (let other = 0; other <= count; other++) {
        if (verify(core, { ...claim, index: other }) !== (other === index))
          wrong.push(`${index} as ${other} of ${count}`)
      }
    }
  }
  t.same(wrong, [])
})

eachReal('a blob of very many chunks', (t, { core }) => {
  // All chunks alike, so that each level has one node over and over.
  const count = 2 ** 17
  const blob = {
    ids: new Uint8Array(count * DIGEST_BYTES).fill(1),
    lengths: new Uint32Array(count).fill(2),
    profile: 0,
  }
  const proof: merkle.Below[] = []
  let top = merkle.leaf(new Uint8Array(DIGEST_BYTES).fill(1), 2)
  for (let level = 0; level < 17; level++) {
    proof.push(top)
    top = merkle.node(top, top)
  }
  const expected = merkle.rootOf(0, 2 * count, count, top.hash)
  t.equal(root(core, blob), Buffer.from(expected).toString('hex'))
  const claim = { root: expected, profile: 0, total: 2 * count, count, id: blob.ids.subarray(0, 32), length: 2 }
  for (const index of [0, 1, 12_345, count - 1]) {
    t.ok(verify(core, { ...claim, index, proof: merkle.toBytes(proof) }), `chunk ${index}`)
  }
})

each('numbers at the ends of their types', (t, { core }) => {
  // The first and last leaf of 2³² − 1, all the others summed up in siblings.
  const steps = Array.from({ length: 32 }, (_, i) => ({ bytes: 2n ** BigInt(i + 1), hash: pool.subarray(i, i + 32) }))
  const count = 2 ** 32 - 1
  for (const index of [0, 1, 2 ** 31, count - 1]) {
    const proof = index === count - 1 ? steps.slice(0, 31) : steps
    const start = merkle.leaf(pool.subarray(0, 32), 1)
    const top = merkle.climb(start, index, count, proof) as merkle.Below
    const rest = { profile: 0, total: Number(top.bytes), count, index, id: pool.subarray(0, 32), length: 1 }
    const claim = { ...rest, root: merkle.rootOf(0, top.bytes, count, top.hash), proof: merkle.toBytes(proof) }
    t.ok(verify(core, claim), `chunk ${index} of ${count}`)
    t.notOk(verify(core, { ...claim, proof: claim.proof.subarray(MERKLE_NODE_BYTES) }), 'a step too few')
  }
})

each('roots made to deceive', (t, { core }) => {
  const id = pool.subarray(0, 32)
  const forged = (length: number, sibling: bigint, total: number, profile = 0): Claim => {
    const step = { bytes: sibling, hash: pool.subarray(32, 64) }
    const top = merkle.node(merkle.leaf(id, length), step)
    const root = merkle.rootOf(profile, total, 2, top.hash)
    return { root, profile, total, count: 2, index: 0, id, length, proof: merkle.toBytes([step]) }
  }
  t.ok(verify(core, forged(100, 50n, 150)), 'an honest one')
  t.notOk(verify(core, forged(100, 2n ** 64n - 50n, 50)), 'bytes that wrap round')
  t.notOk(verify(core, forged(100, 2n ** 63n, 100)), 'bytes beyond what a number says')
  t.notOk(verify(core, forged(100, 50n, 151)), 'a total that is not the sum')
  t.notOk(verify(core, forged(0, 50n, 50)), 'a chunk of no bytes')
  t.notOk(verify(core, forged(CHUNK_BYTES + 1, 50n, CHUNK_BYTES + 51)), 'a chunk too long')
  t.ok(verify(core, forged(CHUNK_BYTES + 1, 50n, CHUNK_BYTES + 51, PROFILE_CONTENT_64K)), 'but not in that profile')
  t.notOk(verify(core, forged(4 * CHUNK_BYTES + 1, 50n, 4 * CHUNK_BYTES + 51, PROFILE_CONTENT_64K)))
  const nothing = merkle.rootOf(0, 0, 0, hash('sha256', '', 'buffer'))
  const claim = { profile: 0, total: 0, count: 0, index: 0, id, length: 1, proof: new Uint8Array(0) }
  t.notOk(verify(core, { ...claim, root: nothing }), 'a chunk of an empty blob')
})

/** Chunk i has the id SHA-256(u32be i). */
function numbered(count: number): Uint8Array {
  const number = Buffer.alloc(4)
  return Buffer.concat(
    Array.from({ length: count }, (_, i) => {
      number.writeUInt32BE(i)
      return hash('sha256', number, 'buffer')
    }),
  )
}

function blobOfVector({ lengths, profile }: TreeVector): Blob {
  return { ids: numbered(lengths.length), lengths: Uint32Array.from(lengths), profile }
}

/** The honest claim that chunk `index` is part of a blob. */
function claimOf({ ids, lengths, profile }: Blob, index: number): Claim {
  const leaves = merkle.leavesOf(ids, lengths)
  const { bytes, hash: top } = merkle.topOf(leaves)
  return {
    root: merkle.rootOf(profile, bytes, lengths.length, top),
    profile,
    total: Number(bytes),
    count: lengths.length,
    index,
    id: ids.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES),
    length: lengths[index] as number,
    proof: merkle.toBytes(merkle.proofOf(leaves, index)),
  }
}

const blobs = fc.record({
  lengths: fc.array(fc.oneof(fc.integer({ min: 1, max: CHUNK_BYTES }), fc.constantFrom(1, CHUNK_BYTES)), {
    maxLength: 70,
  }),
  profile: fc.oneof(fc.nat(3), fc.nat(255)),
  from: fc.nat(2_000),
})
const blobOf = ({ lengths, profile, from }: { lengths: number[]; profile: number; from: number }): Blob => {
  const scale = merkle.chunkBytesMax(profile) / CHUNK_BYTES
  const ids = pool.subarray(from, from + lengths.length * DIGEST_BYTES)
  return { ids, lengths: Uint32Array.from(lengths, (length) => length * scale), profile }
}

agree('merkleRoot of any blob', 1_500, blobs, (core, input) => ({
  ...tree(core, blobOf(input)),
  alone: root(core, blobOf(input)),
}))

/** Ways to make a claim that is not honest; some leave it as it was. */
const DECEITS: readonly ((claim: Claim, by: number) => Partial<Claim>)[] = [
  ({ root }, by) => ({ root: flipped(root, by) }),
  ({ id }, by) => ({ id: flipped(id, by) }),
  ({ profile }, by) => ({ profile: profile ^ (by & 255) }),
  ({ total }, by) => ({ total: total + by }),
  ({ total }, by) => ({ total: Math.max(total - by, 0) }),
  ({ count }, by) => ({ count: count + by }),
  (_, by) => ({ count: by }),
  (_, by) => ({ index: by }),
  ({ index }, by) => ({ index: (index + 2 ** (by % 32)) % 2 ** 32 }),
  (_, by) => ({ length: by }),
  ({ length }, by) => ({ length: length ^ (2 ** (by % 31)) }),
  ({ proof }, by) => ({ proof: flipped(proof, by) }),
  ({ proof }, by) => ({ proof: proof.subarray(0, by % (proof.length + 1)) }),
  ({ proof }, by) => ({ proof: proof.subarray(0, proof.length - MERKLE_NODE_BYTES * (by % 3)) }),
  ({ proof }, by) => ({ proof: Buffer.concat([proof, pool.subarray(by, by + (by % 3) * MERKLE_NODE_BYTES)]) }),
  ({ proof }, by) => ({ proof: Buffer.concat([proof, proof.subarray(0, (by % 3) * MERKLE_NODE_BYTES)]) }),
  ({ proof }) => ({ proof: merkle.toBytes((merkle.fromBytes(proof) ?? []).reverse()) }),
  ({ proof }, by) => ({ proof: pool.subarray(by, by + proof.length) }),
  (_, by) => ({ proof: pool.subarray(by, by + (by % 40) * MERKLE_NODE_BYTES) }),
]

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  const at = (bit >> 3) % Math.max(copy.length, 1)
  if (at < copy.length) copy[at] = (copy[at] as number) ^ (1 << (bit & 7))
  return copy
}

const claims = fc.record({
  blob: blobs.filter(({ lengths }) => lengths.length > 0),
  index: fc.nat(69),
  deceits: fc.array(fc.record({ way: fc.nat(DECEITS.length - 1), by: fc.nat(9_999) }), { minLength: 1, maxLength: 3 }),
})

agree('merkleVerify of honest and other claims', 2_000, claims, (core, { blob, index, deceits }) => {
  const honest = claimOf(blobOf(blob), index % blob.lengths.length)
  const claim = { ...honest }
  for (const { way, by } of deceits) Object.assign(claim, DECEITS[way]?.(claim, by))
  const told = [attempt(() => verify(core, honest)), attempt(() => verify(core, claim))]
  equal(told[0], true)
  equal(told[1], same(claim, honest))
  return told
})

function same(a: Claim, b: Claim): boolean {
  return Object.entries(a).every(([name, mine]) => {
    const other = b[name as keyof Claim]
    return mine instanceof Uint8Array ? Buffer.compare(mine, other as Uint8Array) === 0 : mine === other
  })
}
