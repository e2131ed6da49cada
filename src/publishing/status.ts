// Who a node is and what it keeps, for people.
import type { Clock } from '../base/clock.ts'
import type { Core } from '../core/surface.ts'
import type { HelloService } from '../network/hello.ts'
import type { Network } from '../network/network.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Records } from '../store/records.ts'
import type { BulkSource } from '../transfer/bulk-source.ts'
import type { LocalPublisher } from '../trust/publishers.ts'
import type { NodeStatus } from './answers.ts'
import type { Outbox } from './outbox.ts'

interface Components {
  network: Network
  hello: HelloService
  records: Records
  blobs: Blobs
  bulk: BulkSource
  core: Core
  publisher: LocalPublisher
  outbox: Outbox
  clock: Clock
  about: () => Pick<NodeStatus, 'version' | 'online' | 'dataDir'> & {
    readonly http: string | undefined
    readonly startedAt: number
  }
}

export async function statusOf(components: Components): Promise<NodeStatus> {
  const { network, hello, records, blobs, bulk, core, publisher, outbox, clock, about } = components
  const { version, online, http, dataDir, startedAt } = about()
  const usage = blobs.usage()
  const { works, records: untold } = await outbox.waiting()
  return {
    version,
    peerId: network.peerId,
    publisher: (await publisher.existing())?.signer ?? null,
    online,
    addresses: online ? network.addresses() : [],
    bulkPort: bulk.port ?? null,
    http: http ?? null,
    peers: hello.peers().length,
    records: records.count(),
    releases: records.releaseCount(),
    blobs: usage.blobs,
    bytes: usage.bytes,
    waiting: {
      records: untold,
      works: works.map(({ kind, subject, at }) => ({ kind, subject, since: new Date(at).toISOString() })),
    },
    core: { backend: core.backend, features: core.features() },
    dataDir,
    uptimeMs: clock.now() - startedAt,
  }
}
