// Announcements of new releases by gossip: a hint of where to ask, never the record itself. What arrives is bounded,
// rate-limited by signer, and relayed only when the record behind it could be had and held.
import type { Clock } from '../base/clock.ts'
import { ANNOUNCEMENTS_PER_MINUTE, ANNOUNCERS_TRACKED_MAX } from '../base/limits.ts'
import { decodeCbor, encodeCbor } from '../model/cbor.ts'
import type { Release } from '../model/release.ts'
import { ANNOUNCE_TOPIC, ANNOUNCEMENT_FRAME_MAX, type Announcement, announcementSchema } from '../wire/messages.ts'
import { RateLimiter } from './gate.ts'
import type { Network, Verdict } from './network.ts'

export type AnnouncementHandler = (announcement: Announcement, from: string) => Promise<Verdict>

export class Announcements {
  readonly #network: Network
  readonly #limiter: RateLimiter

  constructor({ network, clock }: { network: Network; clock: Clock }) {
    this.#network = network
    this.#limiter = new RateLimiter(clock, {
      perMinute: ANNOUNCEMENTS_PER_MINUTE,
      burst: ANNOUNCEMENTS_PER_MINUTE,
      tracked: ANNOUNCERS_TRACKED_MAX,
    })
  }

  /** Hear of releases; `handler` says whether each is passed on. */
  async start(handler: AnnouncementHandler): Promise<void> {
    await this.#network.subscribe(ANNOUNCE_TOPIC, async ({ from, data }) => {
      const announcement = parse(data)
      if (!announcement) return 'reject'
      if (!this.#limiter.take(announcement.signer)) return 'ignore'
      return handler(announcement, from)
    })
  }

  /** Tell of a release, or of what its publisher says of one. */
  async announce({ record, purl }: Pick<Release, 'record' | 'purl'>): Promise<void> {
    const announcement: Announcement = { id: record.id, purl, signer: record.signer, peer: this.#network.peerId }
    await this.#network.publish(ANNOUNCE_TOPIC, encodeCbor(announcement))
  }
}

function parse(data: Uint8Array): Announcement | undefined {
  if (data.length > ANNOUNCEMENT_FRAME_MAX) return undefined
  try {
    return announcementSchema.safeParse(decodeCbor(data)).data
  } catch {
    return undefined // not CBOR: rejected by the caller, and counted against the sender by gossip
  }
}
