// What the command line prints. Data goes to stdout, progress and messages to stderr; --json makes every line of
// stdout one JSON object with a `type`. Bars and colours only on a terminal, and not under NO_COLOR.
import { Presets, SingleBar } from 'cli-progress'
import type { CatalogError } from '../base/errors.ts'
import { formatBytes } from '../base/units.ts'
import type { Line } from '../gateway/api/operation.ts'
import { messageColours as colors } from './colours.ts'
import { describeLine, describePace, printable, warningOf } from './describe.ts'

/** Time between two progress lines where there is no bar. */
const PROGRESS_TEXT_MS = 10_000
const PROGRESS_JSON_MS = 200

export class Output {
  readonly #json: boolean
  #bar: SingleBar | undefined
  #progressAt = 0

  constructor({ json }: { json: boolean }) {
    this.#json = json
  }

  /** A line of data. */
  line(line: Line): void {
    if (line.type === 'progress') {
      this.#progress(line)
      return
    }
    this.#endBar()
    const text = this.#json ? JSON.stringify(line) : describeLine(line)
    if (text !== undefined) this.#write(text)
    const warning = warningOf(line)
    if (warning) this.note(`${colors.yellow('warning')}: ${warning}`)
  }

  /** Something for people, not for programs. */
  note(text: string): void {
    if (this.#json) return
    this.#endBar()
    process.stderr.write(`${text}\n`)
  }

  error(error: CatalogError): void {
    this.#endBar()
    if (this.#json) {
      this.#write(JSON.stringify({ type: 'error', ...error.toJSON() }))
      return
    }
    process.stderr.write(`${colors.red('error')}: ${printable(error.message)}\n`)
    if (error.hint) process.stderr.write(`${colors.cyan('hint')}: ${printable(error.hint)}\n`)
  }

  end(): void {
    this.#endBar()
  }

  #progress(line: Line): void {
    const { bytes, total } = line as unknown as { bytes: number; total: number }
    const pace = describePace(line)
    if (process.stderr.isTTY && !this.#json) {
      this.#bar ??= startBar(total)
      this.#bar.setTotal(total)
      this.#bar.update(bytes, { pace })
      return
    }
    const now = performance.now()
    if (now - this.#progressAt < (this.#json ? PROGRESS_JSON_MS : PROGRESS_TEXT_MS)) return
    const first = this.#progressAt === 0
    this.#progressAt = now
    if (this.#json) this.#write(JSON.stringify(line))
    else if (!first) process.stderr.write(`${formatBytes(bytes)} of ${formatBytes(total)}${pace}\n`)
  }

  #endBar(): void {
    this.#bar?.stop()
    this.#bar = undefined
  }

  #write(text: string): void {
    process.stdout.write(`${text}\n`)
  }
}

function startBar(total: number): SingleBar {
  const format = '{bar} {percentage} % of {size}, {eta_formatted} left{pace}'
  const bar = new SingleBar({ format, hideCursor: true, clearOnComplete: true, etaBuffer: 50 }, Presets.shades_classic)
  bar.start(total, 0, { size: formatBytes(total), pace: '' })
  return bar
}
