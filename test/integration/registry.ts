// An outside registry for tests, over real HTTP: it serves what it is given, or packages of this project's own
// node_modules, packed anew, and signs as npm's does.
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export interface Manifest extends Record<string, unknown> {
  readonly name: string
  readonly version: string
}

interface Version {
  readonly manifest: Manifest
  readonly tarball: () => Promise<Buffer>
}

/** What a test has the registry do in place of answering; true when it has answered. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean

export class OutsideRegistry implements AsyncDisposable {
  /** The key it signs with, as the setting `originKeys` takes it. */
  readonly key: string
  /** Paths that were asked for. */
  readonly asked: string[] = []
  /** Bodies that came. */
  readonly bodies: string[] = []
  fault: Fault | undefined
  signs = true
  /** Packages of which it has no more than a SHA-1. */
  readonly old = new Set<string>()
  /** What is attested, by `name@version`. */
  readonly attested = new Map<string, unknown[]>()
  /** Packages whose signatures do not hold. */
  readonly forged = new Set<string>()
  /** The word that an Authorization header must have for anything to be there. */
  token: string | undefined
  readonly #key: KeyObject
  readonly #server: Server
  readonly #packages = new Map<string, Map<string, Version>>()
  readonly #packed = new Map<Version, Promise<Buffer>>()
  #port = 0

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    this.#key = privateKey
    this.key = publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((thrown) => {
        response.statusCode = 500
        response.end(String(thrown))
      })
    })
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`
  }

  /** Settings of a node that has it as its outside registry. */
  get settings(): Record<string, string> {
    return { CATALOG_UPSTREAM: this.url, CATALOG_ORIGIN_KEYS: this.key }
  }

  /** Also again, at the same address. */
  async start(): Promise<this> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
    return this
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** A package with these files beside its manifest. */
  add(manifest: Manifest, files: Record<string, string> = {}): void {
    const all = { 'package.json': JSON.stringify(manifest), ...files }
    this.#put(manifest, () => tarball(Object.entries(all).map(([name, text]) => [name, Buffer.from(text)])))
  }

  /** Every package in this project's node_modules that is for any machine. */
  addInstalled(): void {
    const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))
    const entries: [string, { os?: unknown; cpu?: unknown; link?: boolean }][] = Object.entries(lock.packages)
    for (const [path, { os, cpu, link }] of entries) {
      const folder = join(ROOT, path)
      // What other machines need was not installed here.
      if (path === '' || os || cpu || link || !existsSync(folder)) continue
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
      // What it would have for other machines is not there, nor what it could work with.
      const { scripts: _, optionalDependencies: _o, peerDependencies: _p, ...published } = manifest
      const files = filesIn(folder).filter((name) => name !== 'package.json')
      const read = () => files.map((name): [string, Buffer] => [name, readFileSync(join(folder, name))])
      const packageJson = Buffer.from(JSON.stringify(published))
      this.#put(published as Manifest, () => tarball([['package.json', packageJson], ...read()]))
    }
  }

  /** Of a package's tarballs, as they are served. */
  async tarballOf(name: string, version: string): Promise<Buffer> {
    const found = this.#packages.get(name)?.get(version)
    if (!found) throw new Error(`there is no ${name}@${version}`)
    const known = this.#packed.get(found) ?? found.tarball()
    this.#packed.set(found, known)
    return known
  }

  #put(manifest: Manifest, bytes: () => Promise<Buffer>): void {
    const versions = this.#packages.get(manifest.name) ?? new Map<string, Version>()
    this.#packages.set(manifest.name, versions.set(manifest.version, { manifest, tarball: bytes }))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = decodeURIComponent((request.url ?? '').slice(1))
    this.asked.push(path)
    this.bodies.push(await text(request))
    if (this.fault?.(request, response)) return
    if (this.token !== undefined && request.headers.authorization !== `Bearer ${this.token}`) {
      response.statusCode = 404
      response.end('{}')
      return
    }
    if (path === '-/npm/v1/security/advisories/bulk') return this.#json(request, response, advisories(this.bodies))
    const attested = /^-\/npm\/v1\/attestations\/(.+)/.exec(path)?.[1]
    if (attested !== undefined && this.attested.has(attested)) {
      return this.#json(request, response, { attestations: this.attested.get(attested) })
    }
    const [name = '', file] = path.split('/-/')
    const versions = this.#packages.get(name)
    const version = file?.slice(name.slice(name.lastIndexOf('/') + 1).length + 1, -'.tgz'.length)
    if (!versions || (version !== undefined && !versions.has(version))) {
      response.statusCode = 404
      response.end('{"error":"not found"}')
      return
    }
    if (version === undefined) return this.#json(request, response, await this.#packument(name, versions))
    response.end(await this.tarballOf(name, version))
  }

  #json(request: IncomingMessage, response: ServerResponse, document: unknown): void {
    const text = JSON.stringify(document)
    const etag = `"${createHash('sha1').update(text).digest('hex')}"`
    response.setHeader('etag', etag)
    response.setHeader('content-type', 'application/json')
    if (request.headers['if-none-match'] === etag) response.statusCode = 304
    response.end(response.statusCode === 304 ? undefined : text)
  }

  async #packument(name: string, versions: Map<string, Version>): Promise<object> {
    const entries = [...versions].map(async ([version, { manifest }]) => {
      const bytes = await this.tarballOf(name, version)
      const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
      const words = `${name}@${version}:${this.forged.has(name) ? 'something else' : integrity}`
      const sig = sign('sha256', Buffer.from(words), this.#key).toString('base64')
      const signatures = this.signs ? [{ keyid: fingerprint(this.key), sig }] : undefined
      const tarball = `${this.url}${name}/-/${name.slice(name.lastIndexOf('/') + 1)}-${version}.tgz`
      const url = `${this.url}-/npm/v1/attestations/${name}@${version}`
      const attestations = this.attested.has(`${name}@${version}`) ? { url, provenance: {} } : undefined
      const shasum = createHash('sha1').update(bytes).digest('hex')
      const said = this.old.has(name) ? { shasum } : { integrity, signatures }
      return [version, { ...manifest, dist: { tarball, ...said, attestations } }]
    })
    const made = Object.fromEntries(await Promise.all(entries))
    const latest = [...versions.keys()].at(-1)
    const time = Object.fromEntries([...versions.keys()].map((version) => [version, '2020-01-01T00:00:00.000Z']))
    return { _id: name, name, 'dist-tags': { latest }, versions: made, time }
  }
}

/** As npm names its keys. Source: RFC 5656 §3.1. */
function fingerprint(spki: string): string {
  const parts = [Buffer.from('ecdsa-sha2-nistp256'), Buffer.from('nistp256'), Buffer.from(spki, 'base64').subarray(-65)]
  const wire = Buffer.concat(parts.flatMap((part) => [Buffer.from([0, 0, 0, part.length]), part]))
  return `SHA256:${createHash('sha256').update(wire).digest('base64').replace('=', '')}`
}

/** One for each package called `weak`. */
function advisories(bodies: readonly string[]): object {
  const asked = JSON.parse(bodies.at(-1) ?? '{}') as Record<string, string[]>
  if (!('weak' in asked)) return {}
  const weakness = {
    id: 1,
    url: 'https://example.org/1',
    title: 'It is weak',
    severity: 'high',
    vulnerable_versions: '*',
  }
  return { weak: [weakness] }
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    const path = join(entry.parentPath, entry.name).slice(folder.length + 1)
    return entry.isFile() && !path.split('/').includes('node_modules') ? [path] : []
  })
}

/** A package, packed. */
export async function tarball(files: readonly (readonly [string, Buffer])[]): Promise<Buffer> {
  const archive = pack()
  for (const [name, bytes] of files) archive.entry({ name: `package/${name}`, mtime: new Date(0) }, bytes)
  archive.finalize()
  return gzipSync(await buffer(archive), { level: 1 })
}
