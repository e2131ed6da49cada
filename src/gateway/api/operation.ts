// What an operation is: a schema for its input, and a run over a node's façades that yields NDJSON lines.
import { z } from 'zod'
import { systemClock } from '../../base/clock.ts'
import type { SharingManager } from '../../sharing-manager.ts'
import type { StorageManager } from '../../storage-manager.ts'
import type { Tokens } from '../../store/tokens.ts'
import type { Logins } from '../logins.ts'

/** One line of output. `progress` lines come any number of times before the results. */
export type Line = { readonly type: string } & Readonly<Record<string, unknown>>

/** What operations are run on: a node has all. */
export interface Facades {
  readonly sharing: SharingManager
  readonly storage: StorageManager
  readonly tokens: Tokens
  readonly logins: Logins
}

export interface Operation<Input> {
  readonly input: z.ZodType<Input>
  /** Whether it only makes sense on a node that is running. */
  needsNode?(input: Input): boolean
  run(node: Facades, input: Input, signal: AbortSignal): AsyncIterable<Line>
}

export const operation = <Input>(definition: Operation<Input>): Operation<Input> => definition

export const purl = z.string().min(1)
/** Paths are absolute: the client and the node may stand in different folders. */
export const path = z.string().startsWith('/')

/** Take a line; resolves once the reader has asked for the one after it. */
export type Report = (line: Line) => Promise<void>

/** Twenty times a second are more than anybody can see; each line is a write to a socket. */
const PROGRESS_INTERVAL_MS = 50

/**
 * Lines that `work` reports while it runs, in order; of progress lines one in a while, and the newest before another
 * line and in the end. Work that has many lines waits for each to be read, work that has few need not.
 */
export async function* withProgress(work: (report: Report) => Promise<void>): AsyncGenerator<Line> {
  const lines: Line[] = []
  let toldAt = Number.NEGATIVE_INFINITY
  let untold: Line | undefined
  let wake = Promise.withResolvers<void>()
  let read = Promise.withResolvers<void>()
  let ended = false
  const add = (line: Line) => {
    if (line.type === 'progress' && lines.at(-1)?.type === 'progress') lines.pop()
    lines.push(line)
  }
  const addUntold = () => {
    if (untold) add(untold)
    untold = undefined
  }
  const report = (line: Line) => {
    if (line.type === 'progress') {
      const now = systemClock.now()
      untold = now < toldAt + PROGRESS_INTERVAL_MS ? line : undefined
      if (untold) return Promise.resolve()
      toldAt = now
    }
    addUntold()
    add(line)
    wake.resolve()
    return read.promise
  }
  const working = work(report).finally(() => {
    addUntold()
    ended = true
    wake.resolve()
  })
  // Its failure is thrown below, once every line before it has been read.
  working.catch(() => undefined)
  try {
    while (!ended || lines.length > 0) {
      const line = lines.shift()
      if (line) {
        yield line
        continue
      }
      read.resolve()
      read = Promise.withResolvers()
      await wake.promise
      wake = Promise.withResolvers()
    }
    await working
  } finally {
    read.resolve()
  }
}
