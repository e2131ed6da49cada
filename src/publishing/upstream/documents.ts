// Packuments of the outside registry, asked for once for all who want one, revalidated, and given as they were when the
// registry cannot be reached.
import { LRUCache } from 'lru-cache'
import { Piscina } from 'piscina'
import { type Clock, untilAborted } from '../../base/clock.ts'
import { CatalogError, hasCode } from '../../base/errors.ts'
import { tellFailure } from '../../base/failure.ts'
import { UPSTREAM_AT_HAND_BYTES, UPSTREAM_FRESH_MS } from '../../base/http-limits.ts'
import { ABSENT_NAMES_MAX, ABSENT_NAMES_MS } from '../../base/limits.ts'
import { SECOND_MS } from '../../base/units.ts'
import { workerFile } from '../../core/paths.ts'
import type { KeptDocument, KeptDocuments } from './kept-documents.ts'
import type { PackumentForm, ReadPackument } from './packument.ts'
import type { ReadTask } from './reader.ts'
import type { Answer, Registry } from './registry.ts'

const ACCEPT: Record<PackumentForm, string> = {
  full: 'application/json',
  install: 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8',
}
/** The thread that reads them ends when it has had nothing to do for so long. */
const READER_IDLE_MS = 10 * SECOND_MS
/** About what is kept of a version beside the text. */
const VERSION_BYTES = 512

export interface UpstreamDocument extends ReadPackument {
  readonly name: string
  readonly etag?: string | undefined
  /** It took the user's credentials, and is for nobody else. */
  readonly isPrivate: boolean
}

interface AtHand {
  readonly document: UpstreamDocument
  checkedAt: number
}

interface Components {
  readonly registry: Registry
  readonly kept: KeptDocuments
  readonly clock: Clock
}

export class UpstreamDocuments {
  readonly #components: Components
  readonly #atHand = new LRUCache<string, AtHand>({
    maxSize: UPSTREAM_AT_HAND_BYTES,
    sizeCalculation: ({ document: { bytes, versions } }) => bytes.length + versions.size * VERSION_BYTES,
  })
  /** Names that the registry has said it does not have, and when. */
  readonly #absent = new LRUCache<string, number>({ max: ABSENT_NAMES_MAX })
  readonly #underWay = new Map<string, Promise<UpstreamDocument | undefined>>()
  readonly #stop = new AbortController()
  #reader: Piscina<ReadTask, ReadPackument> | undefined

  constructor(components: Components) {
    this.#components = components
  }

  /**
   * What the registry says of a package.
   *
   * @returns nothing when it has no such package
   * @throws CatalogError `UPSTREAM` when it cannot be asked and nothing is kept, `LIMIT_EXCEEDED`, `ABORTED`
   */
  async get(name: string, form: PackumentForm, signal: AbortSignal): Promise<UpstreamDocument | undefined> {
    const { clock } = this.#components
    const key = `${form} ${name}`
    const known = this.#atHand.get(key)
    if (known && clock.now() - known.checkedAt < UPSTREAM_FRESH_MS) return known.document
    if (this.knowsNot(name)) return undefined
    let underWay = this.#underWay.get(key)
    if (!underWay) {
      underWay = this.#ask(name, form, known?.document).finally(() => this.#underWay.delete(key))
      this.#underWay.set(key, underWay)
    }
    return untilAborted(underWay, signal)
  }

  /** Whether the registry has said, not long ago, that it has no such package. */
  knowsNot(name: string): boolean {
    const since = this.#absent.get(name)
    return since !== undefined && this.#components.clock.now() - since < ABSENT_NAMES_MS
  }

  async close(): Promise<void> {
    this.#stop.abort(new CatalogError('CLOSED', 'The node is being closed.'))
    await Promise.allSettled(this.#underWay.values())
    await this.#reader?.destroy()
  }

  async #ask(
    name: string,
    form: PackumentForm,
    atHand: UpstreamDocument | undefined,
  ): Promise<UpstreamDocument | undefined> {
    const { kept, registry, clock } = this.#components
    const key = `${form} ${name}`
    const place = `${registry.url} ${key}`
    const stored = atHand ? undefined : await kept.get(place)
    const known = atHand ?? stored
    let answer = await this.#answer(name, form, known)
    // It is as it was, and no longer for everybody: what is kept of it says otherwise.
    const isWithdrawn = known !== undefined && !known.isPrivate && answer?.bytes === 'unchanged' && answer.isPrivate
    if (isWithdrawn) answer = await this.#answer(name, form, undefined)
    if (!answer) {
      this.#absent.set(name, clock.now())
      return undefined
    }
    const { bytes, etag, isPrivate } = answer
    if (bytes === 'unchanged') {
      const document = atHand ?? (await this.#read(name, stored as KeptDocument))
      this.#keep(key, document)
      await kept.touch(place, clock.now())
      return document
    }
    const document = await this.#read(name, { bytes, etag, isPrivate })
    this.#keep(key, document)
    await kept.put(place, { bytes, etag, isPrivate })
    return document
  }

  /** What is known counts as unchanged when the registry fails. */
  async #answer(
    name: string,
    form: PackumentForm,
    known: Omit<KeptDocument, 'bytes'> | undefined,
  ): Promise<Answer | undefined> {
    const { registry } = this.#components
    try {
      const question = { accept: ACCEPT[form], etag: known?.etag, signal: this.#stop.signal }
      return await registry.ask(name.replace('/', '%2f'), question)
    } catch (thrown) {
      if (!known || !hasCode(thrown, 'UPSTREAM', 'LIMIT_EXCEEDED')) throw thrown
      tellFailure(`packument of ${name}`, thrown)
      return { bytes: 'unchanged', isPrivate: known.isPrivate }
    }
  }

  #keep(key: string, document: UpstreamDocument): void {
    this.#atHand.set(key, { document, checkedAt: this.#components.clock.now() })
  }

  async #read(name: string, { bytes, etag, isPrivate }: KeptDocument): Promise<UpstreamDocument> {
    this.#reader ??= new Piscina({
      filename: workerFile(import.meta.url, './reader'),
      ...{ minThreads: 0, maxThreads: 1, idleTimeout: READER_IDLE_MS, atomics: 'disabled' },
    })
    try {
      return { ...(await this.#reader.run({ bytes, name })), name, etag, isPrivate }
    } catch (cause) {
      throw new CatalogError('UPSTREAM', `The outside registry's word for ${name} cannot be read.`, { cause })
    }
  }
}
