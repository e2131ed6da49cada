// How many bytes went to and came from each peer, ever. Counted as they move, and written down with whatever commits
// next, at the latest when a segment's worth has gathered or a second has passed: a process that is killed forgets no
// more than that.
import type { Clock } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { KNOWN_PEERS_MAX, LEDGER_PENDING_BYTES_MAX, LEDGER_PENDING_MS } from '../base/limits.ts'
import type { Environment } from './environment.ts'
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
  readonly #pending = new Map<string, { sent: number; received: number }>()
  /** The part of it that the transaction under way writes. */
  #writing: [peer: string, { sent: number; received: number }][] = []
  #pendingBytes = 0
  #isDue = false

  constructor(components: Components) {
    this.#components = components
    components.environment.addHook({
      beforeCommit: () => this.#write(),
      committed: () => {
        this.#writing = []
      },
      rolledBack: () => this.#takeBack(),
    })
  }

  /** Count bytes that have gone to a peer, or that have come from it and are verified. */
  count(peer: string, direction: 'sent' | 'received', bytes: number): void {
    const counted = this.#pending.get(peer) ?? { sent: 0, received: 0 }
    counted[direction] += bytes
    this.#pending.set(peer, counted)
    this.#pendingBytes += bytes
    if (this.#pendingBytes >= LEDGER_PENDING_BYTES_MAX) void this.flush()
    else if (!this.#isDue) {
      this.#isDue = true
      this.#components.clock.after(LEDGER_PENDING_MS, () => void this.flush())
    }
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
  async save(): Promise<void> {
    if (this.#pending.size > 0) await this.#components.environment.transaction(() => undefined)
  }

  /** The same, for who cannot help it when it fails: what is not written stays pending. */
  async flush(): Promise<void> {
    this.#isDue = false
    try {
      await this.save()
    } catch (thrown) {
      const { code, message } = CatalogError.from(thrown)
      // That the disk is full, or the store closed, is told to those who want to write more than this.
      if (code !== 'CLOSED' && code !== 'DISK_FULL') emit('catalog:failure', { task: 'count bytes', code, message })
    }
  }

  /** Inside a transaction that commits next. */
  #write(): void {
    const { ledger } = this.#components.environment
    for (const [peer, counted] of this.#pending) {
      const row = ledger.get(peer)
      // Beyond the bound peers nobody has heard of are served and not remembered.
      if (row || ledger.getCount() < KNOWN_PEERS_MAX) ledger.put(peer, this.#added(row, counted))
    }
    this.#writing = [...this.#pending]
    this.#pending.clear()
    this.#pendingBytes = 0
  }

  #takeBack(): void {
    const undone = this.#writing
    this.#writing = []
    for (const [peer, { sent, received }] of undone) {
      const counted = this.#pending.get(peer) ?? { sent: 0, received: 0 }
      this.#pending.set(peer, { sent: counted.sent + sent, received: counted.received + received })
      this.#pendingBytes += sent + received
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
