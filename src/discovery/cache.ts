// Answers to queries, kept for a while: which releases, in which order. A commit of the index drops those that it may
// have changed and leaves the others: with all of them dropped, hardly a query would be answered from here
// (bench/README.md). Whatever depends on who asks, or changes without a commit, is looked at anew for each answer.
import { LRUCache } from 'lru-cache'
import type { Clock } from '../base/clock.ts'
import { emit } from '../base/events.ts'
import { tellFailure } from '../base/failure.ts'
import {
  SEARCH_CACHE_BYTES_MAX,
  SEARCH_CACHE_FRESH_MS,
  SEARCH_CACHE_QUERIES_MAX,
  SEARCH_CACHE_STALE_MS,
} from '../base/limits.ts'
import type { Audience } from '../model/audience.ts'
import type { DocumentTerms, IndexDocument, QueryTerms, TextIndex } from './native-index.ts'

/** A query, and what else its answer hangs on. */
export interface Question {
  readonly query: string
  /** Documents of others do not matter to it. */
  readonly audiences: readonly Audience[]
  /** All the rest: how many results, who is asked. */
  readonly scope: string
}

/** What an answer must show of itself. */
export interface Answer {
  /** Packages in it: a change to one of them is a change to it. */
  readonly packages: readonly string[]
  /** About what it takes in memory, beyond 64 bytes a package. */
  readonly bytes: number
}

/** What a commit of the index changed. */
export interface Changed {
  /** As answers name them, with the old text or without any text now. */
  readonly packages: readonly string[]
  /** Their new texts. */
  readonly documents: readonly IndexDocument[]
}

/** How an answer is found; the signal aborts when it is no longer wanted. */
export type Find<Given> = (signal: AbortSignal | undefined) => Promise<Given>

interface Components {
  index: Pick<TextIndex, 'queryTerms' | 'documentTerms'>
  clock: Clock
  /** Runs work that nobody waits for, and stops it when the node is closed. */
  background: (work: (signal: AbortSignal) => Promise<void>) => Promise<void>
}

/** A query that is answered, or for which an answer is being found. */
interface Entry<Given> {
  readonly key: string
  readonly read: QueryTerms
  readonly audiences: readonly Audience[]
  /** When finding the answer began. */
  readonly at: number
  readonly answer?: Given
}

/** About what an entry takes beside its answer; and what each of its places in the maps does. */
const ENTRY_BYTES = 1_024
const LINK_BYTES = 64

export class QueryCache<Given extends Answer> {
  readonly #components: Components
  readonly #entries: LRUCache<string, Entry<Given>>
  readonly #revalidating = new Set<Entry<Given>>()
  readonly #byTerm = new Links<Entry<Given>>()
  readonly #byBeginning = new Links<Entry<Given>>()
  /** Queries of filters alone, by one of them. */
  readonly #byFilter = new Links<Entry<Given>>()
  readonly #byPackage = new Links<Entry<Given>>()

  constructor(components: Components) {
    this.#components = components
    this.#entries = new LRUCache({
      max: SEARCH_CACHE_QUERIES_MAX,
      maxSize: SEARCH_CACHE_BYTES_MAX,
      sizeCalculation: (entry) => bytesOf(entry),
      dispose: (entry) => this.#place(entry, (links, key) => links.remove(key, entry)),
    })
  }

  /** Queries that are kept. */
  get size(): number {
    return this.#entries.size
  }

  /**
   * The answer that is kept, or a new one. A stale one is given once more, and replaced behind the asker's back.
   *
   * @param holds - whether what is kept may still be given
   * @returns also when finding it began
   * @throws CatalogError `SEARCH_QUERY`, and what `find` throws
   */
  async answer(
    question: Question,
    find: Find<Given>,
    { holds = () => true, signal }: { holds?: (answer: Given) => boolean; signal?: AbortSignal | undefined } = {},
  ): Promise<{ answer: Given; at: number }> {
    const entry = this.#entryFor(question)
    const kept = this.#entries.get(entry.key)
    const age = entry.at - (kept?.at ?? 0)
    if (kept?.answer && age <= SEARCH_CACHE_STALE_MS && holds(kept.answer)) {
      const isFresh = age <= SEARCH_CACHE_FRESH_MS
      emit('catalog:search-cache', { outcome: isFresh ? 'hit' : 'stale' })
      if (!isFresh) this.#revalidate(kept, find)
      return { answer: kept.answer, at: kept.at }
    }
    emit('catalog:search-cache', { outcome: 'miss' })
    // In its place before the answer is found, so that a commit meanwhile finds it there and takes it away.
    this.#keep(entry)
    try {
      const answer = await find(signal)
      this.#replace(entry, { ...entry, answer })
      return { answer, at: entry.at }
    } finally {
      if (this.#entries.peek(entry.key) === entry) this.#entries.delete(entry.key)
    }
  }

  /**
   * Better a kept answer by what came after it was given.
   *
   * @param better - from the answer as it is kept; may return the same
   * @returns false when it is kept no more: then nothing happens
   */
  async amend(question: Question, better: (answer: Given) => Promise<Given>): Promise<boolean> {
    const kept = this.#entries.peek(this.#entryFor(question).key)
    if (!kept?.answer) return false
    return this.#replace(kept, { ...kept, answer: await better(kept.answer) })
  }

  /** After a commit: drop what shares a term or a beginning with a document that has changed, or that found it. */
  async changed({ packages, documents }: Changed): Promise<void> {
    if (this.#entries.size === 0) return
    const read = await this.#components.index.documentTerms(documents.map(({ scored }) => scored))
    const doomed = new Set(packages.flatMap((name) => [...this.#byPackage.get(name)]))
    for (const [at, terms] of read.entries()) {
      for (const entry of this.#sharing(terms)) {
        const { audience } = documents[at] as IndexDocument
        const passes = entry.read.filters.every((filter) => terms.labels.includes(filter))
        if (passes && entry.audiences.includes(audience)) doomed.add(entry)
      }
    }
    for (const { key } of doomed) this.#entries.delete(key)
    if (doomed.size > 0) emit('catalog:search-invalidated', { queries: doomed.size })
  }

  *#sharing({ terms, names, labels }: DocumentTerms): Generator<Entry<Given>> {
    for (const term of terms) yield* this.#byTerm.get(term)
    for (const name of names) {
      for (let end = 1; end <= name.length; end++) yield* this.#byBeginning.get(name.slice(0, end))
    }
    for (const label of labels) yield* this.#byFilter.get(label)
  }

  #entryFor({ query, audiences, scope }: Question): Entry<Given> {
    const read = this.#components.index.queryTerms(query)
    return { key: `${scope}\n${audiences}\n${read.normal}`, read, audiences, at: this.#components.clock.now() }
  }

  /** One at a time for each query. */
  #revalidate(kept: Entry<Given>, find: Find<Given>): void {
    if (this.#revalidating.has(kept)) return
    this.#revalidating.add(kept)
    const at = this.#components.clock.now()
    void this.#components
      .background(async (signal) => {
        const answer = await find(signal)
        this.#replace(kept, { ...kept, at, answer })
      })
      .catch((thrown) => tellFailure('search again', thrown, 'CLOSED'))
      .finally(() => this.#revalidating.delete(kept))
  }

  /** @returns false when the old one was dropped meanwhile: the new one may be as wrong */
  #replace(old: Entry<Given>, fresh: Entry<Given>): boolean {
    if (this.#entries.peek(old.key) !== old) return false
    this.#keep(fresh)
    return true
  }

  #keep(entry: Entry<Given>): void {
    this.#entries.set(entry.key, entry)
    // One that is larger than all may be was not taken.
    if (this.#entries.peek(entry.key) === entry) this.#place(entry, (links, key) => links.add(key, entry))
  }

  /** Where it is found again. */
  #place({ read, answer }: Entry<Given>, at: (links: Links<Entry<Given>>, key: string) => void): void {
    const { terms, beginnings, filters } = read
    for (const term of terms) at(this.#byTerm, term)
    for (const beginning of beginnings) at(this.#byBeginning, beginning)
    const [filter] = filters
    if (filter !== undefined && terms.length + beginnings.length === 0) at(this.#byFilter, filter)
    for (const name of answer?.packages ?? []) at(this.#byPackage, name)
  }
}

function bytesOf({ key, read, answer }: Entry<Answer>): number {
  const links = read.terms.length + read.beginnings.length + 1 + (answer?.packages.length ?? 0)
  return ENTRY_BYTES + key.length + links * LINK_BYTES + (answer?.bytes ?? 0)
}

/** Each key with the entries it leads to. */
class Links<To> {
  readonly #all = new Map<string, Set<To>>()

  get(key: string): Iterable<To> {
    return this.#all.get(key) ?? []
  }

  add(key: string, to: To): void {
    const known = this.#all.get(key)
    if (known) known.add(to)
    else this.#all.set(key, new Set([to]))
  }

  remove(key: string, to: To): void {
    const known = this.#all.get(key)
    known?.delete(to)
    if (known?.size === 0) this.#all.delete(key)
  }
}
