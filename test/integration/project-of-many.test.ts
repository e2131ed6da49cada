// A project of some hundred packages: one node gets them from an outside registry, another one, which has none, from
// that node, over the bulk plane.
import { readFileSync } from 'node:fs'
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { CatalogNode } from '../../src/node.ts'
import { treeOf } from './folders.ts'
import { project } from './npm-project.ts'
import { connected, startNode, type TestNode } from './processes.ts'
import { OutsideRegistry } from './registry.ts'

tap.setTimeout(240_000)

const PACKAGES_MIN = 200
/** Of what is installed here, what has most packages for its bytes; its overrides say which versions that is. */
const DEPENDENCIES = { verdaccio: '*' }
const OVERRIDES = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).overrides
const FLAGS = ['--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund']

/** Bytes of blobs that a node has got over a plane. */
async function received({ http }: TestNode, plane: 'bulk' | 'stream'): Promise<number> {
  const text = await (await fetch(`${http}/metrics`)).text()
  const line = new RegExp(`^catalog_transfer_bytes_total\\{direction="received",plane="${plane}"\\} (\\d+)$`, 'm')
  return Number(line.exec(text)?.[1] ?? 0)
}

test('what one node got from the registry, another one gets from it', async (t) => {
  await using registry = await new OutsideRegistry().start()
  registry.addInstalled()
  const folder = t.testdir({})
  const first = await startNode(t, join(folder, 'first'), { env: registry.settings })
  const one = await project(join(folder, 'one'), first)
  const manifest = JSON.stringify({
    ...{ name: 'many', version: '1.0.0' },
    ...{ dependencies: DEPENDENCIES, overrides: OVERRIDES },
  })
  await writeFile(join(one.folder, 'package.json'), manifest)
  await one.npm('install', ...FLAGS)
  const lock = JSON.parse(await readFile(join(one.folder, 'package-lock.json'), 'utf8'))
  const packages = Object.keys(lock.packages).filter((path) => path !== '')
  t.ok(packages.length >= PACKAGES_MIN, `${packages.length} packages`)
  await first.stop()
  await registry.stop()

  // The same node, without HTTP.
  const silent = await CatalogNode.open({
    ...{ dataDir: first.dataDir, host: '127.0.0.1', controlPort: 0, bulkPort: 0, httpPort: 0, mdns: false },
    ...{ originKeys: [registry.key] },
  })
  t.teardown(() => silent.close())
  await silent.start()
  t.equal(silent.http, undefined)
  const address = silent.addresses().find((each) => each.includes('/quic-v1')) as string
  const second = await startNode(t, join(folder, 'second'), { env: { CATALOG_ORIGIN_KEYS: registry.key } })
  await connected(second, { address } as TestNode)
  const two = await project(join(folder, 'two'), second)
  await writeFile(join(two.folder, 'package.json'), manifest)
  const asked = registry.asked.length
  await two.npm('install', ...FLAGS)
  t.equal(registry.asked.length, asked, 'the registry was not asked')

  const tarballs = new Map<string, number>()
  const installed = JSON.parse(await readFile(join(two.folder, 'node_modules/.package-lock.json'), 'utf8'))
  for (const [path, { version }] of Object.entries<{ version: string }>(installed.packages)) {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
    tarballs.set(`${name}@${version}`, (await registry.tarballOf(name, version)).length)
  }
  const bytes = [...tarballs.values()].reduce((sum, size) => sum + size, 0)
  t.comment(`${packages.length} packages, ${tarballs.size} tarballs of ${bytes} bytes`)
  t.ok((await received(second, 'bulk')) >= bytes, 'all over the bulk plane')
  t.equal(await received(second, 'stream'), 0)
  for (const { folder } of [one, two]) await rm(join(folder, 'node_modules/.package-lock.json'))
  t.strictSame(await treeOf(join(two.folder, 'node_modules')), await treeOf(join(one.folder, 'node_modules')))
  const { lines } = await second.run('verify', '--all')
  t.match(lines.at(-1), { damaged: 0 }, 'every byte is what it should be')

  // A lock file, and nobody left to ask.
  await silent.close()
  await cp(join(two.folder, 'package-lock.json'), join(folder, 'package-lock.json'))
  await rm(join(two.folder, 'node_modules'), { recursive: true })
  await two.npm('ci', ...FLAGS, '--cache', join(folder, 'empty'))
  await rm(join(two.folder, 'node_modules/.package-lock.json'))
  t.strictSame(await treeOf(join(two.folder, 'node_modules')), await treeOf(join(one.folder, 'node_modules')))
})
