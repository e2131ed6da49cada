// The limits on bandwidth in force: what the settings say, over that what was changed on the running node, over that
// what a schedule says for this very minute.
import type { Clock } from '../base/clock.ts'
import type { Effects } from '../base/effects.ts'
import { MINUTE_MS } from '../base/units.ts'
import type { Settings } from '../model/config.ts'
import type { Network } from '../network/network.ts'
import type { Environment } from '../store/environment.ts'
import type { LimitsRow } from '../store/tables.ts'
import {
  type AddonGate,
  type GateLimits,
  type GateTraffic,
  type NativeGate,
  openNativeGate,
  TransferGate,
} from './gate.ts'
import { parseSchedule, type RateChanges, ratesAt, type Schedule } from './schedule.ts'

export interface LimitsOptions {
  /** Bytes a second, infinity for no limit. */
  readonly up: number
  readonly down: number
  readonly perPeer: number
  readonly limitLocal: boolean
}

/** What the user may change on a running node; what is left out stays as it is. */
export interface LimitsChange extends RateChanges {
  /** See `parseSchedule`; an empty one takes it away. */
  readonly schedule?: string | undefined
}

/** Of a rate: the settings, a change on the running node, or the schedule. */
export type LimitOrigin = 'settings' | 'changed' | 'schedule'

export interface LimitsStatus {
  /** Bytes a second in force, infinity for no limit, and what decided it. */
  readonly up: { readonly rate: number; readonly from: LimitOrigin; readonly traffic: GateTraffic }
  readonly down: { readonly rate: number; readonly from: LimitOrigin; readonly traffic: GateTraffic }
  readonly perPeer: { readonly rate: number; readonly from: LimitOrigin }
  readonly limitLocal: boolean
  /** As the user wrote it. */
  readonly schedule: string | undefined
}

interface Components {
  gate: NativeGate
  environment: Environment
  clock: Clock
}

const ROW = 'changes'

/** The gate of a node and the limits in force at it; `native` is for the bulk plane, which waits at the same one. */
export interface Bandwidth {
  readonly native: AddonGate
  readonly gate: TransferGate
  readonly limits: Limits
}

/** @throws CatalogError `CORE_UNAVAILABLE` when this platform has no native addon */
export async function openBandwidth(
  components: { effects: Effects; environment: Environment; clock: Clock; network: Network },
  { maxUpload, maxDownload, fairUseLimit, limitLocal }: Settings,
): Promise<Bandwidth> {
  const native = await openNativeGate(components)
  const options = { up: maxUpload, down: maxDownload, perPeer: fairUseLimit, limitLocal }
  const limits = new Limits({ ...components, gate: native }, options)
  return { native, limits, gate: new TransferGate({ ...components, native }) }
}

export class Limits {
  readonly #components: Components
  readonly #settings: LimitsOptions
  #changes: LimitsRow
  #schedule: Schedule
  #cancel: (() => void) | undefined

  constructor(components: Components, options: LimitsOptions) {
    this.#components = components
    this.#settings = options
    this.#changes = components.environment.limits.get(ROW) ?? {}
    this.#schedule = this.#changes.schedule === undefined ? [] : parseSchedule(this.#changes.schedule)
    this.#apply()
  }

  status(): LimitsStatus {
    const { up, down } = this.#components.gate.snapshot()
    return {
      up: { ...this.#inForce('up'), traffic: up },
      down: { ...this.#inForce('down'), traffic: down },
      perPeer: this.#inForce('perPeer'),
      limitLocal: this.#settings.limitLocal,
      schedule: this.#changes.schedule,
    }
  }

  /**
   * Change what is in force, at once and for later starts.
   *
   * @throws CatalogError `USAGE` for a schedule that is not right, `DISK_FULL`, `STORE_FAILED`
   */
  async change(change: LimitsChange): Promise<void> {
    const given = Object.entries(change).filter(([, value]) => value !== undefined)
    const { schedule, ...rates }: LimitsRow = { ...this.#changes, ...Object.fromEntries(given) }
    await this.#put(schedule ? { ...rates, schedule } : rates)
  }

  /** Go back to the settings. */
  clear(): Promise<void> {
    return this.#put({})
  }

  stop(): void {
    this.#cancel?.()
  }

  async #put(changes: LimitsRow): Promise<void> {
    const schedule = changes.schedule === undefined ? [] : parseSchedule(changes.schedule)
    const { environment } = this.#components
    await environment.transaction(() => environment.limits.put(ROW, changes))
    this.#changes = changes
    this.#schedule = schedule
    this.#apply()
  }

  /** Put in force what holds now, and once a minute what holds then. */
  #apply(): void {
    const { gate, clock } = this.#components
    const { limitLocal } = this.#settings
    const perPeer = this.#inForce('perPeer').rate
    const of = (total: number): GateLimits => ({ ...bounded({ total, perPeer }), limitLocal })
    gate.setLimits(of(this.#inForce('up').rate), of(this.#inForce('down').rate))
    this.#cancel?.()
    // Minute by minute rather than to the next change: clocks are set, and days begin an hour early or late.
    if (this.#schedule.length > 0) {
      this.#cancel = clock.after(MINUTE_MS - (clock.now() % MINUTE_MS), () => this.#apply())
    }
  }

  #inForce(name: keyof RateChanges): { rate: number; from: LimitOrigin } {
    const scheduled = ratesAt(this.#schedule, new Date(this.#components.clock.now()))[name]
    if (scheduled !== undefined) return { rate: scheduled, from: 'schedule' }
    const changed = this.#changes[name]
    return changed === undefined ? { rate: this.#settings[name], from: 'settings' } : { rate: changed, from: 'changed' }
  }
}

function bounded(rates: Record<'total' | 'perPeer', number>): Partial<GateLimits> {
  return Object.fromEntries(Object.entries(rates).filter(([, rate]) => Number.isFinite(rate)))
}
