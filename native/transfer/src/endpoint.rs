//! The endpoint: one UDP socket over which blobs are asked for and sent.

use crate::buffers::Buffers;
use crate::dial::Links;
use crate::door::{Door, DoorLimits, Refusals};
use crate::error::{Code, TransferError};
use crate::options::{Limits, Options};
use crate::owner::Owner;
use crate::peer::PeerId;
use crate::pieces::Pieces;
use crate::segment::BATCH_BYTES;
use crate::serve::{self, Visitors};
use crate::tls::Tls;
use crate::transport::{self, Accepting, Drivers};
use crate::wire::Id;
use catalog_flow::Gate;
use quinn::{AsyncUdpSocket, Connection, Runtime, VarInt};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long closing waits for all that is under way to end.
const CLOSING: Duration = Duration::from_secs(2);
/// How long it waits for peers to answer that they have heard of it. Most do within a round trip; to one that is busy
/// with what was sent before, the goodbye may be lost, and is said again when it acknowledges that.
const GOODBYE: Duration = Duration::from_secs(1);
/// Between two looks whether they have, and whether the socket is closed.
const CLOSING_POLL: Duration = Duration::from_millis(1);
/// Buffers of fetches that are kept while there are any: two each for half a dozen.
const BATCHES_KEPT: usize = 12;
/// Between two looks at connections and memory that nobody uses.
const SWEEP: Duration = Duration::from_secs(5);

/// A connection, as the owner sees it.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// Who is at the other end.
    pub peer: PeerId,
    /// Where.
    pub address: SocketAddr,
    /// Whether the other side dialled.
    pub inbound: bool,
    /// Requests under way.
    pub requests: usize,
    /// Bytes of contents sent over it. Exact sums are [`Owner::ended`]'s.
    pub sent: u64,
    /// Bytes of contents received over it, verified or not.
    pub received: u64,
    /// The time to the peer and back, as last estimated.
    pub round_trip: Duration,
    /// Bytes of the longest packet that is known to get through.
    pub packet_bytes: u16,
}

/// What all tasks of an endpoint share.
pub(crate) struct Shared {
    /// Gone once the endpoint is closed: the socket stays open as long as anybody has it.
    quinn: Mutex<Option<quinn::Endpoint>>,
    pub(crate) runtime: Handle,
    pub(crate) tls: Tls,
    pub(crate) options: Settings,
    pub(crate) owner: Arc<dyn Owner>,
    pub(crate) door: Mutex<Door>,
    pub(crate) refusals: Mutex<Refusals<(PeerId, Id, Id), Code>>,
    pub(crate) gate: Gate,
    pub(crate) pieces: Pieces,
    pub(crate) batches: Arc<Buffers>,
    pub(crate) requests: Arc<Semaphore>,
    pub(crate) fetches: Arc<Semaphore>,
    pub(crate) visitors: Visitors,
    pub(crate) links: Links,
    pub(crate) closing: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// What stays of the options.
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) congestion: crate::Congestion,
}

impl Shared {
    /// The QUIC endpoint, unless it is closed.
    pub(crate) fn quinn(&self) -> Option<quinn::Endpoint> {
        locked(&self.quinn).clone()
    }

    pub(crate) fn transport(&self) -> transport::Shared<'_> {
        let Settings { limits, congestion } = &self.options;
        transport::Shared { limits, congestion: *congestion, closing: &self.closing }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.options.limits
    }
}

/// Locks what no panic can leave half changed.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An open endpoint. Dropping it closes it without waiting.
pub struct Endpoint {
    pub(crate) shared: Arc<Shared>,
    address: SocketAddr,
    buffers: (usize, usize),
    socket: Weak<dyn AsyncUdpSocket>,
    drivers: CancellationToken,
}

impl Endpoint {
    /// Listens, and answers from now on.
    ///
    /// # Errors
    /// `LISTEN_FAILED` when there is no socket to be had, `INTERNAL` when TLS refuses the identity.
    pub fn open(options: Options, owner: Arc<dyn Owner>, runtime: &Handle) -> Result<Self, TransferError> {
        let Options { identity, host, port, congestion, gate, limits } = options;
        let settings = Settings { limits, congestion };
        let tls = Tls::new(&identity)?;
        let _inside = runtime.enter();
        let bound = transport::bind(SocketAddr::new(host, port))?;
        let closing = CancellationToken::new();
        let basis = transport::Shared { limits: &settings.limits, congestion, closing: &closing };
        let accepting = Accepting::new(tls.accepting()?, basis);
        let drivers = CancellationToken::new();
        let quinns = Arc::new(Drivers { end: drivers.clone() });
        let socket = quinns.wrap_udp_socket(bound.socket).map_err(|error| no_socket(&error))?;
        let address = socket.local_addr().map_err(|error| no_socket(&error))?;
        let open = Arc::downgrade(&socket);
        let opened = quinn::Endpoint::new_with_abstract_socket(
            transport::endpoint(),
            Some(accepting.any()),
            socket,
            quinns,
        );
        let quinn = opened.map_err(|error| no_socket(&error))?;
        let shared = Arc::new(shared(quinn, runtime, tls, (settings, gate, closing), owner));
        shared.tasks.spawn_on(serve::accept(shared.clone(), accepting), runtime);
        shared.tasks.spawn_on(sweep(shared.clone()), runtime);
        Ok(Self { shared, address, buffers: bound.buffers, socket: open, drivers })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes of the socket's buffers, to receive and to send, as the system reports them.
    pub fn socket_buffers(&self) -> (usize, usize) {
        self.buffers
    }

    /// All connections.
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        let mut all = self.shared.visitors.info();
        all.extend(self.shared.links.info());
        all
    }

    /// Forgets what was refused, so that a permission that was given counts at once.
    pub fn forget_refusals(&self) {
        locked(&self.shared.refusals).clear();
    }

    /// Ends all that is under way and gives the port free. The owner has heard of every end when this is done, but for
    /// decisions that it still owes.
    pub async fn close(&self) {
        let mut connections = self.shared.visitors.connections();
        connections.extend(self.shared.links.connections());
        self.hang_up();
        self.shared.tasks.close();
        let ended = async {
            self.shared.tasks.wait().await;
            // quinn has sent the end by the time it tells of it here.
            all(&connections, |connection| connection.close_reason().is_some()).await;
        };
        let _ = tokio::time::timeout(CLOSING, ended).await;
        // Each peer answers with an end of its own. Whoever does not hear of this one notices by the silence.
        let answered = all(&connections, |connection| connection.stats().frame_rx.connection_close > 0);
        let _ = tokio::time::timeout(GOODBYE, answered).await;
        drop(connections);
        locked(&self.shared.quinn).take();
        // Each connection has the socket, too, and each driver until the last late packet would have come.
        self.shared.links.clear();
        self.drivers.cancel();
        let freed = async {
            while self.socket.strong_count() > 0 {
                tokio::time::sleep(CLOSING_POLL).await;
            }
        };
        let _ = tokio::time::timeout(CLOSING, freed).await;
    }

    /// Ends all that is under way, without waiting for it.
    pub fn hang_up(&self) {
        self.shared.closing.cancel();
        if let Some(quinn) = self.shared.quinn() {
            quinn.close(VarInt::from_u32(0), b"closed");
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.hang_up();
    }
}

/// Waits until this holds of each connection.
async fn all(connections: &[Connection], holds: impl Fn(&Connection) -> bool) {
    while !connections.iter().all(&holds) {
        tokio::time::sleep(CLOSING_POLL).await;
    }
}

fn no_socket(error: &std::io::Error) -> TransferError {
    TransferError::new(Code::ListenFailed, format!("The socket for bulk transfers cannot be used: {error}."))
}

fn shared(
    quinn: quinn::Endpoint,
    runtime: &Handle,
    tls: Tls,
    (options, gate, closing): (Settings, Gate, CancellationToken),
    owner: Arc<dyn Owner>,
) -> Shared {
    let limits = &options.limits;
    let door = Door::new(DoorLimits {
        connections: limits.connections,
        connections_per_address: limits.connections_per_address,
        handshakes_unproven: limits.handshakes_unproven,
        handshakes: limits.handshakes,
        handshakes_per_address: limits.handshakes_per_address,
        requests_per_second: limits.requests_per_second,
    });
    Shared {
        quinn: Mutex::new(Some(quinn)),
        runtime: runtime.clone(),
        tls,
        owner,
        door: Mutex::new(door),
        refusals: Mutex::new(Refusals::new(limits.refusals, limits.refusal_lifetime)),
        gate,
        pieces: Pieces::new(limits.send_bytes),
        batches: Buffers::new(BATCH_BYTES, BATCHES_KEPT),
        requests: Arc::new(Semaphore::new(limits.requests)),
        fetches: Arc::new(Semaphore::new(limits.fetches)),
        visitors: Visitors::default(),
        links: Links::new(limits),
        closing,
        tasks: TaskTracker::new(),
        options,
    }
}

/// Closes what nobody has used for long.
async fn sweep(shared: Arc<Shared>) {
    let unused = shared.limits().unused_timeout;
    let mut ticks = tokio::time::interval(SWEEP.min(unused));
    loop {
        tokio::select! {
            () = shared.closing.cancelled() => return,
            _ = ticks.tick() => {}
        }
        shared.links.sweep(unused);
        shared.visitors.sweep(unused);
        shared.pieces.trim();
        if shared.fetches.available_permits() == shared.limits().fetches {
            shared.batches.clear();
        }
    }
}
