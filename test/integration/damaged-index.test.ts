// Files of the search index that are not what was written, while a node is open and when it is opened: the process
// lives on, and what is found is what the records say.
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { hasCode } from '../../src/base/errors.ts'
import { CatalogNode } from '../../src/index.ts'

const KINDS = ['term', 'idx', 'pos', 'store', 'fast', 'fieldnorm']
const BYTES = [0x00, 0x5a, 0xff]
const NAMES = ['barnacle', 'limpet', 'mussel']

/** In place: an open index has mapped these very files. */
function overwrite(folder: string, kind: string, byte: number): number {
  const files = readdirSync(folder).filter((file) => file.endsWith(`.${kind}`))
  for (const file of files) {
    const path = join(folder, file)
    writeFileSync(path, Buffer.alloc(statSync(path).size, byte), { flag: 'r+' })
  }
  return files.length
}

async function find(node: CatalogNode, query: string): Promise<string[]> {
  const { results } = await node.sharing.searchPackages(query, { explain: true })
  return results.map(({ name }) => name)
}

async function openNode(t: Test): Promise<{ open: () => Promise<CatalogNode>; index: string }> {
  const sources = NAMES.map((name) => [name, { 'package.json': JSON.stringify({ name, version: '1.0.0' }) }])
  const folder = t.testdir({ node: {}, ...Object.fromEntries(sources) })
  const dataDir = join(folder, 'node')
  const open = () => CatalogNode.open({ dataDir, host: '127.0.0.1', controlPort: 0, httpPort: 0 })
  await using node = await open()
  for (const name of NAMES) await node.sharing.sharePackage(join(folder, name))
  await node.catchUp()
  return { open, index: join(dataDir, 'search') }
}

test('an index damaged while the node is open is made anew', async (t) => {
  const { open, index } = await openNode(t)
  let noticed = 0
  for (const [kind, byte] of KINDS.flatMap((kind) => BYTES.map((byte) => [kind, byte] as const))) {
    await using node = await open()
    await node.catchUp()
    t.strictSame(await find(node, 'limpet'), ['limpet'], `before ${kind} is overwritten with ${byte}`)
    t.ok(overwrite(index, kind, byte) > 0, `there are ${kind} files`)
    let failed = false
    for (const query of [...NAMES, 'limpte', 'li', 'type:npm']) {
      try {
        await find(node, query)
      } catch (thrown) {
        if (!hasCode(thrown, 'SEARCH_INDEX')) throw thrown
        failed = true
      }
    }
    if (!failed) continue // nothing that was asked is in what was overwritten; the next start sees it
    noticed++
    await found(node, 'limpet')
    t.strictSame(await find(node, 'mussel'), ['mussel'], `after ${kind} was overwritten with ${byte}`)
  }
  t.ok(noticed > KINDS.length, `${noticed} times`)
})

test('an index damaged while no node is open is made anew', async (t) => {
  const { open, index } = await openNode(t)
  for (const kind of KINDS) {
    t.ok(overwrite(index, kind, 0x5a) > 0, `there are ${kind} files`)
    await using node = await open()
    await node.catchUp()
    for (const name of NAMES) t.strictSame(await find(node, name), [name], kind)
  }
})

/** Resolves when a search finds again what it looks for: each round waits for all that is under way. */
async function found(node: CatalogNode, name: string): Promise<void> {
  for (;;) {
    await node.catchUp()
    try {
      if ((await find(node, name)).includes(name)) return
    } catch (thrown) {
      if (!hasCode(thrown, 'SEARCH_INDEX')) throw thrown
    }
    await new Promise(setImmediate)
  }
}
