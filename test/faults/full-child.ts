// A process whose database meets a full disk: nothing guards it. It works until a commit fails, or until that takes the
// process with it; then it says whether what must still hold in it does. Argument: a `FullMission` as JSON.
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { CatalogError } from '../../src/base/errors.ts'
import { seededRandom } from '../../src/base/random.ts'
import { bytesOf } from '../unit/store/opened.ts'
import { Ballast } from './ballast.ts'
import { ignoreFileLimit } from './lives.ts'
import { contentOf, contentSized, nameOf } from './packages.ts'
import { openStand } from './stand.ts'
import { type Told, Workload } from './workload.ts'

export interface FullMission {
  /** The store is in `store`. */
  readonly folder: string
  /** Outside of the small disk. */
  readonly sources: string
  /** The top of the small disk, where it is to be filled up; else there is another limit. */
  readonly disk?: string | undefined
  /** Bytes left free then. */
  readonly leave?: number | undefined
  readonly seed: number
  /** Of each blob. */
  readonly bytes: number
}

/** The last thing said by one who outlives the failure. */
export interface Afterwards {
  readonly failed: string
  /** How often it was told. */
  readonly failures: number
  /** Whether a later write was refused at once, and a blob could still be read. */
  readonly refuses: boolean
  readonly reads: boolean
}

ignoreFileLimit()
const mission = JSON.parse(process.argv[2] ?? '{}') as FullMission
const say = (line: object) => writeSync(1, `${JSON.stringify(line)}\n`)

const failures: CatalogError[] = []
const onFailure = (error: CatalogError) => failures.push(error)
const stand = await openStand(join(mission.folder, 'store'), { onFailure })
const told: Told[] = []
const tell = (one: Told) => {
  told.push(one)
  say(one)
}
const workload = new Workload(stand, {
  random: seededRandom(mission.seed),
  sources: mission.sources,
  tell,
  from: 0,
  mayRefuse: ['STORE_FAILED', 'DISK_FULL'],
})
const name = (number: number) => nameOf({ kind: 'own', number, content: contentSized(mission.bytes + number) })
await workload.publish(name(0))
if (mission.disk !== undefined) new Ballast(mission.disk).leave(mission.leave ?? 0)
for (let number = 1; failures.length === 0; number++) await workload.publish(name(number))

const [failed] = failures
const { environment } = stand.store
const refused = await environment.transaction(() => environment.meta.put('after', 1)).catch(CatalogError.from)
const first = contentOf(contentSized(mission.bytes))
say({
  failed: failed?.code ?? '',
  failures: failures.length,
  refuses: refused instanceof CatalogError && refused.code === 'STORE_FAILED',
  reads: (await bytesOf(stand.store, first.root))?.equals(first.bytes) ?? false,
} satisfies Afterwards)
// Not closed: after a commit that failed, LMDB may never have done with that.
process.kill(process.pid, 'SIGKILL')
