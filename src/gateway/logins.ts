// Programs that wait for a token. No password proves anything here: who asks is given a code, and gets its token once
// the owner has let that code through on the Unix socket. Nothing of it is written down; a restart forgets who waits.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { sha256, toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { LOGIN_MS, LOGINS_MAX, TOKEN_NOTE_LENGTH_MAX } from '../base/http-limits.ts'
import type { Random } from '../base/random.ts'
import { MINUTE_MS } from '../base/units.ts'
import type { Tokens } from '../store/tokens.ts'

/** 32 signs, none of which is taken for another. */
const SIGNS = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ'
const CODE_FORM = /^([2-9A-HJ-NP-Z]{4})-?([2-9A-HJ-NP-Z]{4})$/

interface Login {
  readonly code: string
  /** Digest of what the program alone knows, by which it is recognised when it comes for its token. */
  readonly key: Uint8Array
  readonly program: string
  readonly askedAt: number
  readonly approvedAt?: number
}

interface Components {
  tokens: Tokens
  clock: Clock
  random: Random
}

export class Logins {
  readonly #components: Components
  /** So that the digest of a password can be compared with no other. */
  readonly #salt: Uint8Array
  #waiting: readonly Login[] = []

  constructor(components: Components) {
    this.#components = components
    this.#salt = components.random.bytes(32)
  }

  /** @returns the code for the owner, and a secret for `claim` @throws CatalogError `LIMIT_EXCEEDED` */
  ask(program: string): { readonly code: string; readonly secret: string } {
    const secret = toHex(this.#components.random.bytes(32))
    const { code } = this.#begin(sha256(Buffer.from(secret)), program)
    return { code, secret }
  }

  /** @returns the token, once; nothing while the code waits @throws CatalogError `NOT_FOUND` */
  async claim(secret: string): Promise<string | undefined> {
    const login = this.#find(sha256(Buffer.from(secret)))
    if (!login) throw new CatalogError('NOT_FOUND', 'Nobody who asked so waits here, or it was too long ago.')
    return login.approvedAt === undefined ? undefined : this.#admit(login)
  }

  /**
   * For programs that know only names and passwords: they are refused with the code, and let in when they come once
   * more with the same.
   *
   * @returns the token, once
   * @throws CatalogError `UNAUTHORISED` with the code, `LIMIT_EXCEEDED`
   */
  async claimAs(name: string, password: string, program: string): Promise<string> {
    const key = createHmac('sha256', this.#salt)
      .update(JSON.stringify([name, password]))
      .digest()
    const login = this.#find(key) ?? this.#begin(key, program)
    if (login.approvedAt !== undefined) return this.#admit(login)
    const again = `log in again within ${LOGIN_MS / MINUTE_MS} minutes, with the same name and password`
    throw new CatalogError('UNAUTHORISED', 'No password opens this node: its owner lets programs in.', {
      hint: `Run: catalog token approve ${login.code} — then ${again}.`,
    })
  }

  /** Who waits to be let in, the newest first: not every client shows its user the code. */
  list(): { readonly code: string; readonly program: string; readonly askedAt: number }[] {
    const waiting = this.#alive().filter(({ approvedAt }) => approvedAt === undefined)
    return waiting.map(({ code, program, askedAt }) => ({ code, program, askedAt })).reverse()
  }

  /** Whether a code waits to be let through. */
  waits(code: string): boolean {
    return this.#ofCode(code) !== undefined
  }

  /** @throws CatalogError `NOT_FOUND` */
  approve(code: string): { readonly program: string; readonly askedAt: number } {
    const login = this.#ofCode(code)
    if (!login) {
      throw new CatalogError('NOT_FOUND', 'No program waits with this code.', {
        hint: `A code lives ${LOGIN_MS / MINUTE_MS} minutes and opens once. Log in again for a new one.`,
      })
    }
    const approved = { ...login, approvedAt: this.#components.clock.now() }
    this.#waiting = this.#waiting.map((each) => (each === login ? approved : each))
    return login
  }

  #begin(key: Uint8Array, program: string): Login {
    const { clock, random } = this.#components
    if (this.#alive().length >= LOGINS_MAX) {
      throw new CatalogError('LIMIT_EXCEEDED', `${LOGINS_MAX} programs wait already to be let in.`, {
        hint: `Let them in or wait: each is forgotten after ${LOGIN_MS / MINUTE_MS} minutes.`,
      })
    }
    const signs = [...random.bytes(8)].map((byte) => SIGNS[byte % SIGNS.length]).join('')
    const code = `${signs.slice(0, 4)}-${signs.slice(4)}`
    const login = { code, key, program: program.slice(0, TOKEN_NOTE_LENGTH_MAX), askedAt: clock.now() }
    this.#waiting = [...this.#waiting, login]
    return login
  }

  async #admit(login: Login): Promise<string> {
    this.#waiting = this.#waiting.filter((each) => each !== login)
    const { token } = await this.#components.tokens.create(login.program)
    return token
  }

  #ofCode(text: string): Login | undefined {
    const [, first, second] = CODE_FORM.exec(text.toUpperCase()) ?? []
    const code = Buffer.from(`${first}-${second}`)
    if (first === undefined) return undefined
    return this.#alive().find((each) => each.approvedAt === undefined && timingSafeEqual(Buffer.from(each.code), code))
  }

  #find(key: Uint8Array): Login | undefined {
    return this.#alive().find((each) => timingSafeEqual(each.key, key))
  }

  #alive(): readonly Login[] {
    const oldest = this.#components.clock.now() - LOGIN_MS
    this.#waiting = this.#waiting.filter(({ askedAt, approvedAt = askedAt }) => approvedAt > oldest)
    return this.#waiting
  }
}
