// What every function refuses, and that it then has written nothing; arguments at odd places are in all the other
// sections, since `placed` moves them there.
import { DIGEST_BYTES, MERKLE_NODE_BYTES, SHA256_STATE_BYTES, SYMBOL_BYTES } from '../../src/core/surface.ts'
import type { Kernels } from '../reference/core.ts'
import { splitmixBytes } from '../reference/splitmix.ts'
import { each, eachReal } from './core-suite.ts'

interface Refusal {
  what: string
  code: 'CORE_LENGTH' | 'CORE_RANGE'
  call: (core: Kernels) => unknown
}

/** No u32: for offsets, lengths and counts of every kind. */
const NO_U32 = [-1, 0.5, 2 ** 32, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]
const NO_BYTE = [-1, 0.5, 256, 2 ** 32, Number.NaN]

const zeros = (length: number) => new Uint8Array(length)
/** For outputs: zeros would not show that zeros were written. */
const room = (length: number) => zeros(length).fill(7)
const words = (...numbers: number[]) => Uint32Array.from(numbers)

const LENGTH = (what: string, call: Refusal['call']): Refusal => ({ what, code: 'CORE_LENGTH', call })
const RANGE = (what: string, call: Refusal['call']): Refusal => ({ what, code: 'CORE_RANGE', call })

function hashing(): Refusal[] {
  const many = (ranges: number[], out: number) => (core: Kernels) => {
    return core.sha256Many(zeros(10), Uint32Array.from(ranges), room(out))
  }
  return [
    LENGTH('sha256Many: odd ranges', many([0, 5, 1], 32)),
    LENGTH('sha256Many: room for one digest of two', many([0, 5, 1, 5], 32)),
    LENGTH('sha256Many: room for more digests than there are', many([0, 5], 64)),
    LENGTH('sha256Many: part of a digest', many([0, 5], 31)),
    LENGTH('sha256Many: room for no range', many([], 1)),
    RANGE('sha256Many: past the end', many([6, 5], 32)),
    RANGE('sha256Many: nothing, past the end', many([11, 0], 32)),
    RANGE('sha256Many: past the end after good ones', many([0, 10, 3, 7, 3, 8], 96)),
    RANGE('sha256Many: no wrapping round', many([2 ** 32 - 1, 2], 32)),
    RANGE('sha256Many: no wrapping round, from within', many([9, 2 ** 32 - 1], 32)),
  ]
}

function hashingInPieces(): Refusal[] {
  const update = (offset: number, length: number, state = zeros(SHA256_STATE_BYTES)) => {
    return (core: Kernels) => core.sha256Update(state, zeros(10), offset, length, true)
  }
  const stateWith = (at: number, value: number) => {
    const state = zeros(SHA256_STATE_BYTES)
    new DataView(state.buffer).setUint32(at, value, true)
    return state
  }
  const unending = stateWith(104, 1)
  new DataView(unending.buffer).setUint32(108, 1, true)
  return [
    LENGTH('sha256Update: a state too short', update(0, 1, zeros(SHA256_STATE_BYTES - 1))),
    LENGTH('sha256Update: a state too long', update(0, 1, zeros(SHA256_STATE_BYTES + 1))),
    LENGTH('sha256Update: no state', update(0, 1, zeros(0))),
    RANGE('sha256Update: past the end', update(6, 5)),
    RANGE('sha256Update: nothing, past the end', update(11, 0)),
    ...NO_U32.map((bad) => RANGE(`sha256Update: offset ${bad}`, update(bad, 0))),
    ...NO_U32.map((bad) => RANGE(`sha256Update: length ${bad}`, update(0, bad))),
    RANGE('sha256Update: a finished state', update(0, 1, stateWith(104, 2))),
    RANGE('sha256Update: a phase that is none', update(0, 1, stateWith(104, 3))),
    RANGE('sha256Update: a phase of other bytes', update(0, 1, stateWith(104, 0x01000001))),
    RANGE('sha256Update: a last word that is not zero', update(0, 1, unending)),
    RANGE('sha256Update: a fresh state with a last word', update(0, 1, stateWith(108, 1))),
    RANGE('sha256Update: a fresh state with bytes in it', update(0, 1, stateWith(32, 64))),
    RANGE('sha256Update: a fresh state with words in it', update(0, 1, stateWith(0, 1))),
  ]
}

function cutting(): Refusal[] {
  const chunk = (offset: number, length: number, profile: number, cuts = 4) => {
    return (core: Kernels) => core.chunk(zeros(100_000), offset, length, profile, true, new Uint32Array(cuts).fill(7))
  }
  return [
    LENGTH('chunk: no room', chunk(0, 100_000, 1, 0)),
    RANGE('chunk: past the end', chunk(1, 100_000, 1)),
    RANGE('chunk: nothing, past the end', chunk(100_001, 0, 2)),
    ...[0, 3, 257, ...NO_BYTE].map((bad) => RANGE(`chunk: profile ${bad}`, chunk(0, 100_000, bad))),
    ...NO_U32.map((bad) => RANGE(`chunk: offset ${bad}`, chunk(bad, 0, 1))),
    ...NO_U32.map((bad) => RANGE(`chunk: length ${bad}`, chunk(0, bad, 1))),
  ]
}

function naming(): Refusal[] {
  const root =
    (ids: number, lengths: number[], profile = 0, out = DIGEST_BYTES, nodes?: number) =>
    (core: Kernels) => {
      const rest = nodes === undefined ? [] : ([room(nodes)] as const)
      return core.merkleRoot(zeros(ids), Uint32Array.from(lengths), profile, room(out), ...rest)
    }
  const node = MERKLE_NODE_BYTES
  return [
    LENGTH('merkleRoot: a byte too many', root(33, [1])),
    LENGTH('merkleRoot: an id without length', root(32, [])),
    LENGTH('merkleRoot: a length without id', root(32, [1, 1])),
    LENGTH('merkleRoot: no room for the root', root(32, [1], 0, 31)),
    LENGTH('merkleRoot: more room than a root takes', root(32, [1], 0, 33)),
    LENGTH('merkleRoot: nodes of an empty blob', root(0, [], 0, 32, node)),
    LENGTH('merkleRoot: room for part of a node', root(32, [1], 0, 32, node - 1)),
    LENGTH('merkleRoot: room for the leaves alone', root(64, [1, 1], 0, 32, 2 * node)),
    LENGTH('merkleRoot: room for more nodes than there are', root(64, [1, 1], 0, 32, 4 * node)),
    RANGE('merkleRoot: an empty chunk', root(32, [0])),
    RANGE('merkleRoot: an empty chunk after good ones', root(160, [1, 1, 1, 1, 0], 0, 32, 9 * node)),
    RANGE('merkleRoot: a chunk too long', root(64, [65_536, 65_537])),
    RANGE('merkleRoot: a chunk too long for its profile', root(64, [65_536, 65_537], 1)),
    RANGE('merkleRoot: a chunk too long for any profile', root(64, [262_144, 262_145], 2)),
    RANGE('merkleRoot: a chunk too long for a profile to come', root(32, [65_537], 3)),
    ...NO_BYTE.map((bad) => RANGE(`merkleRoot: profile ${bad}`, root(32, [1], bad))),
  ]
}

function proving(): Refusal[] {
  type Numbers = { profile?: number; total?: number; count?: number; index?: number; length?: number }
  const verify = (numbers: Numbers, root = DIGEST_BYTES, id = DIGEST_BYTES) => {
    const { profile = 0, total = 1, count = 1, index = 0, length = 1 } = numbers
    return (core: Kernels) => {
      return core.merkleVerify(zeros(root), profile, total, count, index, zeros(id), length, zeros(0))
    }
  }
  return [
    LENGTH('merkleVerify: a short root', verify({}, 31)),
    LENGTH('merkleVerify: a long root', verify({}, 33)),
    LENGTH('merkleVerify: a short id', verify({}, 32, 31)),
    LENGTH('merkleVerify: a long id', verify({}, 32, 64)),
    ...NO_BYTE.map((profile) => RANGE(`merkleVerify: profile ${profile}`, verify({ profile }))),
    ...[-1, 0.5, 2 ** 53, Number.NaN].map((total) => RANGE(`merkleVerify: total ${total}`, verify({ total }))),
    ...NO_U32.map((count) => RANGE(`merkleVerify: count ${count}`, verify({ count }))),
    ...NO_U32.map((index) => RANGE(`merkleVerify: index ${index}`, verify({ index }))),
    ...NO_U32.map((length) => RANGE(`merkleVerify: length ${length}`, verify({ length }))),
  ]
}

function coding(): Refusal[] {
  const encode =
    (k: number, m: number, bytes: number, data = k * bytes, parity = m * bytes) =>
    (core: Kernels) => {
      return core.rsEncode(k, m, bytes, zeros(data), room(parity))
    }
  const repair = (k: number, m: number, bytes: number, shards = (k + m) * bytes, present = k + m, want = k + m) => {
    return (core: Kernels) => core.rsReconstruct(k, m, bytes, room(shards), zeros(present), zeros(want).fill(1))
  }
  // Each with buffers that agree with it as far as a length can.
  const stripes: [what: string, k: number, m: number, bytes: number][] = [
    ['no data', 0, 2, 4],
    ['no parity', 2, 0, 4],
    ['256 shards', 200, 56, 1],
    ['257 shards', 1, 256, 1],
    ['shards of no bytes', 2, 2, 0],
    ['half a data shard', 1.5, 2, 2],
    ['half a parity shard', 2, 1.5, 2],
    ['half a byte', 2, 2, 0.5],
  ]
  return [
    ...stripes.map(([what, k, m, bytes]) => RANGE(`rsEncode: ${what}`, encode(k, m, bytes))),
    LENGTH('rsEncode: data too short', encode(2, 2, 4, 7)),
    LENGTH('rsEncode: data too long', encode(2, 2, 4, 12)),
    LENGTH('rsEncode: parity too short', encode(2, 2, 4, 8, 4)),
    LENGTH('rsEncode: parity too long', encode(2, 2, 4, 8, 9)),
    ...stripes
      .filter(([, k, m]) => Number.isInteger(k + m))
      .map(([what, k, m, bytes]) => RANGE(`rsReconstruct: ${what}`, repair(k, m, bytes))),
    LENGTH('rsReconstruct: a stripe too short', repair(2, 2, 4, 15)),
    LENGTH('rsReconstruct: a stripe too long', repair(2, 2, 4, 20)),
    LENGTH('rsReconstruct: too few marks of presence', repair(2, 2, 4, 16, 3)),
    LENGTH('rsReconstruct: too many marks of presence', repair(2, 2, 4, 16, 5)),
    LENGTH('rsReconstruct: too few wishes', repair(2, 2, 4, 16, 4, 3)),
    LENGTH('rsReconstruct: too many wishes', repair(2, 2, 4, 16, 4, 5)),
    RANGE('rsReconstruct: from nothing', repair(2, 2, 4)),
    RANGE('rsReconstruct: from a shard too few', (core) => {
      return core.rsReconstruct(3, 2, 4, room(20), Uint8Array.of(1, 0, 0, 0, 1), Uint8Array.of(1, 0, 0, 1, 1))
    }),
  ]
}

function sketching(): Refusal[] {
  const update = (bytes: number, symbols: number, sign: number) => (core: Kernels) => {
    return core.sketchUpdate(room(bytes), symbols, BigUint64Array.of(1n, 2n), sign as 1)
  }
  const decode =
    (bytes: number, symbols: number, ids = 2, signs = 2) =>
    (core: Kernels) => {
      return core.sketchDecode(room(bytes), symbols, new BigUint64Array(ids).fill(7n), new Int8Array(signs).fill(7))
    }
  const two = 2 * SYMBOL_BYTES
  return [
    LENGTH('sketchUpdate: a sketch too short', update(two - 1, 2, 1)),
    LENGTH('sketchUpdate: a sketch too long', update(two + SYMBOL_BYTES, 2, 1)),
    RANGE('sketchUpdate: no symbol', update(0, 0, 1)),
    ...[0, 2, -2, 0.5, 255, 2 ** 32 + 1, Number.NaN].map((bad) =>
      RANGE(`sketchUpdate: sign ${bad}`, update(two, 2, bad)),
    ),
    LENGTH('sketchDecode: a sketch too short', decode(two - 1, 2)),
    LENGTH('sketchDecode: a sketch too long', decode(two + SYMBOL_BYTES, 2)),
    LENGTH('sketchDecode: fewer signs than ids', decode(two, 2, 2, 1)),
    LENGTH('sketchDecode: more signs than ids', decode(two, 2, 2, 3)),
    RANGE('sketchDecode: no symbol', decode(0, 0)),
  ]
}

each('wrong shapes and numbers are refused, and nothing is written', (t, { placed, places }) => {
  const all = [hashing(), hashingInPieces(), cutting(), naming(), proving(), coding(), sketching()].flat()
  for (const { what, code, call } of all) {
    for (const place of places) t.throws(() => call(placed(place)), { name: 'CatalogError', code }, what)
  }
})

each('nothing to do is done', (t, { core }) => {
  t.equal(core.sha256Many(zeros(10), words(), zeros(0)), 0, 'no range')
  t.equal(core.sha256Many(zeros(0), words(0, 0), zeros(32)), 1, 'nothing of nothing')
  t.equal(core.sha256Many(zeros(10), words(10, 0), zeros(32)), 1, 'nothing, at the end')
  t.equal(core.sha256Update(zeros(SHA256_STATE_BYTES), zeros(10), 10, 0, false), 0)
  t.equal(core.sha256Update(zeros(SHA256_STATE_BYTES), zeros(0), 0, 0, true), 32)
  t.equal(core.chunk(zeros(10), 10, 0, 1, true, words(0)), 0)
  t.equal(core.chunk(zeros(0), 0, 0, 2, false, words(0)), 0)
  t.equal(core.merkleRoot(zeros(0), words(), 0, zeros(32), zeros(0)), 1)
  t.equal(core.sketchUpdate(zeros(SYMBOL_BYTES), 1, new BigUint64Array(0), -1), 0)
  t.equal(core.sketchDecode(zeros(SYMBOL_BYTES), 1, new BigUint64Array(0), new Int8Array(0)), 0)
})

// An overlap is the caller's mistake. The native core must notice, since Rust may not see the same bytes twice; the
// WebAssembly core works on copies of its own.
eachReal(
  'an output that overlaps another argument is refused',
  (t, { core }) => {
    const bytes = splitmixBytes(17n, 2_048)
    const before = bytes.slice()
    const view = (at: number, length: number) => bytes.subarray(at, at + length)
    const u32 = (at: number, length: number) => new Uint32Array(bytes.buffer, at, length)
    const u64 = (at: number, length: number) => new BigUint64Array(bytes.buffer, at, length)
    const fresh = () => bytes.fill(0, 512, 512 + SHA256_STATE_BYTES) && view(512, SHA256_STATE_BYTES)
    const overlaps: Record<string, () => unknown> = {
      'digests in the buffer': () => core.sha256Many(view(0, 100), words(0, 100), view(99, 32)),
      'digests in the ranges': () => core.sha256Many(zeros(4096), u32(0, 2), view(4, 32)),
      'a state in the buffer': () => core.sha256Update(fresh(), view(500, 20), 0, 20, false),
      'cuts in the buffer': () => core.chunk(view(0, 1_000), 0, 1_000, 1, true, u32(996, 4)),
      'a root in the ids': () => core.merkleRoot(view(0, 32), words(1), 0, view(31, 32)),
      'nodes in the ids': () => core.merkleRoot(view(0, 32), words(1), 0, zeros(32), view(16, 40)),
      'a root in the nodes': () => core.merkleRoot(zeros(32), words(1), 0, view(0, 32), view(31, 40)),
      'parity in the data': () => core.rsEncode(2, 1, 10, view(0, 20), view(19, 10)),
      'marks in the shards': () => core.rsReconstruct(2, 1, 10, view(0, 30), view(29, 3), zeros(3)),
      'wishes in the shards': () => core.rsReconstruct(2, 1, 10, view(2, 30), zeros(3), view(0, 3)),
      'a sketch in the ids': () => core.sketchUpdate(view(1, 17), 1, u64(16, 2), 1),
      'ids in the sketch': () => core.sketchDecode(view(0, 17), 1, u64(16, 1), new Int8Array(1)),
      'signs in the sketch': () =>
        core.sketchDecode(view(0, 17), 1, new BigUint64Array(1), new Int8Array(bytes.buffer, 16, 1)),
      'signs in the ids': () => core.sketchDecode(zeros(17), 1, u64(0, 1), new Int8Array(bytes.buffer, 7, 1)),
    }
    for (const [what, call] of Object.entries(overlaps)) t.throws(call, { code: 'CORE_RANGE' }, what)
    before.fill(0, 512, 512 + SHA256_STATE_BYTES)
    t.same(bytes, before, 'nothing is written')
    t.equal(core.sha256Many(view(0, 32), words(0, 32), view(32, 32)), 1, 'side by side is no overlap')
  },
  ['native'],
)
