// What the files of commands have in common.

import type { Line } from '../gateway/api/operation.ts'
import type { OperationName } from '../gateway/api/operations.ts'

/** Have a running node do something, and print what it says. */
export type Run = (name: OperationName, input: Record<string, unknown>) => Promise<void>

export type Lines = (dataDir: string, signal: AbortSignal) => AsyncIterable<Line>

/** Print what is done here, in a data directory. */
export type Print = (lines: Lines) => Promise<void>

/** Of an option that may be repeated. */
export function each(value: string, earlier: string[] = []): string[] {
  return [...earlier, value]
}
