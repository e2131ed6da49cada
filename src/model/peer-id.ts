// Peer ids: libp2p's text of a node's Ed25519 key, so that a key can be had from an id alone.
import { base58btc } from 'multiformats/bases/base58'
import { z } from 'zod'
import { CatalogError } from '../base/errors.ts'
import { PEER_ID_LENGTH_MAX } from '../base/limits.ts'

/** In a record: the shape alone. An id that is nobody's lets nobody in. */
export const peerIdText = z
  .string()
  .max(PEER_ID_LENGTH_MAX)
  .regex(/^[1-9A-HJ-NP-Za-km-z]+$/)

/** The Ed25519 key inside a peer id: an identity multihash around libp2p's key protobuf. */
export function keyOfPeer(peer: string): Uint8Array {
  const prefix = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20]
  try {
    const bytes = base58btc.baseDecode(peer)
    if (bytes.length === 38 && prefix.every((byte, i) => bytes[i] === byte)) return bytes.slice(6)
  } catch (cause) {
    throw new CatalogError('RECORD_INVALID', `"${peer}" is not a peer id.`, { cause })
  }
  throw new CatalogError('RECORD_INVALID', `"${peer}" is not the peer id of an Ed25519 key.`)
}

/** A peer id as a user wrote it. @throws CatalogError `USAGE` */
export function parsePeerId(text: string): string {
  try {
    keyOfPeer(text)
    return text
  } catch (cause) {
    throw new CatalogError('USAGE', `"${text.slice(0, 80)}" is not a peer id.`, {
      hint: 'A node shows its own with: catalog status',
      cause,
    })
  }
}
