// What the suite runs over: the cores under test, the reference they are held to, and how many cases it tries.
//
// CATALOG_CORE=native or =wasm tests that one alone, since `npm test` runs once with each. CATALOG_SEED repeats a run,
// CATALOG_CASES multiplies the number of random cases. A process whose CATALOG_CORE_FEATURES narrows the kernels is one
// of `core-variants.test.ts` and looks at the real cores only.
import { deepEqual } from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { type Test, test } from 'tap'
import { loadCore } from '../../src/core/load.ts'
import type { Backend } from '../../src/core/surface.ts'
import { WasmCore } from '../../src/core/wasm.ts'
import { type Kernels, ReferenceCore } from '../reference/core.ts'
import { type Ground, type Place, PlacedCore } from './core-placed.ts'

export interface Subject {
  readonly name: Backend | 'reference'
  /** As a caller has it. */
  readonly core: Kernels
  /** Each memory that its arguments can lie in, at one alignment or another. */
  readonly places: readonly Place[]
  /** The same with its arguments moved and watched. */
  placed(place?: Place): Kernels
}

const GROUND_BYTES = 2 ** 22
const wanted = process.env['CATALOG_CORE']
const narrowed = process.env['CATALOG_CORE_FEATURES'] !== undefined
/** How many times the random cases of an ordinary run. */
export const effort = Number(process.env['CATALOG_CASES'] ?? 1)
export const seed = Number(process.env['CATALOG_SEED'] ?? randomInt(2 ** 31))

export const reference = new ReferenceCore()
/** Which of the real cores this process tests. */
export const backends: readonly Backend[] = wanted === 'native' || wanted === 'wasm' ? [wanted] : ['native', 'wasm']
const cores = await Promise.all(backends.map(async (name) => subject(name, await loadCore(name))))
/** Whether this process is the one that tests the reference too. */
export const withReference = !narrowed && wanted !== 'wasm'
const subjects = withReference ? [subject('reference', reference), ...cores] : cores

function subject(name: Subject['name'], core: Kernels): Subject {
  const grounds: Ground[] = [new Uint8Array(GROUND_BYTES)]
  if (name !== 'reference') grounds.push(new Uint8Array(new SharedArrayBuffer(GROUND_BYTES)))
  if (core instanceof WasmCore) grounds.push(core.arena(GROUND_BYTES))
  return {
    name,
    core,
    places: grounds.map((_, ground) => ({ ground, shift: 21 * ground })),
    placed: (place = { ground: 0, shift: 1 }) => new PlacedCore(core, grounds, place),
  }
}

type Check = (t: Test, subject: Subject) => void | Promise<void>

/** A test of each core by itself, and of the reference. */
export function each(what: string, check: Check): void {
  for (const subject of subjects) test(`${subject.name}: ${what}`, async (t) => check(t, subject))
}

/** A test of each core by itself, too much or of no sense for the reference. */
export function eachReal(what: string, check: Check, names: readonly Subject['name'][] = backends): void {
  for (const subject of cores) {
    if (names.includes(subject.name)) test(`${subject.name}: ${what}`, async (t) => check(t, subject))
  }
}

/**
 * A test that the cores answer as the reference does.
 *
 * @param cases - how many inputs are tried, unless CATALOG_CASES says more or fewer
 * @param observe - what a core makes of an input, as plain data
 */
export function agree<T>(
  what: string,
  cases: number,
  inputs: fc.Arbitrary<T>,
  observe: (core: Kernels, input: T) => unknown,
): void {
  test(`as the reference does: ${what}`, async (t) => {
    const place = fc.record({ ground: fc.nat(2), shift: fc.nat(63) })
    const property = fc.property(inputs, place, (input, place) => {
      const expected = observe(reference, input)
      for (const { name, placed } of cores) deepEqual({ [name]: observe(placed(place), input) }, { [name]: expected })
    })
    t.doesNotThrow(() => fc.assert(property, { seed, numRuns: Math.ceil(cases * effort) }), `${what}, seed ${seed}`)
  })
}

/** The vectors of a file in `test/vectors`. */
export function vectors<T>(name: string): T[] {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8')) as T[]
}
