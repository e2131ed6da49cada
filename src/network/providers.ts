// Who holds which public blob, in the DHT. A provide costs a walk of 0.1–0.3 s, so they go one after another in the
// background, after whatever brings the blobs, and a node provides a bounded number.
import { concatBytes, sha256 } from '../base/bytes.ts'
import { type Clock, sleep } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { tellFailure } from '../base/failure.ts'
import { PROVIDE_INTERVAL_MS, PROVIDE_QUIET_MS, PROVIDE_WAIT_MS_MAX, PROVIDED_BLOBS_MAX } from '../base/limits.ts'
import type { Network } from './network.ts'

const DOMAIN = Buffer.from('catalog/blob/1')

/** DHT key of a blob: a digest of its root, so that the DHT does not learn roots it was not asked about. */
export function providerKey(root: Uint8Array): Uint8Array {
  return sha256(concatBytes(DOMAIN, root))
}

export class Providers {
  readonly #network: Network
  readonly #clock: Clock
  readonly #stop = new AbortController()
  readonly #waiting: Uint8Array[] = []
  /** When the last one came. */
  #cameAt = 0
  #provided = 0
  #working = false

  constructor({ network, clock }: { network: Network; clock: Clock }) {
    this.#network = network
    this.#clock = clock
  }

  /** Tell the DHT, in the background, that this node has a public blob. */
  provide(root: Uint8Array): void {
    if (this.#provided + this.#waiting.length >= PROVIDED_BLOBS_MAX) return
    this.#waiting.push(root)
    this.#cameAt = this.#clock.now()
    if (!this.#working) void this.#work()
  }

  /** Peers that say they have a blob. */
  find(root: Uint8Array, signal?: AbortSignal): AsyncIterable<string> {
    return this.#network.findProviders(providerKey(root), signal)
  }

  stop(): void {
    this.#stop.abort(new CatalogError('CLOSED', 'The node is stopping.'))
  }

  async #work(): Promise<void> {
    this.#working = true
    for (let root = this.#waiting.shift(); root && !this.#stop.signal.aborted; root = this.#waiting.shift()) {
      try {
        await this.#quiet()
        const next = this.#clock.now() + PROVIDE_INTERVAL_MS
        await this.#network.provide(providerKey(root), this.#stop.signal)
        this.#provided++
        await sleep(this.#clock, Math.max(0, next - this.#clock.now()), this.#stop.signal)
      } catch (thrown) {
        if (!this.#stop.signal.aborted) tellFailure('provide', thrown)
      }
    }
    this.#working = false
  }

  /** An install of thousands of packages has better things to do meanwhile. */
  async #quiet(): Promise<void> {
    const latest = this.#clock.now() + PROVIDE_WAIT_MS_MAX
    for (;;) {
      const left = Math.min(latest, this.#cameAt + PROVIDE_QUIET_MS) - this.#clock.now()
      if (left <= 0) return
      await sleep(this.#clock, left, this.#stop.signal)
    }
  }
}
