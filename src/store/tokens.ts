// Tokens: what lets a program of this machine change something over HTTP. Only their digests are kept, so that whoever
// reads the database, or a backup of it, cannot use them.
import { timingSafeEqual } from 'node:crypto'
import { sha256, toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { TOKEN_NOTE_LENGTH_MAX, TOKENS_MAX } from '../base/http-limits.ts'
import type { Random } from '../base/random.ts'
import type { Environment } from './environment.ts'
import type { TokenRow } from './tables.ts'

/** Names the program, so that scanners for secrets know what they have found. */
const PREFIX = 'catalog'
const FORM = /^catalog_([0-9a-f]{16})_[0-9a-f]{64}$/

export interface Token extends Omit<TokenRow, 'hash'> {
  readonly id: string
}

interface Components {
  environment: Environment
  clock: Clock
  random: Random
}

export class Tokens {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  /** @returns the token, which nobody can be told again @throws CatalogError `USAGE`, `LIMIT_EXCEEDED` */
  async create(note: string): Promise<Token & { readonly token: string }> {
    const { environment, clock, random } = this.#components
    if (note.length > TOKEN_NOTE_LENGTH_MAX) {
      throw new CatalogError('USAGE', `What a token is called has at most ${TOKEN_NOTE_LENGTH_MAX} characters.`)
    }
    const id = toHex(random.bytes(8))
    const token = `${PREFIX}_${id}_${toHex(random.bytes(32))}`
    const at = clock.now()
    await environment.transaction(() => {
      if (environment.tokens.getCount() >= TOKENS_MAX) {
        throw new CatalogError('LIMIT_EXCEEDED', `There are ${TOKENS_MAX} tokens already.`, {
          hint: 'Revoke some: catalog token revoke ID',
        })
      }
      environment.tokens.put(id, { hash: digestOf(token), at, note })
    })
    return { id, token, at, note }
  }

  /** The newest first. */
  list(): Token[] {
    const rows = [...this.#components.environment.tokens.getRange({})]
    return rows.map(({ key: id, value: { at, note } }) => ({ id, at, note })).sort((a, b) => b.at - a.at)
  }

  /** @throws CatalogError `NOT_FOUND` */
  async revoke(id: string): Promise<void> {
    const { environment } = this.#components
    await environment.transaction(() => {
      if (!environment.tokens.doesExist(id)) throw new CatalogError('NOT_FOUND', `There is no token ${id}.`)
      environment.tokens.remove(id)
    })
  }

  /** A token itself, rather than its id, has its program give it back. @returns whether it opened anything */
  async giveBack(token: string): Promise<boolean> {
    const [, id = ''] = FORM.exec(token) ?? []
    if (!this.holds(token)) return false
    await this.revoke(id)
    return true
  }

  /** Whether a token is one of these; how long it takes says nothing of how much of it is right. */
  holds(token: string): boolean {
    const [, id] = FORM.exec(token) ?? []
    const row = id === undefined ? undefined : this.#components.environment.tokens.get(id)
    return row !== undefined && timingSafeEqual(digestOf(token), row.hash)
  }
}

function digestOf(token: string): Uint8Array {
  return sha256(Buffer.from(token))
}
