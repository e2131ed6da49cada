// How the libp2p node of a Catalog node is put together, and why each setting is not the default.
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { type GossipSub, gossipsub } from '@libp2p/gossipsub'
import { type Identify, identify } from '@libp2p/identify'
import type { Libp2p, PeerId, PeerInfo } from '@libp2p/interface'
import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { mdns } from '@libp2p/mdns'
import { noise } from '@libp2p/noise'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p, dnsaddrResolver } from 'libp2p'
import { concatBytes } from '../base/bytes.ts'
import { ADDRESSES_PER_PEER_MAX, CONNECTIONS_MAX, DIAL_TIMEOUT_MS } from '../base/limits.ts'
import { KiB, SECOND_MS } from '../base/units.ts'
import { signingKey } from '../model/ed25519.ts'
import { byTransport, isLoopback } from './addresses.ts'
import { hostNameResolver } from './host-names.ts'
import { mendedQuic } from './quic.ts'
import { READ_BUFFER_BYTES_MAX } from './stream.ts'

export interface Libp2pNetworkOptions {
  /** The node's Ed25519 private seed, 32 bytes. */
  readonly seed: Uint8Array
  readonly listen: {
    /** An IP address; `0.0.0.0` or `::` for all. */
    readonly host: string
    /** The same number for UDP and TCP; 0 takes any two free ones. */
    readonly controlPort: number
  }
  /** Find and greet nodes on the LAN. Off on loopback, whatever is said here: others could not answer. */
  readonly mdns: boolean
  readonly dht: boolean
}

/** A type rather than an interface: libp2p asks for an index signature. */
export type CatalogServices = {
  identify: Identify
  ping: Ping
  gossip: GossipSub
  dht?: KadDHT
}

/** Catalog speaks its own variants, so that its nodes do not join IPFS's DHT or answer its pings. */
const PREFIX = 'catalog'
const KAD_PROTOCOL = '/catalog/kad/1.0.0'
const MDNS_TAG = '_catalog._udp.local'

/**
 * New connections a second from one IP address; libp2p's 5 would keep out offices behind NAT and nodes of one machine.
 * What these can hold is bounded by the number of connections.
 */
const INBOUND_PER_SECOND = 100
/** Handshakes going on at once over TCP. libp2p's 10 could be held by ten sockets that say nothing. */
const PENDING_HANDSHAKES_MAX = 256
/** An address that does not answer leaves time for the next one within a dial. */
const ADDRESS_TIMEOUT_MS = 2 * SECOND_MS
/** One gossip packet: an announcement is at most 1 KiB, and control messages come beside it. */
const GOSSIP_PACKET_BYTES = 256 * KiB

/** @param greet - told of each node that is seen on the LAN */
export function createNode(
  options: Libp2pNetworkOptions,
  greet: (peer: PeerId) => void,
): Promise<Libp2p<CatalogServices>> {
  const { host, controlPort } = options.listen
  const ip = `/ip${host.includes(':') ? 6 : 4}/${host}`
  return createLibp2p<CatalogServices>({
    start: false,
    privateKey: privateKeyFromRaw(concatBytes(options.seed, signingKey(options.seed).publicKey)),
    nodeInfo: { name: 'catalog' },
    addresses: { listen: [`${ip}/udp/${controlPort}/quic-v1`, `${ip}/tcp/${controlPort}`] },
    transports: [mendedQuic(), tcp()],
    // For TCP only: QUIC brings its own TLS 1.3 and streams.
    connectionEncrypters: [noise()],
    // Its own default of 16 MiB lets a sender overrun a paused reader, which libp2p answers by ending the stream.
    streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: READ_BUFFER_BYTES_MAX } })],
    connectionManager: {
      maxConnections: CONNECTIONS_MAX,
      inboundConnectionThreshold: INBOUND_PER_SECOND,
      maxIncomingPendingConnections: PENDING_HANDSHAKES_MAX,
      maxPeerAddrsToDial: ADDRESSES_PER_PEER_MAX,
      dialTimeout: DIAL_TIMEOUT_MS,
      addressDialTimeout: ADDRESS_TIMEOUT_MS,
      addressSorter: byTransport,
      resolvers: { dnsaddr: dnsaddrResolver, dns: hostNameResolver },
    },
    connectionMonitor: { protocolPrefix: PREFIX },
    peerDiscovery: options.mdns && !isLoopback(host) ? [lanDiscovery(greet)] : [],
    services: {
      identify: identify({ protocolPrefix: PREFIX }),
      ping: ping({ protocolPrefix: PREFIX }),
      gossip: gossipService(),
      ...(options.dht ? { dht: dhtService() } : {}),
    },
  })
}

function gossipService() {
  return gossipsub({
    emitSelf: false,
    fallbackToFloodsub: false,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    globalSignaturePolicy: 'StrictSign',
    maxInboundDataLength: GOSSIP_PACKET_BYTES,
    scoreParams: {
      // By default more than ten peers on one IP address are silenced: offices behind NAT, machines with many nodes.
      // Announcements are signed and rate-limited by signer before they are relayed, which a flood of peers cannot
      // get around.
      IPColocationFactorWeight: 0,
    },
  })
}

function dhtService() {
  return kadDHT({
    protocol: KAD_PROTOCOL,
    // Nodes on a LAN or on loopback are as good as others; the default drops their addresses.
    peerInfoMapper: passthroughMapper,
    // Said outright: otherwise a node without a public address never answers, and a LAN has no DHT.
    clientMode: false,
    initialQuerySelfInterval: SECOND_MS,
    // The first node of a network has nobody to ask.
    allowQueryWithZeroPeers: true,
  })
}

function lanDiscovery(greet: (peer: PeerId) => void) {
  const create = mdns({ serviceTag: MDNS_TAG })
  return (components: Parameters<typeof create>[0]) => {
    const discovery = create(components)
    // libp2p stores the addresses; whom to dial is for the node to say. Its own discovery event would tell of peers
    // met in the DHT as well.
    discovery.addEventListener('peer', (event: CustomEvent<PeerInfo>) => greet(event.detail.id))
    return discovery
  }
}
