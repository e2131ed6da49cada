// Keeping a node up: it runs in a process of its own and is started again when that dies. On a full disk the database
// can take its process with it; the next one opens it whole.
import { constants } from 'node:os'
import type { Clock } from '../base/clock.ts'
import { EXIT } from '../base/errors.ts'
import { MINUTE_MS, SECOND_MS } from '../base/units.ts'

/** Exit status of a node whose database can write no more (EX_TEMPFAIL of sysexits.h): to be started again. */
export const REOPEN_STATUS = 75

const DELAY_FIRST_MS = SECOND_MS
const DELAY_MAX_MS = MINUTE_MS
/** Who ran so long was well: the next fault is a new one. */
const STEADY_MS = 5 * MINUTE_MS

/** Who asks again after this long does not want to wait; sooner, it is one Ctrl-C that came on two ways. */
const PATIENCE_MS = SECOND_MS

/** Whether a request to stop repeats one that came first at that time. */
export function insists(firstMs: number | undefined, nowMs: number): boolean {
  return firstMs !== undefined && nowMs - firstMs >= PATIENCE_MS
}

/** How a process ended; one of the two is null. */
export interface End {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Child {
  readonly ended: Promise<End>
  kill(signal: NodeJS.Signals): void
}

interface Components {
  clock: Clock
  start: () => Child
  /** Told of each end that was none of ours, and when the node starts again. */
  onFault: (end: End, delayMs: number) => void
}

export class Supervisor {
  readonly #components: Components
  readonly #stop = Promise.withResolvers<void>()
  /** When it was first told to. */
  #stoppedAt: number | undefined
  #child: Child | undefined

  constructor(components: Components) {
    this.#components = components
  }

  /** Keep the node up until it ends by itself, or is told to. @returns the exit status to end with */
  async run(): Promise<number> {
    const { clock, start, onFault } = this.#components
    for (let delayMs = 0; ; ) {
      const startedAt = clock.now()
      this.#child = start()
      const end = await this.#child.ended
      this.#child = undefined
      if (this.#stoppedAt !== undefined || !isFault(end, delayMs > 0)) return statusOf(end)
      delayMs = delayAfter(delayMs, clock.now() - startedAt)
      onFault(end, delayMs)
      await this.#pause(delayMs)
      if (this.#stoppedAt !== undefined) return EXIT.ok
    }
  }

  /** Pass a signal on; who asks again to stop does not want to wait for it. */
  signal(signal: NodeJS.Signals): void {
    const now = this.#components.clock.now()
    const last = insists(this.#stoppedAt, now) ? 'SIGKILL' : signal
    this.#stoppedAt ??= now
    this.#stop.resolve()
    this.#child?.kill(last)
  }

  async #pause(delayMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#components.clock.after(delayMs, resolve)
    await Promise.race([promise, this.#stop.promise])
    cancel()
  }
}

/**
 * An end that the node did not choose. Started again, it may find the disk still full, or its directory taken for a
 * moment by a command that found nobody there: that passes.
 */
function isFault({ code, signal }: End, isAgain: boolean): boolean {
  return signal !== null || code === REOPEN_STATUS || (isAgain && code === EXIT.disk)
}

/** Twice as long each time, until the node has been well for a while. */
function delayAfter(earlierMs: number, ranMs: number): number {
  if (ranMs >= STEADY_MS) return DELAY_FIRST_MS
  return Math.min(DELAY_MAX_MS, Math.max(DELAY_FIRST_MS, 2 * earlierMs))
}

/** As a shell has it: 128 and the number of the signal. The one we kill with stands for who insisted. */
function statusOf({ code, signal }: End): number {
  if (signal === null) return code ?? EXIT.failed
  return signal === 'SIGKILL' ? EXIT.interrupted : 128 + constants.signals[signal]
}
