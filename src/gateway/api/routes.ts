// The HTTP API: POST /api/v1/<operation> with a JSON body answers with NDJSON, one object a line, each with `type`.
// The last line of a failure has type "error". Served on the Unix socket only, with the owner's authority.
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { CatalogError } from '../../base/errors.ts'
import { signalOf } from '../signal.ts'
import type { Facades, Line } from './operation.ts'
import { OPERATIONS, type OperationName, prepare } from './operations.ts'

export function apiRoutes(server: FastifyInstance, node: Facades): void {
  server.post<{ Params: { operation: string } }>('/api/v1/:operation', async (request, reply) => {
    const { operation } = request.params
    if (!Object.hasOwn(OPERATIONS, operation)) {
      throw new CatalogError('NOT_FOUND', `There is no operation "${operation}".`, {
        hint: `Operations are: ${Object.keys(OPERATIONS).join(', ')}.`,
      })
    }
    const prepared = prepare(operation as OperationName, request.body ?? {})
    const lines = encode(prepared.run(node, signalOf(reply)))
    return reply.type('application/x-ndjson').send(Readable.from(lines, { objectMode: false }))
  })
}

async function* encode(lines: AsyncIterable<Line>): AsyncGenerator<string> {
  try {
    for await (const line of lines) yield `${JSON.stringify(line)}\n`
  } catch (thrown) {
    yield `${JSON.stringify({ type: 'error', ...CatalogError.from(thrown).toJSON() })}\n`
  }
}
