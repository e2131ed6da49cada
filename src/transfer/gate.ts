// The native gate behind an interface: whoever sends or receives blobs over a stream waits here for its turn, beside
// the bulk plane, which waits at the same one.
import { untilAborted } from '../base/clock.ts'
import type { Effects } from '../base/effects.ts'
import { CatalogError } from '../base/errors.ts'
import { ipOf } from '../network/addresses.ts'
import type { Network } from '../network/network.ts'

export type Direction = 'up' | 'down'
export type Priority = 'critical' | 'high' | 'normal' | 'low'

/** What holds for one direction, in bytes a second; without a number there is no limit. */
export interface GateLimits {
  readonly total?: number
  readonly perPeer?: number
  readonly limitLocal: boolean
}

export interface GateTraffic {
  /** Bytes that went in the last second. */
  readonly bytesPerSecond: number
  /** Bytes waiting: critical, high, normal, low. */
  readonly queued: readonly number[]
  readonly waiting: number
  readonly inService: number
}

/** What the native module gives; see its own documentation. */
export interface NativeGate {
  request(direction: Direction, address: string, peer: string, priority: Priority, bytes: number): NativePermit
  setLimits(up: GateLimits, down: GateLimits): void
  snapshot(): { readonly up: GateTraffic; readonly down: GateTraffic }
}

interface NativePermit {
  readonly granted: boolean
  ready(): Promise<void>
  release(): void
}

/** As it is, for the bulk plane. */
export type AddonGate = InstanceType<typeof import('../../artifacts/native/index.js')['TransferGate']>

const NO_LIMITS: GateLimits = { limitLocal: false }

/** @throws CatalogError `CORE_UNAVAILABLE` when this platform has no native addon */
export async function openNativeGate({ effects }: { effects: Effects }): Promise<AddonGate> {
  try {
    const { TransferGate } = await effects.run(() => import('../../artifacts/native/index.js'))
    return TransferGate.open(NO_LIMITS, NO_LIMITS)
  } catch (cause) {
    throw new CatalogError('CORE_UNAVAILABLE', 'Limits on bandwidth need the native module, which cannot be loaded.', {
      hint: 'Build it with: npm run setup',
      cause,
    })
  }
}

interface Components {
  native: NativeGate
  network: Pick<Network, 'addressOf'>
  effects: Effects
}

/** The gate by peer. */
export class TransferGate {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  /**
   * Wait until so many bytes may go. They count as under way until what is returned is disposed of. A peer that is not
   * reached over IP has nothing in common with others that could run short, and does not wait.
   *
   * @param bytes - 1…262,144
   * @throws CatalogError `PEER_BUSY` when too many wait, the signal's reason when it aborts
   */
  async pass(
    direction: Direction,
    peer: string,
    bytes: number,
    { priority = 'normal', signal }: { priority?: Priority; signal?: AbortSignal | undefined } = {},
  ): Promise<Disposable> {
    const { native, network, effects } = this.#components
    const address = network.addressOf(peer)
    const ip = address === undefined ? undefined : ipOf(address)
    if (ip === undefined) return { [Symbol.dispose]: () => undefined }
    const permit = asked(() => native.request(direction, ip, peer, priority, bytes))
    if (!permit.granted) {
      try {
        const turn = effects.run(() => permit.ready())
        await untilAborted(turn, signal)
      } catch (thrown) {
        permit.release()
        throw CatalogError.from(thrown, 'ABORTED')
      }
    }
    return { [Symbol.dispose]: () => permit.release() }
  }
}

function asked(request: () => NativePermit): NativePermit {
  try {
    return request()
  } catch (thrown) {
    throw CatalogError.from(thrown)
  }
}
