// What was published is found, whatever became of the node after it said so: killed before its index had committed,
// while it did, or in the middle of the next ones.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { seededRandom } from '../../src/base/random.ts'
import { atMost } from '../../src/base/together.ts'
import { ask, startNode, type TestNode } from './processes.ts'

const SEED = Number(process.env['CATALOG_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const LIVES = Number(process.env['CATALOG_LIVES'] ?? 5)
/** Publishes under way at once, so that there is always a commit of the index to be killed in. */
const AT_ONCE = 4
/** At most so many acknowledged in one life. */
const PACKAGES = 60

tap.setTimeout(120_000)

test(`nothing that was published is lost to search (seed ${SEED})`, async (t) => {
  const folder = t.testdir({ files: {} })
  const random = seededRandom(SEED)
  const published: string[] = []
  for (let life = 0; life < LIVES; life++) {
    const node = await startNode(t, join(folder, 'node'))
    t.strictSame(await missingAmong(node, published), [], `life ${life} begins with all that was published`)
    const before = published.length
    await publishUntil(node, life, 1 + Math.floor(random.fraction() * PACKAGES), published)
    t.comment(`life ${life}: ${published.length - before} published`)
  }
  const node = await startNode(t, join(folder, 'node'))
  t.strictSame(await missingAmong(node, published), [], `all ${published.length} are found`)

  /** Publish until so many are acknowledged, then kill the node in the middle of the next. */
  async function publishUntil(node: TestNode, life: number, most: number, said: string[]): Promise<void> {
    const names = Array.from({ length: most + AT_ONCE }, (_, i) => `life${life}-number${i}`)
    let acknowledged = 0
    await atMost(AT_ONCE, names, async (name) => {
      const path = join(folder, 'files', name)
      mkdirSync(path)
      writeFileSync(join(path, 'package.json'), JSON.stringify({ name, version: '1.0.0' }))
      try {
        await ask(node, 'publish', { path })
      } catch (thrown) {
        if (acknowledged < most) throw thrown
        return // the node is dead, as it should be
      }
      said.push(name)
      acknowledged++
      if (acknowledged === most) node.command.process.kill('SIGKILL')
    })
  }
})

/** @returns those of the names that a search does not find */
async function missingAmong(node: TestNode, names: readonly string[]): Promise<string[]> {
  const missing: string[] = []
  await atMost(8, names, async (name) => {
    const lines = await ask(node, 'search', { query: name, local: true, limit: 1 })
    if (lines[0]?.['name'] !== name) missing.push(name)
  })
  return missing
}
