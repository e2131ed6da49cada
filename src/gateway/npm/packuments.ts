// Packuments as they go out: put together and packed once for each form, and kept as bytes as long as the state of the
// package is the same.
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { PACKUMENTS_BYTES_MAX } from '../../base/http-limits.ts'
import { KiB } from '../../base/units.ts'
import type { PackageState } from '../../package-view.ts'
import type { UpstreamDocument } from '../../publishing/upstream/documents.ts'
import type { PackumentForm } from '../../publishing/upstream/packument.ts'
import { MEDIA_TYPES } from './packument.ts'

const INSTALL_ACCEPT = 'application/vnd.npm.install-v1+json'
/** About what an entry takes beside its bytes. */
const ENTRY_BYTES = KiB
/** A smaller one fits into one packet as it is. */
const PACKED_BYTES_MIN = KiB

type Coding = 'br' | 'gzip' | 'identity'

/** By threads of the pool. Brotli's fifth quality takes about as long as gzip's usual one, and packs a tenth better. */
const PACK: Record<Exclude<Coding, 'identity'>, (bytes: Buffer) => Promise<Buffer>> = {
  br: (bytes) =>
    promisify(brotliCompress)(bytes, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    }),
  gzip: promisify<Buffer, Buffer>(gzip),
}

interface Packed {
  readonly of: Told
  readonly bytes: Buffer
  /** What the bytes are; a small one is not packed, whatever was asked for. */
  readonly coding: Coding
  readonly etag: string
}

/** What a packument is made of. */
type Told = PackageState | UpstreamDocument
/** @param registry - the URL of the gateway, with a slash at its end */
type Assemble = (of: Told, form: PackumentForm, registry: string) => Promise<Buffer>

interface Wanted {
  readonly form: PackumentForm
  readonly coding: Coding
  readonly registry: string
}

export class Packuments {
  readonly #assemble: Assemble
  readonly #packed = new LRUCache<string, Packed>({
    maxSize: PACKUMENTS_BYTES_MAX,
    sizeCalculation: ({ bytes }) => bytes.length + ENTRY_BYTES,
  })
  /** By key: the first who asks has it made, the others wait. */
  readonly #making = new Map<string, Promise<Packed>>()

  constructor(assemble: Assemble) {
    this.#assemble = assemble
  }

  async send(request: FastifyRequest, reply: FastifyReply, of: Told, registry: string): Promise<FastifyReply> {
    const { headers } = request
    const form = formOf(request)
    const wanted = { form, coding: codingOf(headers['accept-encoding']), registry }
    const key = `${form} ${wanted.coding} ${registry} ${of.name}`
    const known = this.#packed.get(key)
    const { bytes, coding, etag } = known?.of === of ? known : await this.#made(key, of, wanted)
    reply.header('etag', etag).header('vary', 'accept, accept-encoding').header('cache-control', 'no-cache')
    if (headers['if-none-match']?.includes(etag)) return reply.code(304).send()
    if (coding !== 'identity') reply.header('content-encoding', coding)
    return reply.type(MEDIA_TYPES[form]).send(bytes)
  }

  async #made(key: string, of: Told, wanted: Wanted): Promise<Packed> {
    const making = this.#making.get(key) ?? this.#make(of, wanted)
    this.#making.set(key, making)
    try {
      const made = await making
      // Of who waits for one of another state, each has its own made.
      if (made.of !== of) return await this.#make(of, wanted)
      this.#packed.set(key, made)
      return made
    } finally {
      if (this.#making.get(key) === making) this.#making.delete(key)
    }
  }

  async #make(of: Told, { form, coding: wanted, registry }: Wanted): Promise<Packed> {
    const plain = await this.#assemble(of, form, registry)
    const coding = plain.length < PACKED_BYTES_MIN ? 'identity' : wanted
    const bytes = coding === 'identity' ? plain : await PACK[coding](plain)
    // Bytes that differ have tags that differ.
    const etag = `"${createHash('sha256').update(plain).digest('base64url')}.${coding}"`
    return { of, bytes, coding, etag }
  }
}

export function formOf({ headers: { accept = '' } }: FastifyRequest): PackumentForm {
  return accept.includes(INSTALL_ACCEPT) ? 'install' : 'full'
}

/** The best that is accepted. Source: RFC 9110, 12.5.3; weights only tell what is refused. */
function codingOf(accepted: string | undefined): Coding {
  if (accepted === undefined) return 'identity'
  const named = new Map(
    accepted.split(',').map((one) => {
      const [name = '', ...parameters] = one.toLowerCase().split(';')
      return [name.trim(), parameters.some((text) => /^\s*q=0(\.0*)?\s*$/.test(text))]
    }),
  )
  const accepts = (coding: Coding) => named.has(coding) && named.get(coding) === false
  return accepts('br') ? 'br' : accepts('gzip') ? 'gzip' : 'identity'
}
