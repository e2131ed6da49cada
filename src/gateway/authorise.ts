// Who may change something over TCP, and see what is not everybody's: the bearer of a token.
import type { FastifyRequest } from 'fastify'
import { CatalogError } from '../base/errors.ts'
import type { Tokens } from '../store/tokens.ts'

/** Whether a request comes from this node's user. */
export function isOwner(tokens: Tokens, { headers: { authorization = '' } }: FastifyRequest): boolean {
  const [, token = ''] = /^Bearer (\S+)$/i.exec(authorization) ?? []
  return tokens.holds(token)
}

/** @throws CatalogError `UNAUTHORISED` */
export function authorise(tokens: Tokens, request: FastifyRequest): void {
  if (isOwner(tokens, request)) return
  throw new CatalogError('UNAUTHORISED', 'This takes a token that the node has made, and that is not revoked.', {
    hint: 'Get one with "npm login" or "catalog token create"; npm takes it as //HOST/npm/:_authToken=TOKEN.',
  })
}
