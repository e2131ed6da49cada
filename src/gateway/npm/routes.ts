// npm's registry: packuments, versions, tarballs, tags and search, as stock clients ask for them, and publishing. Over
// TCP anybody of this machine may ask, so only what everybody may have is there; all else looks absent. To publish
// takes a token.
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { parse as parseRange } from 'range-parser'
import { streamOf } from '../../base/byte-source.ts'
import { CatalogError, ERRORS } from '../../base/errors.ts'
import {
  NPM_TAGS_BYTES_MAX,
  PACKUMENTS_BYTES_MAX,
  SEARCH_QUERY_LENGTH_MAX,
  SEARCH_RESULTS_MAX,
} from '../../base/limits.ts'
import type { PackageName } from '../../model/purl.ts'
import type { Release } from '../../model/release.ts'
import { npm } from '../../package-types/npm.ts'
import type { PackageState, PackageView } from '../../package-view.ts'
import type { SharingManager } from '../../sharing-manager.ts'
import type { Tokens } from '../../store/tokens.ts'
import { NpmChanges, revisionOf } from './changes.ts'
import { MEDIA_TYPES, type PackumentForm, packument, tarballName, versionDocument } from './packument.ts'
import { publish } from './publish.ts'

const PREFIX = '/npm'
const INSTALL_ACCEPT = 'application/vnd.npm.install-v1+json'
const TARBALL_TYPE = 'application/octet-stream'
/** What a tarball of a version is, it stays. */
const IMMUTABLE = 'public, max-age=31536000, immutable'
const SEARCH_SIZE = 20

interface Components {
  view: PackageView
  sharing: SharingManager
  tokens: Tokens
}

/** A packument as it goes out, and what it was made of. */
interface Packument {
  readonly state: PackageState
  readonly bytes: Buffer
  readonly etag: string
}

/** What a path asks for, read from behind the prefix. */
interface Asked {
  readonly name: string
  /** A version, a tag, or `-` and a file. */
  readonly rest: readonly string[]
}

interface Wild {
  Params: { '*': string }
  Body: Readable | undefined
}

export function npmRoutes(server: FastifyInstance, components: Components): void {
  const registry = new NpmRegistry(components)
  server.register(
    async (scope) => {
      scope.setErrorHandler(replyWithError)
      scope.setNotFoundHandler(({ method }, reply) => {
        if (method === 'GET' || method === 'HEAD') return reply.code(404).send({ error: 'There is nothing here.' })
        return reply.code(405).send({ error: 'This is no way to ask for it.' })
      })
      // Who takes a body reads it as it comes.
      scope.removeAllContentTypeParsers()
      scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
      scope.get('/', async () => ({}))
      scope.get('/-/ping', async () => ({}))
      scope.get('/-/v1/search', (request) => registry.search(request))
      scope.route<Wild>({
        method: ['GET', 'PUT', 'POST', 'DELETE'],
        url: '/-/package/*',
        handler: (request) => registry.tags(request),
      })
      // Nothing is known of weaknesses; who asks at each install must not fail for it.
      scope.post<{ Body: Readable }>('/-/npm/v1/security/advisories/bulk', async ({ body }) => {
        body.resume()
        return {}
      })
      scope.get('/-/whoami', (request) => registry.whoami(request))
      scope.put<Wild>('/*', (request, reply) => registry.write(request, reply))
      scope.delete<Wild>('/*', (request) => registry.remove(request))
      scope.get('/*', (request, reply) => registry.read(request, reply))
    },
    { prefix: PREFIX },
  )
}

class NpmRegistry {
  readonly #components: Components
  readonly #packuments = new LRUCache<string, Packument>({
    maxSize: PACKUMENTS_BYTES_MAX,
    sizeCalculation: ({ bytes }) => bytes.length + 1_024,
  })

  readonly #changes: NpmChanges

  constructor(components: Components) {
    this.#components = components
    this.#changes = new NpmChanges(components)
  }

  async read(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { name, rest } = askedBy(request)
    const signal = signalOf(reply)
    const { view } = this.#components
    const [first, file] = rest
    const kept = view.withdrawn(named(name)).find((release) => first === '-' && tarballName(release) === file)
    if (kept) return this.#tarball(request, reply, kept, signal)
    const state = await view.state(named(name), signal)
    const { releases, tags } = state
    if (first === undefined) return this.#packument(request, reply, state)
    if (first === '-' && file !== undefined) {
      const release = releases.find((release) => tarballName(release) === file)
      return this.#tarball(request, reply, found(release), signal)
    }
    const of = (version: string | undefined) => releases.find(({ body }) => body.version === version)
    const release = of(first) ?? of(tags[first])
    return reply.send(versionDocument(state, found(release), 'full', registryOf(request)))
  }

  /** `NAME/dist-tags[/TAG]` */
  async tags(request: FastifyRequest<Wild>): Promise<PackageState['tags'] | { ok: true }> {
    const { method, body, params } = request
    const { name: text, rest } = asked(params['*'])
    const [first, tag, ...others] = rest
    if (first !== 'dist-tags' || others.length > 0) throw nothing()
    const name = named(text)
    if (method === 'GET' && tag === undefined) return (await this.#components.view.state(name)).tags
    this.#authorise(request)
    if (tag === undefined && (method === 'PUT' || method === 'POST')) {
      await this.#changes.tagAll(name, await jsonOf(body), method === 'PUT')
    } else if (tag !== undefined && (method === 'PUT' || method === 'POST')) {
      await this.#changes.tag(name, tag, await jsonOf(body))
    } else if (tag !== undefined && method === 'DELETE') {
      await this.#changes.untag(name, tag)
    } else throw nothing()
    return { ok: true }
  }

  async whoami(request: FastifyRequest): Promise<{ username: string }> {
    this.#authorise(request)
    const { publisher } = await this.#components.sharing.status()
    return { username: publisher ?? 'nobody yet' }
  }

  /** A document, of a new version or with changes; with `-rev/REVISION` behind it, perhaps with fewer versions. */
  async write(request: FastifyRequest<Wild>, reply: FastifyReply): Promise<{ ok: true }> {
    this.#authorise(request)
    const { name: text, rest } = asked(request.params['*'])
    const [mark, revision, ...others] = rest
    if ((mark !== undefined && mark !== '-rev') || others.length > 0 || !request.body) throw nothing()
    const name = named(text)
    const document = await publish(this.#components, text, request.body, signalOf(reply))
    if (!document) reply.code(201)
    else if (revision === undefined) await this.#changes.deprecate(name, document)
    else await this.#changes.replace(name, revision, document)
    return { ok: true }
  }

  /** `NAME/-rev/REVISION` or `NAME/-/FILE/-rev/REVISION` */
  async remove(request: FastifyRequest<Wild>): Promise<{ ok: true }> {
    this.#authorise(request)
    const { name: text, rest } = asked(request.params['*'])
    const [mark, second = '', third] = rest
    if (mark === '-rev' && rest.length === 2) await this.#changes.remove(named(text), second)
    else if (mark === '-' && third === '-rev') await this.#changes.removeTarball(named(text), second)
    else throw nothing()
    return { ok: true }
  }

  /** @throws CatalogError `UNAUTHORISED` */
  #authorise({ headers: { authorization = '' } }: FastifyRequest): void {
    const [, token = ''] = /^Bearer (\S+)$/i.exec(authorization) ?? []
    if (this.#components.tokens.holds(token)) return
    throw new CatalogError('UNAUTHORISED', 'This takes a token that the node has made, and that is not revoked.', {
      hint: 'Make one with "catalog token create", and tell npm: npm config set //HOST/npm/:_authToken=TOKEN',
    })
  }

  async search({ query }: FastifyRequest): Promise<object> {
    const { text, from, size } = query as Record<string, unknown>
    const words = typeof text === 'string' ? text.trim().slice(0, SEARCH_QUERY_LENGTH_MAX - 'type:npm '.length) : ''
    const first = whole(from, 0)
    const most = Math.max(1, Math.min(whole(size, SEARCH_SIZE), SEARCH_RESULTS_MAX))
    if (words === '' || first >= SEARCH_RESULTS_MAX) return { objects: [], total: 0 }
    const options = { limit: Math.min(first + most, SEARCH_RESULTS_MAX), publicOnly: true }
    const { results } = await this.#components.sharing.searchPackages(`type:npm ${words}`, options)
    const objects = results.slice(first, first + most).map(({ name, version, description, publisher, score }) => {
      const maintainer = { username: publisher }
      return {
        package: {
          name,
          version,
          description,
          keywords: [],
          links: {},
          publisher: maintainer,
          maintainers: [maintainer],
        },
        score: { final: score, detail: { quality: 0, popularity: 0, maintenance: 0 } },
        searchScore: score,
      }
    })
    return { objects, total: results.length }
  }

  #packument(request: FastifyRequest, reply: FastifyReply, state: PackageState): FastifyReply {
    if ((request.query as Record<string, unknown>)['write'] === 'true') {
      return reply.send({ ...packument(state, 'full', registryOf(request)), _rev: revisionOf(state) })
    }
    const form: PackumentForm = request.headers.accept?.includes(INSTALL_ACCEPT) ? 'install' : 'full'
    const { bytes, etag } = this.#made(state, form, registryOf(request))
    reply.header('etag', etag).header('vary', 'accept').header('cache-control', 'no-cache')
    if (request.headers['if-none-match'] === etag) return reply.code(304).send()
    return reply.type(MEDIA_TYPES[form]).send(bytes)
  }

  /** Made again only when it would be of something else. */
  #made(state: PackageState, form: PackumentForm, registry: string): Packument {
    const key = `${form} ${registry} ${state.name}`
    const known = this.#packuments.get(key)
    if (known && isSame(known.state, state)) return known
    const bytes = Buffer.from(JSON.stringify(packument(state, form, registry)))
    const made = { state, bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"` }
    this.#packuments.set(key, made)
    return made
  }

  async #tarball(
    request: FastifyRequest,
    reply: FastifyReply,
    release: Release,
    signal: AbortSignal,
  ): Promise<FastifyReply> {
    const [artifact] = release.body.artifacts
    const etag = `"${Buffer.from(artifact?.root ?? []).toString('base64url')}"`
    reply.header('etag', etag).header('cache-control', IMMUTABLE).header('accept-ranges', 'bytes')
    if (request.headers['if-none-match'] === etag) return reply.code(304).send()
    const { lease } = await this.#components.view.open(release, signal)
    // Given back when all of it is out, or when the client is gone.
    reply.raw.once('close', () => lease[Symbol.dispose]())
    const range = rangeOf(request, lease.length)
    if (range === 'none') return reply.code(416).header('content-range', `bytes */${lease.length}`).send()
    const { start, end } = range ?? { start: 0, end: lease.length - 1 }
    if (range) reply.code(206).header('content-range', `bytes ${start}-${end}/${lease.length}`)
    const length = end - start + 1
    const part = lease.bytes
      ? { ...lease, length, bytes: lease.bytes.subarray(start, end + 1) }
      : { ...lease, length, offset: lease.offset + start }
    return reply.type(TARBALL_TYPE).header('content-length', length).send(streamOf(part, signal))
  }
}

function isSame(a: PackageState, b: PackageState): boolean {
  const said = ({ tags, deprecated }: PackageState) => JSON.stringify([tags, [...deprecated]])
  const hasSame = a.releases.length === b.releases.length && a.releases.every((one, i) => one === b.releases[i])
  return hasSame && said(a) === said(b)
}

/** One range that can be had, `none` when there is none, or nothing where the whole is meant. */
function rangeOf(
  { headers: { range } }: FastifyRequest,
  length: number,
): { start: number; end: number } | 'none' | undefined {
  if (range === undefined || range.length > 256) return undefined
  const { type, code, ranges } = parseRange(length, range)
  // What is malformed counts as not said, and so do several at once.
  if (type !== 'bytes' || (code & 1) === 1 || ranges.length > 1) return undefined
  return ranges[0] ?? 'none'
}

function askedBy(request: FastifyRequest): Asked {
  const [path = ''] = request.url.split('?', 1)
  return asked(path.slice(PREFIX.length + 1))
}

/** A name with a scope comes as one segment, its slash encoded, or as two. */
function asked(path: string): Asked {
  let text: string
  try {
    text = decodeURIComponent(path)
  } catch {
    throw nothing()
  }
  const segments = text.replace(/\/$/, '').split('/')
  const count = text.startsWith('@') ? 2 : 1
  return { name: segments.slice(0, count).join('/'), rest: segments.slice(count) }
}

/** @throws CatalogError `NOT_FOUND` for what is no name */
function named(name: string): PackageName {
  try {
    npm.checkName(name)
  } catch (cause) {
    throw new CatalogError('NOT_FOUND', CatalogError.from(cause).message, { cause })
  }
  return { type: 'npm', name }
}

function found(release: Release | undefined): Release {
  if (!release) throw new CatalogError('NOT_FOUND', 'There is no such version of this package.')
  return release
}

function nothing(): CatalogError {
  return new CatalogError('NOT_FOUND', 'There is nothing here.')
}

/** A body that is short. @throws CatalogError `USAGE`, `LIMIT_EXCEEDED` */
async function jsonOf(body: Readable | undefined): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.length
    if (bytes > NPM_TAGS_BYTES_MAX) throw new CatalogError('LIMIT_EXCEEDED', 'These are too many tags at once.')
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch (cause) {
    throw new CatalogError('USAGE', 'The body is not JSON.', { cause })
  }
}

/** Where this gateway is, as the client calls it: its name was checked before. */
function registryOf({ headers }: FastifyRequest): string {
  return `http://${headers.host}${PREFIX}/`
}

/** Aborts when the client has gone before it had everything. */
function signalOf(reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new CatalogError('ABORTED', 'The client went away.'))
  })
  return gone.signal
}

function whole(text: unknown, otherwise: number): number {
  const number = Number(text)
  return typeof text === 'string' && Number.isInteger(number) && number >= 0 ? number : otherwise
}

/** As npm reads it: `error` is what it prints. */
function replyWithError(thrown: FastifyError | CatalogError, _request: FastifyRequest, reply: FastifyReply) {
  const error = CatalogError.from(thrown)
  const status = thrown instanceof CatalogError ? ERRORS[error.code].http : (thrown.statusCode ?? 500)
  const hint = error.hint === undefined ? '' : ` ${error.hint}`
  return reply
    .code(status)
    .type('application/json; charset=utf-8')
    .send({ error: `${error.message}${hint}` })
}
