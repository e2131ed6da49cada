// The one place that decides what a peer may see and have. Asked anew for every request, without touching the network
// or any blob; what it is decided from is kept at hand until a record of that signer comes or goes.
import { LRUCache } from 'lru-cache'
import { ACCESS_CACHED_PEERS_MAX, SHARES_CACHED_SIGNERS_MAX } from '../base/limits.ts'
import { type Audience, groupAudience, peersAudience } from '../model/audience.ts'
import { DEVICES_SUBJECT, inAll, readDevices, readGroup } from '../model/group.ts'
import { readShare } from '../model/permission.ts'
import type { CatalogRecord } from '../model/record.ts'
import type { Release } from '../model/release.ts'
import type { Change, Records } from '../store/records.ts'
import type { Shares } from './shares.ts'

/** What a release is to a peer: nothing at all, something it may know of, or something it may have. */
export type Standing = 'absent' | 'known' | 'open'

/** A shelf that is not public. */
interface Shelf {
  readonly audience: Audience
  readonly signer: string
}

/** Devices of a publisher as somebody showed them. */
interface Shown {
  readonly seq: number
  readonly peers: ReadonlySet<string>
}

/** Shares looked at on a shelf until one tells whom the shelf is for. */
const SHARES_LOOKED_AT = 64
const NOBODY: ReadonlySet<string> = new Set()
/** Kinds of records that say who may see what. */
export const DECIDING_KINDS: ReadonlySet<string> = new Set(['share', 'group', 'device'])

export class Access {
  readonly #records: Records
  readonly #shares: Shares
  /** By signer and audience, and by signer alone for its devices. */
  readonly #members = new LRUCache<string, ReadonlySet<string>>({ max: SHARES_CACHED_SIGNERS_MAX })
  readonly #shelves = new LRUCache<string, readonly Shelf[]>({ max: ACCESS_CACHED_PEERS_MAX })
  /** Device records of publishers that stand on no shelf here: their devices show them when they connect. */
  readonly #shown = new LRUCache<string, Shown>({ max: SHARES_CACHED_SIGNERS_MAX })

  constructor({ records, shares }: { records: Records; shares: Shares }) {
    this.#records = records
    this.#shares = shares
    records.onChange((changes) => this.#forget(changes))
  }

  /** Whether a peer may know that a release exists. */
  maySee(peer: string, release: Release): boolean {
    return this.standing(peer, release) !== 'absent'
  }

  /** Whether a peer may have a release's bytes. */
  mayFetch(peer: string, release: Release): boolean {
    return this.standing(peer, release) === 'open'
  }

  standing(peer: string, release: Release): Standing {
    const { record } = release
    if (this.isDevice(peer, record.signer)) return 'open'
    const { permission, peers, groups, known } = this.#shares.grantOf(release)
    const isFor = (audience: Audience) => this.#records.isOn(audience, record)
    if (permission === 'public') return isFor('public') ? 'open' : 'absent'
    if (permission === 'friends') {
      const group = groups.find((id) => isFor(groupAudience(id)) && this.isMember(peer, record.signer, id))
      return group === undefined ? 'absent' : 'open'
    }
    if (permission !== 'restricted') return 'absent'
    if (peers.includes(peer) && isFor(peersAudience(peers))) return 'open'
    return known && isFor('public') ? 'known' : 'absent'
  }

  /** What a peer is to the publisher of a release it may have. */
  relationOf(peer: string, id: Uint8Array): 'device' | 'friend' | 'other' {
    const release = this.#records.release(id)
    if (!release) return 'other'
    if (this.isDevice(peer, release.record.signer)) return 'device'
    return this.#shares.grantOf(release).permission === 'friends' ? 'friend' : 'other'
  }

  /** What the release with this record id is to a peer. `absent` also when there is none. */
  standingOf(peer: string, id: Uint8Array): Standing {
    const release = this.#records.release(id)
    return release ? this.standing(peer, release) : 'absent'
  }

  /** Whether a peer may know of a shelf, and of everything that stands on it. */
  maySeeShelf(peer: string, audience: Audience, signer: string): boolean {
    if (audience === 'public' || this.isDevice(peer, signer)) return true
    if (audience.startsWith('group:')) return this.isMember(peer, signer, audience.slice('group:'.length))
    return audience.startsWith('peers:') && this.#listOf(audience, signer).has(peer)
  }

  /** Audiences of a signer's records here that a peer belongs to, the public one first. */
  audiencesOf(peer: string, signer: string): Audience[] {
    return this.#records.audiencesOf(signer).filter((audience) => this.maySeeShelf(peer, audience, signer))
  }

  /** Shelves that a peer may know of beside the public ones. */
  shelvesOf(peer: string): readonly Shelf[] {
    const known = this.#shelves.get(peer)
    if (known) return known
    const shelves = [...this.#records.shelves.notPublic()].filter((shelf) =>
      this.maySeeShelf(peer, shelf.audience, shelf.signer),
    )
    this.#shelves.set(peer, shelves)
    return shelves
  }

  /** Whether a peer is one of a publisher's own nodes. */
  isDevice(peer: string, publisher: string): boolean {
    return this.#devicesOf(publisher).has(peer)
  }

  isMember(peer: string, owner: string, group: string): boolean {
    const members = this.#membersOf(owner, group)
    if (members.has(peer)) return true
    for (const member of members) if (member.startsWith('publisher:') && this.isDevice(peer, member)) return true
    return false
  }

  /** Take a publisher's device record into account that stands on no shelf here. It has been checked. */
  show(record: CatalogRecord): void {
    const seq = record.statement.seq ?? 0
    if (seq <= (this.#shown.get(record.signer)?.seq ?? -1)) return
    this.#shown.set(record.signer, { seq, peers: new Set(readDevices(record)) })
    this.#members.delete(record.signer)
    this.#shelves.clear()
  }

  #membersOf(owner: string, id: string): ReadonlySet<string> {
    return this.#atHand(`${owner}\n${groupAudience(id)}`, () => {
      const records = this.#records.slot(groupAudience(id), owner, 'group', id)
      return inAll(records.map((record) => readGroup(record).members))
    })
  }

  /** The newest list of all that is here and was shown. */
  #devicesOf(publisher: string): ReadonlySet<string> {
    return this.#atHand(publisher, () => {
      const records = this.#records.slot('private', publisher, 'device', DEVICES_SUBJECT)
      const shown = this.#shown.get(publisher)
      if (shown && shown.seq > (records[0]?.statement.seq ?? -1)) return shown.peers
      return inAll(records.map(readDevices))
    })
  }

  #atHand(key: string, look: () => ReadonlySet<string>): ReadonlySet<string> {
    const known = this.#members.get(key)
    if (known) return known
    const found = look()
    // Most publishers have neither: one set for all of them.
    this.#members.set(key, found.size === 0 ? NOBODY : found)
    return found
  }

  /** The peers that a shelf is for: any share on it that has not been taken back lists them. */
  #listOf(audience: Audience, signer: string): ReadonlySet<string> {
    return this.#atHand(`${signer}\n${audience}`, () => {
      let looked = 0
      for (const subject of this.#records.subjects(audience, signer, 'share')) {
        for (const record of this.#records.slot(audience, signer, 'share', subject)) {
          const { peers = [] } = readShare(record)
          if (peersAudience(peers) === audience) return new Set(peers)
        }
        if (++looked >= SHARES_LOOKED_AT) break
      }
      return NOBODY
    })
  }

  #forget(changes: readonly Change[]): void {
    for (const { audience, kind, signer } of changes) {
      if (kind === 'group' || kind === 'share') this.#members.delete(`${signer}\n${audience}`)
      if (kind === 'device') this.#members.delete(signer)
      if (audience !== 'public' && DECIDING_KINDS.has(kind)) this.#shelves.clear()
    }
  }
}
