// A node in a process of its own that publishes when it is told to, and says when it had done so.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CatalogNode } from '../../src/node.ts'

const folder = process.argv[2] ?? ''
const loopback = { host: '127.0.0.1', controlPort: 0, bulkPort: 0, mdns: false, dht: false }
const node = await CatalogNode.open({ dataDir: join(folder, 'publisher'), upstream: 'none', ...loopback })
await node.start()
const source = join(folder, 'source')
mkdirSync(source)
writeFileSync(join(source, 'file'), 'to be synchronized')
process.on('disconnect', () => void node.close().then(() => process.exit()))
process.on('message', (names: readonly string[]) => void publish(names))
process.send?.(node.addresses())

async function publish(names: readonly string[]): Promise<void> {
  const path = join(source, 'file')
  const named = { type: 'generic', version: '1.0.0' }
  await Promise.all(names.map((name) => node.sharing.sharePackage(path, { ...named, name })))
  process.send?.(performance.timeOrigin + performance.now())
}
