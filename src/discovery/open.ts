// Makes the parts of this room for a node: what is searched and by what it is ranked, and what keeps both up.
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { UnderWay } from '../base/under-way.ts'
import type { Settings } from '../model/config.ts'
import type { HelloService } from '../network/hello.ts'
import type { Rpc } from '../network/rpc.ts'
import { PACKAGE_TYPES } from '../package-types/all.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Pins } from '../store/pins.ts'
import type { Records } from '../store/records.ts'
import type { Usage } from '../store/usage.ts'
import type { Access } from '../trust/access.ts'
import type { RecordExchange } from '../trust/exchange.ts'
import type { Shares } from '../trust/shares.ts'
import { Federation } from './federation.ts'
import { Indexer } from './indexer.ts'
import type { TextIndex } from './native-index.ts'
import { Popularity } from './popularity.ts'
import { Recommendations } from './recommendations.ts'
import { Search } from './search.ts'
import { UsageExchange } from './usage-exchange.ts'

interface Components {
  index: TextIndex
  rpc: Rpc
  hello: HelloService
  exchange: RecordExchange
  records: Records
  shares: Shares
  access: Access
  blobs: Blobs
  pins: Pins
  usage: Usage
  clock: Clock
  random: Random
  underWay: UnderWay
}

export interface DiscoveryRoom {
  readonly search: Search
  readonly indexer: Indexer
  readonly recommendations: Recommendations
  readonly usageExchange: UsageExchange
}

export function openDiscovery(components: Components, { shareUsage }: Pick<Settings, 'shareUsage'>): DiscoveryRoom {
  const popularity = new Popularity(components)
  const federation = new Federation(components)
  const ranking = { ...components, popularity, packageType }
  const search = new Search({ ...ranking, federation })
  const indexer = new Indexer({ ...ranking, answers: search.cache })
  const refresh = indexer.refresh.bind(indexer)
  const usageExchange = new UsageExchange({ ...ranking, refresh }, { shares: shareUsage })
  return { search, indexer, recommendations: new Recommendations(ranking), usageExchange }
}

const packageType = (type: string) => PACKAGE_TYPES.find((candidate) => candidate.type === type)
