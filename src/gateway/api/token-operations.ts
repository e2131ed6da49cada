// Operations on tokens. They are served on the Unix socket alone, which only the owner can open.
import { z } from 'zod'
import type { Token } from '../../store/tokens.ts'
import { type Line, operation } from './operation.ts'

/** `token` {id, note, createdAt, token}: the only time that it is told. */
export const tokenCreate = operation({
  input: z.strictObject({ note: z.string().optional() }),
  async *run({ tokens }, { note = '' }) {
    const { token, ...made } = await tokens.create(note)
    yield { ...tokenLine(made), token }
  },
})

/** `token` {id, note, createdAt} each, then `summary` {tokens}. */
export const tokenList = operation({
  input: z.strictObject({}),
  async *run({ tokens }) {
    const all = tokens.list()
    for (const token of all) yield tokenLine(token)
    yield { type: 'summary', tokens: all.length }
  },
})

/** `revoked` {id}. */
export const tokenRevoke = operation({
  input: z.strictObject({ id: z.string() }),
  async *run({ tokens }, { id }) {
    await tokens.revoke(id)
    yield { type: 'revoked', id }
  },
})

/**
 * `approved` {code, program, askedAt}: who has asked with this code is given a token, once. Without a code `login`, the
 * same, for each that waits, then `summary` {logins}.
 */
export const tokenApprove = operation({
  input: z.strictObject({ code: z.string().optional() }),
  // Who waits, waits in the process that serves HTTP.
  needsNode: () => true,
  async *run({ logins }, { code }) {
    if (code !== undefined) {
      yield { type: 'approved', code, ...asked(logins.approve(code)) }
      return
    }
    const waiting = logins.list()
    for (const { code, ...login } of waiting) yield { type: 'login', code, ...asked(login) }
    yield { type: 'summary', logins: waiting.length }
  },
})

function asked({ program, askedAt }: { program: string; askedAt: number }) {
  return { program, askedAt: new Date(askedAt).toISOString() }
}

function tokenLine({ id, note, at }: Token): Line {
  return { type: 'token', id, note, createdAt: new Date(at).toISOString() }
}
