// Records as they stand on shelves: admission, look-ups by id, slot and package, and the change feed. A record, its
// shelf's trie and the feed change in one transaction.
import { LRUCache } from 'lru-cache'
import { equalBytes, toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import {
  ORIGIN_RECORDS_MAX,
  PEN_RECORDS_MAX,
  SHELF_RECORDS_MAX,
  SIGNER_AUDIENCES_MAX,
  UNPINNED_SHELVES_MAX,
  VERSIONS_MAX,
} from '../base/limits.ts'
import { KiB } from '../base/units.ts'
import { admit, type ShelfState } from '../model/admission.ts'
import type { Audience } from '../model/audience.ts'
import { NOTICE_KINDS } from '../model/notice.ts'
import { NPM_ORIGIN, npmKeys, ORIGIN_KIND, type OriginKeys, readOrigin } from '../model/origin.ts'
import { type PublisherDocument, readPublisherDocument } from '../model/publisher.ts'
import type { PackageName } from '../model/purl.ts'
import { type CatalogRecord, checkSignatures, decodeRecord } from '../model/record.ts'
import { isRelease, type Release, readRelease } from '../model/release.ts'
import { Decoded } from './decoded.ts'
import { Derivations } from './derivations.ts'
import type { Environment } from './environment.ts'
import { type ShelfBatch, Shelves } from './shelves.ts'
import { type FeedRow, LAST_PART, type SlotEntry } from './tables.ts'

/** Publishers whose documents are kept at hand. */
const DOCUMENT_CHAINS = 1_000
/** About what the database writes for a record beside its own bytes: a page in each of eight trees. */
const RECORD_WRITE_BYTES = 32 * KiB

/** Of these, several may stand for one thing. */
const COMPETING_KINDS: ReadonlySet<string> = new Set(['release', ORIGIN_KIND, ...NOTICE_KINDS])

export interface Submission {
  readonly record: CatalogRecord
  readonly audience: Audience
}

export type Outcome = 'admitted' | 'known' | 'superseded' | 'waiting' | 'refused'

export interface AdmissionReport {
  readonly outcome: Outcome
  /** Why, when refused. */
  readonly error?: CatalogError
}

/** A feed entry with its sequence number. */
export interface Change extends FeedRow {
  readonly sequence: number
}

export class Records {
  readonly #environment: Environment
  /** Of npm's registry. */
  readonly #originKeys: OriginKeys
  readonly shelves: Shelves
  readonly derivations: Derivations
  /** Valid records ahead of their signer's documents, oldest first. Lost on restart: their sender has them. */
  readonly #pen = new Map<string, Submission>()
  readonly #decoded = new Decoded()
  /** Documents by shelf: every record of a publisher is held against them. */
  readonly #documents = new LRUCache<string, readonly PublisherDocument[]>({ max: DOCUMENT_CHAINS })
  readonly #listeners = new Set<(changes: readonly Change[]) => void>()

  /** Changes to shelves in this transaction, applied together before it commits. */
  readonly #batch: ShelfBatch
  /** Of the last change noted in this transaction. */
  #sequence: number | undefined

  constructor(
    { environment }: { environment: Environment },
    { originKeys }: { originKeys: OriginKeys } = { originKeys: npmKeys([]) },
  ) {
    this.#environment = environment
    this.#originKeys = originKeys
    this.derivations = new Derivations({ environment, get: (id) => this.get(id) })
    this.shelves = new Shelves({ environment })
    this.#batch = this.shelves.batch()
    environment.addHook({
      beforeCommit: () => {
        this.#batch.apply()
        this.#sequence = undefined
      },
      rolledBack: () => {
        this.#batch.clear()
        this.#sequence = undefined
        this.#documents.clear() // some may be of records that are not there after all
      },
    })
  }

  /**
   * Admit records to shelves, each by the rule of `model/admission.ts`, documents first.
   *
   * @param beside - further writes of the same transaction
   * @returns a report for each, in the order given; one refused record does not stop the others
   */
  async admit(batch: readonly Submission[], beside?: () => void): Promise<AdmissionReport[]> {
    const { records } = this.#environment
    await checkSignatures(batch.flatMap(({ record }) => (records.doesExist(record.id) ? [] : [record])))
    return this.#commit(batch, () => beside?.())
  }

  /**
   * Admit records of this node's own: all of them, or nothing changes.
   *
   * @param beside - further writes of the same transaction
   * @throws CatalogError why the first was refused
   */
  async admitAll(batch: readonly Submission[], beside?: () => void): Promise<void> {
    await this.#commit(batch, (reports) => {
      for (const { outcome, error } of reports) {
        if (error) throw error
        if (outcome !== 'admitted' && outcome !== 'known') {
          throw new CatalogError('INTERNAL', `A record of this node's own was ${outcome}.`)
        }
      }
      beside?.()
    })
  }

  /** Announce that records will be admitted soon: see `Environment.expect`. */
  expect(): Disposable {
    return this.#environment.expect()
  }

  /** @param conclude - ends the transaction; what it throws undoes everything */
  async #commit(
    batch: readonly Submission[],
    conclude: (reports: readonly AdmissionReport[]) => void,
  ): Promise<AdmissionReport[]> {
    const order = batch.map((submission, index) => ({ submission, index })).sort((a, b) => rank(a) - rank(b))
    const reports: AdmissionReport[] = Array.from({ length: batch.length })
    let changes: Change[] = []
    let freed: string[] = []
    const bytes = batch.reduce((sum, { record }) => sum + record.envelope.length + RECORD_WRITE_BYTES, 0)
    await this.#environment.transaction(() => {
      changes = []
      for (const { submission, index } of order) reports[index] = this.#admitOne(submission, changes)
      const penned = batch.some(({ record }) => record.statement.kind === 'publisher')
      freed = penned ? this.#emptyPen(changes) : []
      conclude(reports)
    }, bytes)
    for (const key of freed) this.#pen.delete(key)
    if (changes.length > 0) for (const listener of this.#listeners) listener(changes)
    for (const { op, kind, signer, subject } of changes) {
      if (op === 'add') emit('catalog:record', { purl: subject, signer, kind, state: 'admitted' })
    }
    return reports
  }

  /** Called after each commit that changed a shelf. */
  onChange(listener: (changes: readonly Change[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get(id: Uint8Array): CatalogRecord | undefined {
    if (!this.#environment.records.doesExist(id)) return undefined
    const known = this.#decoded.get(id)
    if (known) return known
    const record = decodeRecord(new Uint8Array(this.#environment.records.get(id) ?? []))
    this.derivations.attach(record)
    this.#decoded.set(record)
    return record
  }

  /** The release that a record is, or stands for. */
  release(id: Uint8Array): Release | undefined {
    const record = this.get(id)
    return record && isRelease(record) ? readRelease(record) : undefined
  }

  /** Whether a record that came is here by now, and is or stands for a release. */
  standsAsRelease({ id, statement }: CatalogRecord): boolean {
    if (statement.kind === 'release') return this.#environment.records.doesExist(id)
    return statement.kind === ORIGIN_KIND && this.release(id) !== undefined
  }

  /** A record's bytes, as they were made or received. */
  envelope(id: Uint8Array): Uint8Array | undefined {
    return this.#environment.records.get(id)
  }

  /** Whether a record stands on a shelf of this audience. */
  isOn(audience: Audience, record: CatalogRecord): boolean {
    return this.#batch.has(audience, record.signer, record.id)
  }

  /** All versions of a publisher's documents on a shelf, oldest first. */
  documents(audience: Audience, signer: string): readonly PublisherDocument[] {
    const key = `${audience}\n${signer}`
    const known = this.#documents.get(key)
    if (known) return known
    const documents = this.#readDocuments(audience, signer)
    this.#documents.set(key, documents)
    return documents
  }

  #readDocuments(audience: Audience, signer: string): PublisherDocument[] {
    const documents: PublisherDocument[] = []
    const range = { start: [audience, signer, 'publisher'], end: [audience, signer, 'publisher', LAST_PART] }
    for (const { value } of this.#environment.slots.getRange(range)) {
      for (const { id } of value) {
        const record = this.get(id)
        if (record) documents.push(readPublisherDocument(record))
      }
    }
    return documents.sort((a, b) => a.version - b.version)
  }

  /** Records in one slot, two when the signer contradicted itself. */
  slot(audience: Audience, signer: string, kind: string, subject: string): CatalogRecord[] {
    const entries = this.#environment.slots.get([audience, signer, kind, subject]) ?? []
    return entries.flatMap(({ id }) => this.get(id) ?? [])
  }

  /** Audiences for which records of a signer stand here, the public one always among them. */
  audiencesOf(signer: string): readonly Audience[] {
    return this.shelves.audiencesOf(signer)
  }

  /** Subjects of one kind on a shelf that start with `prefix`, in order. */
  *subjects(audience: Audience, signer: string, kind: string, prefix = ''): Generator<string> {
    const start = [audience, signer, kind]
    const range = { start: [...start, prefix], end: [...start, `${prefix}${LAST_PART}`] }
    for (const [, , , subject = ''] of this.#environment.slots.getKeys(range)) yield subject
  }

  /**
   * Releases of a package, or of one version of it, by any signer, each once; of an outside registry's those of which
   * more is known than their hash.
   *
   * @param audiences - only those on shelves for one of these; of others nothing is read
   */
  releases(name: PackageName, version?: string, audiences?: ReadonlySet<string>): Release[] {
    const start = version === undefined ? [name.type, name.name] : [name.type, name.name, version]
    const found = new Map<string, Release>()
    for (const { key, value } of this.#environment.names.getRange({ start, end: [...start, LAST_PART] })) {
      if (audiences && !audiences.has(key[3] ?? '')) continue
      const release = this.release(new Uint8Array(value))
      if (release) found.set(toHex(release.record.id), release)
      if (found.size >= VERSIONS_MAX) break
    }
    return [...found.values()]
  }

  /** Which signer says what of which subject, on every shelf: of the kinds that can compete. */
  *claims(): Generator<{ kind: string; signer: string; subject: string; ids: readonly Uint8Array[] }> {
    for (const { key, value } of this.#environment.slots.getRange({ end: [LAST_PART] })) {
      const [, signer = '', kind = '', subject = ''] = key
      if (!COMPETING_KINDS.has(kind)) continue
      yield { kind, signer, subject, ids: value.map(({ id }) => new Uint8Array(id)) }
    }
  }

  /** Highest sequence number of the feed; 0 when nothing ever changed. */
  lastSequence(): number {
    for (const sequence of this.#environment.feed.getKeys({ reverse: true, limit: 1 })) return sequence
    return 0
  }

  /** Changes after `sequence`, oldest first. */
  changesAfter(sequence: number, limit: number): Change[] {
    const changes: Change[] = []
    for (const { key, value } of this.#environment.feed.getRange({ start: sequence + 1, limit })) {
      changes.push({ sequence: key, ...value })
    }
    return changes
  }

  count(): number {
    return this.#environment.records.getCount()
  }

  /** Releases standing on some shelf. */
  releaseCount(): number {
    return this.#environment.names.getCount()
  }

  #admitOne(submission: Submission, changes: Change[]): AdmissionReport {
    const { record, audience } = submission
    try {
      const key = slotKey(audience, record)
      const standing = this.#environment.slots.get(key) ?? []
      const shelf: ShelfState = {
        documents: (signer) => this.documents(audience, signer),
        slot: () => standing,
        originKeys: (signer) => (signer === NPM_ORIGIN ? this.#originKeys : undefined),
      }
      const decision = admit(record, shelf)
      if (decision.outcome === 'known') this.#decoded.came(record)
      if (decision.outcome === 'known' || decision.outcome === 'superseded') return decision
      if (decision.outcome === 'unknown-signer') return this.#wait(submission)
      this.#checkQuota(record, audience)
      this.#write(submission, { key, standing, removed: decision.removed }, changes)
      return { outcome: 'admitted' }
    } catch (thrown) {
      const error = CatalogError.from(thrown)
      const { kind } = record.statement
      emit('catalog:record', { signer: record.signer, kind, state: 'refused', reason: error.message })
      return { outcome: 'refused', error }
    }
  }

  #wait(submission: Submission): AdmissionReport {
    this.#pen.set(`${submission.audience} ${toHex(submission.record.id)}`, submission)
    const oldest = this.#pen.keys().next().value
    if (this.#pen.size > PEN_RECORDS_MAX && oldest !== undefined) this.#pen.delete(oldest)
    return { outcome: 'waiting' }
  }

  /** @returns keys of those in the pen that wait no longer */
  #emptyPen(changes: Change[]): string[] {
    // Documents first here too: one that waited for its predecessor may let in what came before it.
    const waiting = [...this.#pen].map(([key, submission]) => ({ key, submission })).sort((a, b) => rank(a) - rank(b))
    const settled = waiting.filter(({ submission }) => this.#admitOne(submission, changes).outcome !== 'waiting')
    return settled.map(({ key }) => key)
  }

  #checkQuota(record: CatalogRecord, audience: Audience): void {
    const count = this.#batch.count(audience, record.signer)
    const most = record.signer.startsWith('origin:') ? ORIGIN_RECORDS_MAX : SHELF_RECORDS_MAX
    if (count >= most) throw new CatalogError('LIMIT_EXCEEDED', 'This shelf is full.')
    if (count > 0) return
    if (this.shelves.count() >= UNPINNED_SHELVES_MAX) {
      throw new CatalogError('LIMIT_EXCEEDED', 'There are as many shelves here as this node keeps.')
    }
    const audiences = this.audiencesOf(record.signer)
    if (!audiences.includes(audience) && audiences.length >= SIGNER_AUDIENCES_MAX) {
      throw new CatalogError('LIMIT_EXCEEDED', 'This publisher has shelves for as many audiences as this node keeps.')
    }
  }

  #write({ record, audience }: Submission, { key, standing, removed }: SlotChange, changes: Change[]): void {
    const { slots, records } = this.#environment
    const { kind, seq } = record.statement
    const kept = standing.filter(({ id }) => !removed.some((gone) => equalBytes(gone, id)))
    for (const id of removed) this.#removeFrom(audience, id, changes)
    slots.put(key, [...kept, seq === undefined ? { id: record.id } : { id: record.id, seq }])
    records.put(record.id, record.envelope)
    this.#decoded.set(record)
    if (isNamed(record)) this.#environment.names.put(nameKey(record, audience), record.id)
    this.#batch.change('add', audience, record.signer, record.id, record.envelope.length)
    if (kind === 'publisher') this.#documents.delete(`${audience}\n${record.signer}`)
    this.#note('add', audience, record, changes)
  }

  #removeFrom(audience: Audience, id: Uint8Array, changes: Change[]): void {
    const record = this.get(id)
    if (!record) return
    this.#batch.change('remove', audience, record.signer, id, record.envelope.length)
    if (isNamed(record)) this.#environment.names.remove(nameKey(record, audience))
    const elsewhere = this.audiencesOf(record.signer).filter((other) => other !== audience)
    if (!elsewhere.some((other) => this.#batch.has(other, record.signer, id))) this.#environment.records.remove(id)
    if (record.statement.kind === 'publisher') this.#documents.delete(`${audience}\n${record.signer}`)
    this.#note('remove', audience, record, changes)
  }

  #note(op: 'add' | 'remove', audience: Audience, record: CatalogRecord, changes: Change[]): void {
    const { kind, subject } = record.statement
    const row: FeedRow = { op, id: record.id, audience, signer: record.signer, kind, subject }
    this.#sequence ??= this.lastSequence()
    const sequence = ++this.#sequence
    this.#environment.feed.put(sequence, row)
    changes.push({ sequence, ...row })
  }
}

/** What comes of the slot of a record that is admitted. */
interface SlotChange {
  readonly key: string[]
  readonly standing: readonly SlotEntry[]
  readonly removed: readonly Uint8Array[]
}

/** Whether it says that there is a version of a package. */
function isNamed({ statement: { kind } }: CatalogRecord): boolean {
  return kind === 'release' || kind === ORIGIN_KIND
}

function nameKey(record: CatalogRecord, audience: Audience): string[] {
  const { type, name, version } = record.statement.kind === ORIGIN_KIND ? readOrigin(record) : readRelease(record).body
  return [type, name, version, audience, toHex(record.id)]
}

function slotKey(audience: Audience, { signer, statement }: CatalogRecord): string[] {
  return [audience, signer, statement.kind, statement.subject]
}

/** Publisher documents in version order come before everything they sign. */
function rank({ submission }: { submission: Submission }): number {
  const { kind, signerVersion, signer } = submission.record.statement
  if (kind !== 'publisher') return Number.MAX_SAFE_INTEGER
  return signer === 'publisher:' ? 0 : signerVersion
}
