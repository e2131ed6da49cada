// A process that works on a store until it dies, telling what it does. Argument: a `Mission` as JSON.
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { systemDisk } from '../../src/base/disk.ts'
import { directEffects } from '../../src/base/effects.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { Environment } from '../../src/store/environment.ts'
import { interposedDisk } from './interposed-disk.ts'
import { die, dyingAround, type Point } from './self-kill.ts'
import { openStand } from './stand.ts'
import { Workload } from './workload.ts'

export interface Mission {
  readonly folder: string
  readonly seed: number
  /** Packages made are numbered from here. */
  readonly from: number
  /** Die around an operation of the disk, or around a commit. */
  readonly disk?: Point | undefined
  readonly commit?: Point | undefined
  /** Do all that was begun, and end. */
  readonly finish?: boolean | undefined
}

const mission = JSON.parse(process.argv[2] ?? '{}') as Mission
const say = (line: object) => writeSync(1, `${JSON.stringify(line)}\n`)

const plain = systemDisk(directEffects)
const disk = mission.disk ? interposedDisk(plain, dyingAround(mission.disk)) : plain
const stand = await openStand(join(mission.folder, 'store'), { disk })
if (mission.commit) dieAround(stand.store.environment, mission.commit)
const random = seededRandom(mission.seed)
const workload = new Workload(stand, { random, sources: mission.folder, tell: say, from: mission.from })
say({ opened: stand.store.recovery })
if (mission.finish) {
  await workload.finish()
  await stand.close()
} else for (;;) await workload.step()

/** Within a commit: all its work is done, and LMDB has not written it. */
function dieAround(environment: Environment, { at, phase }: Point): void {
  const transaction = environment.transaction.bind(environment)
  let count = 0
  environment.transaction = async <T>(work: () => T, bytes?: number): Promise<T> => {
    count++
    if (count !== at) return transaction(work, bytes)
    if (phase === 'before') die()
    const dying = () => {
      const result = work()
      if (phase === 'within') die()
      return result
    }
    await transaction(dying, bytes)
    return die()
  }
}
