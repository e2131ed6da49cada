// Makes the parts of this room for a node: the index and its upkeep, the peers that are asked, and search over both.
import type { Clock } from '../base/clock.ts'
import type { Effects } from '../base/effects.ts'
import type { Random } from '../base/random.ts'
import type { UnderWay } from '../base/under-way.ts'
import type { HelloService } from '../network/hello.ts'
import type { Rpc } from '../network/rpc.ts'
import type { PackageType } from '../package-types/package-type.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Heard } from '../store/heard.ts'
import type { Pins } from '../store/pins.ts'
import type { Records } from '../store/records.ts'
import type { Usage } from '../store/usage.ts'
import type { Access } from '../trust/access.ts'
import type { RecordExchange } from '../trust/exchange.ts'
import type { Shares } from '../trust/shares.ts'
import { Federation } from './federation.ts'
import { Indexer } from './indexer.ts'
import { openNativeIndex } from './native-index.ts'
import { Popularity } from './popularity.ts'
import { Recommendations } from './recommendations.ts'
import { Search } from './search.ts'
import { Standing } from './standing.ts'
import { UsageExchange } from './usage-exchange.ts'

interface Components {
  records: Records
  shares: Shares
  access: Access
  blobs: Blobs
  pins: Pins
  heard: Heard
  usage: Usage
  exchange: RecordExchange
  rpc: Rpc
  hello: HelloService
  clock: Clock
  random: Random
  effects: Effects
  underWay: UnderWay
  packageType: (type: string) => PackageType | undefined
}

export interface DiscoveryRoom {
  readonly search: Search
  readonly recommendations: Recommendations
  /** What answers peers. */
  readonly services: readonly { start(): Promise<void> }[]
  /** Bring the index up to the records, and keep it there. */
  start(): Promise<void>
  /** Resolves when every change made so far can be found. */
  settle(): Promise<void>
  close(): Promise<void>
}

/** @throws CatalogError as `openNativeIndex` */
export async function openDiscovery(
  components: Components,
  { folder, shareUsage }: { folder: string; shareUsage: boolean },
): Promise<DiscoveryRoom> {
  const index = await openNativeIndex(components, folder)
  const federation = new Federation(components)
  const standing = new Standing({ ...components, merits: federation.merits })
  const popularity = new Popularity(components)
  const freshness = () => indexer.freshness()
  const search = new Search({ ...components, index, federation, standing, popularity, freshness })
  const indexer = new Indexer({ ...components, index, popularity, answers: search.cache })
  const recommendations = new Recommendations({ ...components, index, popularity })
  const refresh = indexer.refresh.bind(indexer)
  const usageExchange = new UsageExchange({ ...components, popularity, refresh }, { shares: shareUsage })
  return {
    search,
    recommendations,
    services: [search, usageExchange],
    start: () => indexer.start(),
    settle: () => indexer.settle(),
    async close() {
      usageExchange.stop()
      await federation.stop()
      await indexer.stop()
      await index.close()
    },
  }
}
