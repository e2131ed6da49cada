// The HTTP server of a node, twice: on the Unix socket in the data directory, which only the owner can open and which
// has the owner's authority; and on 127.0.0.1, which any process of this machine can reach and which shows only what
// any peer could see, and sums that name nobody, but to the bearer of a token. Every TCP request's Host must be this
// machine's, its Origin too when there is one, and what a browser asks for on behalf of another page is refused, so
// that no web page can speak to the node.
import { chmod, rm } from 'node:fs/promises'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { CatalogError, ERRORS } from '../base/errors.ts'
import { HTTP_BODY_BYTES_MAX } from '../base/http-limits.ts'
import { MINUTE_MS } from '../base/units.ts'
import { viaOf } from '../publishing/upstream/open.ts'
import type { SharingManager } from '../sharing-manager.ts'
import { Metrics } from '../telemetry/metrics.ts'
import type { Served } from './api/endpoints.ts'
import { apiRoutes } from './api/routes.ts'
import { tcpRoutes } from './api/tcp-routes.ts'
import { loginPage } from './dashboard/login-page.ts'
import { dashboardRoutes } from './dashboard/page.ts'
import type { RegistryKey } from './npm/registry-key.ts'
import { npmRoutes } from './npm/routes.ts'

/** HTTP is for this machine; peers come over libp2p. */
const HTTP_HOST = '127.0.0.1'
const LOCAL_NAMES = new Set(['127.0.0.1', 'localhost', '[::1]'])

export interface GatewayOptions {
  /** TCP port on 127.0.0.1; 0 takes any. */
  readonly port: number
  /** Path of the Unix socket. */
  readonly socket: string
  /** With which it answers for what it lists. */
  readonly key: RegistryKey
}

export class Gateway {
  readonly #node: Served
  readonly #options: GatewayOptions
  readonly #socketServer: FastifyInstance
  readonly #tcpServer: FastifyInstance
  readonly #metrics: Metrics

  constructor(node: Served, options: GatewayOptions) {
    this.#node = node
    this.#options = options
    this.#socketServer = server()
    this.#tcpServer = server()
    this.#metrics = new Metrics({ peers: () => node.sharing.connectedPeers().length })
  }

  /** `http://127.0.0.1:<port>` once started. */
  get url(): string {
    const { port } = this.#tcpServer.server.address() as AddressInfo
    return `http://${HTTP_HOST}:${port}`
  }

  /** @throws CatalogError `LISTEN_FAILED` */
  async start(): Promise<void> {
    const { sharing } = this.#node
    healthRoute(this.#socketServer, sharing)
    metricsRoute(this.#socketServer, this.#metrics)
    apiRoutes(this.#socketServer, this.#node)
    this.#tcpServer.addHook('onRequest', (request, _reply, done) => done(originError(request)))
    healthRoute(this.#tcpServer, sharing)
    metricsRoute(this.#tcpServer, this.#metrics)
    tcpRoutes(this.#tcpServer, this.#node)
    dashboardRoutes(this.#tcpServer, sharing)
    loginPage(this.#tcpServer, this.#node.logins)
    const { port, socket, key } = this.#options
    const { view, tokens, logins, peerId } = this.#node
    npmRoutes(this.#tcpServer, { view, sharing, tokens, logins, key, via: viaOf(peerId) })
    // The lock of the data directory is ours: a socket that is there was left by a process that is gone.
    await rm(socket, { force: true })
    await listen(this.#socketServer, { path: socket }, socket)
    await chmod(socket, 0o600)
    await listen(this.#tcpServer, { host: HTTP_HOST, port }, `${HTTP_HOST}:${port}`)
  }

  async close(): Promise<void> {
    this.#metrics.close()
    await Promise.all([this.#tcpServer.close(), this.#socketServer.close()])
  }
}

function server(): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: HTTP_BODY_BYTES_MAX,
    // The largest package takes a while, and clients are on this machine.
    requestTimeout: 10 * MINUTE_MS,
    forceCloseConnections: true,
  })
  app.setErrorHandler(replyWithError)
  app.setNotFoundHandler((request, reply) => {
    const error = new CatalogError('NOT_FOUND', `There is nothing at ${request.method} ${request.url.slice(0, 200)}.`)
    return replyWithError(error, request, reply)
  })
  return app
}

function healthRoute(app: FastifyInstance, sharing: SharingManager): void {
  app.get('/healthz', async () => {
    return { status: 'ok', ...sharing.health() }
  })
}

function metricsRoute(app: FastifyInstance, metrics: Metrics): void {
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.render()))
}

/** Why a request is refused, `REFUSED`, if it is. */
function originError({ headers }: FastifyRequest): CatalogError | undefined {
  const { host = '', origin } = headers
  if (!LOCAL_NAMES.has(host.replace(/:\d+$/, '').toLowerCase())) {
    return new CatalogError('REFUSED', 'This server answers only under the name of this machine.', {
      hint: 'Use http://127.0.0.1 or http://localhost.',
    })
  }
  if (isOfOtherPage(headers) || (origin !== undefined && origin !== `http://${host}`)) {
    return new CatalogError('REFUSED', 'Requests from other web pages are refused.')
  }
  return undefined
}

/**
 * Whether a browser asks for what another page embeds: such a GET carries no `Origin`, and could still have this node
 * fetch a package. A link that is followed to here is no such thing.
 */
function isOfOtherPage(headers: IncomingHttpHeaders): boolean {
  const { 'sec-fetch-site': site = 'none', 'sec-fetch-dest': destination } = headers
  return site !== 'none' && site !== 'same-origin' && destination !== 'document'
}

function replyWithError(thrown: FastifyError | CatalogError, _request: FastifyRequest, reply: FastifyReply) {
  const error = thrown instanceof CatalogError ? thrown : fromFastify(thrown)
  return reply.code(ERRORS[error.code].http).send({ type: 'error', ...error.toJSON() })
}

function fromFastify(thrown: FastifyError): CatalogError {
  if ((thrown.statusCode ?? 500) < 500) return new CatalogError('USAGE', thrown.message, { cause: thrown })
  return CatalogError.from(thrown)
}

async function listen(
  app: FastifyInstance,
  where: { path: string } | { host: string; port: number },
  name: string,
): Promise<void> {
  try {
    await app.listen(where)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const reason = code === 'EADDRINUSE' ? 'something else listens there' : message
    throw new CatalogError('LISTEN_FAILED', `HTTP cannot listen on ${name}: ${reason}.`, {
      hint: 'Choose another port with --http-port N; 0 takes any free one.',
      cause,
    })
  }
}
