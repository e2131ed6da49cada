// How long after a publish its package is found: a node as a library in this process, packages published one by one,
// and each asked for by its name, again and again, from the moment on that the publish was acknowledged.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CatalogNode } from '../src/node.ts'
import { once, quantile } from './harness.ts'
import type { Suite } from './suite.ts'

const PACKAGES = 200
/** Between two questions. */
const POLL_MS = 2
/** Asked for no longer than this: it is beyond every budget. */
const PATIENCE_MS = 5_000

const findable: Suite = async (compare) => {
  await using ends = new AsyncDisposableStack()
  const times = once(() => measured(ends))
  for (const [name, share] of Object.entries({ p50: 0.5, p95: 0.95 })) {
    const open = async () => ({ figure: quantile(await times(), share), most: 500 })
    await compare({ name: `${name} from publish to findable`, open })
  }
}
export default findable

async function measured(ends: AsyncDisposableStack): Promise<number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'catalog-bench-'))
  ends.defer(() => rm(folder, { recursive: true, force: true }))
  const loopback = { host: '127.0.0.1', controlPort: 0, bulkPort: 0, mdns: false, dht: false }
  const node = await CatalogNode.open({ dataDir: join(folder, 'node'), ...loopback })
  ends.defer(() => node.close())
  await node.start()
  const times: number[] = []
  for (let number = 0; number < PACKAGES; number++) {
    const name = `findable-${number}`
    const path = join(folder, name)
    mkdirSync(path)
    writeFileSync(join(path, 'package.json'), JSON.stringify({ name, version: '1.0.0' }))
    // Not found, and remembered as that.
    if (await isFound(node, name)) throw new Error(`${name} is found before it is published`)
    await node.sharing.sharePackage(path)
    const start = performance.now()
    while (!(await isFound(node, name)) && performance.now() - start < PATIENCE_MS) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
    times.push(performance.now() - start)
  }
  return times
}

async function isFound({ sharing }: CatalogNode, name: string): Promise<boolean> {
  const { results } = await sharing.searchPackages(name, { local: true, limit: 1 })
  return results[0]?.name === name
}
