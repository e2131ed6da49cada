// The frames of a call, as bytes and back: what may be said to a peer, and what is made of what a peer says.
import type { ZodType } from 'zod'
import { CatalogError, type ErrorCode } from '../base/errors.ts'
import { KiB } from '../base/units.ts'
import { decodeCbor, encodeCbor } from '../model/cbor.ts'
import { encodeFrame } from '../wire/frame.ts'
import type { Protocol } from '../wire/messages.ts'
import { printable } from './failures.ts'

/** The end and error frames fit this, whatever the protocol's own bound on a reply frame. */
export const CONTROL_FRAME_BYTES = KiB

/** Characters of an error's message that cross the wire; four bytes each still fit the frame. */
const MESSAGE_LENGTH_MAX = 200

/** What a peer may be told. Everything else is this node's own business and becomes INTERNAL. */
const TOLD: readonly ErrorCode[] = ['NOT_FOUND', 'REFUSED', 'PEER_BUSY', 'LIMIT_EXCEEDED', 'PEER_PROTOCOL']

export interface PeerError {
  readonly code: ErrorCode
  readonly message: string
}

/** What the asker is told of `thrown`. */
export function errorForPeer(thrown: unknown): PeerError {
  if (thrown instanceof CatalogError && TOLD.includes(thrown.code)) {
    return { code: thrown.code, message: printable(thrown.message, MESSAGE_LENGTH_MAX) }
  }
  return { code: 'INTERNAL', message: 'The peer could not answer.' }
}

export function encodeError(error: PeerError): Uint8Array {
  return encodeFrame(encodeCbor({ error: { code: error.code, message: error.message } }))
}

export function encodeEnd(): Uint8Array {
  return encodeFrame(encodeCbor({ end: true }))
}

/**
 * @returns the whole frame, and the length of its payload
 * @throws CatalogError `INTERNAL` when the reply is longer than the protocol allows: a mistake of the handler
 */
export function encodeItem<Request, Reply>(
  protocol: Protocol<Request, Reply>,
  item: Reply,
): { frame: Uint8Array; bytes: number } {
  const payload = encodeCbor({ item })
  if (payload.length > protocol.replyFrameBytesMax) {
    throw new CatalogError('INTERNAL', `A reply of ${protocol.id} has ${payload.length} bytes, over its bound.`)
  }
  return { frame: encodeFrame(payload), bytes: payload.length }
}

/** @throws CatalogError `PEER_PROTOCOL` */
export function decodeRequest<Request, Reply>(protocol: Protocol<Request, Reply>, frame: Uint8Array): Request {
  return parse(protocol.request, fromCbor(frame), `The request is not one of ${protocol.id}.`)
}

/**
 * @returns the item, or undefined at the end
 * @throws CatalogError the peer's error under its own code, or `PEER_PROTOCOL`
 */
export function decodeReply<Request, Reply>(
  protocol: Protocol<Request, Reply>,
  peer: string,
  frame: Uint8Array,
): { item: Reply } | undefined {
  const message = fromCbor(frame)
  if (Object.hasOwn(message, 'error')) throw peerError(peer, message['error'])
  if (message['end'] === true) return undefined
  if (frame.length > protocol.replyFrameBytesMax) {
    throw new CatalogError('PEER_PROTOCOL', `A reply frame is longer than ${protocol.replyFrameBytesMax} bytes.`)
  }
  return { item: parse(protocol.reply, message['item'], `The reply is not one of ${protocol.id}.`) }
}

function peerError(peer: string, sent: unknown): CatalogError {
  const { code, message } = (typeof sent === 'object' && sent !== null ? sent : {}) as Partial<Record<string, unknown>>
  const known = [...TOLD, 'INTERNAL' as const].find((one) => one === code)
  const text = typeof message === 'string' ? printable(message, MESSAGE_LENGTH_MAX) : ''
  return new CatalogError(known ?? 'INTERNAL', `${peer} answered: ${text || 'no reason'}`, {
    details: { peer },
  })
}

function fromCbor(frame: Uint8Array): Record<string, unknown> {
  let value: unknown
  try {
    value = decodeCbor(frame)
  } catch (cause) {
    throw new CatalogError('PEER_PROTOCOL', 'A frame is not DAG-CBOR.', { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw new CatalogError('PEER_PROTOCOL', 'A frame is not a map.')
  }
  return value as Record<string, unknown>
}

/** Schemas look at a byte string's length, never at its bytes: a large one costs no more than a small one. */
function parse<T>(schema: ZodType<T>, value: unknown, complaint: string): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new CatalogError('PEER_PROTOCOL', complaint, { cause: parsed.error })
}
