// How many bytes went to and came from each peer, ever. Counted as they move, and written down with whatever commits
// next, at the latest when a segment's worth has gathered or a second has passed: a process that is killed forgets no
// more than that.
import type { Clock } from '../base/clock.ts'
import { KNOWN_PEERS_MAX, LEDGER_PENDING_BYTES_MAX, LEDGER_PENDING_MS } from '../base/limits.ts'
import type { Environment } from './environment.ts'
import { LateWrites } from './late-writes.ts'
import type { LedgerRow } from './tables.ts'

export interface Account {
  readonly peer: string
  /** Bytes sent to it, and received from it. */
  readonly sent: number
  readonly received: number
  /** Sent for each byte received; null when none was. */
  readonly ratio: number | null
  /**
   * What the peer gave of all that went between it and this node, 0 to 1. Counted here alone, so that nobody can claim
   * to have given more.
   */
  readonly contribution: number
  /** When the first and the last byte moved, in milliseconds since 1970. */
  readonly since: number
  readonly until: number
}

interface Components {
  environment: Environment
  clock: Clock
}

export class Ledger {
  readonly #components: Components
  /** What is not written down yet, by peer. */
  #pending = new Map<string, { sent: number; received: number }>()
  #pendingBytes = 0
  readonly #writes: LateWrites<ReadonlyMap<string, { sent: number; received: number }>>

  constructor(components: Components) {
    this.#components = components
    this.#writes = new LateWrites(components, {
      task: 'count bytes',
      afterMs: LEDGER_PENDING_MS,
      isPending: () => this.#pending.size > 0,
      take: () => this.#take(),
      write: (accounts) => this.#write(accounts),
      takeBack: (accounts) => {
        for (const [peer, counted] of accounts) this.#add(peer, counted)
      },
    })
  }

  /** Count bytes that have gone to a peer, or that have come from it and are verified. */
  count(peer: string, direction: 'sent' | 'received', bytes: number): void {
    this.#add(peer, { sent: 0, received: 0, [direction]: bytes })
    this.#writes.counted(this.#pendingBytes >= LEDGER_PENDING_BYTES_MAX)
  }

  /** The account of one peer, if bytes ever moved. */
  get(peer: string): Account | undefined {
    const row = this.#components.environment.ledger.get(peer)
    const pending = this.#pending.get(peer)
    if (!row && !pending) return undefined
    return accountOf(peer, this.#added(row, pending ?? { sent: 0, received: 0 }))
  }

  /** All accounts, those with the most bytes first. */
  list(): Account[] {
    const peers = new Set([...this.#components.environment.ledger.getKeys({}), ...this.#pending.keys()])
    const accounts = [...peers].flatMap((peer) => this.get(peer) ?? [])
    return accounts.sort((a, b) => b.sent + b.received - (a.sent + a.received))
  }

  /** Write down what is counted so far. */
  save(): Promise<void> {
    return this.#writes.save()
  }

  /** The same, for who cannot help it when it fails: what is not written stays pending. */
  flush(): Promise<void> {
    return this.#writes.flush()
  }

  #add(peer: string, more: { sent: number; received: number }): void {
    const counted = this.#pending.get(peer) ?? { sent: 0, received: 0 }
    counted.sent += more.sent
    counted.received += more.received
    this.#pending.set(peer, counted)
    this.#pendingBytes += more.sent + more.received
  }

  #take(): ReadonlyMap<string, { sent: number; received: number }> {
    const taken = this.#pending
    this.#pending = new Map()
    this.#pendingBytes = 0
    return taken
  }

  #write(accounts: ReadonlyMap<string, { sent: number; received: number }>): void {
    const { ledger } = this.#components.environment
    for (const [peer, counted] of accounts) {
      const row = ledger.get(peer)
      // Beyond the bound peers nobody has heard of are served and not remembered.
      if (row || ledger.getCount() < KNOWN_PEERS_MAX) ledger.put(peer, this.#added(row, counted))
    }
  }

  #added(row: LedgerRow | undefined, counted: { sent: number; received: number }): LedgerRow {
    const now = this.#components.clock.now()
    const { sent, received, since } = row ?? { sent: 0, received: 0, since: now }
    const moved = counted.sent + counted.received > 0
    return {
      sent: sent + counted.sent,
      received: received + counted.received,
      since,
      until: moved ? now : (row?.until ?? now),
    }
  }
}

function accountOf(peer: string, { sent, received, since, until }: LedgerRow): Account {
  const all = sent + received
  return {
    ...{ peer, sent, received, since, until },
    ratio: received === 0 ? null : sent / received,
    contribution: all === 0 ? 0 : received / all,
  }
}
