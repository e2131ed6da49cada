// Packuments as they go out: put together and packed once for each form, and kept as bytes as long as the state of the
// package is the same.
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { PACKUMENTS_BYTES_MAX } from '../../base/limits.ts'
import { KiB } from '../../base/units.ts'
import type { PackageState } from '../../package-view.ts'
import { MEDIA_TYPES, type PackumentForm, packument } from './packument.ts'

const INSTALL_ACCEPT = 'application/vnd.npm.install-v1+json'
/** About what an entry takes beside its bytes. */
const ENTRY_BYTES = KiB
/** A smaller one fits into one packet as it is. */
const PACKED_BYTES_MIN = KiB

type Coding = 'br' | 'gzip' | 'identity'

/** By threads of the pool. Brotli's fifth quality takes as long as gzip's usual one, and packs better. */
const PACK: Record<Exclude<Coding, 'identity'>, (bytes: Buffer) => Promise<Buffer>> = {
  br: (bytes) =>
    promisify(brotliCompress)(bytes, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    }),
  gzip: promisify<Buffer, Buffer>(gzip),
}

interface Packed {
  readonly state: PackageState
  readonly bytes: Buffer
  /** What the bytes are; a small one is not packed, whatever was asked for. */
  readonly coding: Coding
  readonly etag: string
}

export class Packuments {
  readonly #packed = new LRUCache<string, Packed>({
    maxSize: PACKUMENTS_BYTES_MAX,
    sizeCalculation: ({ bytes }) => bytes.length + ENTRY_BYTES,
  })
  /** By key: the first who asks has it made, the others wait. */
  readonly #making = new Map<string, Promise<Packed>>()

  /** @param registry - the URL of the gateway, with a slash at its end */
  async send(
    { headers }: FastifyRequest,
    reply: FastifyReply,
    state: PackageState,
    registry: string,
  ): Promise<FastifyReply> {
    const form: PackumentForm = headers.accept?.includes(INSTALL_ACCEPT) ? 'install' : 'full'
    const wanted = codingOf(headers['accept-encoding'])
    const key = `${form} ${wanted} ${registry} ${state.name}`
    const known = this.#packed.get(key)
    const { bytes, coding, etag } =
      known?.state === state ? known : await this.#made(key, state, { form, wanted, registry })
    reply.header('etag', etag).header('vary', 'accept, accept-encoding').header('cache-control', 'no-cache')
    if (headers['if-none-match']?.includes(etag)) return reply.code(304).send()
    if (coding !== 'identity') reply.header('content-encoding', coding)
    return reply.type(MEDIA_TYPES[form]).send(bytes)
  }

  async #made(
    key: string,
    state: PackageState,
    what: { form: PackumentForm; wanted: Coding; registry: string },
  ): Promise<Packed> {
    const making = this.#making.get(key) ?? make(state, what)
    this.#making.set(key, making)
    try {
      const made = await making
      // Of who waits for one of another state, each has its own made.
      if (made.state !== state) return await make(state, what)
      this.#packed.set(key, made)
      return made
    } finally {
      if (this.#making.get(key) === making) this.#making.delete(key)
    }
  }
}

async function make(
  state: PackageState,
  { form, wanted, registry }: { form: PackumentForm; wanted: Coding; registry: string },
): Promise<Packed> {
  const plain = Buffer.from(JSON.stringify(packument(state, form, registry)))
  const coding = plain.length < PACKED_BYTES_MIN ? 'identity' : wanted
  const bytes = coding === 'identity' ? plain : await PACK[coding](plain)
  // Bytes that differ have tags that differ.
  const etag = `"${createHash('sha256').update(plain).digest('base64url')}.${coding}"`
  return { state, bytes, coding, etag }
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
