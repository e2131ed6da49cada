// The store's parts over a folder of a test, opened as a node opens them and closed when the test ends.
import { join } from 'node:path'
import type { Test } from 'tap'
import { systemDisk } from '../../../src/base/disk.ts'
import { directEffects } from '../../../src/base/effects.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { Blobs } from '../../../src/store/blobs.ts'
import { Environment } from '../../../src/store/environment.ts'
import { Records } from '../../../src/store/records.ts'
import { ManualClock } from '../../manual-clock.ts'

export interface Opened {
  readonly environment: Environment
  readonly records: Records
  readonly blobs: Blobs
  readonly clock: ManualClock
  readonly folder: string
  /** As after a restart: another environment over the same folder. */
  reopen(): Promise<Opened>
}

export async function openStore(t: Test, folder = t.testdir({})): Promise<Opened> {
  const clock = new ManualClock()
  const environment = new Environment({ effects: directEffects }, { path: join(folder, 'database') })
  let closed = false
  const close = async () => {
    if (!closed) await environment.close()
    closed = true
  }
  t.teardown(close)
  const disk = systemDisk(directEffects)
  const blobs = new Blobs({ environment, disk, clock, random: seededRandom(1) }, { folder })
  await blobs.recover()
  const reopen = async () => {
    await close()
    return openStore(t, folder)
  }
  return { environment, records: new Records({ environment }), blobs, clock, folder, reopen }
}
