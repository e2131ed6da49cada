// Records between peers: answering for what the asker may see, and asking. Refused looks like absent.
import { toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { SHARE_GROUPS_MAX } from '../base/limits.ts'
import { audiencesOf } from '../model/audience.ts'
import { GLOB_PREFIX, matchesGlob, parseGlob } from '../model/glob.ts'
import { DEVICES_SUBJECT } from '../model/group.ts'
import { grantOf, readShare } from '../model/permission.ts'
import { formatPurl, type PackageName, parsePurl } from '../model/purl.ts'
import { type CatalogRecord, decodeRecord } from '../model/record.ts'
import { type Release, readRelease } from '../model/release.ts'
import type { Rpc } from '../network/rpc.ts'
import type { Records } from '../store/records.ts'
import { RECORDS, type RecordsRequest } from '../wire/messages.ts'
import type { Access } from './access.ts'
import { type Addressee, addressed } from './addressed.ts'
import type { Shares } from './shares.ts'

interface Components {
  rpc: Rpc
  records: Records
  shares: Shares
  access: Access
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
    await this.#components.rpc.serve(RECORDS, async function* (request, { peer }) {
      for (const { envelope } of answer(request, peer)) yield { record: envelope }
    })
  }

  /** Ask a peer for all it may show of a package, and admit what holds. @returns records admitted */
  async fetchPackage(peer: string, name: PackageName, signal?: AbortSignal): Promise<number> {
    return this.#fetch(peer, { package: formatPurl(name) }, signal, ({ statement: { kind, subject } }) => {
      if (kind === 'release' || kind === 'share') return isAbout(subject, name)
      return kind === 'publisher' || kind === 'group' || kind === 'device'
    })
  }

  /** Ask a peer for records by id, with what proves them. @returns records admitted */
  async fetchRecords(peer: string, ids: readonly Uint8Array[], signal?: AbortSignal): Promise<number> {
    return this.#fetch(peer, { ids: [...ids] }, signal, () => true)
  }

  /**
   * A release with what proves it to a peer that may see it: documents, the release, the share that lets the peer in,
   * and, where that share names groups or the peer is a device, the records which say so.
   *
   * @param groupsMax - of the groups that the peer is in; one is proof enough
   */
  bundle(release: Release, peer: string, groupsMax = SHARE_GROUPS_MAX): CatalogRecord[] {
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

  #answer(request: RecordsRequest, peer: string): CatalogRecord[] {
    const asked = 'ids' in request ? this.#byId(request.ids, peer) : this.#byPackage(request.package, peer)
    const found = new Map<string, CatalogRecord>()
    for (const record of asked) found.set(toHex(record.id), record)
    if (found.size === 0) throw new CatalogError('NOT_FOUND', 'None of these records is known here.')
    return [...found.values()]
  }

  #byId(ids: readonly Uint8Array[], peer: string): CatalogRecord[] {
    const { records, access } = this.#components
    return ids.flatMap((id) => {
      const record = records.get(id)
      if (!record) return []
      if (record.statement.kind === 'release') {
        const release = readRelease(record)
        return access.maySee(peer, release) ? this.bundle(release, peer) : []
      }
      const shows = access.audiencesOf(peer, record.signer).some((audience) => records.isOn(audience, record))
      return shows ? [record] : []
    })
  }

  #byPackage(text: string, peer: string): CatalogRecord[] {
    const { records, access } = this.#components
    const { type, name, version } = parsePurl(text)
    // Of what stands only on shelves for others nothing is read, which would take a time of its own.
    const audiences = new Set<string>(['public', ...access.shelvesOf(peer).map(({ audience }) => audience)])
    return records
      .releases({ type, name }, version, audiences)
      .filter((release) => access.maySee(peer, release))
      .flatMap((release) => this.bundle(release, peer))
  }

  async #fetch(
    peer: string,
    request: RecordsRequest,
    signal: AbortSignal | undefined,
    wanted: (record: CatalogRecord) => boolean,
  ): Promise<number> {
    const { rpc, records } = this.#components
    const batch: CatalogRecord[] = []
    for await (const { record: envelope } of rpc.call(RECORDS, peer, request, signal ? { signal } : {})) {
      const record = decodeRecord(envelope)
      if (wanted(record)) batch.push(record)
    }
    const reports = await records.admit(addressed(batch, this.addressee))
    const refused = reports.find(({ outcome }) => outcome === 'refused')
    if (refused?.error) {
      const reason = refused.error.message
      emit('catalog:peer', { peer, state: 'refused', reason })
      throw new CatalogError(refused.error.code, `Peer ${peer} sent a bad record: ${reason}`, { cause: refused.error })
    }
    return reports.filter(({ outcome }) => outcome === 'admitted').length
  }
}

function isAbout(subject: string, name: PackageName): boolean {
  if (subject.startsWith(GLOB_PREFIX)) {
    const glob = parseGlob(subject)
    return glob !== undefined && matchesGlob(glob, name)
  }
  const purl = parsePurl(subject)
  return purl.type === name.type && purl.name === name.name
}
