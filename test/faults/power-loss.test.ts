// The power goes while a store works: of what was not synced, some is there, some is not, and some is torn. Whatever
// the disk is left with, all that was acknowledged is whole, nothing is half there, and the store goes on.
//
// CATALOG_SEED replays; CATALOG_STATES is the number of images looked at.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { systemDisk } from '../../src/base/disk.ts'
import { directEffects } from '../../src/base/effects.ts'
import { type Random, seededRandom, shuffled } from '../../src/base/random.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { interposedDisk } from './interposed-disk.ts'
import { Ledger } from './ledger.ts'
import { contentSized } from './packages.ts'
import { type Lie, type Moment, PowerWatch, writeImage } from './power.ts'
import { openStand } from './stand.ts'
import { survey } from './survey.ts'
import { type Told, Workload } from './workload.ts'

const SEED = Number(process.env['CATALOG_SEED'] ?? Date.now() % 2 ** 31)
const STATES = Number(process.env['CATALOG_STATES'] ?? 100)
const STATES_PER_TEST = 100
/** Until a lie is found out. */
const STATES_PER_LIE = 50
const MOMENTS_PER_STORY = 10
const IMAGES_PER_MOMENT = 4
const STEPS = 14
/** Small ones: a state is all of the disk, and there are a thousand of them. */
const CONTENTS = [
  ...Array.from({ length: 8 }, (_, each) => contentSized(100 + 1900 * each)),
  ...Array.from({ length: 20 }, (_, each) => contentSized(17 * KiB + 4999 * each)),
  ...Array.from({ length: 6 }, (_, each) => contentSized(MiB + 1 + 20_011 * each)),
]
const MIRROR_BYTES = 3 * MiB

tap.setTimeout(30_000 + (STATES + 2 * STATES_PER_LIE) * 2_000)

/** A store that lost its power, and what must be in it. */
interface Survivor {
  readonly folder: string
  readonly ledger: Ledger
}

interface Story {
  readonly folder: string
  readonly random: Random
  readonly lie?: Lie | undefined
}

/** Work on a store, watched. It is opened on what the last loss of power has left. */
async function work({ folder, random, lie }: Story, from: number): Promise<{ moments: Moment[]; told: Told[] }> {
  const told: Told[] = []
  const store = join(folder, 'store')
  const watch = new PowerWatch(store, { share: 0.1, random, told: () => told.length, lie })
  const disk = interposedDisk(systemDisk(directEffects), watch.around)
  const stand = await openStand(store, { disk, mirrorBytes: MIRROR_BYTES })
  watch.watch(stand.store.environment)
  const tell = (one: Told) => told.push(one)
  const workload = new Workload(stand, { random, sources: folder, tell, from, contents: CONTENTS })
  for (let step = 0; step < STEPS; step++) await workload.step()
  await stand.close()
  return { moments: watch.moments, told }
}

/**
 * Work, lose power, look; then work on with one of the states that were looked at.
 *
 * @returns states that were bad, and why
 */
async function lose(t: Test, seed: number, states: number, lie?: Lie): Promise<string[]> {
  const random = seededRandom(seed)
  const bad: string[] = []
  let survivor: Survivor = { folder: join(t.testdir({ begin: { store: {} } }), 'begin'), ledger: new Ledger() }
  for (let story = 0, state = 0; state < states; story++) {
    const { moments, told } = await work({ folder: survivor.folder, random, lie }, 1000 * story)
    const chosen = shuffled(random, moments).slice(0, MOMENTS_PER_STORY)
    let next = survivor
    for (const moment of chosen.flatMap((each) => Array.from({ length: IMAGES_PER_MOMENT }, () => each))) {
      if (state++ >= states) break
      const folder = join(survivor.folder, `../${state}`)
      const ledger = survivor.ledger.copy()
      for (const one of told.slice(0, moment.told)) ledger.take(one)
      writeImage(moment, join(folder, 'store'), random)
      const problems = await survey(folder, ledger, 1000 * story + 900)
      if (problems.length > 0) bad.push(`state ${state} of seed ${seed}: ${problems.join('; ')}`)
      rmSync(next.folder, { recursive: true, force: true })
      next = { folder, ledger }
    }
    survivor = next
  }
  return bad
}

for (let done = 0, story = 0; done < STATES; done += STATES_PER_TEST, story++) {
  const states = Math.min(STATES_PER_TEST, STATES - done)
  test(`${states} states, CATALOG_SEED=${SEED + story} CATALOG_STATES=${states}`, async (t) => {
    t.same(await lose(t, SEED + story, states), [])
  })
}

for (const lie of ['last-sync', 'folders'] as const) {
  test(`a disk that lies about syncing is found out: ${lie}`, async (t) => {
    t.not((await lose(t, SEED, STATES_PER_LIE, lie)).length, 0)
  })
}
