// What a node's process has in place of files that it maps: its database, and the code of Node and of the addons. It
// stays there although hardly any of it is looked at twice, and is given back now and then. The system keeps it in its
// cache, from where a page that is wanted again comes back in under a microsecond.
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, systemClock } from '../base/clock.ts'
import { tellFailure } from '../base/failure.ts'
import { MiB, SECOND_MS } from '../base/units.ts'
import { loadCore } from '../core/load.ts'
import { loadNativeFunctions } from '../core/native-functions.ts'
import type { CatalogNode } from '../node.ts'
import { dataPaths } from '../store/data-directory.ts'

/** A node at work uses some 30 MB of them within a second. */
const IN_PLACE_BYTES_MAX = 40 * MiB
/** To look takes a tenth of a millisecond, to give back a few. */
const INTERVAL_MS = SECOND_MS / 4

/** @returns bytes that were in place: when they were more than `above`, they are so no longer */
type Release = (above: number) => number

/** Keep what is in place low from now on. @returns how to stop */
export async function keepMappedPagesLow(node: CatalogNode): Promise<() => void> {
  if ((await loadCore(node.settings.core)).backend !== 'native') return () => undefined
  const { releaseMapped } = await loadNativeFunctions()
  const path = join(realpathSync(dataPaths(node.dataDir).database), 'data.mdb')
  return repeatRelease((above) => releaseMapped(path, above), systemClock)
}

/** After a release that failed there is none any more. @returns how to stop */
export function repeatRelease(release: Release, clock: Clock): () => void {
  let cancel = () => {}
  const next = () => {
    cancel = clock.after(INTERVAL_MS, () => {
      try {
        release(IN_PLACE_BYTES_MAX)
        next()
      } catch (thrown) {
        tellFailure('mapped pages', thrown)
      }
    })
  }
  next()
  return () => cancel()
}
