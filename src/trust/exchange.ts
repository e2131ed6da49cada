// Records between peers: answering for what the asker may see, and asking. Refused looks like absent.
import { toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { formatPurl, type PackageName, parsePurl } from '../model/purl.ts'
import { type CatalogRecord, decodeRecord } from '../model/record.ts'
import { type Release, readRelease } from '../model/release.ts'
import type { Rpc } from '../network/rpc.ts'
import type { Records } from '../store/records.ts'
import { RECORDS, type RecordsRequest } from '../wire/messages.ts'
import type { Shares } from './shares.ts'

interface Components {
  rpc: Rpc
  records: Records
  shares: Shares
}

export class RecordExchange {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  async start(): Promise<void> {
    const answer = (request: RecordsRequest) => this.#answer(request)
    await this.#components.rpc.serve(RECORDS, async function* (request) {
      for (const { envelope } of answer(request)) yield { record: envelope }
    })
  }

  /** Ask a peer for all it may show of a package, and admit what holds. @returns records admitted */
  async fetchPackage(peer: string, name: PackageName, signal?: AbortSignal): Promise<number> {
    return this.#fetch(peer, { package: formatPurl(name) }, signal, (record) => {
      const { kind, subject } = record.statement
      if (kind === 'publisher') return true
      if (kind !== 'release' && kind !== 'share') return false
      const purl = parsePurl(subject)
      return purl.type === name.type && purl.name === name.name
    })
  }

  /** Ask a peer for records by id, with what proves them. @returns records admitted */
  async fetchRecords(peer: string, ids: readonly Uint8Array[], signal?: AbortSignal): Promise<number> {
    return this.#fetch(peer, { ids: [...ids] }, signal, () => true)
  }

  /** A public release with what proves it: documents, then the release, then its share. */
  bundle(release: Release): CatalogRecord[] {
    const { records, shares } = this.#components
    const documents = records.documents('public', release.record.signer).map(({ record }) => record)
    const share = shares.latest(release.record.signer, release.purl)
    return [...documents, release.record, ...(share ? [share] : [])]
  }

  #answer(request: RecordsRequest): CatalogRecord[] {
    const asked = 'ids' in request ? this.#byId(request.ids) : this.#byPackage(request.package)
    const found = new Map<string, CatalogRecord>()
    for (const record of asked) found.set(toHex(record.id), record)
    if (found.size === 0) throw new CatalogError('NOT_FOUND', 'None of these records is known here.')
    return [...found.values()]
  }

  #byId(ids: readonly Uint8Array[]): CatalogRecord[] {
    const { records, shares } = this.#components
    return ids.flatMap((id) => {
      const record = records.get(id)
      if (!record || !records.isOn('public', record)) return []
      if (record.statement.kind !== 'release') return [record]
      const release = readRelease(record)
      return shares.isPublic(release) ? this.bundle(release) : []
    })
  }

  #byPackage(text: string): CatalogRecord[] {
    const { records, shares } = this.#components
    const { type, name, version } = parsePurl(text)
    return records
      .releases({ type, name }, version)
      .filter((release) => shares.isPublic(release))
      .flatMap((release) => this.bundle(release))
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
    const reports = await records.admit(batch.map((record) => ({ record, audience: 'public' })))
    const refused = reports.find(({ outcome }) => outcome === 'refused')
    if (refused?.error) {
      const reason = refused.error.message
      emit('catalog:peer', { peer, state: 'refused', reason })
      throw new CatalogError(refused.error.code, `Peer ${peer} sent a bad record: ${reason}`, { cause: refused.error })
    }
    return reports.filter(({ outcome }) => outcome === 'admitted').length
  }
}
