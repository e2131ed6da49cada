// Makes the parts of this room for a node: what serves blobs and what fetches them, over both planes, at one gate.
import type { Clock } from '../base/clock.ts'
import type { Effects } from '../base/effects.ts'
import type { Random } from '../base/random.ts'
import type { Core } from '../core/surface.ts'
import type { Settings } from '../model/config.ts'
import type { openBulkPlane } from '../network/bulk.ts'
import type { HelloService } from '../network/hello.ts'
import type { Network } from '../network/network.ts'
import type { Rpc } from '../network/rpc.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Environment } from '../store/environment.ts'
import type { Ledger } from '../store/ledger.ts'
import type { Quota } from '../store/quota.ts'
import type { Records } from '../store/records.ts'
import { type Access, DECIDING_KINDS } from '../trust/access.ts'
import { BulkSource, bulkAuthorise } from './bulk-source.ts'
import { Fetcher } from './fetcher.ts'
import { BlobGrants } from './grants.ts'
import { HaveExchange } from './have.ts'
import { type Limits, openBandwidth } from './limits.ts'
import { BlobProvider } from './provider.ts'
import { Sources } from './sources.ts'
import { StreamSource } from './stream-source.ts'
import { Transfers } from './transfers.ts'

interface Components {
  rpc: Rpc
  hello: HelloService
  network: Network
  blobs: Blobs
  records: Records
  access: Access
  ledger: Ledger
  quota: Quota
  environment: Environment
  core: Core
  clock: Clock
  random: Random
  effects: Effects
  openBulk: typeof openBulkPlane
}

export interface TransferRoom {
  readonly fetcher: Fetcher
  readonly transfers: Transfers
  readonly limits: Limits
  /** To be started before the first hello, which names its port. */
  readonly bulk: BulkSource
  /** What answers peers. */
  readonly services: readonly { start(): Promise<void> }[]
}

/** @throws CatalogError `CORE_UNAVAILABLE` when this platform has no native addon */
export async function openTransfer(
  components: Components,
  { seed, settings }: { seed: Uint8Array; settings: Settings },
): Promise<TransferRoom> {
  const { rpc, hello, blobs, records, clock, core, effects, ledger, openBulk } = components
  const { native, limits, gate } = await openBandwidth(components, settings)
  const grants = new BlobGrants(components)
  const transfers = new Transfers({ clock, ledger })
  const provider = new BlobProvider({ rpc, blobs, grants, transfers, gate })
  const have = new HaveExchange({ rpc, grants, clock })
  const authorise = bulkAuthorise({ grants, transfers })
  const { host, bulkPort: port, congestion } = settings
  const options = { seed, host, port, congestion }
  const open = () => openBulk({ clock, effects, authorise, gate: native }, options, core.backend)
  const bulk = new BulkSource({ hello, clock, open })
  const sources = new Sources({ planes: [bulk, new StreamSource({ rpc, clock, gate })], clock })
  records.onChange((changes) => {
    if (changes.some(({ kind }) => DECIDING_KINDS.has(kind))) bulk.forgetRefusals()
  })
  // It may have come from elsewhere, where its bulk port can be reached.
  hello.onHello((peer) => sources.forget(peer))
  const fetcher = new Fetcher({ ...components, sources, have, transfers })
  return { fetcher, transfers, limits, bulk, services: [provider, have] }
}
