// Tarballs as they go out, read from where they lie: a small one at once, others through one buffer, again and again,
// whose bytes the system has taken before the next are read into it. Fresh buffers would pile up until collected.
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { parse as parseRange } from 'range-parser'
import { CatalogError } from '../../base/errors.ts'
import { KiB } from '../../base/units.ts'
import type { Release } from '../../model/release.ts'
import type { PackageView } from '../../package-view.ts'
import type { Lease } from '../../store/blobs.ts'

const TARBALL_TYPE = 'application/octet-stream'
/** What a tarball of a version is, it stays. */
const IMMUTABLE = 'max-age=31536000, immutable'
/** As much as is read from the system's cache at once. */
const PIECE_BYTES = 256 * KiB
/** A smaller one is handed to the framework, buffer and all. */
const SMALL_BYTES = 16 * KiB
/** Buffers kept for the next who want one. */
const BUFFERS_KEPT = 16
const buffers: Buffer[] = []

interface Part {
  readonly start: number
  readonly length: number
}

export async function sendTarball(
  request: FastifyRequest,
  reply: FastifyReply,
  { view, release, signal }: { view: PackageView; release: Release; signal: AbortSignal },
): Promise<FastifyReply> {
  const [artifact] = release.body.artifacts
  const etag = `"${Buffer.from(artifact?.root ?? []).toString('base64url')}"`
  // What is this node's own word may be for its user alone.
  const scope = release.record.signer.startsWith('node:') ? 'private' : 'public'
  reply.header('etag', etag).header('cache-control', `${scope}, ${IMMUTABLE}`).header('accept-ranges', 'bytes')
  if (request.headers['if-none-match']?.includes(etag)) return reply.code(304).send()
  const { lease } = await view.open(release, signal)
  // Given back when all of it is out, or when the client is gone: perhaps it is already.
  const giveBack = () => lease[Symbol.dispose]()
  if (reply.raw.destroyed) giveBack()
  else reply.raw.once('close', giveBack)
  signal.throwIfAborted()
  const range = rangeOf(request, lease.length, etag)
  if (range === 'none') return reply.code(416).header('content-range', `bytes */${lease.length}`).send()
  const { start, end } = range ?? { start: 0, end: lease.length - 1 }
  if (range) reply.code(206).header('content-range', `bytes ${start}-${end}/${lease.length}`)
  const part = { start, length: end - start + 1 }
  reply.type(TARBALL_TYPE).header('content-length', part.length)
  if (request.method === 'HEAD') {
    head(reply).end()
    return reply
  }
  if (part.length > SMALL_BYTES) return await sendPieces(reply, view, lease, part)
  const bytes = Buffer.allocUnsafe(part.length)
  await fill(view, lease, start, bytes)
  return reply.send(bytes)
}

async function sendPieces(reply: FastifyReply, view: PackageView, lease: Lease, part: Part): Promise<FastifyReply> {
  const buffer = buffers.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES)
  const piece = (done: number) => buffer.subarray(0, Math.min(PIECE_BYTES, part.length - done))
  // What cannot be read at all is told as any error.
  await fill(view, lease, part.start, piece(0))
  const raw = head(reply)
  try {
    for (let done = 0; done < part.length; done += PIECE_BYTES) {
      if (done > 0) await fill(view, lease, part.start + done, piece(done))
      await written(raw, piece(done))
    }
    raw.end()
    if (buffers.length < BUFFERS_KEPT) buffers.push(buffer)
  } catch (thrown) {
    // The head is out: only an end before its time tells the client. The buffer may be in use, and is left to it.
    raw.destroy(CatalogError.from(thrown))
  }
  return reply
}

/** Send the head, past the framework, which would want all of the body to go with it. */
function head(reply: FastifyReply): ServerResponse {
  reply.hijack()
  return reply.raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders)
}

/** @throws CatalogError `BLOB_CORRUPT` */
async function fill(view: PackageView, lease: Lease, at: number, buffer: Buffer): Promise<void> {
  const read = await view.read(lease, at, buffer)
  if (read < buffer.length) throw new CatalogError('BLOB_CORRUPT', 'A tarball is shorter than it was when it came.')
}

/** Resolves once the system has the bytes. */
function written(raw: ServerResponse, bytes: Buffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const gone = () => reject(new CatalogError('ABORTED', 'The client went away.'))
  raw.once('close', gone)
  raw.write(bytes, (error) => (error ? reject(error) : resolve()))
  return promise.finally(() => raw.off('close', gone))
}

/** One range that can be had, `none` when there is none, or nothing where the whole is meant. */
function rangeOf(
  { headers: { range, 'if-range': of } }: FastifyRequest,
  length: number,
  etag: string,
): { start: number; end: number } | 'none' | undefined {
  if (range === undefined || range.length > 256 || (of !== undefined && of !== etag)) return undefined
  const { type, code, ranges } = parseRange(length, range)
  // What is malformed counts as not said, and so do several at once.
  if (type !== 'bytes' || (code & 1) === 1 || ranges.length > 1) return undefined
  return ranges[0] ?? 'none'
}
