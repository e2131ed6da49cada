import fc from 'fast-check'
import { type Test, test } from 'tap'
import { bitmapFor, hasBit, setBit } from '../../../src/base/bitmap.ts'
import {
  FETCH_PATIENCE_MS,
  FETCHED_TWICE_SHARE_MAX,
  PROVIDER_RETRY_MS,
  PROVIDERS_AT_ONCE_MAX,
  PROVIDERS_MAX,
  STALL_TIMEOUT_MS,
} from '../../../src/base/limits.ts'
import { type Decision, Planner } from '../../../src/transfer/planner.ts'
import { type Character, FetchWorld, idealMs, MIB_CHUNKS } from './fetch-world.ts'

function seeded(t: Test): { seed: number; numRuns: number } {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  t.comment(`SEED=${seed}`)
  return { seed, numRuns: 150 }
}

const rates = fc.double({ min: 0, max: 7, noNaN: true }).map((power) => 10 * 2 ** power)
const delays = fc.integer({ min: 0, max: 100 })
const steady = fc
  .array(fc.record({ rate: rates, delayMs: delays }), { minLength: 1, maxLength: PROVIDERS_AT_ONCE_MAX })
  .map((each) => each.map((character, index): Character => ({ peer: `p${index}`, ...character })))

function bitmapOf(count: number, has: (chunk: number) => boolean): Uint8Array {
  const bitmap = bitmapFor(count)
  for (let chunk = 0; chunk < count; chunk++) if (has(chunk)) setBit(bitmap, chunk)
  return bitmap
}

function isWhole(bitmap: Uint8Array, count: number): boolean {
  for (let chunk = 0; chunk < count; chunk++) if (!hasBit(bitmap, chunk)) return false
  return true
}

/** Chunks that are missing and that nobody has been asked for. */
function free({ planner, held }: FetchWorld, count: number): number {
  const asked = bitmapFor(count)
  for (const [first, end] of planner.coming()) for (let chunk = first; chunk < end; chunk++) setBit(asked, chunk)
  let left = 0
  for (let chunk = 0; chunk < count; chunk++) if (!hasBit(held, chunk) && !hasBit(asked, chunk)) left++
  return left
}

test('providers of any speed are all kept at work, and end together', async (t) => {
  const property = fc.property(fc.integer({ min: 1, max: 2_000 }), steady, (chunks, cast) => {
    const world = new FetchWorld(chunks, cast)
    const outcome = world.run(() => {
      if (free(world, chunks) > 0 && world.idle().length > 0) throw new Error(`idle: ${world.idle()}`)
    })
    const ideal = idealMs(chunks, cast)
    return (
      outcome.kind === 'done' &&
      isWhole(world.held, chunks) &&
      world.planner.fetchedTwice <= chunks * FETCHED_TWICE_SHARE_MAX &&
      // A round trip or two to begin with, and half a second that is not worth dividing.
      world.now <= 1.15 * ideal + 2_500
    )
  })
  fc.assert(property, seeded(t))
})

const fate = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.record({ leavesAt: fc.integer({ min: 1, max: 20_000 }) }) },
  { weight: 1, arbitrary: fc.record({ stallsAt: fc.integer({ min: 0, max: 20_000 }) }) },
  { weight: 1, arbitrary: fc.record({ breaksAfter: fc.integer({ min: 1, max: 100 }) }) },
  { weight: 1, arbitrary: fc.record({ liesAt: fc.integer({ min: 0, max: 20_000 }) }) },
)
const holding = fc.oneof(
  { weight: 2, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.tuple(fc.integer({ min: 1, max: 40 }), fc.nat(40)) },
)
const troubled = fc.array(
  fc.record({ rate: rates, delayMs: delays, fate, holding, joinsAt: fc.integer({ min: 0, max: 20_000 }) }),
  { maxLength: 10 },
)

test('whatever becomes of providers, it ends: with every chunk, or without hope', async (t) => {
  const setting = fc.record({
    chunks: fc.integer({ min: 1, max: 1_500 }),
    cast: troubled,
    held: fc.integer({ min: 2, max: 50 }),
    saved: fc.boolean(),
  })
  const property = fc.property(setting, ({ chunks, cast, held, saved }) => {
    const characters = cast.map(({ holding, fate, ...rest }, index): Character => {
      const has = holding && bitmapOf(chunks, (chunk) => Math.floor(chunk / holding[0]) % 2 === holding[1] % 2)
      return { peer: `p${index}`, ...rest, ...fate, ...(has && { has }) }
    })
    const saviour = { peer: 'honest', rate: 50, delayMs: 20, joinsAt: 5_000 }
    const all = saved ? [...characters, saviour] : characters
    const deadlineMs = 400_000
    const world = new FetchWorld(chunks, all, { held: bitmapOf(chunks, (chunk) => chunk % held === 0), deadlineMs })
    if (all.length === 0) world.planner.noMore()
    const outcome = world.run()
    if (saved && outcome.kind !== 'done') throw new Error(`${JSON.stringify(outcome)} at ${world.now}`)
    const whole = isWhole(world.held, chunks)
    const twice = world.planner.fetchedTwice
    return (outcome.kind === 'done') === whole && world.now <= deadlineMs && twice <= chunks * FETCHED_TWICE_SHARE_MAX
  })
  fc.assert(property, seeded(t))
})

test('two equal providers share also what is small', async (t) => {
  for (const chunks of [2, 5, 17, 24, 100]) {
    const cast = ['a', 'b'].map((peer) => ({ peer, rate: 100, delayMs: 20 }))
    const world = new FetchWorld(chunks, cast)
    t.equal(world.run().kind, 'done')
    t.ok(Math.min(...world.sent.values()) >= Math.floor(chunks / 2) - 16, `${chunks} chunks: ${[...world.sent]}`)
    t.equal(world.sent.size, 2)
    t.equal(world.sentInAll, chunks)
  }
})

test('the faster one gets more', async (t) => {
  const world = new FetchWorld(2_000, [
    { peer: 'fast', rate: 400, delayMs: 10 },
    { peer: 'slow', rate: 100, delayMs: 10 },
  ])
  world.run()
  const share = (world.sent.get('fast') ?? 0) / 2_000
  t.ok(share > 0.75 && share < 0.85, `${share}`)
  const sizes = world.asks.filter(({ peer }) => peer === 'fast').map(({ count }) => count)
  t.ok(Math.max(...sizes) <= 16 * MIB_CHUNKS)
})

test('the first of many is not asked for everything before the others have come', async (t) => {
  const cast = ['a', 'b'].map((peer, index) => ({ peer, rate: 200, delayMs: 5, joinsAt: 500 * index }))
  const world = new FetchWorld(400, cast)
  world.run()
  t.ok((world.sent.get('b') ?? 0) > 100)
})

test('who falls silent is left after 8 s, keeps nothing up, and is asked last from then on', async (t) => {
  const stalled = { peer: 'stalls', rate: 300, delayMs: 10, stallsAt: 1_000 }
  const world = new FetchWorld(6_000, [stalled, { peer: 'good', rate: 300, delayMs: 10 }])
  world.run()
  const last = world.asks.findLast(({ peer }) => peer === 'stalls')
  t.ok((last?.at ?? 0) < 1_000 + STALL_TIMEOUT_MS, 'not asked again while somebody else is there')
  t.ok(world.now < 20_500, `${world.now}`)
})

test('a liar is dropped at once, with what it was asked for', async (t) => {
  const liar = { peer: 'liar', rate: 300, delayMs: 10, liesAt: 700 }
  const world = new FetchWorld(1_000, [liar, { peer: 'good', rate: 300, delayMs: 10 }])
  t.equal(world.run().kind, 'done')
  t.ok(world.asks.every(({ peer, at }) => peer === 'good' || at <= 710))
  t.notOk(world.planner.join('liar', 'whole', world.now), 'and may not come back')
})

test('who fails is asked once more after a while, and no third time', async (t) => {
  const world = new FetchWorld(100, [{ peer: 'a', rate: 100, delayMs: 0, breaksAfter: 3 }])
  t.same(world.run(), { kind: 'hopeless', why: 'nobody' })
  t.equal(world.asks.length, 2)
  const [first, second] = world.asks
  t.ok((second?.at ?? 0) - (first?.at ?? 0) >= PROVIDER_RETRY_MS)
  t.equal(second?.first, 3, 'what it had sent is kept')
})

test('segments that fail together have failed once', async (t) => {
  const planner = new Planner({ chunks: 1_000, held: bitmapFor(1_000), now: 0, deadlineAt: 1e6 })
  planner.join('a', 'whole', 0)
  planner.noMore()
  const asks = (now: number) => planner.decide(now).flatMap((each) => (each.kind === 'ask' ? [each] : []))
  const [first] = asks(0)
  planner.progress(Number(first?.id), Number(first?.count) - 1, 250)
  const [ahead] = asks(250)
  t.ok(first && ahead, 'the next one is asked for before the end of the first')
  planner.failed(Number(first?.id), Number(first?.count) - 1, true, 260)
  planner.failed(Number(ahead?.id), 0, true, 261)
  t.ok(planner.knows('a'))
  t.same(asks(262), [], 'it rests')
  const [again] = asks(260 + PROVIDER_RETRY_MS)
  planner.failed(Number(again?.id), 0, true, 2_000)
  t.notOk(planner.knows('a'))
})

test('what fewest have is asked for first', async (t) => {
  const planner = new Planner({ chunks: 64, held: bitmapFor(64), now: 0, deadlineAt: 1e6 })
  planner.join('seed', 'whole', 0)
  planner.join(
    'half',
    bitmapOf(64, (chunk) => chunk < 32),
    0,
  )
  planner.join(
    'other',
    bitmapOf(64, (chunk) => chunk < 16),
    0,
  )
  const asks = planner.decide(0).filter((each): each is Decision & { kind: 'ask' } => each.kind === 'ask')
  const seed = asks.find(({ peer }) => peer === 'seed')
  t.ok((seed?.first ?? 0) >= 32, 'of the whole one what nobody else has')
  const coming = bitmapOf(64, (chunk) => chunk >= 48)
  const again = new Planner({ chunks: 64, held: bitmapFor(64), now: 0, deadlineAt: 1e6 })
  again.join(
    'half',
    bitmapOf(64, (chunk) => chunk < 32),
    0,
  )
  again.hasNow(
    'half',
    bitmapOf(64, (chunk) => chunk < 32),
    0,
    coming,
  )
  again.join('seed', 'whole', 0)
  const ask = again.decide(0).find((each) => each.kind === 'ask' && each.peer === 'seed')
  t.match(ask, { first: 32 }, 'what another is about to have is not rare')
})

test('who has only a part is asked for that part, and for more when it has more', async (t) => {
  const planner = new Planner({ chunks: 40, held: bitmapFor(40), now: 0, deadlineAt: 1e6 })
  planner.join(
    'part',
    bitmapOf(40, (chunk) => chunk < 4),
    0,
  )
  planner.noMore()
  const [ask] = planner.decide(0)
  t.match(ask, { kind: 'ask', first: 0, count: 4 })
  planner.finished(0, 10)
  t.match(planner.decide(10), [{ kind: 'wait', until: 10 + FETCH_PATIENCE_MS }])
  planner.hasNow(
    'part',
    bitmapOf(40, (chunk) => chunk < 8),
    500,
  )
  t.match(planner.decide(500), [{ kind: 'ask', first: 4, count: 4 }, { kind: 'wait' }])
  planner.finished(1, 600)
  t.match(planner.decide(600 + FETCH_PATIENCE_MS), [{ kind: 'hopeless', why: 'nothing' }])
})

test('it is hopeless with nobody, when nobody else will come or nobody has for long', async (t) => {
  const make = () => new Planner({ chunks: 4, held: bitmapFor(4), now: 0, deadlineAt: 1e6 })
  const alone = make()
  t.match(alone.decide(0), [{ kind: 'wait', until: FETCH_PATIENCE_MS }])
  alone.noMore()
  t.same(alone.decide(1), [{ kind: 'hopeless', why: 'nobody' }])
  t.same(make().decide(FETCH_PATIENCE_MS), [{ kind: 'hopeless', why: 'nobody' }])
})

test('at the deadline it ends, and what is under way is called off', async (t) => {
  const planner = new Planner({ chunks: 4, held: bitmapFor(4), now: 0, deadlineAt: 1_000 })
  planner.join('a', 'whole', 0)
  planner.decide(0)
  const ends = [
    { kind: 'cancel', id: 0, why: 'over' },
    { kind: 'hopeless', why: 'deadline' },
  ]
  t.same(planner.decide(1_000), ends)
  t.same(planner.decide(1_001), [], 'once')
})

test('what is held already is not asked for', async (t) => {
  const world = new FetchWorld(500, [{ peer: 'a', rate: 200, delayMs: 5 }], {
    held: bitmapOf(500, (each) => each % 3 > 0),
  })
  t.equal(world.run().kind, 'done')
  t.equal(world.sentInAll, 167)
  const all = new Planner({ chunks: 9, held: bitmapOf(9, () => true), now: 0, deadlineAt: 1 })
  t.same(all.decide(0), [{ kind: 'done' }])
})

test('a bounded number of providers is taken, and of those a bounded number asked at once', async (t) => {
  const planner = new Planner({ chunks: 5_000, held: bitmapFor(5_000), now: 0, deadlineAt: 1e6 })
  const joined = Array.from({ length: 30 }, (_, index) => planner.join(`p${index}`, 'whole', 0))
  t.equal(joined.filter(Boolean).length, PROVIDERS_MAX)
  t.notOk(planner.join('p0', 'whole', 0), 'nor one twice')
  const asked = () => planner.decide(0).filter(({ kind }) => kind === 'ask').length
  t.equal(asked(), PROVIDERS_AT_ONCE_MAX)
  planner.leave('p0')
  t.equal(asked(), 1, 'another one takes its place')
})

test('at the very end the last chunk may be asked of two, and the later one is called off', async (t) => {
  const planner = new Planner({ chunks: 51, held: bitmapOf(51, (chunk) => chunk > 1), now: 0, deadlineAt: 1e6 })
  planner.join('slow', 'whole', 0)
  planner.join('fast', 'whole', 0)
  t.match(planner.decide(0), [
    { kind: 'ask', peer: 'slow', first: 0, count: 1 },
    { kind: 'ask', peer: 'fast', first: 1 },
    {},
  ])
  planner.finished(1, 10)
  t.match(planner.decide(10), [{ kind: 'wait' }])
  t.match(planner.decide(6_000), [{ kind: 'ask', peer: 'fast', first: 0, count: 1 }, { kind: 'wait' }])
  planner.finished(2, 6_010)
  t.same(planner.decide(6_010), [{ kind: 'cancel', id: 0, why: 'over' }, { kind: 'done' }])
})
