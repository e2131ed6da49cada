// Deciding who may have what this node publishes: shares are signed, and releases put onto the shelves of those who are
// let in. Where somebody is shut out, their shelf is told so in a share of its own, which names nobody.
import { equalBytes } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { ANNOUNCEMENTS_PER_MINUTE, SHARE_GLOBS_MAX, SHARE_GROUPS_MAX, SHARE_PEERS_MAX } from '../base/limits.ts'
import { Turns } from '../base/turns.ts'
import { type Audience, audiencesOf, shelvesOf } from '../model/audience.ts'
import { GLOB_PREFIX, matchesGlob, parseGlob, parseSubject, showSubject } from '../model/glob.ts'
import { parsePeerId } from '../model/peer-id.ts'
import {
  type Grant,
  PRIVATE,
  PUBLIC,
  parsePermission,
  readShare,
  sameGrant,
  shareBodyOf,
  sharesOf,
} from '../model/permission.ts'
import { formatPurl, type Purl, parsePurl } from '../model/purl.ts'
import type { CatalogRecord } from '../model/record.ts'
import { type Release, readRelease } from '../model/release.ts'
import type { Providers } from '../network/providers.ts'
import type { Records, Submission } from '../store/records.ts'
import type { Notices } from '../trust/notices.ts'
import type { LocalPublisher } from '../trust/publishers.ts'
import type { Shares } from '../trust/shares.ts'
import type { Groups } from './groups.ts'

/** Who is to be let in, as a user says it. */
export interface PermissionOptions {
  /** `public`, `private`, `restricted` (with `peers`) or `friends` (with `groups`). */
  readonly permission?: string | undefined
  /** Peer ids. */
  readonly peers?: readonly string[] | undefined
  /** Names or ids of groups of this node's publisher. */
  readonly groups?: readonly string[] | undefined
  /** With `restricted`: everybody may know that it exists. */
  readonly known?: boolean | undefined
  /** How long it holds; private from then on. */
  readonly expiresInMs?: number | undefined
}

export interface SharedSubject {
  /** A purl, or a glob: `pkg:npm/@scope/*`. */
  readonly subject: string
  readonly sharedWith: SharedWith
  /** Releases published here that the share counts for. */
  readonly releases: number
  /** Releases that it is about, and for which a more specific share counts. */
  readonly exceptions: readonly { purl: string; permission: string }[]
}

/** Who may have a release, as far as it is known here. */
export interface SharedWith {
  readonly permission: string
  /** Peer ids, without this node's. */
  readonly peers: readonly string[]
  /** By name, where it is known here, else by id. */
  readonly groups: readonly string[]
  readonly known: boolean
  /** ISO 8601; null when it does not end. */
  readonly expires: string | null
}

/** Who is to have a release. */
export interface Decided {
  readonly grant: Grant
  readonly shares: readonly Submission[]
}

import type { Outbox } from './outbox.ts'

interface Components {
  records: Records
  shares: Shares
  notices: Notices
  publisher: LocalPublisher
  groups: Groups
  outbox: Pick<Outbox, 'announce'>
  providers: Providers
  clock: Clock
  /** Whether there is a network to tell. */
  online: () => boolean
}

export class Permissions {
  readonly #components: Components
  readonly #peerId: string
  /** Two shares of one number would cancel each other: those of one subject are made one after another. */
  readonly turns = new Turns()

  /** @param options - `peerId` is this node's: it is in every list, so that others give back what is lost here */
  constructor(components: Components, options: { peerId: string }) {
    this.#components = components
    this.#peerId = options.peerId
  }

  /**
   * What options mean; undefined when they say nothing.
   *
   * @throws CatalogError `USAGE` for lists that the permission has no use for or lacks, `PERMISSION_UNSUPPORTED`,
   *   `NOT_FOUND` for a group this publisher does not have
   */
  async grantOf(options: PermissionOptions): Promise<Grant | undefined> {
    const { peers = [], groups = [], known = false, expiresInMs } = options
    if (options.permission === undefined) {
      if (peers.length + groups.length > 0 || known || expiresInMs !== undefined)
        throw usage('A permission is missing.')
      return undefined
    }
    const permission = parsePermission(options.permission)
    if ((permission === 'restricted') !== peers.length > 0)
      throw usage('"restricted" goes with peers, and only it does.')
    if ((permission === 'friends') !== groups.length > 0) throw usage('"friends" goes with groups, and only it does.')
    if (known && permission !== 'restricted') throw usage('Only what is "restricted" can be known to everybody.')
    if (peers.length >= SHARE_PEERS_MAX || groups.length > SHARE_GROUPS_MAX) {
      throw usage(`A share is for at most ${SHARE_PEERS_MAX - 1} peers or ${SHARE_GROUPS_MAX} groups.`)
    }
    const listed = peers.length > 0 ? [...new Set([this.#peerId, ...peers.map(parsePeerId)])].sort() : []
    const ids = await Promise.all(groups.map(async (name) => (await this.#components.groups.get(name)).id))
    const expires = expiresInMs === undefined ? {} : { expires: this.#components.clock.now() + expiresInMs }
    return { permission, peers: listed, groups: [...new Set(ids)].sort(), known, ...expires }
  }

  /**
   * Say who may have a release, or all releases whose names match a glob and which no more specific share is about.
   *
   * @param text - `pkg:npm/name@1.0.0`, `pkg:npm/name` or `pkg:npm/@scope/*`
   * @throws CatalogError `PURL_INVALID`; `NOT_FOUND` for a release that this node's publisher has not published
   */
  share(text: string, grant: Grant): Promise<SharedSubject> {
    const subject = parseSubject(text)
    return this.turns.take(subject, async () => {
      const { records, shares, publisher } = this.#components
      const { signer } = await publisher.identity()
      const made = await this.#sharesOf(subject, signer, grant)
      const about = subject.startsWith(GLOB_PREFIX) ? this.#matching(subject, signer) : this.#release(subject, signer)
      const newest = made.at(-1)?.record
      const counted = about.filter((release) => newest && this.#counts(newest, release))
      const before = counted.filter((release) => shares.isPublic(release))
      await records.admitAll([...(await this.#onShelves(counted, grant)), ...made])
      await this.#tell(counted.filter((release) => !before.includes(release)))
      const exceptions = about
        .filter((release) => !counted.includes(release))
        .map((release) => ({ purl: release.purl, permission: shares.permissionOf(release) }))
      const sharedWith = this.describe(grant, signer)
      return { subject: showSubject(subject), sharedWith, releases: counted.length, exceptions }
    })
  }

  /** Take back what was shared: it is private from now on. @throws CatalogError as `share` */
  unshare(text: string): Promise<SharedSubject> {
    return this.share(text, PRIVATE)
  }

  /**
   * Who is to have a release that is about to be published, its turn being held, and the shares that say so. Without a
   * grant the globs of this publisher decide; where none is about it, it is public.
   */
  async decide(name: Purl, grant: Grant | undefined): Promise<Decided> {
    const { publisher, shares } = this.#components
    const { signer } = await publisher.identity()
    const covering = grant ? undefined : shares.coveringGrant(signer, name)
    if (covering) return { grant: covering, shares: [] }
    const decided = grant ?? PUBLIC
    return { grant: decided, shares: await this.#sharesOf(formatPurl(name), signer, decided) }
  }

  /** What a release goes onto the shelves with. */
  async submissions(release: Release, { grant, shares }: Decided): Promise<Submission[]> {
    return [...(await this.#onShelves([release], grant)), ...shares]
  }

  /** The same for a release that is published already; nothing when it is granted just that. */
  async changes(release: Release, grant: Grant | undefined): Promise<Submission[]> {
    const { shares } = this.#components
    const isOwn = shares.latest(release.record.signer, release.purl) !== undefined
    if (isOwn && (!grant || sameGrant(shares.grantOf(release), grant))) return []
    return this.submissions(release, await this.decide(release.body, grant))
  }

  describe(grant: Grant, signer: string): SharedWith {
    const { permission, peers, groups, known, expires } = grant
    return {
      permission,
      peers: peers.filter((peer) => peer !== this.#peerId),
      groups: groups.map((id) => this.#components.groups.nameOf(signer, id) ?? id),
      known,
      expires: expires === undefined ? null : new Date(expires).toISOString(),
    }
  }

  /** Tell the network of releases that everybody may have. */
  async tell(release: Release): Promise<void> {
    await this.#tell([release])
  }

  async #tell(releases: readonly Release[]): Promise<void> {
    const { outbox, providers, shares, online } = this.#components
    const told = releases.filter((release) => shares.isPublic(release))
    if (online()) for (const { body } of told) for (const { root } of body.artifacts) providers.provide(root)
    // Nobody passes on more of one publisher.
    for (const release of told.slice(0, ANNOUNCEMENTS_PER_MINUTE)) await outbox.announce(release)
  }

  /**
   * The shares that say it, the one that counts last. A list is shown to those in it alone; the shelves of those who
   * are shut out get a share before it that has no list.
   */
  async #sharesOf(subject: string, signer: string, grant: Grant): Promise<Submission[]> {
    const { records, shares } = this.#components
    this.#checkGlobs(subject, signer)
    const audiences = audiencesOf(grant)
    const shutOut = records
      .audiencesOf(signer)
      .filter((audience) => !audiences.includes(audience) && this.#speaksOn(audience, signer, subject))
    const seq = (shares.latest(signer, subject)?.statement.seq ?? 0) + 1
    if (grant.peers.length + grant.groups.length === 0) {
      const share = await this.#sign(subject, seq, grant)
      return [...shutOut, ...audiences].map((audience) => ({ record: share, audience }))
    }
    const outside: Audience[] = grant.known ? [...new Set<Audience>(['public', ...shutOut])] : shutOut
    const made: Submission[] = []
    if (outside.length > 0) {
      const { permission, known, expires } = grant
      const shown = known ? { ...PRIVATE, permission, known, expires } : PRIVATE
      const share = await this.#sign(subject, seq, shown)
      made.push(...outside.map((audience) => ({ record: share, audience })))
    }
    const share = await this.#sign(subject, seq + 1, grant)
    return [...made, ...audiences.map((audience) => ({ record: share, audience }))]
  }

  /** Whether the newest share on a shelf lets somebody in. */
  #speaksOn(audience: Audience, signer: string, subject: string): boolean {
    const standing = this.#components.records.slot(audience, signer, 'share', subject)
    return standing.some((share) => readShare(share).permission !== 'private')
  }

  #sign(subject: string, seq: number, grant: Grant): Promise<CatalogRecord> {
    return this.#components.publisher.sign({ kind: 'share', subject, seq, body: shareBodyOf(grant) })
  }

  /** Releases, what proves them and what is said of them, on the shelves of all who may know of them. */
  async #onShelves(releases: readonly Release[], grant: Grant): Promise<Submission[]> {
    const { publisher, records, notices } = this.#components
    const { documents, signer } = await publisher.identity()
    return shelvesOf(grant).flatMap((audience) => {
      const standing = records.documents(audience, signer)
      const missing = documents.filter(({ id }) => !standing.some(({ record }) => equalBytes(record.id, id)))
      const shown = releases.flatMap((release) => [release.record, ...notices.about(release)])
      return [...missing, ...shown].map((record) => ({ record, audience }))
    })
  }

  #matching(subject: string, signer: string): Release[] {
    const { records } = this.#components
    const glob = parseGlob(subject)
    const found = new Map<string, Release>()
    for (const audience of records.audiencesOf(signer)) {
      for (const purl of records.subjects(audience, signer, 'release')) {
        if (!glob || found.has(purl) || !matchesGlob(glob, parsePurl(purl))) continue
        const [record] = records.slot(audience, signer, 'release', purl)
        if (record) found.set(purl, readRelease(record))
      }
    }
    return [...found.values()]
  }

  #release(purl: string, signer: string): Release[] {
    const { type, name, version } = parsePurl(purl)
    const releases = this.#components.records.releases({ type, name }, version)
    const own = releases.filter(({ record }) => record.signer === signer)
    if (own.length > 0) return own
    const why = releases.length > 0 ? 'was published by somebody else' : 'has not been published here'
    throw new CatalogError('NOT_FOUND', `${purl} ${why}; only its publisher can share it.`, {
      hint: `To say who may have what is published later, share the name: catalog share ${purl.replace(/@[^@]*$/, '')}`,
    })
  }

  /** Whether a share would be the one that counts for a release. */
  #counts(share: CatalogRecord, release: Release): boolean {
    const { shares } = this.#components
    const { subject } = share.statement
    if (subject === release.purl) return true
    if (shares.latest(release.record.signer, release.purl)) return false
    const others = shares.globsOf(release.record.signer).filter(({ statement }) => statement.subject !== subject)
    return sharesOf(release.body, [...others, share]).some(({ id }) => equalBytes(id, share.id))
  }

  #checkGlobs(subject: string, signer: string): void {
    if (!subject.startsWith(GLOB_PREFIX)) return
    const subjects = new Set(this.#components.shares.globsOf(signer).map(({ statement }) => statement.subject))
    if (subjects.has(subject) || subjects.size < SHARE_GLOBS_MAX) return
    throw new CatalogError('LIMIT_EXCEEDED', `A publisher has at most ${SHARE_GLOBS_MAX} shares by glob.`, {
      hint: 'One glob with fewer letters may do the work of several.',
    })
  }
}

function usage(message: string): CatalogError {
  return new CatalogError('USAGE', message, {
    hint: 'As in: --permission restricted --peer PEER, or --permission friends --group NAME',
  })
}
