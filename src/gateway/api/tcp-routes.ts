// The API on TCP, `/api/v1/…`, which any process of this machine can reach: what is not everybody's takes a token.
import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'
import { CatalogError } from '../../base/errors.ts'
import { authorise } from '../authorise.ts'
import { signalOf } from '../signal.ts'
import { API_PREFIX, ENDPOINTS, type Served } from './endpoints.ts'
import { openApi } from './openapi.ts'

export function tcpRoutes(server: FastifyInstance, node: Served): void {
  let document: string | undefined
  server.get(`${API_PREFIX}/openapi.json`, async (_request, reply) => {
    document ??= JSON.stringify(openApi())
    return reply.type('application/json').send(document)
  })
  for (const { method, path, isPublic, query, body, run } of ENDPOINTS) {
    server.route({
      method,
      url: API_PREFIX + path,
      handler: async (request, reply) => {
        if (!isPublic) authorise(node.tokens, request)
        const asked = {
          query: checked(query, request.query, 'query'),
          body: body && checked(body, request.body, 'body'),
        }
        return reply.header('cache-control', 'no-store').send(await run(node, asked, signalOf(reply)))
      },
    })
  }
}

/** @throws CatalogError `USAGE` */
function checked<T>(schema: z.ZodType<T>, given: unknown, what: string): T {
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const where = [what, ...(issue?.path ?? [])].join('.')
  throw new CatalogError('USAGE', `What was asked is not right: ${where}: ${issue?.message}.`, {
    hint: `See ${API_PREFIX}/openapi.json.`,
  })
}
