// Processes that work on a store until they end, one way or another, and what they said until then.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A process that is not at its end by then hangs. */
const PATIENCE_MS = 120_000

export interface Life {
  /** Every line of stdout, parsed. */
  readonly lines: object[]
  /** Status, or the signal it died of. */
  readonly end: number | string
  readonly stderr: string
}

export interface LifeOptions {
  readonly env?: Record<string, string> | undefined
  /** Told of each line as it comes. */
  readonly onLine?: (line: object, lines: number, child: ChildProcess) => void
}

/** Run a command to its end. */
export async function live(command: string, args: readonly string[], options: LifeOptions = {}): Promise<Life> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, ...options.env },
  })
  let stderr = ''
  child.stderr.on('data', (text) => {
    stderr += text
  })
  // The group, for there may be somebody between this process and the one that works.
  const patience = setTimeout(() => process.kill(-(child.pid ?? 0), 'SIGABRT'), PATIENCE_MS)
  const reader = createInterface({ input: child.stdout })
  const lines: object[] = []
  reader.on('line', (text) => {
    const line = JSON.parse(text)
    lines.push(line)
    options.onLine?.(line, lines.length, child)
  })
  const [[code, signal]] = await Promise.all([once(child, 'exit'), once(reader, 'close')])
  clearTimeout(patience)
  return { lines, end: code ?? signal, stderr }
}

/**
 * A file that may not grow is an error of the call that writes, as in every other Node: it ignores the signal. The test
 * runner listens to it in each process it has started, and ends that when the signal has been heard of.
 */
export function ignoreFileLimit(): void {
  process.removeAllListeners('SIGXFSZ')
  process.on('SIGXFSZ', () => undefined)
}
