// When a client goes away, what it asked for ends.
import type { FastifyReply } from 'fastify'
import { CatalogError } from '../base/errors.ts'

/** Aborts when the client has gone before it had everything: Ctrl-C in a terminal reaches the node this way. */
export function signalOf({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController()
  raw.once('close', () => {
    if (!raw.writableFinished) gone.abort(new CatalogError('ABORTED', 'The client went away.'))
  })
  return gone.signal
}
