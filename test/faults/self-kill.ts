// Ends this process as a crash does, at a chosen point: before an operation, after a part of it, or once it is done.
import type { Around, Step } from './interposed-disk.ts'

/** Where in the operation that was chosen. */
export type Phase = 'before' | 'within' | 'after'
export const PHASES = ['before', 'within', 'after'] as const satisfies readonly Phase[]

export interface Point {
  /** Of the operations counted, the first is 1. */
  readonly at: number
  readonly phase: Phase
}

/** SIGKILL, from the kernel, before another instruction of this program runs. */
export function die(): never {
  process.kill(process.pid, 'SIGKILL')
  throw new Error('this process was killed')
}

/** Dies around the chosen one of the operations that it is called for. */
export function dyingAround({ at, phase }: Point): Around {
  let count = 0
  return async <T>(step: Step, run: () => Promise<T>): Promise<T> => {
    count++
    if (count !== at) return run()
    if (phase === 'before') die()
    if (phase === 'within' && step.part) await step.part(0.5)
    else await run()
    die()
  }
}
