// What is counted at once and written down later: with whatever commits next, at the latest when enough has gathered or
// its time is over. A process that is killed forgets no more than that.
import type { Clock } from '../base/clock.ts'
import { tellFailure } from '../base/failure.ts'
import type { Environment } from './environment.ts'

interface Components {
  environment: Environment
  clock: Clock
}

interface Work<Part> {
  /** What is being done, for when it fails. */
  readonly task: string
  /** Longest time before what is counted is written. */
  readonly afterMs: number
  isPending(): boolean
  /** @returns all that is pending, which is so no more */
  take(): Part
  /** Inside a transaction that commits next. */
  write(part: Part): void
  /** The transaction was rolled back: that part is pending again. */
  takeBack(part: Part): void
}

export class LateWrites<Part> {
  readonly #components: Components
  readonly #work: Work<Part>
  /** The part that the transaction under way writes. */
  #writing: Part | undefined
  #isDue = false

  constructor(components: Components, work: Work<Part>) {
    this.#components = components
    this.#work = work
    components.environment.addHook({
      beforeCommit: () => {
        if (!work.isPending()) return
        this.#writing = work.take()
        work.write(this.#writing)
      },
      committed: () => {
        this.#writing = undefined
      },
      rolledBack: () => {
        const undone = this.#writing
        this.#writing = undefined
        if (undone !== undefined) work.takeBack(undone)
      },
    })
  }

  /** Something was counted. @param isEnough - whether it is to be written at once */
  counted(isEnough: boolean): void {
    if (isEnough) void this.flush()
    else if (!this.#isDue) {
      this.#isDue = true
      this.#components.clock.after(this.#work.afterMs, () => void this.flush())
    }
  }

  /** Write down what is counted so far. */
  async save(): Promise<void> {
    if (this.#work.isPending()) await this.#components.environment.transaction(() => undefined)
  }

  /** The same, for who cannot help it when it fails: what is not written stays pending. */
  async flush(): Promise<void> {
    this.#isDue = false
    try {
      await this.save()
    } catch (thrown) {
      // That the disk is full, or the store closed, is told to those who want to write more than this.
      tellFailure(this.#work.task, thrown, 'CLOSED', 'DISK_FULL')
    }
  }
}
