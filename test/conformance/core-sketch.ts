// Sketches of sets: the symbols, the differences they give back, and what a forged one does.
import fc from 'fast-check'
import { SYMBOL_BYTES } from '../../src/core/surface.ts'
import { decoded, hex, sketch } from '../reference/calls.ts'
import { EDGE_IDS, indicesOf, mix, toBytes } from '../reference/sketch.ts'
import { splitmix64, splitmixBytes } from '../reference/splitmix.ts'
import { agree, each, eachReal, reference, vectors } from './core-suite.ts'

interface Vector {
  symbols: number
  added: string[]
  removed: string[]
  sketch: string
  decoded: string[] | null
}

const numbers = splitmix64(13n)
const ids = Array.from({ length: 5_000 }, () => numbers.next().value)
const noise = splitmixBytes(14n, 20_000)

each('frozen sketches and what they decode to', (t, { placed, places }) => {
  const parsed = (names: string[]) => names.map((name) => BigInt(`0x${name}`))
  for (const place of places) {
    for (const { symbols, added, removed, sketch: expected, decoded: told } of vectors<Vector>('sketch')) {
      const name = `${added.length} and ${removed.length} ids in ${symbols} symbols`
      const found = sketch(placed(place), symbols, parsed(added), parsed(removed))
      t.equal(hex(found), expected, name)
      t.same(decoded(placed(place), found), told, name)
    }
  }
})

each('a prefix of a sketch is a sketch', (t, { core }) => {
  const long = sketch(core, 3_000, ids.slice(0, 400))
  for (const symbols of [1, 2, 3, 64, 1_000]) {
    const short = sketch(core, symbols, ids.slice(0, 400))
    t.equal(hex(long.subarray(0, symbols * SYMBOL_BYTES)), hex(short), `${symbols} symbols`)
  }
})

each('the difference of two sketches is that of the sets', (t, { core }) => {
  const mine = sketch(core, 600, ids.slice(0, 2_000))
  const theirs = sketch(core, 600, ids.slice(150, 2_100))
  for (let i = 0; i < mine.length; i++) {
    const [a, b] = [mine[i] as number, theirs[i] as number]
    mine[i] = i % SYMBOL_BYTES === SYMBOL_BYTES - 1 ? a - b : a ^ b
  }
  const name = (sign: string) => (id: bigint) => sign + id.toString(16).padStart(16, '0')
  const expected = [...ids.slice(0, 150).map(name('+')), ...ids.slice(2_000, 2_100).map(name('-'))]
  t.same(decoded(core, mine)?.sort(), expected.sort())
})

each('what comes out does not depend on what went in before it was taken out', (t, { core }) => {
  const bytes = sketch(core, 50, [...ids.slice(0, 300), ...EDGE_IDS], [...EDGE_IDS, ...ids.slice(0, 300)])
  t.same(bytes, new Uint8Array(bytes.length))
  t.same(decoded(core, bytes), [])
})

each('room for fewer ids than there are is not enough, for as many it is', (t, { core }) => {
  const diff = sketch(core, 60, ids.slice(0, 8), ids.slice(8, 10))
  t.equal(decoded(core, diff)?.length, 10)
  t.equal(decoded(core, diff, 10)?.length, 10)
  t.equal(decoded(core, diff, 9), null)
  t.equal(decoded(core, diff, 0), null)
  t.same(decoded(core, sketch(core, 60, []), 0), [], 'nothing needs no room')
})

eachReal('far symbols stand where the definition says', (t, { core }) => {
  const symbols = 400_000
  for (const id of [...EDGE_IDS, ...ids.slice(0, 12)]) {
    const bytes = sketch(core, symbols, [id])
    const found: number[] = []
    for (let i = 0; i < symbols; i++) if (bytes[i * SYMBOL_BYTES + SYMBOL_BYTES - 1] !== 0) found.push(i)
    t.same(found, indicesOf(id, symbols), id.toString(16))
  }
})

eachReal('many ids at once', (t, { core }) => {
  const diff = sketch(core, 8_000, ids.slice(0, 4_000), ids.slice(4_000))
  t.equal(hex(diff), hex(sketch(reference, 8_000, ids.slice(0, 4_000), ids.slice(4_000))))
  t.same(decoded(core, diff), decoded(reference, diff))
})

const anyIds = (maxLength: number) =>
  fc.array(fc.oneof({ weight: 5, arbitrary: fc.bigInt(0n, 2n ** 64n - 1n) }, fc.constantFrom(...EDGE_IDS, ...ids)), {
    maxLength,
  })
const updates = fc
  .record({ symbols: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 400 })) })
  .chain(({ symbols }) =>
    fc.record({
      symbols: fc.constant(symbols),
      ids: anyIds(60),
      sign: fc.constantFrom(1 as const, -1 as const),
      from: fc.nat(9_999),
    }),
  )

agree('sketchUpdate of any bytes by any ids', 1_000, updates, (core, { symbols, ids, sign, from }) => {
  const bytes = noise.slice(from, from + symbols * SYMBOL_BYTES)
  const count = core.sketchUpdate(bytes, symbols, BigUint64Array.from(ids), sign)
  return { count, sketch: hex(bytes) }
})

const differences = fc.record({
  symbols: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 20, max: 200 })),
  added: anyIds(40),
  removed: anyIds(40),
  room: fc.option(fc.nat(60), { nil: undefined, freq: 5 }),
})

agree('sketchDecode of any difference, ids twice in it included', 1_000, differences, (core, input) => {
  const diff = sketch(reference, input.symbols, input.added, input.removed)
  return decoded(core, diff, input.room ?? input.symbols)
})

/** What a liar does to a symbol: anything, a little, or an id with a check that holds, but not where it belongs. */
const forgery = fc.oneof(
  fc.record({ at: fc.nat(), noise: fc.nat(9_999) }),
  fc.record({ at: fc.nat(), byte: fc.nat(SYMBOL_BYTES - 1), flip: fc.constantFrom(1, 2, 128, 255) }),
  fc.record({ at: fc.nat(), id: fc.nat(5), count: fc.constantFrom(0, 1, 1, 2, 127, 128, 254, 255, 255) }),
)
const forged = fc.record({
  symbols: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 60 })),
  ids: fc.array(fc.nat(5), { maxLength: 6 }),
  forgeries: fc.array(forgery, { minLength: 1, maxLength: 6 }),
})

agree('sketchDecode of forged symbols, which ends', 1_000, forged, (core, { symbols, ids: chosen, forgeries }) => {
  const diff = sketch(
    reference,
    symbols,
    chosen.map((i) => ids[i] as bigint),
  )
  for (const { at, ...lie } of forgeries) {
    const symbol = diff.subarray((at % symbols) * SYMBOL_BYTES).subarray(0, SYMBOL_BYTES)
    if ('noise' in lie) symbol.set(noise.subarray(lie.noise, lie.noise + SYMBOL_BYTES))
    else if ('flip' in lie) symbol[lie.byte] = (symbol[lie.byte] as number) ^ lie.flip
    else toBytes([{ ids: ids[lie.id] as bigint, checks: mix(ids[lie.id] as bigint), count: lie.count }], symbol)
  }
  return decoded(core, diff)
})

agree(
  'sketchDecode of noise',
  300,
  fc.tuple(fc.integer({ min: 1, max: 300 }), fc.nat(9_999)),
  (core, [symbols, from]) => {
    return decoded(core, noise.slice(from, from + symbols * SYMBOL_BYTES))
  },
)
