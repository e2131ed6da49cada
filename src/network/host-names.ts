// Host names in addresses, looked up as every other program of this machine does: /etc/hosts, then DNS. libp2p leaves
// them to its transports, and QUIC takes none.
import { lookup } from 'node:dns/promises'
import type { MultiaddrResolver } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { untilAborted } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'

/** Components that name a host, and the IP version they ask for; 0 takes either. */
const FAMILIES: ReadonlyMap<string, 0 | 4 | 6> = new Map([
  ['dns', 0],
  ['dns4', 4],
  ['dns6', 6],
])

export const hostNameResolver: MultiaddrResolver = {
  canResolve: (address) => address.getComponents().some(({ name }) => FAMILIES.has(name)),
  async resolve(address, { signal }) {
    const named = address.getComponents().find(({ name }) => FAMILIES.has(name))
    const host = named?.value ?? ''
    const family = FAMILIES.get(named?.name ?? '') ?? 0
    const found = await untilAborted(lookup(host, { all: true, family }), signal).catch((cause: unknown) => {
      throw new CatalogError('PEER_UNREACHABLE', `no address is known for the name ${host}`, { cause })
    })
    const text = address.toString()
    return found.map((one) => multiaddr(text.replace(`/${named?.name}/${host}`, `/ip${one.family}/${one.address}`)))
  },
}
