// Writes the vectors of the core that no standard publishes: what the reference answers, frozen for the real cores and
// for other implementations. Run it by itself (`node test/reference/write-vectors.ts`) after a change of a definition,
// hence of a format; the conformance suite tells when a file is not what this gives. Ids and hashes are hexadecimal.
import { hash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { PROFILE_CONTENT_16K, PROFILE_CONTENT_64K } from '../../src/core/surface.ts'
import * as calls from './calls.ts'
import { ReferenceCore } from './core.ts'
import * as merkle from './merkle.ts'
import { bytesOf, type Part } from './parts.ts'
import { EDGE_IDS } from './sketch.ts'
import { splitmix64, splitmixBytes } from './splitmix.ts'
import { QUIET_BYTE, windowWith } from './windows.ts'

const core = new ReferenceCore()
const hex = calls.hex
const sha256 = (bytes: Uint8Array) => hash('sha256', bytes)

/** `sha256-update.json`: the state after each piece of a message. */
function sha256Update() {
  const messages = [
    [0],
    [3],
    [0, 0, 3],
    [55],
    [56],
    [63, 1],
    [64, 0],
    [1, 62, 1, 1],
    [119, 1],
    [64, 64, 64],
    [200, 1, 999],
  ]
  return messages.map((pieces, i) => {
    const length = pieces.reduce((sum, piece) => sum + piece, 0)
    const parts: Part[] = [{ seed: i, length }]
    return { parts, pieces, states: calls.states(core, bytesOf(parts), pieces) }
  })
}

/** `chunk.json`: where chunks end. */
function chunk() {
  return [...chunksOfRandomData(), ...chunksAroundBoundaries()].map(({ profile, parts }) => {
    return { profile, parts, cuts: calls.cuts(core, bytesOf(parts), profile) }
  })
}

function chunksOfRandomData(): { profile: number; parts: Part[] }[] {
  const lengths = [0, 1, 4_095, 4_096, 4_097, 16_384, 65_536, 300_000, 1_048_576]
  return [PROFILE_CONTENT_16K, PROFILE_CONTENT_64K].flatMap((profile) =>
    lengths.map((length) => ({ profile, parts: [{ seed: 1000 + profile, length }] })),
  )
}

/** Quiet data with one window that may end a chunk, just before and after each length at which a rule changes. */
function chunksAroundBoundaries(): { profile: number; parts: Part[] }[] {
  return [
    { profile: PROFILE_CONTENT_16K, avg: 16_384 },
    { profile: PROFILE_CONTENT_64K, avg: 65_536 },
  ].flatMap(({ profile, avg }) => {
    const meanBits = Math.log2(avg)
    return [meanBits - 3, meanBits - 2, meanBits + 1, meanBits + 2].flatMap((zeros) => {
      const window = windowWith(zeros)
      return [avg / 4, avg, 4 * avg].flatMap((edge) =>
        [edge - 1, edge, edge + 1].map((end) => {
          const quiet = (length: number): Part => ({ byte: QUIET_BYTE, length })
          return { profile, parts: [quiet(end - window.length), { hex: hex(window) }, quiet(5 * avg - end)] }
        }),
      )
    })
  })
}

/** `merkle-tree.json`: roots, nodes and proofs. Chunk i has id SHA-256(u32be i); all are long, the last is not. */
function merkleTree() {
  return [0, 1, 2, 3, 4, 5, 7, 8, 9, 64, 65].map((count) => {
    const profile = count % 3
    const lengths = new Uint32Array(count).fill(merkle.chunkBytesMax(profile))
    if (count > 0) lengths[count - 1] = 1000 + count
    const ids = Buffer.concat(
      Array.from({ length: count }, (_, i) => hash('sha256', Uint8Array.of(0, 0, 0, i), 'buffer')),
    )
    const { root, nodes } = calls.tree(core, { ids, lengths, profile })
    const leaves = merkle.leavesOf(ids, lengths)
    const proved = [...new Set([0, 1, count >> 1, count - 2, count - 1])].filter((i) => i >= 0 && i < count)
    const proofs = proved.map((index) => ({ index, proof: hex(merkle.toBytes(merkle.proofOf(leaves, index))) }))
    return { profile, lengths: [...lengths], root, nodes, proofs }
  })
}

/** `erasure.json`: a stripe's parity, its SHA-256 where it is long, and shards whose loss it stands. */
function erasure() {
  const stripes = [
    [1, 1, 5],
    [1, 3, 17],
    [2, 1, 64],
    [4, 3, 33],
    [10, 4, 16],
    [10, 4, 1000],
    [29, 51, 100],
    [100, 155, 67],
    [254, 1, 31],
    [1, 254, 3],
  ] as const
  return stripes.map(([k, m, shardBytes], i) => {
    const parts: Part[] = [{ seed: 2000 + i, length: k * shardBytes }]
    const parity = calls.encoded(core, { k, m, shardBytes }, bytesOf(parts)).subarray(k * shardBytes)
    const long = parity.length > 256
    const lost = Array.from(splitmixBytes(BigInt(i), m), (byte) => byte % (k + m))
    return {
      ...{ k, m, shardBytes, parts },
      ...(long ? { paritySha256: sha256(parity) } : { parity: hex(parity) }),
      lost: [...new Set(lost)].sort((a, b) => a - b),
    }
  })
}

/** `sketch.json`: the symbols of a difference and what decoding tells, in order; null when it needs more. */
function sketch() {
  const counts = [
    [1, 0, 0],
    [1, 1, 0],
    [1, 0, 1],
    [2, 1, 1],
    [8, 2, 2],
    [40, 10, 10],
    [12, 10, 10],
    [300, 90, 70],
    [1, 257, 0],
  ] as const
  const drawn = splitmix64(3000n)
  const draw = (length: number) => Array.from({ length }, () => drawn.next().value)
  const sets = [
    ...counts.map(([symbols, added, removed]) => ({ symbols, added: draw(added), removed: draw(removed) })),
    { symbols: 20, added: [...EDGE_IDS.slice(0, 3)], removed: [...EDGE_IDS.slice(3)] },
  ]
  const name = (ids: bigint[]) => ids.map((id) => id.toString(16).padStart(16, '0'))
  return sets.map(({ symbols, added, removed }) => {
    const diff = calls.sketch(core, symbols, added, removed)
    const symbolsHex = hex(diff)
    return {
      symbols,
      added: name(added),
      removed: name(removed),
      sketch: symbolsHex,
      decoded: calls.decoded(core, diff),
    }
  })
}

/** Each file's name and text: one vector a line. */
export function vectorFiles(): { name: string; text: string }[] {
  const files = {
    'sha256-update': sha256Update(),
    chunk: chunk(),
    'merkle-tree': merkleTree(),
    erasure: erasure(),
    sketch: sketch(),
  }
  return Object.entries(files).map(([name, vectors]) => {
    const lines = vectors.map((vector) => `  ${JSON.stringify(vector)}`)
    return { name: `${name}.json`, text: `[\n${lines.join(',\n')}\n]\n` }
  })
}

if (import.meta.main) {
  for (const { name, text } of vectorFiles()) writeFileSync(new URL(`../vectors/${name}`, import.meta.url), text)
}
