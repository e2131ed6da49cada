// What a running node does for its store by itself, now and then: forget garbage, rewrite packs of which little is
// left, write down what was read.
import type { Clock } from '../base/clock.ts'
import { CatalogError, hasCode } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { MAINTENANCE_INTERVAL_MS } from '../base/limits.ts'
import type { Blobs } from './blobs.ts'
import type { GarbageCollector } from './gc.ts'
import type { Repacker } from './repack.ts'

interface Components {
  blobs: Blobs
  collector: GarbageCollector
  repacker: Repacker
  clock: Clock
}

export class Maintenance {
  readonly #components: Components
  readonly #ended = new AbortController()
  #cancel = () => {}
  #running: Promise<void> = Promise.resolve()

  constructor(components: Components) {
    this.#components = components
  }

  start(): void {
    this.#cancel = this.#components.clock.after(MAINTENANCE_INTERVAL_MS, () => {
      this.#running = this.#run().finally(() => {
        if (!this.#ended.signal.aborted) this.start()
      })
    })
  }

  /** Stop, and wait for what is under way to have stopped. */
  async stop(): Promise<void> {
    this.#cancel()
    this.#ended.abort(new CatalogError('CLOSED', 'The node is being closed.'))
    this.#components.repacker.resume()
    await this.#running
    await this.#guarded('uses', () => this.#components.blobs.saveUses())
  }

  async #run(): Promise<void> {
    const { blobs, collector, repacker } = this.#components
    const { signal } = this.#ended
    await this.#guarded('uses', () => blobs.saveUses())
    await this.#guarded('gc', async () => {
      for await (const _ of collector.sweep(signal));
      for await (const _ of repacker.run({ gently: true, signal }));
    })
  }

  /** A fault here is told and tried again the next time; the node goes on. */
  async #guarded(task: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (thrown) {
      const { code, message } = CatalogError.from(thrown)
      if (!hasCode(thrown, 'ABORTED')) emit('catalog:failure', { task: `maintenance: ${task}`, code, message })
    }
  }
}
