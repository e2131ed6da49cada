// Which shelves here the records of an answer may stand on: those of the audiences that they are shared with and that
// this node belongs to. What nothing shares with this node is not kept.
import { type Audience, audiencesOf, groupAudience } from '../model/audience.ts'
import { GLOB_PREFIX } from '../model/glob.ts'
import { readDevices, readGroup } from '../model/group.ts'
import { isNoticeKind, NOTICE_KINDS, readNotice } from '../model/notice.ts'
import { NPM_ORIGIN, ORIGIN_KIND } from '../model/origin.ts'
import { type Grant, grantedBy, grantOf, readShare, sharesOf } from '../model/permission.ts'
import { formatPurl, type Purl } from '../model/purl.ts'
import type { CatalogRecord } from '../model/record.ts'
import { readRelease } from '../model/release.ts'
import type { Submission } from '../store/records.ts'

/** Whom an answer is for. */
export interface Addressee {
  /** Whether a member of a group, or a peer in a list, is this node. */
  is(member: string): boolean
  /** Whether this node is known to belong to an audience of a signer already. */
  belongs(audience: Audience, signer: string): boolean
}

/**
 * @param records - of one answer; not checked yet, and not trusted: this only says where they would stand
 * @throws CatalogError `RECORD_INVALID`
 */
export function addressed(records: readonly CatalogRecord[], me: Addressee): Submission[] {
  const signers = new Set(records.map(({ signer }) => signer))
  return [...signers].flatMap((signer) => {
    const own = records.filter((record) => record.signer === signer)
    return new FromSigner(own, me).submissions()
  })
}

class FromSigner {
  readonly #records: readonly CatalogRecord[]
  /** By subject, and those by glob, which may be about any release. */
  readonly #shares: ReadonlyMap<string, readonly CatalogRecord[]>
  readonly #globs: readonly CatalogRecord[]
  /** Audiences that this node belongs to by what came with the answer. */
  readonly #belongs = new Set<Audience>(['public'])
  readonly #isDevice: boolean
  readonly #me: Addressee

  constructor(records: readonly CatalogRecord[], me: Addressee) {
    this.#records = records
    this.#me = me
    const shares = records.filter(({ statement }) => statement.kind === 'share')
    this.#shares = Map.groupBy(shares, ({ statement }) => statement.subject)
    this.#globs = shares.filter(({ statement }) => statement.subject.startsWith(GLOB_PREFIX))
    this.#isDevice = records.some((record) => record.statement.kind === 'device' && readDevices(record).some(me.is))
    for (const record of records) {
      if (record.statement.kind !== 'group') continue
      const { id, members } = readGroup(record)
      if (members.some(me.is)) this.#belongs.add(groupAudience(id))
    }
  }

  submissions(): Submission[] {
    const placed = this.#records.map((record) => ({ record, audiences: this.#audiences(record) }))
    const used = new Set(placed.flatMap(({ audiences }) => audiences))
    return placed.flatMap(({ record, audiences }) => {
      // Documents prove the others, and what this build does not know goes with them.
      const shelves = isPlaced(record) ? audiences : [...used]
      return shelves.map((audience) => ({ record, audience }))
    })
  }

  #audiences(record: CatalogRecord): Audience[] {
    const { kind, subject } = record.statement
    if (kind === 'share') return this.#reachable(grantOf(readShare(record)), record.signer)
    if (kind === 'group') return [groupAudience(subject)].filter((audience) => this.#isOf(audience, record.signer))
    if (kind === 'device') return this.#isDevice ? ['private'] : []
    // What another node keeps of a registry that signs nothing is that node's own.
    if (kind === ORIGIN_KIND) return record.signer === NPM_ORIGIN ? ['public'] : []
    if (kind === 'release') return this.#shared(readRelease(record).body, record.signer)
    return isNoticeKind(kind) ? this.#audiencesOfNotice(record) : []
  }

  /** Where the release stands that it is about; what only takes a tag back, where any release of the package does. */
  #audiencesOfNotice(record: CatalogRecord): Audience[] {
    const { kind, about, version } = readNotice(record)
    if (kind !== 'tag') return this.#shared(about, record.signer)
    if (version !== undefined) return this.#shared({ ...about, version }, record.signer)
    const releases = this.#records.filter(({ statement }) => statement.kind === 'release').map(readRelease)
    const ofPackage = releases.filter(({ body }) => body.type === about.type && body.name === about.name)
    return [...new Set(ofPackage.flatMap(({ body }) => this.#shared(body, record.signer)))]
  }

  #shared(release: Purl, signer: string): Audience[] {
    const shares = sharesOf(release, [...(this.#shares.get(formatPurl(release)) ?? []), ...this.#globs])
    return shares.length === 0 ? [] : this.#reachable(grantedBy(shares), signer)
  }

  #reachable(grant: Grant, signer: string): Audience[] {
    const isListed = grant.peers.some(this.#me.is)
    return audiencesOf(grant).filter((audience) =>
      audience.startsWith('peers:') ? isListed || this.#isDevice : this.#isOf(audience, signer),
    )
  }

  #isOf(audience: Audience, signer: string): boolean {
    return this.#belongs.has(audience) || this.#isDevice || this.#me.belongs(audience, signer)
  }
}

const PLACED_KINDS: ReadonlySet<string> = new Set([
  ...['share', 'group', 'device', 'release', ORIGIN_KIND],
  ...NOTICE_KINDS,
])

function isPlaced({ statement: { kind } }: CatalogRecord): boolean {
  return PLACED_KINDS.has(kind)
}
