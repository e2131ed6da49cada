// The facts of base/events.ts as Prometheus series: the one place that counts them. No label names a peer, a package or
// a publisher: each would be a series for ever, and whoever reads them need not know. Facts are the process's, so that
// nodes which share one share their sums.
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { type Events, listen } from '../base/events.ts'
import { SECOND_MS } from '../base/units.ts'

/** What is asked when somebody looks. */
interface Components {
  /** How many peers are connected. */
  peers: () => number
}

/** From an answer that is kept to one that waited for peers. */
const SEARCH_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]

export class Metrics {
  readonly #registry = new Registry()
  readonly #stops: (() => void)[] = []

  constructor({ peers }: Components) {
    this.#countSearches()
    this.#countBytes()
    this.#countPeers(peers)
    this.#countFailures()
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** All series, in Prometheus' text format. */
  render(): Promise<string> {
    return this.#registry.metrics()
  }

  /** Count nothing more. */
  close(): void {
    for (const stop of this.#stops.splice(0)) stop()
  }

  #countSearches(): void {
    const seconds = new Histogram({
      name: 'catalog_search_duration_seconds',
      help: 'Time from a query to its answer.',
      buckets: SEARCH_SECONDS,
      registers: [this.#registry],
    })
    const searches = this.#counter('catalog_searches_total', 'Queries of this node that were answered.')
    const asked = this.#counter('catalog_search_peers_asked_total', 'Peers asked for answers.')
    const answered = this.#counter('catalog_search_peers_answered_total', 'Of these, such as answered in time.')
    this.#on('catalog:search', ({ ms, peersAsked, peersAnswered, ageMs }) => {
      searches.inc()
      seconds.observe(ms / SECOND_MS)
      if (ageMs > 0) return // they were asked, and counted, when it was found
      asked.inc(peersAsked)
      answered.inc(peersAnswered)
    })
    const lookups = this.#counter(
      'catalog_search_cache_lookups_total',
      'Queries, also of peers, looked up among those kept.',
    )
    const hits = this.#counter(
      'catalog_search_cache_hits_total',
      'Of these, such as were answered from there.',
      'state',
    )
    this.#on('catalog:search-cache', ({ outcome }) => {
      lookups.inc()
      if (outcome !== 'miss') hits.inc({ state: outcome === 'hit' ? 'fresh' : 'stale' })
    })
    const dropped = this.#counter(
      'catalog_search_cache_invalidated_total',
      'Kept queries that a commit may have changed.',
    )
    this.#on('catalog:search-invalidated', ({ queries }) => dropped.inc(queries))
  }

  #countBytes(): void {
    const moved = this.#counter(
      'catalog_transfer_bytes_total',
      'Bytes of blobs that went to or came from peers.',
      'direction',
      'plane',
    )
    this.#on('catalog:transfer', ({ bytes, direction, plane }) => moved.inc({ direction, plane }, bytes))
    const corrupt = this.#counter(
      'catalog_corrupt_chunks_total',
      'Chunks from peers that were not what they should be.',
    )
    this.#on('catalog:corrupt', () => corrupt.inc())
    const damaged = this.#counter('catalog_damaged_blobs_total', 'Blobs found changed on the disk.')
    this.#on('catalog:damaged', ({ chunks }) => damaged.inc(chunks > 0 ? 1 : 0))
    const evicted = this.#counter('catalog_evicted_bytes_total', 'Bytes of mirrored blobs that made room for others.')
    this.#on('catalog:evicted', ({ bytes }) => evicted.inc(bytes))
  }

  #countPeers(peers: () => number): void {
    new Gauge({
      name: 'catalog_peers',
      help: 'Peers connected now.',
      registers: [this.#registry],
      collect() {
        this.set(peers())
      },
    })
    const changes = this.#counter('catalog_peer_changes_total', 'Peers that came, went or were refused.', 'state')
    this.#on('catalog:peer', ({ state }) => changes.inc({ state }))
    const records = this.#counter(
      'catalog_records_total',
      'Records that came to a shelf, or were refused there.',
      'state',
    )
    this.#on('catalog:record', ({ state }) => records.inc({ state }))
  }

  #countFailures(): void {
    const failures = this.#counter('catalog_failures_total', 'Background tasks that failed, by error code.', 'code')
    this.#on('catalog:failure', ({ code }) => failures.inc({ code }))
  }

  #counter<Label extends string>(name: string, help: string, ...labelNames: Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] })
  }

  #on<Name extends keyof Events>(name: Name, count: (fact: Events[Name]) => void): void {
    this.#stops.push(listen(name, count))
  }
}
