// A node of the mesh, in a process of its own: it has part of the corpus, and has heard of all publishers long ago.
import { mkdirSync } from 'node:fs'
import { directEffects } from '../../src/base/effects.ts'
import { DAY_MS } from '../../src/base/units.ts'
import { CatalogNode } from '../../src/node.ts'
import { dataPaths } from '../../src/store/data-directory.ts'
import { Environment } from '../../src/store/environment.ts'
import { Records } from '../../src/store/records.ts'
import { readCorpus } from '../search-corpus.ts'
import { type Ask, type NodeJob, tell } from './messages.ts'
import { drawn, PUBLISHERS, publisherOf, recordsOf } from './records.ts'

const BATCH = 500

const job = JSON.parse(process.argv[2] ?? '{}') as NodeJob
mkdirSync(job.folder, { recursive: true, mode: 0o700 })
await fill()
const loopback = { host: '127.0.0.1', controlPort: 0, bulkPort: 0, mdns: false, dht: false, workers: 1 }
const node = await CatalogNode.open({ dataDir: job.folder, ...loopback })
await node.start()
await node.catchUp()
process.on('message', (ask: Ask) => void (ask.type === 'dial' ? dial(ask.addresses) : search(ask)))
process.on('disconnect', () => void node.close().then(() => process.exit()))
tell({ type: 'ready', addresses: node.addresses() })

async function fill(): Promise<void> {
  const environment = new Environment({ effects: directEffects }, { path: dataPaths(job.folder).database })
  const records = new Records({ environment })
  const publishers = Array.from({ length: PUBLISHERS }, (_, i) => publisherOf(`${i}`))
  await environment.transaction(() => {
    const heard = { since: Date.now() - 2 * DAY_MS, from: ['somebody'] }
    for (const { signer } of publishers) environment.heard.put(signer, heard)
  })
  const own = readCorpus().packages.filter(({ name }) => drawn(`${job.name} ${name}`, 100) < job.share)
  for (let at = 0; at < own.length; at += BATCH) {
    const batch = own.slice(at, at + BATCH).flatMap(({ name, summary }) => {
      const publisher = publishers[drawn(name, PUBLISHERS)]
      return publisher ? recordsOf(publisher, { name, description: summary }) : []
    })
    await records.admitAll(batch.map((record) => ({ record, audience: 'public' as const })))
  }
  await environment.close()
}

async function dial(addresses: readonly string[]): Promise<void> {
  for (const address of addresses) await node.sharing.connectPeer(address)
  tell({ type: 'dialled' })
}

async function search({ query, local }: { query: string; local: boolean }): Promise<void> {
  const start = performance.now()
  const { results, withheld, peers } = await node.sharing.searchPackages(query, { local, limit: 20 })
  const ms = performance.now() - start
  const named = results.map(({ name, publisher }) => ({ name, publisher }))
  tell({ type: 'found', results: named, withheld, inquiries: peers, ms })
}
