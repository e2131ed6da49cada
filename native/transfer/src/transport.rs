//! The QUIC below: the socket and the settings of connections in either direction.
//!
//! Peers that dial this node may send it requests and nothing else; peers that it dials may send replies and nothing
//! else. So the windows for what comes in are small on the one side, and there are no streams on the other.

use crate::congestion;
use crate::error::{Code, TransferError};
use crate::options::{Congestion, Limits};
use crate::wire::REQUEST_BYTES;
use catalog_flow::is_local;
use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime};
use quinn::{EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Asked of the system for each direction; at line rate, what comes in while a thread waits for its turn.
const SOCKET_BYTES: usize = 4_000_000;
/// Keeps a dialled connection, and the mapping of a router on the way, alive.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Taken for the time there and back before anything is known of it: a first packet that is lost is sent again after
/// three times this, and not only after the second that QUIC proposes.
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// The longest packets that are tried on this machine and in local networks, where frames may be larger than those of
/// the internet: what a byte costs is mostly what its packet costs. quinn hands ten packets at once to the system,
/// which takes 65,507 bytes: with frames of 9,000 bytes filled, it would take none of them.
const LOCAL_PACKET_BYTES: u16 = 6_500;

/// Connection packets that wait for a decision, in all. One handshake needs some 3 KiB.
const WAITING_HANDSHAKES: usize = 1024;
const WAITING_BYTES_EACH: u64 = 8 * 1024;
const WAITING_BYTES: u64 = 1024 * 1024;

/// tokio, but that what quinn has it run can be ended. By itself a connection that was closed lives on until no packet
/// of the peer can be under way any more, which takes as long as the slowest round trip times three, and keeps the
/// socket open.
#[derive(Debug)]
pub(crate) struct Drivers {
    /// Ends them all.
    pub(crate) end: CancellationToken,
}

impl Runtime for Drivers {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, driver: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::spawn(self.end.clone().run_until_cancelled_owned(driver));
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> std::io::Result<Arc<dyn AsyncUdpSocket>> {
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn now(&self) -> Instant {
        TokioRuntime.now()
    }
}

/// A UDP socket and how large its buffers came out.
pub(crate) struct Bound {
    pub(crate) socket: UdpSocket,
    /// To receive and to send, as the system reports them.
    pub(crate) buffers: (usize, usize),
}

pub(crate) fn bind(address: SocketAddr) -> Result<Bound, TransferError> {
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            // The unspecified address then means IPv4 as well.
            socket.set_only_v6(false)?;
        }
        // Who may not have as much gets as much as there is, and can ask how much that was.
        let _ = socket.set_recv_buffer_size(SOCKET_BYTES);
        let _ = socket.set_send_buffer_size(SOCKET_BYTES);
        socket.bind(&address.into())?;
        let buffers = (socket.recv_buffer_size()?, socket.send_buffer_size()?);
        Ok(Bound { socket: socket.into(), buffers })
    };
    open().map_err(|error: std::io::Error| {
        let message = format!("Nothing can listen on {address} for bulk transfers: {error}.");
        TransferError::new(Code::ListenFailed, message)
    })
}

/// For all connections. The memory for what comes in, some 13 MiB, is taken as far as it is used.
pub(crate) fn endpoint() -> EndpointConfig {
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(LOCAL_PACKET_BYTES).expect("it is within the bounds of QUIC");
    config
}

/// For connections that come in: a few small requests one way, much the other way.
#[derive(Clone)]
pub(crate) struct Accepting {
    local: Arc<quinn::ServerConfig>,
    distant: Arc<quinn::ServerConfig>,
}

impl Accepting {
    pub(crate) fn new(crypto: quinn::crypto::rustls::QuicServerConfig, shared: Shared<'_>) -> Self {
        let crypto = Arc::new(crypto);
        let config = |local| Arc::new(accepting(crypto.clone(), shared, local));
        Self { local: config(true), distant: config(false) }
    }

    /// For one that comes from this address.
    pub(crate) fn from(&self, address: IpAddr) -> Arc<quinn::ServerConfig> {
        if is_local(address) { self.local.clone() } else { self.distant.clone() }
    }

    /// For an endpoint, which needs one before it knows who comes.
    pub(crate) fn any(&self) -> quinn::ServerConfig {
        (*self.distant).clone()
    }
}

fn accepting(
    crypto: Arc<quinn::crypto::rustls::QuicServerConfig>,
    shared: Shared<'_>,
    local: bool,
) -> quinn::ServerConfig {
    let mut transport = both_ways(shared, local);
    let limits = shared.limits;
    let request = REQUEST_BYTES as u32;
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(limits.requests_per_connection))
        .stream_receive_window(VarInt::from_u32(2 * request))
        .receive_window(VarInt::from_u32(2 * request * limits.requests_per_connection))
        .send_window(limits.send_bytes_per_connection as u64);
    let mut config = quinn::ServerConfig::with_crypto(crypto);
    config
        .transport_config(Arc::new(transport))
        // An address that was counted must stay the same; who gets another one dials anew.
        .migration(false)
        .max_incoming(WAITING_HANDSHAKES)
        .incoming_buffer_size(WAITING_BYTES_EACH)
        .incoming_buffer_size_total(WAITING_BYTES);
    config
}

/// For connections to others: requests one way, and what this node is ready to take the other way.
pub(crate) fn dialling(
    crypto: quinn::crypto::rustls::QuicClientConfig,
    shared: Shared<'_>,
    address: IpAddr,
) -> quinn::ClientConfig {
    let window = varint(shared.limits.receive_bytes_per_connection);
    let mut transport = both_ways(shared, is_local(address));
    transport
        .initial_rtt(ROUND_TRIP)
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .stream_receive_window(window)
        .receive_window(window)
        .keep_alive_interval(Some(KEEP_ALIVE));
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    config
}

/// What both directions are made from.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) congestion: Congestion,
    /// Cancelled right before all connections are closed.
    pub(crate) closing: &'a CancellationToken,
}

/// MTU discovery and segmentation offload stay as quinn has them, which is on, but for how far discovery goes: larger
/// packets from the start are lost where the path is narrow, and without offload every packet is a system call.
fn both_ways(Shared { limits, congestion, closing }: Shared<'_>, local: bool) -> TransportConfig {
    let mut discovery = MtuDiscoveryConfig::default();
    if local {
        discovery.upper_bound(LOCAL_PACKET_BYTES);
    }
    let mut transport = TransportConfig::default();
    let idle = IdleTimeout::try_from(limits.idle_timeout).unwrap_or(VarInt::from_u32(10_000).into());
    transport
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .mtu_discovery_config(Some(discovery))
        .max_idle_timeout(Some(idle))
        .congestion_controller_factory(congestion::factory(congestion, closing.clone()));
    transport
}

/// A window as QUIC writes it.
pub(crate) fn varint(bytes: usize) -> VarInt {
    VarInt::from_u64(bytes as u64).unwrap_or(VarInt::MAX)
}
