// npm's registry: packuments, versions, tarballs, tags and search, as stock clients ask for them, and publishing. Over
// TCP anybody of this machine may ask, so only what everybody may have is there; all else looks absent. To publish
// takes a token.
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { CatalogError, ERRORS } from '../../base/errors.ts'
import { ADVISORIES_BYTES_MAX, NPM_PUBLISH_TEXT_MAX } from '../../base/http-limits.ts'
import { SEARCH_QUERY_LENGTH_MAX, SEARCH_RESULTS_MAX } from '../../base/limits.ts'
import type { PackageName } from '../../model/purl.ts'
import type { Release } from '../../model/release.ts'
import { npm } from '../../package-types/npm.ts'
import type { PackageState, PackageView } from '../../package-view.ts'
import type { UpstreamDocument } from '../../publishing/upstream/documents.ts'
import type { PackumentForm } from '../../publishing/upstream/packument.ts'
import type { SharingManager } from '../../sharing-manager.ts'
import type { Tokens } from '../../store/tokens.ts'
import { authorise, isOwner } from '../authorise.ts'
import type { Logins } from '../logins.ts'
import { signalOf } from '../signal.ts'
import { textOf } from './body.ts'
import { NpmChanges, revisionOf } from './changes.ts'
import { loginRoutes } from './login.ts'
import { documentAt, tagsIn, versionIn } from './outside.ts'
import { packument, versionDocument, versionOf } from './packument.ts'
import { formOf, Packuments } from './packuments.ts'
import { bundleOf } from './provenance.ts'
import { publish } from './publish.ts'
import type { RegistryKey } from './registry-key.ts'
import { sendTarball } from './tarballs.ts'

const PREFIX = '/npm'
const JSON_TYPE = 'application/json; charset=utf-8'
const SEARCH_SIZE = 20

interface Components {
  view: PackageView
  sharing: SharingManager
  tokens: Tokens
  /** What this node says of itself to registries. */
  via: string
  logins: Logins
  key: RegistryKey
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
      scope.addHook('onRequest', async ({ headers }) => {
        if (headers.via?.includes(components.via)) throw new CatalogError('USAGE', 'This registry would ask itself.')
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
        handler: (request, reply) => registry.tags(request, reply),
      })
      scope.post<{ Body: Readable }>('/-/npm/v1/security/advisories/bulk', (request, reply) =>
        registry.advisories(request, reply),
      )
      loginRoutes(scope, components)
      scope.get('/-/npm/v1/keys', async () => ({ keys: components.key.listed }))
      scope.get<{ Params: { '*': string } }>('/-/npm/v1/attestations/*', (request, reply) =>
        registry.attestations(request, reply),
      )
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
  readonly #packuments = new Packuments(async (of, form, registry) => {
    if ('versions' in of) return documentAt(of, registry)
    return Buffer.from(JSON.stringify(await this.#document(of, form, registry)))
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
    if (first === '-' && file !== undefined) {
      const version = versionOf(name, file)
      if (version === undefined) throw nothing()
      const release = await view.release(named(name), version, isOwner(this.#components.tokens, request), signal)
      return sendTarball(request, reply, { view, release, signal })
    }
    const outside = await this.#outside(name, first === undefined ? formOf(request) : 'install', request, signal)
    if (outside && first === undefined) return this.#packuments.send(request, reply, outside, registryOf(request))
    if (outside && first !== undefined) return reply.send(versionIn(outside, first, registryOf(request)))
    const state = await view.state(named(name), signal)
    if (first === undefined) return this.#packument(request, reply, state)
    const of = (version: string | undefined) => state.releases.find(({ body }) => body.version === version)
    const release = found(of(first) ?? of(state.tags[first]))
    const signatures = await this.#components.key.signatures([release])
    return reply.send(versionDocument(state, release, 'full', { registry: registryOf(request), signatures }))
  }

  /** Who wants to change a document says which one was read. */
  async #packument(request: FastifyRequest, reply: FastifyReply, state: PackageState): Promise<FastifyReply> {
    const registry = registryOf(request)
    if ((request.query as Record<string, unknown>)['write'] !== 'true') {
      return this.#packuments.send(request, reply, state, registry)
    }
    return reply.send(await this.#document(state, 'full', registry))
  }

  async #document(state: PackageState, form: PackumentForm, registry: string): Promise<object> {
    const signatures = await this.#components.key.signatures(state.releases)
    // A revision for pnpm, which changes a document that it has read like any other.
    const revision = form === 'full' ? { _rev: revisionOf(state) } : {}
    return { ...packument(state, form, { registry, signatures }), ...revision }
  }

  /** `NAME@VERSION` */
  async attestations(request: FastifyRequest<{ Params: { '*': string } }>, reply: FastifyReply): Promise<object> {
    const [, name = '', version = ''] = /^(.[^@]*)@([^@]+)$/.exec(request.params['*']) ?? []
    const signal = signalOf(reply)
    const { view } = this.#components
    const outside = await this.#outside(name, 'install', request, signal)
    if (outside) {
      const owner = isOwner(this.#components.tokens, request)
      return reply.type(JSON_TYPE).send(await view.attestationsOutside(outside, version, owner, signal))
    }
    const { releases } = await view.state(named(name), signal)
    const release = found(releases.find(({ body }) => body.version === version))
    const { predicateType, bundle } = await view.attestation(release, signal)
    return { attestations: [{ predicateType, bundle: bundleOf(bundle) }] }
  }

  /** `NAME/dist-tags[/TAG]` */
  async tags(request: FastifyRequest<Wild>, reply: FastifyReply): Promise<PackageState['tags'] | { ok: true }> {
    const { method, body, params } = request
    const { name: text, rest } = asked(params['*'])
    const [first, tag, ...others] = rest
    if (first !== 'dist-tags' || others.length > 0) throw nothing()
    const name = named(text)
    if (method === 'GET' && tag === undefined) {
      const signal = signalOf(reply)
      const outside = await this.#outside(text, 'install', request, signal)
      return outside ? tagsIn(outside) : (await this.#components.view.state(name, signal)).tags
    }
    authorise(this.#components.tokens, request)
    if (tag === undefined && (method === 'PUT' || method === 'POST')) {
      await this.#changes.tagAll(name, await jsonOf(body), method === 'PUT')
    } else if (tag !== undefined && (method === 'PUT' || method === 'POST')) {
      await this.#changes.tag(name, tag, await jsonOf(body))
    } else if (tag !== undefined && method === 'DELETE') {
      await this.#changes.untag(name, tag)
    } else throw nothing()
    return { ok: true }
  }

  /** What the outside registry says of a package; where it fails, what the mesh knows is said instead. */
  async #outside(
    text: string,
    form: PackumentForm,
    request: FastifyRequest,
    signal: AbortSignal,
  ): Promise<UpstreamDocument | undefined> {
    const { view, tokens } = this.#components
    const name = named(text)
    return view.orMesh(name, view.document(name, form, isOwner(tokens, request), signal), signal)
  }

  async advisories({ body, headers }: FastifyRequest<{ Body: Readable }>, reply: FastifyReply): Promise<FastifyReply> {
    // npm packs what it asks.
    const plain = headers['content-encoding'] === 'gzip' ? body.compose(createGunzip()) : body
    const text = await textOf(plain, ADVISORIES_BYTES_MAX, `This takes at most ${ADVISORIES_BYTES_MAX} bytes.`).catch(
      (thrown) => {
        throw CatalogError.from(thrown, 'USAGE')
      },
    )
    return reply.type(JSON_TYPE).send(await this.#components.view.advisories(text, signalOf(reply)))
  }

  async whoami(request: FastifyRequest): Promise<{ username: string }> {
    authorise(this.#components.tokens, request)
    const publisher = await this.#components.sharing.publisher()
    return { username: publisher ?? 'nobody yet' }
  }

  /** A document, of a new version or with changes; with `-rev/REVISION` behind it, perhaps with fewer versions. */
  async write(request: FastifyRequest<Wild>, reply: FastifyReply): Promise<{ ok: true }> {
    authorise(this.#components.tokens, request)
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
    authorise(this.#components.tokens, request)
    const { name: text, rest } = asked(request.params['*'])
    const [mark, second = '', third] = rest
    if (mark === '-rev' && rest.length === 2) await this.#changes.remove(named(text), second)
    else if (mark === '-' && third === '-rev') await this.#changes.removeTarball(named(text), second)
    else throw nothing()
    return { ok: true }
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
  const text = await textOf(body, NPM_PUBLISH_TEXT_MAX, 'These are too many tags at once.')
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new CatalogError('USAGE', 'The body is not JSON.', { cause })
  }
}

/** Where this gateway is, as the client calls it: its name was checked before. */
function registryOf({ headers }: FastifyRequest): string {
  return `http://${headers.host}${PREFIX}/`
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
    .removeHeader('etag')
    .header('cache-control', 'no-store')
    .code(status)
    .type(JSON_TYPE)
    .send({ error: `${error.message}${hint}` })
}
