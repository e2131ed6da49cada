// Records between peers: answering for what the asker may see, and asking. Refused looks like absent.
import { toHex } from '../base/bytes.ts'
import { CatalogError, hasCode } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import {
  PACKAGES_PER_REQUEST_MAX,
  RECORDS_FRAME_BYTES,
  RECORDS_PER_FRAME_MAX,
  SHARE_GROUPS_MAX,
} from '../base/limits.ts'
import { type Audience, audiencesOf } from '../model/audience.ts'
import { GLOB_PREFIX, matchesGlob, parseGlob } from '../model/glob.ts'
import { DEVICES_SUBJECT } from '../model/group.ts'
import { isNoticeKind, LATEST, noticePackage, noticeVersion, readNotice } from '../model/notice.ts'
import { type Derivation, decodeDerivation, ORIGIN_KIND } from '../model/origin.ts'
import { grantOf, readShare } from '../model/permission.ts'
import { formatPurl, nameKey, type PackageName, parsePurl } from '../model/purl.ts'
import { type CatalogRecord, decodeRecord } from '../model/record.ts'
import { isRelease, type Release, readRelease } from '../model/release.ts'
import type { Rpc } from '../network/rpc.ts'
import type { Heard } from '../store/heard.ts'
import type { Records } from '../store/records.ts'
import { RECORDS, type RecordsReply, type RecordsRequest } from '../wire/messages.ts'
import type { Access } from './access.ts'
import { type Addressee, addressed } from './addressed.ts'
import type { Notices } from './notices.ts'
import type { Shares } from './shares.ts'

/** What a peer says follows from the archive that an origin statement names. */
interface Following {
  readonly id: Uint8Array
  readonly derivation: Derivation
}

interface Components {
  rpc: Rpc
  records: Records
  shares: Shares
  notices: Notices
  access: Access
  heard: Heard
  /** This node. */
  peerId: string
}

export class RecordExchange {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  async start(): Promise<void> {
    const answer = (request: RecordsRequest, peer: string) => this.#answer(request, peer)
    const { rpc, records } = this.#components
    await rpc.serve(RECORDS, async function* (request, { peer }) {
      yield* framed(answer(request, peer), (id) => records.derivations.verified(id))
    })
  }

  /**
   * Ask a peer for all it may show of some packages, and admit what holds: so many in one request, and in one
   * transaction, as `PACKAGES_PER_REQUEST_MAX`.
   *
   * @returns record ids of the releases it showed that are here now; none when it knows nothing of them
   * @throws CatalogError as `Rpc.call`, but for `NOT_FOUND`; `RECORD_INVALID`, `RECORD_SIGNATURE`
   */
  async fetchPackages(peer: string, names: readonly PackageName[], signal?: AbortSignal): Promise<Uint8Array[]> {
    const shown: Uint8Array[] = []
    for (let at = 0; at < names.length; at += PACKAGES_PER_REQUEST_MAX) {
      const asked = names.slice(at, at + PACKAGES_PER_REQUEST_MAX)
      shown.push(...(await this.#fetchSome(peer, asked, signal)))
    }
    return shown
  }

  async #fetchSome(peer: string, names: readonly PackageName[], signal?: AbortSignal): Promise<Uint8Array[]> {
    const isWanted = aboutOneOf(names)
    try {
      const came = await this.#fetch(
        peer,
        { packages: names.map((name) => formatPurl(name)) },
        signal,
        ({ statement: { kind, subject } }) => {
          if (kind === 'release' || kind === 'share' || kind === ORIGIN_KIND) return isWanted(subject)
          if (isNoticeKind(kind)) return isWanted(formatPurl(noticePackage(subject)))
          return kind === 'publisher' || kind === 'group' || kind === 'device'
        },
      )
      const { records } = this.#components
      return came.filter((record) => records.standsAsRelease(record)).map(({ id }) => id)
    } catch (thrown) {
      if (hasCode(thrown, 'NOT_FOUND')) return []
      // Packages of very many versions: each then has a reply of its own.
      if (!hasCode(thrown, 'LIMIT_EXCEEDED') || names.length === 1) throw thrown
      const each: Uint8Array[] = []
      for (const name of names) each.push(...(await this.#fetchSome(peer, [name], signal)))
      return each
    }
  }

  /** Ask a peer for records by id, with what proves them, and admit what holds. */
  async fetchRecords(peer: string, ids: readonly Uint8Array[], signal?: AbortSignal): Promise<void> {
    await this.#fetch(peer, { ids: [...ids] }, signal, () => true)
  }

  /**
   * A release with what proves it to a peer that may see it: documents, the release, the share that lets the peer in,
   * and, where that share names groups or the peer is a device, the records which say so; and its notices. Where
   * another release is said to be the latest, that one comes too: else this one would be taken for it.
   */
  bundle(release: Release, peer: string): CatalogRecord[] {
    const { access, notices, records } = this.#components
    const { body, record } = release
    const audiences = access.audiencesOf(peer, record.signer)
    const latest = notices
      .of(body, record.signer, audiences)
      .records.filter((notice) => readNotice(notice).tag === LATEST)
    const named = latest.flatMap((tag) => records.releases(body, noticeVersion(tag) ?? '', new Set(audiences)))
    const other = named.find((each) => each.record.signer === record.signer && access.maySee(peer, each))
    return [
      ...this.proof(release, peer),
      ...notices.about(release, audiences),
      ...(other ? this.proof(other, peer) : []),
      ...latest.filter((tag) => other || noticeVersion(tag) === undefined),
    ]
  }

  /**
   * The same without notices: what is to be shown for a moment needs none.
   *
   * @param groupsMax - of the groups that the peer is in; one is proof enough
   */
  proof(release: Release, peer: string, groupsMax = SHARE_GROUPS_MAX): CatalogRecord[] {
    const { records, shares, access } = this.#components
    const { signer } = release.record
    const audiences = access.audiencesOf(peer, signer)
    const shelf = audiences.find((audience) => records.isOn(audience, release.record)) ?? 'public'
    const documents = records.documents(shelf, signer).map(({ record }) => record)
    const shown = shares.shown(release, audiences)
    const groups = shown
      .flatMap((share) => audiencesOf(grantOf(readShare(share))))
      .filter((audience) => audience.startsWith('group:') && audiences.includes(audience))
      .slice(0, groupsMax)
      .flatMap((audience) => records.slot(audience, signer, 'group', audience.slice('group:'.length)))
    const devices = access.isDevice(peer, signer) ? records.slot('private', signer, 'device', DEVICES_SUBJECT) : []
    return [...documents, release.record, ...shown, ...groups, ...devices]
  }

  /** This node, as whom answers may be for. */
  get addressee(): Addressee {
    const { access, peerId } = this.#components
    return {
      is: (member) => member === peerId || (member.startsWith('publisher:') && access.isDevice(peerId, member)),
      belongs: (audience, signer) => access.maySeeShelf(peerId, audience, signer),
    }
  }

  /** Each record once, looked up as they are sent. */
  *#answer(request: RecordsRequest, peer: string): Generator<CatalogRecord> {
    const sent = new Set<string>()
    const parts = 'ids' in request ? this.#byId(request.ids, peer) : this.#byPackages(request.packages, peer)
    for (const part of parts) {
      for (const record of part) {
        const name = toHex(record.id)
        if (sent.has(name)) continue
        sent.add(name)
        yield record
      }
    }
    if (sent.size === 0) throw new CatalogError('NOT_FOUND', 'None of these records is known here.')
  }

  *#byId(ids: readonly Uint8Array[], peer: string): Generator<CatalogRecord[]> {
    const { records, access } = this.#components
    for (const id of ids) {
      const record = records.get(id)
      if (!record) continue
      if (isRelease(record)) {
        const release = readRelease(record)
        if (access.maySee(peer, release)) yield this.bundle(release, peer)
        continue
      }
      const audiences = access.audiencesOf(peer, record.signer).filter((audience) => records.isOn(audience, record))
      if (audiences.length === 0) continue
      yield isNoticeKind(record.statement.kind) ? this.#withRelease(record, audiences, peer) : [record]
    }
  }

  /** A notice with what proves it: a release that it is about, or of the package whose tag it takes back. */
  #withRelease(notice: CatalogRecord, audiences: readonly Audience[], peer: string): CatalogRecord[] {
    const { records, access } = this.#components
    const release = records
      .releases(readNotice(notice).about, noticeVersion(notice), new Set(audiences))
      .find((each) => each.record.signer === notice.signer && access.maySee(peer, each))
    return release ? [...this.bundle(release, peer), notice] : []
  }

  *#byPackages(purls: readonly string[], peer: string): Generator<CatalogRecord[]> {
    for (const purl of purls) yield this.#byPackage(purl, peer)
  }

  #byPackage(text: string, peer: string): CatalogRecord[] {
    const { records, access, notices } = this.#components
    const { type, name, version } = parsePurl(text)
    // Of what stands only on shelves for others nothing is read, which would take a time of its own.
    const audiences = new Set<string>(['public', ...access.shelvesOf(peer).map(({ audience }) => audience)])
    const releases = records
      .releases({ type, name }, version, audiences)
      .filter((release) => access.maySee(peer, release))
    const bySigner = Map.groupBy(releases, ({ record }) => record.signer)
    const said = [...bySigner].flatMap(([signer, own]) => {
      const shown = new Set<string | undefined>(own.map(({ body }) => body.version))
      // A tag that is taken back names no version, and so tells of none.
      shown.add(undefined)
      const { records } = notices.of({ type, name }, signer, access.audiencesOf(peer, signer))
      return records.filter((notice) => shown.has(noticeVersion(notice)))
    })
    return [...releases.flatMap((release) => this.proof(release, peer)), ...said]
  }

  async #fetch(
    peer: string,
    request: RecordsRequest,
    signal: AbortSignal | undefined,
    wanted: (record: CatalogRecord) => boolean,
  ): Promise<CatalogRecord[]> {
    const { rpc, records, heard } = this.#components
    const batch: CatalogRecord[] = []
    const followings: Following[] = []
    for await (const frame of rpc.call(RECORDS, peer, request, signal ? { signal } : {})) {
      batch.push(...frame.records.map(decodeRecord).filter(wanted))
      for (const { record, derivation } of frame.derivations ?? []) {
        followings.push({ id: record, derivation: decodeDerivation(derivation) })
      }
    }
    const publishers = batch.flatMap(({ statement, signer }) => (statement.kind === 'release' ? [signer] : []))
    const submissions = addressed(batch, this.addressee)
    const hear = () => {
      for (const { id, derivation } of followings) records.derivations.hear(records.get(id), derivation, peer)
    }
    const [reports] = await Promise.all([records.admit(submissions, hear), heard.note(publishers, peer)])
    const refused = reports.find(({ outcome }) => outcome === 'refused')
    if (refused?.error) {
      const reason = refused.error.message
      emit('catalog:peer', { peer, state: 'refused', reason })
      throw new CatalogError(refused.error.code, `Peer ${peer} sent a bad record: ${reason}`, { cause: refused.error })
    }
    return batch
  }
}

/** Whether the subject of a release or a share is about one of these packages. */
function aboutOneOf(names: readonly PackageName[]): (subject: string) => boolean {
  const wanted = new Set(names.map(nameKey))
  return (subject) => {
    if (subject.startsWith(GLOB_PREFIX)) {
      const glob = parseGlob(subject)
      return glob !== undefined && names.some((name) => matchesGlob(glob, name))
    }
    return wanted.has(nameKey(parsePurl(subject)))
  }
}

interface Frame {
  records: Uint8Array[]
  derivations: { record: Uint8Array; derivation: Uint8Array }[]
}

/** Several records a frame: a frame of its own for each costs more than the record. */
function* framed(
  records: Iterable<CatalogRecord>,
  derivationOf: (id: Uint8Array) => Uint8Array | undefined,
): Generator<RecordsReply> {
  let frame: Frame = { records: [], derivations: [] }
  let bytes = 0
  const whole = ({ records, derivations }: Frame): RecordsReply =>
    derivations.length > 0 ? { records, derivations } : { records }
  for (const { id, envelope, statement } of records) {
    const derivation = statement.kind === ORIGIN_KIND ? derivationOf(id) : undefined
    frame.records.push(envelope)
    if (derivation) frame.derivations.push({ record: id, derivation })
    bytes += envelope.length + (derivation?.length ?? 0)
    if (frame.records.length < RECORDS_PER_FRAME_MAX && bytes < RECORDS_FRAME_BYTES) continue
    yield whole(frame)
    frame = { records: [], derivations: [] }
    bytes = 0
  }
  if (frame.records.length > 0) yield whole(frame)
}
