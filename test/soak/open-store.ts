// How long a store of 100,000 releases takes to open: made once, then opened by one new process after the other.
// node test/soak/open-store.ts [FOLDER], a folder that stays; fails when the median is a second or more.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { directEffects } from '../../src/base/effects.ts'
import { SHELF_RECORDS_MAX } from '../../src/base/limits.ts'
import { formatBytes } from '../../src/base/units.ts'
import { CatalogNode } from '../../src/node.ts'
import { dataPaths } from '../../src/store/data-directory.ts'
import { Environment } from '../../src/store/environment.ts'
import { Records } from '../../src/store/records.ts'
import { publisherOf, releaseOf } from '../unit/model/made.ts'

const RELEASES = 100_000
/** A shelf takes no more than 100,000 records, and each has a document on it. */
const PUBLISHERS = 2
const BATCH = 1_000
const OPENINGS = 7
const OPENING_MS_MAX = 1_000
const THIS = fileURLToPath(import.meta.url)

/** Milliseconds. */
interface Opening {
  readonly database: number
  readonly node: number
}

if (process.argv[2] === 'open') {
  console.log(JSON.stringify(await openOnce(process.argv[3] ?? '')))
} else {
  const folder = process.argv[2] ?? mkdtempSync(join(tmpdir(), 'catalog-open-'))
  if (!existsSync(dataPaths(folder).database)) await make(folder)
  const args = [...process.execArgv, '--disable-warning=ExperimentalWarning', THIS, 'open', folder]
  const times: number[] = []
  for (let opening = 1; opening <= OPENINGS; opening++) {
    const { database, node } = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Opening
    console.log(
      `opening ${opening}: the node in ${node.toFixed(0)} ms, the database alone in ${database.toFixed(0)} ms`,
    )
    times.push(node)
  }
  const median = times.sort((a, b) => a - b)[OPENINGS >> 1] ?? Number.POSITIVE_INFINITY
  const verdict = median < OPENING_MS_MAX ? 'passed' : 'failed'
  console.log(`${verdict}: ${median.toFixed(0)} ms, to be less than ${OPENING_MS_MAX}`)
  if (verdict === 'failed') process.exitCode = 1
  if (process.argv[2] === undefined) rmSync(folder, { recursive: true, force: true })
}

async function make(folder: string): Promise<void> {
  if (RELEASES / PUBLISHERS >= SHELF_RECORDS_MAX) throw new Error('more publishers are needed')
  // With its folders and keys, as a node makes them.
  await (await CatalogNode.open({ dataDir: folder })).close()
  const { database } = dataPaths(folder)
  const began = performance.now()
  const environment = new Environment({ effects: directEffects }, { path: database })
  const records = new Records({ environment })
  const publishers = Array.from({ length: PUBLISHERS }, (_, number) => publisherOf(20 + number))
  for (let at = 0; at < RELEASES; at += BATCH) {
    const publisher = publishers[(at / BATCH) % PUBLISHERS] as (typeof publishers)[number]
    const made = Array.from({ length: BATCH }, (_, each) => {
      const number = at + each
      return releaseOf(publisher, { name: `package-${number >> 3}`, version: `1.${number & 7}.0` })
    })
    await records.admitAll([publisher.document, ...made].map((record) => ({ record, audience: 'public' as const })))
  }
  const size = formatBytes(statSync(join(database, 'data.mdb')).size)
  const took = ((performance.now() - began) / 1000).toFixed(1)
  console.log(`${records.releaseCount()} releases of ${PUBLISHERS} publishers, ${size}, made in ${took} s`)
  await environment.close()
}

/** In a process that has opened nothing yet: first the node, with all that belongs to it. */
async function openOnce(folder: string): Promise<Opening> {
  const began = performance.now()
  const node = await CatalogNode.open({ dataDir: folder })
  const opened = performance.now() - began
  await node.close()
  const again = performance.now()
  const environment = new Environment({ effects: directEffects }, { path: dataPaths(folder).database })
  const count = new Records({ environment }).releaseCount()
  const database = performance.now() - again
  await environment.close()
  if (count !== RELEASES) throw new Error(`there are ${count} releases`)
  return { database, node: opened }
}
