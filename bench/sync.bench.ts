// Synchronization: what it costs to find out what two shelves of a million records lack, beside ranges; what a change
// of a shelf costs as it grows; and a whole sync beside verifying and plainly storing the same records.
import { compareBytes } from '../src/base/bytes.ts'
import { loadCore } from '../src/core/load.ts'
import { loadNativeFunctions } from '../src/core/native-functions.ts'
import type { Core } from '../src/core/surface.ts'
import { nativeEd25519, useEd25519 } from '../src/model/ed25519.ts'
import type { ShelfName } from '../src/synchronization/session.ts'
import { type Contest, once, quantile } from './harness.ts'
import type { Suite } from './suite.ts'
import { FullStore, signedRecords } from './sync/full.ts'
import { incremental } from './sync/incremental.ts'
import { rangeBytes } from './sync/ranges.ts'
import { runSession } from './sync/session.ts'
import { BenchShelf, idOf } from './sync/shelf.ts'
import { DECADES, DIFFERENCES, FULL_RECORDS, SYNC_RECORDS } from './sync-budgets.ts'

/** Of a whole synchronization, in all rounds: one of few takes too short a time to tell by itself. */
const FULL_RECORDS_MEASURED = 200_000
const RANGE_RECORDS = 100_000
const RANGE_DIFFERENCES = 100
const SAMPLES = 25
/** Of each sample. */
const CHANGES = 10
const PROOFS = 200
const PER_BATCH = 100_000

const sync: Suite = async (compare) => {
  const core = await loadCore('auto')
  await using ends = new AsyncDisposableStack()
  const pair = once(() => Pair.of(core, SYNC_RECORDS, ends))
  for (const [differences, most] of DIFFERENCES) {
    const told = `${differences} of ${SYNC_RECORDS} records differ`
    const ran = once(async () => (await pair()).apart(differences))
    await compare({ name: `bytes, ${told}`, open: async () => ({ figure: (await ran()).bytes, most }) })
    await compare({ name: `round trips, ${told}`, open: async () => ({ figure: (await ran()).rounds, most: 2 }) })
  }
  await compare({ name: 'bytes, beside ranges', open: () => besideRanges(core) })
  if (core.backend === 'native') useEd25519(nativeEd25519(await loadNativeFunctions()))
  for (const records of FULL_RECORDS) {
    await compare({ name: `all of ${records} records, CPU`, open: () => beside(core, records, ends) })
  }
  await compare({ name: 'all of ten times as many records, CPU', open: () => linear(core, ends) })
  const waited = once(() => incremental(ends))
  for (const [name, share] of Object.entries({ p50: 0.5, p95: 0.95 })) {
    const open = async () => ({ figure: quantile(await waited(), share), most: 100 })
    await compare({ name: `${name} of ten releases to the other process`, open })
  }
  const costs = once(() => growth(core))
  for (const [at, decade] of DECADES.entries()) {
    for (const what of ['change of', 'proof in'] as const) {
      const ratio = async () => {
        const figures = (await costs())[what]
        return { figure: (figures[at + 1] ?? 0) / (figures[at] ?? 1), most: 1.6 }
      }
      await compare({ name: `${what} a shelf, ${decade}`, open: ratio })
    }
  }
}
export default sync

/** Two shelves that come to differ again and again. */
class Pair {
  readonly #a: BenchShelf
  readonly #b: BenchShelf
  #next: number

  private constructor(a: BenchShelf, b: BenchShelf, records: number) {
    this.#a = a
    this.#b = b
    this.#next = records
  }

  static async of(core: Core, records: number, ends: AsyncDisposableStack): Promise<Pair> {
    const [a, b] = [ends.use(new BenchShelf(core)), ends.use(new BenchShelf(core))]
    for (const shelf of [a, b]) await fill(shelf, 0, records)
    return new Pair(a, b, records)
  }

  /** Have so many differ, half of them on each side, and make them equal. Medians of three. */
  async apart(differences: number): Promise<{ bytes: number; rounds: number }> {
    const runs: { bytes: number; rounds: number }[] = []
    for (let run = 0; run < 3; run++) {
      const half = Math.floor(differences / 2)
      await fill(this.#a, this.#next, half)
      await fill(this.#b, this.#next + half, differences - half)
      this.#next += differences
      const ran = await runSession(this.#a, this.#b)
      if (compareBytes(this.#a.root, this.#b.root) !== 0) throw new Error('the shelves are not equal')
      runs.push(ran)
    }
    const middle = (figures: number[]) => quantile(figures, 0.5)
    return { bytes: middle(runs.map(({ bytes }) => bytes)), rounds: middle(runs.map(({ rounds }) => rounds)) }
  }
}

async function fill(shelf: BenchShelf, from: number, count: number): Promise<void> {
  for (let at = 0; at < count; at += PER_BATCH) {
    await shelf.put(Array.from({ length: Math.min(PER_BATCH, count - at) }, (_, number) => idOf(from + at + number)))
  }
}

async function beside(core: Core, records: number, ends: AsyncDisposableStack): Promise<Contest> {
  const envelopes = signedRecords(records)
  const source = ends.use(new FullStore(core))
  await source.take(source.shelves()[0] as ShelfName, envelopes)
  let target = ends.use(new FullStore(core))
  const empty = async () => {
    await target[Symbol.asyncDispose]()
    target = new FullStore(core)
  }
  ends.defer(() => target[Symbol.asyncDispose]())
  return {
    amount: records,
    seconds: 0,
    rounds: Math.max(3, FULL_RECORDS_MEASURED / records),
    once: true,
    prepare: empty,
    prepareBaseline: empty,
    candidate: () => target.syncFrom(source),
    baseline: () => target.putPlainly(envelopes),
    clocks: { candidate: cpuSeconds, baseline: cpuSeconds },
  }
}

/** As many records in one shelf, and in ten stores of a tenth each. */
async function linear(core: Core, ends: AsyncDisposableStack): Promise<Contest> {
  const [few, many] = FULL_RECORDS
  const [tenth, whole] = [ends.use(new FullStore(core)), ends.use(new FullStore(core))]
  await tenth.take(tenth.shelves()[0] as ShelfName, signedRecords(few))
  await whole.take(whole.shelves()[0] as ShelfName, signedRecords(many))
  const synced = async (source: FullStore, times: number) => {
    for (let time = 0; time < times; time++) {
      await using target = new FullStore(core)
      await target.syncFrom(source)
    }
  }
  return {
    amount: many,
    seconds: 0,
    rounds: 3,
    once: true,
    candidate: () => synced(whole, 1),
    baseline: () => synced(tenth, many / few),
    clocks: { candidate: cpuSeconds, baseline: cpuSeconds },
  }
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

async function besideRanges(core: Core) {
  await using ends = new AsyncDisposableStack()
  const both = await Pair.of(core, RANGE_RECORDS, ends)
  const { bytes } = await both.apart(RANGE_DIFFERENCES)
  const half = RANGE_DIFFERENCES / 2
  const ids = (own: number) =>
    [...Array(RANGE_RECORDS).keys(), ...Array.from({ length: half }, (_, at) => RANGE_RECORDS + own * half + at)]
      .map(idOf)
      .sort(compareBytes)
  return { figure: rangeBytes(ids(0), ids(1)) / bytes, least: 10 }
}

/** Milliseconds to change a shelf by one record, and to prove that one is on it, at each size; all sizes take turns. */
async function growth(core: Core): Promise<Record<'change of' | 'proof in', number[]>> {
  await using ends = new AsyncDisposableStack()
  const sizes = [10_000, 100_000, 1_000_000].map((size) => {
    const samples: Record<'change of' | 'proof in', number[]> = { 'change of': [], 'proof in': [] }
    return { size, shelf: ends.use(new BenchShelf(core)), samples }
  })
  for (const { size, shelf } of sizes) await fill(shelf, 0, size)
  for (let sample = 0; sample < SAMPLES; sample++) {
    for (const { size, shelf, samples } of sizes) {
      // One by one, as single changes come; several at once would share the upper nodes.
      let took = 0
      for (let at = 0; at < CHANGES; at++) took += await shelf.put([idOf(size + sample * CHANGES + at)])
      samples['change of'].push(took / CHANGES)
      const ids = Array.from({ length: PROOFS }, (_, at) => idOf(((sample * PROOFS + at) * 7_919) % size))
      const began = performance.now()
      for (const id of ids) shelf.has(id)
      samples['proof in'].push((performance.now() - began) / PROOFS)
    }
  }
  const medians = (what: 'change of' | 'proof in') => sizes.map(({ samples }) => quantile(samples[what], 0.5))
  return { 'change of': medians('change of'), 'proof in': medians('proof in') }
}
