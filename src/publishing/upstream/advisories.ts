// What is known of weaknesses, as npm asks for it at every install. Nobody here knows: the outside registry is asked,
// and hears only of packages that it may have.
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { sha256, toHex } from '../../base/bytes.ts'
import type { Clock } from '../../base/clock.ts'
import { CatalogError, hasCode } from '../../base/errors.ts'
import { tellFailure } from '../../base/failure.ts'
import { ADVISORIES_BYTES_MAX, ADVISORIES_FRESH_MS } from '../../base/http-limits.ts'
import type { Registry } from './registry.ts'

const PATH = '-/npm/v1/security/advisories/bulk'
const NOTHING = '{}'
const questionSchema = z.record(z.string(), z.array(z.string()))

export class Advisories {
  readonly #registry: Registry
  readonly #answers = new LRUCache<string, { text: string; at: number }>({
    maxSize: 16 * ADVISORIES_BYTES_MAX,
    sizeCalculation: ({ text }) => text.length + 100,
  })
  readonly #clock: Clock

  constructor({ registry, clock }: { registry: Registry; clock: Clock }) {
    this.#registry = registry
    this.#clock = clock
  }

  /**
   * @param body - versions by package, as JSON
   * @param mayTell - whether the registry may hear of a package
   * @returns its answer as it is; empty when it cannot be asked, for an install must not fail of that
   * @throws CatalogError `USAGE`, `ABORTED`
   */
  async ask(body: string, mayTell: (name: string) => boolean, signal: AbortSignal): Promise<string> {
    const asked = questionOf(body).filter(([name]) => mayTell(name))
    if (asked.length === 0) return NOTHING
    const question = JSON.stringify(Object.fromEntries(asked))
    const key = toHex(sha256(Buffer.from(question)))
    const known = this.#answers.get(key)
    if (known && this.#clock.now() - known.at < ADVISORIES_FRESH_MS) return known.text
    const text = await this.#answer(question, signal)
    // What could not be asked is asked again: nobody has said that there is nothing.
    if (text !== undefined) this.#answers.set(key, { text, at: this.#clock.now() })
    return text ?? NOTHING
  }

  async #answer(body: string, signal: AbortSignal): Promise<string | undefined> {
    try {
      const answer = await this.#registry.ask(PATH, { body, accept: 'application/json', signal })
      if (!answer || answer.bytes === 'unchanged' || answer.bytes.length > ADVISORIES_BYTES_MAX) return undefined
      const text = answer.bytes.toString()
      return z.record(z.string(), z.unknown()).safeParse(JSON.parse(text)).success ? text : undefined
    } catch (thrown) {
      if (hasCode(thrown, 'ABORTED', 'CLOSED')) throw thrown
      tellFailure('advisories', thrown)
      return undefined
    }
  }
}

function questionOf(body: string): [string, string[]][] {
  try {
    return Object.entries(questionSchema.parse(JSON.parse(body)))
  } catch (cause) {
    throw new CatalogError('USAGE', 'This is not what npm asks of weaknesses: versions by package.', { cause })
  }
}
