// What cannot be done as long as nobody is connected waits, and is done in order when a peer appears: telling of what
// was published, synchronizing with a peer that was away, having here what is to be kept.
import { type Clock, sleep } from '../base/clock.ts'
import { CatalogError, hasCode } from '../base/errors.ts'
import { tellFailure } from '../base/failure.ts'
import { ANNOUNCEMENTS_PER_MINUTE } from '../base/limits.ts'
import { UNTOLD_CHANGES_MAX } from '../base/sync-limits.ts'
import type { UnderWay } from '../base/under-way.ts'
import { MINUTE_MS, SECOND_MS } from '../base/units.ts'
import { isNoticeKind, purlOfSubject } from '../model/notice.ts'
import { formatPurl } from '../model/purl.ts'
import type { Release } from '../model/release.ts'
import type { Announcements } from '../network/announce.ts'
import { connectedTo, type HelloService } from '../network/hello.ts'
import type { OutboxRows, Waiting } from '../store/outbox.ts'
import type { Change, Records } from '../store/records.ts'
import type { SyncOptions, SyncReport } from '../synchronization/options.ts'
import type { LocalPublisher } from '../trust/publishers.ts'

/** After a hello, until who has come hears of topics. */
const SUBSCRIBED_MS = SECOND_MS
/** These say of a peer that it is not there yet, or has not got it. */
const PASSING: ReadonlySet<string> = new Set([
  ...['PEER_UNREACHABLE', 'PEER_TIMEOUT', 'PEER_BUSY', 'NO_PROVIDERS', 'NOT_FOUND', 'ABORTED', 'CLOSED'],
])

interface Components {
  outboxRows: OutboxRows
  records: Records
  publisher: LocalPublisher
  announcements: Announcements
  hello: Pick<HelloService, 'onHello' | 'peers'>
  clock: Clock
  underWay: UnderWay
  sync: (peer: string, options: SyncOptions) => Promise<SyncReport>
  pin: (purl: string, signal: AbortSignal) => Promise<unknown>
}

export class Outbox {
  readonly #components: Components
  #draining: Promise<void> | undefined
  /** Somebody has come while that goes on. */
  #again = false
  #stopListening: (() => void) | undefined

  constructor(components: Components) {
    this.#components = components
  }

  start(): void {
    const { hello, outboxRows } = this.#components
    this.#stopListening = hello.onHello(() => {
      this.#again = this.#draining !== undefined
      this.#draining ??= this.#drain()
    })
    // To be connected to whom some of it is about.
    if (outboxRows.list().length > 0) this.#draining = this.#drain()
  }

  stop(): void {
    this.#stopListening?.()
  }

  /** Tell of a record that stands here, now or when somebody is there to hear it. */
  async announce({ record, purl }: Pick<Release, 'record' | 'purl'>): Promise<void> {
    const { announcements, hello, outboxRows, records } = this.#components
    if (connectedTo(hello).length === 0) return
    await announcements.announce({ record, purl })
    // While others wait, the place moves with them.
    if (!this.#draining) outboxRows.told = records.lastSequence()
  }

  /**
   * Do something now, or when a peer is there for it.
   *
   * @param options - of what is to be done
   * @returns what `work` does; nothing when it has to wait
   * @throws CatalogError what `work` throws; `LIMIT_EXCEEDED` when too much waits
   */
  async nowOrLater<T>(
    kind: Waiting['kind'],
    subject: string,
    work: () => Promise<T>,
    options: Record<string, unknown> = {},
  ): Promise<T | undefined> {
    try {
      return await work()
    } catch (thrown) {
      const isAlone = connectedTo(this.#components.hello).length === 0
      if (!hasCode(thrown, 'PEER_UNREACHABLE') && !(isAlone && hasCode(thrown, 'NOT_FOUND', 'NO_PROVIDERS')))
        throw thrown
      await this.#wait(kind, subject, options)
      return undefined
    }
  }

  async #wait(kind: Waiting['kind'], subject: string, options: Record<string, unknown>): Promise<void> {
    await this.#components.outboxRows.add({ kind, subject, options })
  }

  /** What waits to be done, and what own records no peer was told of. */
  async waiting(): Promise<{ works: Waiting[]; records: number }> {
    const { outboxRows } = this.#components
    return { works: outboxRows.list(), records: (await this.#untold()).told.length }
  }

  /** Never rejects: what fails for good is told, and what fails in passing waits on. */
  async #drain(): Promise<void> {
    const { outboxRows, clock, underWay } = this.#components
    try {
      await underWay.run(async (signal) => {
        await sleep(clock, SUBSCRIBED_MS, signal)
        await this.#tell(signal)
        for (const waiting of outboxRows.list()) {
          if (await this.#isDone(waiting, signal)) await outboxRows.remove(waiting.number)
        }
      })
    } catch (thrown) {
      tellFailure('what waits for a peer', thrown, 'CLOSED')
    }
    const again = this.#again
    this.#again = false
    this.#draining = again ? this.#drain() : undefined
  }

  async #tell(signal: AbortSignal): Promise<void> {
    const { announcements, clock, hello, outboxRows, records } = this.#components
    const { told, last } = await this.#untold()
    for (const [index, { id, subject, sequence }] of told.entries()) {
      // Nobody passes on more of one publisher.
      if (index > 0 && index % ANNOUNCEMENTS_PER_MINUTE === 0) await sleep(clock, MINUTE_MS, signal)
      if (connectedTo(hello).length === 0) return
      const record = records.get(id)
      if (record) await announcements.announce({ record, purl: formatPurl(purlOfSubject(subject)) })
      outboxRows.told = sequence
    }
    outboxRows.told = last
  }

  /** Public records of this node's publisher that stand in the feed behind the place up to which peers were told. */
  async #untold(): Promise<{ told: Change[]; last: number }> {
    const { outboxRows, publisher, records } = this.#components
    const owner = (await publisher.existing())?.signer
    if (owner === undefined) return { told: [], last: records.lastSequence() }
    const changes = records.changesAfter(outboxRows.told, UNTOLD_CHANGES_MAX)
    const told = changes.filter(
      ({ op, audience, signer, kind }) =>
        op === 'add' && audience === 'public' && signer === owner && (kind === 'release' || isNoticeKind(kind)),
    )
    return { told, last: changes.at(-1)?.sequence ?? outboxRows.told }
  }

  async #isDone({ kind, subject, options = {} }: Waiting, signal: AbortSignal): Promise<boolean> {
    const { sync, pin } = this.#components
    try {
      if (kind === 'sync') await sync(subject, { ...options, signal })
      else await pin(subject, signal)
      return true
    } catch (thrown) {
      signal.throwIfAborted()
      tellFailure(`${kind} ${subject}, which waited`, thrown)
      return !PASSING.has(CatalogError.from(thrown).code)
    }
  }
}
