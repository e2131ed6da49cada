import fc from 'fast-check'
import tap, { test } from 'tap'
import { equalBytes } from '../../../src/base/bytes.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { SYNC_ROUNDS_MAX } from '../../../src/base/sync-limits.ts'
import { shelfName } from '../../../src/synchronization/catalogue.ts'
import { type Bend, idOf, Memory, run } from './replicas.ts'

tap.setTimeout(120_000)

const SIGNERS = ['publisher:a', 'publisher:b', 'publisher:c'] as const

/** Sets of three nodes: much in common, and some that only one has. */
const replicas = fc.record({
  common: fc.integer({ min: 0, max: 120 }),
  own: fc.array(fc.array(fc.integer({ min: 1_000, max: 1_400 }), { maxLength: 60 }), { minLength: 3, maxLength: 3 }),
  signer: fc.constantFrom(...SIGNERS),
})

function made({ common, own, signer }: { common: number; own: number[][]; signer: string }): [Memory, Memory, Memory] {
  const both = Array.from({ length: common }, (_, number) => idOf(number))
  const [a = [], b = [], c = []] = own.map((numbers) => [...both, ...numbers.map(idOf)])
  // The third keeps a shelf that the others have never heard of.
  return [new Memory({ [signer]: a }), new Memory({ [signer]: b }), new Memory({ [signer]: c, 'publisher:z': c })]
}

const isEqual = (a: Memory, b: Memory, signer: string) => {
  const name = shelfName('public', signer)
  return equalBytes(a.set(name).root, b.set(name).root)
}

test('two replicas have equal roots after one session, three after three', async (t) => {
  await fc.assert(
    fc.asyncProperty(replicas, async (sets) => {
      const [a, b, c] = made(sets)
      const first = await run(a, b, { others: true })
      if (!isEqual(a, b, sets.signer) || first.unequal.length > 0) return false
      await run(b, c, { others: true })
      await run(a, b, { others: true })
      return [sets.signer, 'publisher:z'].every((signer) => isEqual(a, b, signer) && isEqual(b, c, signer))
    }),
    { numRuns: 500 },
  )
  t.pass()
})

test('nothing is lost, nothing is made up, and it takes few rounds', async (t) => {
  await fc.assert(
    fc.asyncProperty(replicas, async (sets) => {
      const [a, b] = made(sets)
      const name = shelfName('public', sets.signer)
      const before = [a, b].flatMap((each) => each.set(name).idsBelow(new Uint8Array(0)))
      const { rounds, lacking, surplus } = await run(a, b)
      const after = new Set(a.set(name).idsBelow(new Uint8Array(0)).map(String))
      return (
        before.every((id) => after.has(String(id))) &&
        after.size === new Set(before.map(String)).size &&
        rounds <= (lacking + surplus === 0 ? 1 : 4)
      )
    }),
    { numRuns: 500 },
  )
  t.pass()
})

test('an equal shelf costs one round and less than 200 bytes', async (t) => {
  const ids = Array.from({ length: 2_000 }, (_, number) => idOf(number))
  const { rounds, bytes } = await run(new Memory({ 'publisher:a': ids }), new Memory({ 'publisher:a': ids }))
  t.equal(rounds, 1)
  t.ok(bytes < 200, `${bytes} bytes`)
})

test('a dry run tells what is missing on both sides and changes nothing', async (t) => {
  const [a, b] = made({ common: 50, own: [[1_001, 1_002], [1_003], []], signer: 'publisher:a' })
  t.match(await run(a, b, { dryRun: true }), { lacking: 1, surplus: 2 })
  t.notOk(isEqual(a, b, 'publisher:a'))
})

test('the trie tells the difference when sketches are useless', async (t) => {
  await fc.assert(
    fc.asyncProperty(replicas, async (sets) => {
      const [a, b] = made(sets)
      const noise: Bend = (reply) =>
        reply.is === 'shelf' || reply.is === 'symbols'
          ? [{ ...reply, symbols: reply.symbols.map((byte) => byte ^ 0x5a) }]
          : [reply]
      const { unequal } = await run(a, b, {}, noise)
      return unequal.length === 0 && isEqual(a, b, sets.signer)
    }),
    { numRuns: 60 },
  )
  t.pass()
})

test('differences too large for a sketch go by the trie', async (t) => {
  const ids = (from: number) => Array.from({ length: 15_000 }, (_, number) => idOf(from + number))
  const [a, b] = [new Memory({ 'publisher:a': ids(0) }), new Memory({ 'publisher:a': ids(10_000) })]
  const { unequal, lacking } = await run(a, b)
  t.strictSame(unequal, [])
  t.equal(lacking, 10_000)
  t.ok(isEqual(a, b, 'publisher:a'))
})

test('ids whose first bytes were ground to be the same are told apart', async (t) => {
  const twin = (last: number) => Uint8Array.from({ length: 32 }, (_, at) => (at < 8 ? 7 : last))
  const common = Array.from({ length: 40 }, (_, number) => idOf(number))
  const a = new Memory({ 'publisher:a': [...common, twin(1)] })
  const b = new Memory({ 'publisher:a': [...common, twin(2)] })
  await run(a, b)
  t.ok(isEqual(a, b, 'publisher:a'))
})

test('whatever a peer answers, the session ends, and what is here stays', async (t) => {
  const lies = fc.record({
    sets: replicas,
    seed: fc.integer(),
    kind: fc.constantFrom('symbols', 'root', 'count', 'nodes', 'drop', 'double', 'cut'),
  })
  await fc.assert(
    fc.asyncProperty(lies, async ({ sets, seed, kind }) => {
      const [a, b] = made(sets)
      const name = shelfName('public', sets.signer)
      const before = a.set(name).idsBelow(new Uint8Array(0)).map(String)
      let requests = 0
      try {
        const { rounds } = await run(a, b, { others: true }, (reply) => {
          requests++
          return bent(reply, kind, seed)
        })
        if (rounds > 40 * SYNC_ROUNDS_MAX) return false
      } catch (thrown) {
        if ((thrown as { code?: string }).code !== 'PEER_PROTOCOL') throw thrown
      }
      const after = new Set(a.set(name).idsBelow(new Uint8Array(0)).map(String))
      return requests < 5_000 && before.every((id) => after.has(id))
    }),
    { numRuns: 150 },
  )
  t.pass()
})

const bent = (reply: Parameters<Bend>[0], kind: string, seed: number): ReturnType<Bend> => {
  const noisy = (bytes: Uint8Array) => bytes.map((byte, at) => (at % 7 === Math.abs(seed) % 7 ? byte ^ 0xff : byte))
  if (kind === 'drop') return reply.is === 'state' ? [] : [reply]
  if (kind === 'double') return [reply, reply]
  if (kind === 'cut' && reply.is === 'state') return [{ ...reply, cut: true }]
  if (kind === 'symbols' && 'symbols' in reply) return [{ ...reply, symbols: noisy(reply.symbols) }]
  if (kind === 'root' && 'root' in reply) return [{ ...reply, root: noisy(reply.root) }]
  if (kind === 'count' && 'count' in reply) return [{ ...reply, count: Math.abs(seed) }]
  if (kind === 'nodes' && reply.is === 'nodes') {
    return [{ ...reply, nodes: reply.nodes.map(() => ({ bitmap: 3, children: noisy(new Uint8Array(64)) })) }]
  }
  return [reply]
}

test('of very many shelves only those that differ are looked at', async (t) => {
  const shelves = Array.from({ length: 300 }, (_, n) => [`publisher:${n}`, [idOf(n), idOf(n + 1_000)]] as const)
  const [a, b] = [new Memory(Object.fromEntries(shelves)), new Memory(Object.fromEntries(shelves))]
  const same = await run(a, b, { others: true })
  t.match(same, { rounds: 1, lacking: 0, shelves: 300 })
  t.ok(same.bytes < 200, `${same.bytes} bytes`)
  for (const n of [7, 70, 170]) b.put(`publisher:${n}`, [idOf(9_000 + n)])
  a.put('publisher:7', [idOf(8_000)])
  b.put('publisher:new', [idOf(1)])
  const some = await run(a, b, { others: true })
  t.strictSame(some.unequal, [])
  for (const n of [7, 70, 170, 'new']) t.ok(isEqual(a, b, `publisher:${n}`))
  t.match(await run(a, b, { others: true }), { rounds: 1 })
})

test('a session that was cut off anywhere is made good by the next one', async (t) => {
  await fc.assert(
    fc.asyncProperty(replicas, fc.integer({ min: 0, max: 6 }), async (sets, cut) => {
      const [a, b] = made(sets)
      let asked = 0
      const broken = await run(a, b, {}, (reply) => {
        if (++asked > cut) throw new Error('cut off')
        return [reply]
      }).catch((thrown) => thrown.message)
      const { unequal } = await run(a, b)
      return (typeof broken === 'object' || broken === 'cut off') && unequal.length === 0 && isEqual(a, b, sets.signer)
    }),
    { numRuns: 100 },
  )
  t.pass()
})

test('ten replicas come to the same, whoever was apart, cut off or lied to meanwhile', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const random = seededRandom(seed)
      const draw = (below: number) => Math.floor(random.fraction() * below)
      const nodes = Array.from({ length: 10 }, () => new Memory({ 'publisher:a': [] }))
      const written = new Set<string>()
      const pairAt = (from: number, to: number) => [from + draw(to - from), from + draw(to - from)] as const
      const meet = async ([from, to]: readonly [number, number], bend?: Bend) => {
        if (from !== to)
          await run(nodes[from] as Memory, nodes[to] as Memory, { others: true }, bend).catch(() => undefined)
      }
      for (let step = 0; step < 40; step++) {
        const id = idOf(draw(2_000))
        written.add(String(id))
        nodes[draw(10)]?.put(`publisher:${'abc'[draw(3)]}`, [id])
        // Two halves that do not hear of each other; some peers lie, some connections break.
        const half = draw(2) * 5
        const kind = ['symbols', 'root', 'count', 'nodes', 'drop', 'honest', 'honest', 'honest'][draw(8)] as string
        await meet(pairAt(half, half + 5), (reply) => bent(reply, kind, draw(1_000)))
      }
      // Healed: everybody meets the first, twice. Who asks takes up what only the other has.
      for (let round = 0; round < 2; round++) {
        for (let node = 1; node < 10; node++) {
          await meet([node, 0])
          await meet([0, node])
        }
      }
      const signers = ['publisher:a', 'publisher:b', 'publisher:c']
      const ids = signers.flatMap(
        (signer) => nodes[0]?.set(shelfName('public', signer)).idsBelow(new Uint8Array(0)) ?? [],
      )
      const first = nodes[0] as Memory
      return (
        nodes.every((node) => signers.every((signer) => isEqual(node, first, signer))) &&
        [...written].every((id) => ids.some((each) => String(each) === id))
      )
    }),
    { numRuns: 10 },
  )
  t.pass()
})
