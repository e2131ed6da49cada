// A store with all that works on it, over a folder: publishing, fetching from a provider in memory, clearing up. What
// a node has, without its network.
import { join } from 'node:path'
import { toHex } from '../../src/base/bytes.ts'
import type { Disk } from '../../src/base/disk.ts'
import { makeFolders } from '../../src/base/disk.ts'
import { directEffects } from '../../src/base/effects.ts'
import { CatalogError } from '../../src/base/errors.ts'
import { BLOB_FRAME_BYTES, CHUNK_BYTES, FETCH_COMMIT_MS } from '../../src/base/limits.ts'
import { seededRandom } from '../../src/base/random.ts'
import { MiB } from '../../src/base/units.ts'
import type { Providers } from '../../src/network/providers.ts'
import { Curation } from '../../src/publishing/curation.ts'
import { Groups } from '../../src/publishing/groups.ts'
import { Permissions } from '../../src/publishing/permissions.ts'
import { Publishing } from '../../src/publishing/publish.ts'
import { Ledger } from '../../src/store/ledger.ts'
import { Pins } from '../../src/store/pins.ts'
import { Quota } from '../../src/store/quota.ts'
import type { Segment } from '../../src/transfer/chunk-map.ts'
import { Fetcher } from '../../src/transfer/fetcher.ts'
import { type BlobWanted, Sources } from '../../src/transfer/sources.ts'
import { Transfers } from '../../src/transfer/transfers.ts'
import { Notices } from '../../src/trust/notices.ts'
import { LocalPublisher } from '../../src/trust/publishers.ts'
import { Shares } from '../../src/trust/shares.ts'
import type { ManualClock } from '../manual-clock.ts'
import { core, type Made, type Opened, type OpenOptions, openParts } from '../unit/store/opened.ts'
import { PieceSource } from '../unit/transfer/piece-source.ts'

/** Small, so that what was fetched has to make room again and again. */
export const MIRROR_BYTES = 5 * MiB
/** What the provider sends at once; time passes between two pieces, so that commits fall due. */
const PIECE_BYTES = BLOB_FRAME_BYTES / 2

export interface Stand {
  readonly store: Opened
  readonly publishing: Publishing
  readonly publisher: LocalPublisher
  readonly fetcher: Fetcher
  readonly pins: Pins
  readonly shares: Shares
  readonly provider: MemoryProvider
  close(): Promise<void>
}

export interface StandOptions extends OpenOptions {
  readonly disk?: Disk
  /** Of mirrored data, at most. */
  readonly mirrorBytes?: number
}

export async function openStand(folder: string, options: StandOptions = {}): Promise<Stand> {
  const { mirrorBytes = MIRROR_BYTES, ...opening } = options
  const keys = join(folder, 'keys')
  await makeFolders(keys)
  const store = await openParts(folder, opening)
  const { environment, records, blobs, packs, scratch, clock, disk } = store
  const pins = new Pins({ environment, clock })
  const shares = new Shares({ records, clock })
  // Its keys from a seed: the same publisher in every run.
  const publisher = new LocalPublisher({ disk, clock, random: seededRandom(5), effects: directEffects }, { keys })
  const outbox = { announce: async () => undefined }
  const told = { outbox, providers: {} as Providers, online: () => false }
  const groups = new Groups({ records, publisher, random: seededRandom(6) }, { peerId: 'stand' })
  const notices = new Notices({ records })
  const said = { records, shares, notices, publisher, ...told }
  const permissions = new Permissions({ ...said, groups, clock }, { peerId: 'stand' })
  const publishing = new Publishing({
    records,
    notices,
    permissions,
    curation: new Curation(said),
    blobs,
    pins,
    publisher,
    scratch,
    effects: directEffects,
  })
  const quota = new Quota({ environment, blobs, packs, clock }, { max: mirrorBytes })
  const provider = new MemoryProvider(clock)
  const sources = new Sources({ planes: [provider], clock })
  const transfers = new Transfers({ clock, ledger: new Ledger({ environment, clock }) })
  const fetcher = new Fetcher({ blobs, quota, core, sources, transfers, clock, random: seededRandom(7) })
  return { store, publishing, publisher, fetcher, pins, shares, provider, close: () => store.close() }
}

/** Has whatever it was given, and gives up when it was told to. */
export class MemoryProvider extends PieceSource {
  readonly #clock: ManualClock
  readonly #blobs = new Map<string, Made>()
  /** Bytes it still sends of a blob. */
  readonly #patience = new Map<string, number>()

  constructor(clock: ManualClock) {
    super()
    this.#clock = clock
  }

  /** @param bytes - sent before it gives up; all by default */
  offer(blob: Made, bytes = Number.POSITIVE_INFINITY): void {
    this.#blobs.set(toHex(blob.root), blob)
    this.#patience.set(toHex(blob.root), bytes)
  }

  async outline(_peer: string, { root }: BlobWanted): Promise<Uint8Array> {
    return this.#of(root).outline
  }

  async *pieces(_peer: string, { root }: BlobWanted, { first, count }: Segment): AsyncGenerator<Uint8Array> {
    const blob = this.#of(root)
    const end = Math.min(blob.size, (first + count) * CHUNK_BYTES)
    for (let at = first * CHUNK_BYTES; at < end; at += PIECE_BYTES) {
      const left = this.#patience.get(toHex(root)) ?? 0
      if (left <= 0) throw new CatalogError('REFUSED', 'The provider has had enough.')
      this.#patience.set(toHex(root), left - PIECE_BYTES)
      await this.#clock.advance(FETCH_COMMIT_MS / 4)
      yield blob.bytes.subarray(at, Math.min(at + PIECE_BYTES, end))
    }
  }

  #of(root: Uint8Array): Made {
    const blob = this.#blobs.get(toHex(root))
    if (!blob) throw new CatalogError('NOT_FOUND', 'The provider has no such blob.')
    return blob
  }
}
