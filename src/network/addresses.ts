// What can be read from a libp2p address without dialling it.
import { isIP } from 'node:net'
import type { Connection } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { CatalogError } from '../base/errors.ts'
import { ADDRESS_LENGTH_MAX } from '../base/limits.ts'
import { printable, reasonOf } from './failures.ts'

/** @returns the peer id at the end of an address, if there is one */
export function peerOf(address: Multiaddr): string | undefined {
  return address.getComponents().findLast((component) => component.name === 'p2p')?.value
}

/** The address without its peer id, as text. */
export function withoutPeer(address: Multiaddr): string {
  const text = address.toString()
  const at = text.lastIndexOf('/p2p/')
  return at < 0 ? text : text.slice(0, at)
}

export function isQuic(address: Multiaddr): boolean {
  return address.getComponents().some((component) => component.name === 'quic-v1')
}

/** Order for dialling: QUIC first, which connects in half the time and multiplexes better. */
export function byTransport(a: { multiaddr: Multiaddr }, b: { multiaddr: Multiaddr }): -1 | 0 | 1 {
  return Math.sign(Number(isQuic(b.multiaddr)) - Number(isQuic(a.multiaddr))) as -1 | 0 | 1
}

/** The open connection to prefer among those to one peer. */
export function bestConnection(connections: Connection[]): Connection | undefined {
  const open = connections.filter((connection) => connection.status === 'open')
  return open.find((connection) => isQuic(connection.remoteAddr)) ?? open[0]
}

/** Whether `connection` is what dialling `target` would give. */
export function leadsTo(connection: Connection, target: Multiaddr): boolean {
  const peer = peerOf(target)
  if (peer !== undefined) return connection.remotePeer.toString() === peer
  // An inbound connection comes from a port of its own, so only dialled ones can match.
  return connection.direction === 'outbound' && withoutPeer(connection.remoteAddr) === withoutPeer(target)
}

/** @returns the IP address that a multiaddr begins with; nothing for a relayed one, which is not the peer's own */
export function ipOf(address: string): string | undefined {
  const [first, ...rest] = multiaddr(address).getComponents()
  const relayed = rest.some(({ name }) => name === 'p2p-circuit')
  return first && /^ip[46]$/.test(first.name) && !relayed ? first.value : undefined
}

/** @param host - an IP address */
export function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.')
}

export function addressInvalid(address: string, reason: string, cause?: unknown): CatalogError {
  const shown = printable(address, ADDRESS_LENGTH_MAX)
  return new CatalogError('ADDRESS_INVALID', `${shown} cannot be dialled: ${reason}.`, {
    hint: 'An address looks like /ip4/192.0.2.7/udp/4100/quic-v1/p2p/12D3Koo…; a running node prints its own.',
    details: { address: shown },
    cause,
  })
}

/** Port of the control plane where none is given. */
const CONTROL_PORT = 9292

/**
 * A peer as a user writes it, as a multiaddr: one already, or `host[:port]`, meaning QUIC.
 *
 * @throws CatalogError `ADDRESS_INVALID`
 */
export function peerAddress(text: string): string {
  if (text.startsWith('/')) return checkedMultiaddr(text)
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s/]+))(?::(\d{1,5}))?$/.exec(text)
  if (!match) throw addressInvalid(text, 'it is neither a multiaddr nor host[:port]')
  if (Number(match[3] ?? 0) > 65_535) throw addressInvalid(text, 'a port is at most 65535')
  const host = match[1] ?? match[2] ?? ''
  const family = isIP(host) === 6 ? 'ip6' : isIP(host) === 4 ? 'ip4' : 'dns'
  return `/${family}/${host}/udp/${match[3] ?? CONTROL_PORT}/quic-v1`
}

function checkedMultiaddr(text: string): string {
  try {
    multiaddr(text)
  } catch (cause) {
    throw addressInvalid(text, reasonOf(cause), cause)
  }
  return text
}
