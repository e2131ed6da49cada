// A look at what is left of a store after a fault: opened as after a restart, held against what must be in it, and
// worked with.
import { join } from 'node:path'
import { seededRandom } from '../../src/base/random.ts'
import { KiB } from '../../src/base/units.ts'
import type { Ledger } from './ledger.ts'
import { contentSized, nameOf } from './packages.ts'
import { openStand } from './stand.ts'
import { type Told, Workload } from './workload.ts'

/** One for the database, one for a pack, and small enough to be hashed without a thread. */
const SIZES = [KiB, 40 * KiB]

/**
 * @param folder - the store is in `store`; what is published is written beside it
 * @param from - a number for packages that no other has
 * @returns what is wrong; after it the ledger is sure of everything
 */
export async function survey(folder: string, ledger: Ledger, from: number): Promise<string[]> {
  const stand = await openStand(join(folder, 'store'))
  try {
    const problems = await ledger.verify(stand, 'opened')
    await ledger.settle(stand)
    const tell = (told: Told) => ledger.take(told)
    const workload = new Workload(stand, { random: seededRandom(from), sources: folder, tell, from })
    for (const bytes of SIZES)
      await workload.publish(nameOf({ kind: 'own', number: from, content: contentSized(bytes) }))
    return [...problems, ...(await ledger.verify(stand, 'working'))]
  } finally {
    await stand.close()
  }
}
