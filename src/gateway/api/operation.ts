// What an operation is: a schema for its input, and a run over a node's façades that yields NDJSON lines.
import { z } from 'zod'
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

/**
 * Lines that `work` reports while it runs, in order; of progress lines a slow reader gets only the newest. Work that
 * has many lines waits for each to be read, work that has few need not.
 */
export async function* withProgress(work: (report: Report) => Promise<void>): AsyncGenerator<Line> {
  const lines: Line[] = []
  let wake = Promise.withResolvers<void>()
  let read = Promise.withResolvers<void>()
  let ended = false
  const report = (line: Line) => {
    if (line.type === 'progress' && lines.at(-1)?.type === 'progress') lines.pop()
    lines.push(line)
    wake.resolve()
    return read.promise
  }
  const working = work(report).finally(() => {
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
