// Makes the parts of this room for a node: what is searched and by what it is ranked, what keeps both up, and the peers
// that are asked.
import type { Clock } from '../base/clock.ts'
import type { Effects } from '../base/effects.ts'
import type { Random } from '../base/random.ts'
import type { UnderWay } from '../base/under-way.ts'
import type { Settings } from '../model/config.ts'
import type { HelloService } from '../network/hello.ts'
import type { Rpc } from '../network/rpc.ts'
import { PACKAGE_TYPES } from '../package-types/all.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Heard } from '../store/heard.ts'
import type { Pins } from '../store/pins.ts'
import type { Records } from '../store/records.ts'
import type { Usage } from '../store/usage.ts'
import type { Access } from '../trust/access.ts'
import type { RecordExchange } from '../trust/exchange.ts'
import type { Notices } from '../trust/notices.ts'
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
  notices: Notices
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
  { folder, settings }: { folder: string; settings: Pick<Settings, 'shareUsage'> },
): Promise<DiscoveryRoom> {
  const index = await openNativeIndex(components, folder)
  const popularity = new Popularity(components)
  const federation = new Federation(components)
  const standing = new Standing({ ...components, merits: federation.merits })
  const ranking = { ...components, index, popularity, packageType }
  const search = new Search({ ...ranking, federation, standing, freshness: () => indexer.freshness() })
  const indexer = new Indexer({ ...ranking, answers: search.cache })
  const refresh = indexer.refresh.bind(indexer)
  const usageExchange = new UsageExchange({ ...ranking, refresh }, { shares: settings.shareUsage })
  return {
    search,
    recommendations: new Recommendations(ranking),
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

const packageType = (type: string) => PACKAGE_TYPES.find((candidate) => candidate.type === type)
