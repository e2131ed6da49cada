//! Connections to others, one for each peer and address, made when they are needed and kept for a while.

use crate::endpoint::{ConnectionInfo, Shared, locked};
use crate::error::{Code, TransferError};
use crate::options::Limits;
use crate::peer::PeerId;
use crate::transport::{self, varint};
use crate::wire::code_of;
use quinn::{Connection, ConnectionError, VarInt};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a connection may always have on its way in, however many there are.
const WINDOW_BYTES_MIN: usize = 1024 * 1024;
/// quinn wants a name to dial; none is sent, and none is looked at.
const SERVER_NAME: &str = "peer";

/// Whom to ask, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Provider {
    /// Who has to answer.
    pub peer: PeerId,
    /// The UDP address of its bulk plane.
    pub address: SocketAddr,
}

/// A connection that this node has made.
pub(crate) struct Link {
    pub(crate) connection: Connection,
    pub(crate) received: AtomicU64,
    provider: Provider,
    requests: AtomicUsize,
    used: Mutex<Instant>,
}

/// The place of a connection: who comes while it is being made waits for it, and fails with it.
#[derive(Default)]
struct Slot {
    link: Option<Arc<Link>>,
    failed: Option<(Instant, TransferError)>,
}

type SharedSlot = Arc<tokio::sync::Mutex<Slot>>;

/// All connections to others.
pub(crate) struct Links {
    slots: Mutex<HashMap<Provider, SharedSlot>>,
    open: Mutex<Vec<Arc<Link>>>,
    most: usize,
    window: usize,
    window_each: usize,
}

impl Links {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            slots: Mutex::default(),
            open: Mutex::default(),
            most: limits.dialled,
            window: limits.receive_bytes,
            window_each: limits.receive_bytes_per_connection,
        }
    }

    pub(crate) fn info(&self) -> Vec<ConnectionInfo> {
        let describe = |link: &Arc<Link>| ConnectionInfo {
            peer: link.provider.peer,
            address: link.provider.address,
            inbound: false,
            requests: link.requests.load(Ordering::Relaxed),
            sent: 0,
            received: link.received.load(Ordering::Relaxed),
            round_trip: link.connection.rtt(),
            packet_bytes: link.connection.stats().path.current_mtu,
        };
        let open = locked(&self.open);
        open.iter().filter(|link| link.connection.close_reason().is_none()).map(describe).collect()
    }

    /// Those that are open.
    pub(crate) fn connections(&self) -> Vec<Connection> {
        let all = locked(&self.open);
        let open = all.iter().map(|link| &link.connection);
        open.filter(|connection| connection.close_reason().is_none()).cloned().collect()
    }

    /// Closes what has not been used for long, and forgets what is closed.
    pub(crate) fn sweep(&self, unused: Duration) {
        let mut open = locked(&self.open);
        for link in open.iter() {
            if link.unused_since().is_some_and(|since| since.elapsed() >= unused) {
                link.connection.close(VarInt::from_u32(0), b"unused");
            }
        }
        open.retain(|link| link.connection.close_reason().is_none());
        drop(open);
        self.forget_closed();
    }

    /// Lets go of all connections.
    pub(crate) fn clear(&self) {
        locked(&self.slots).clear();
        locked(&self.open).clear();
    }

    fn forget_closed(&self) {
        locked(&self.slots).retain(|_, slot| {
            // One that is locked or held by somebody is about to be used.
            let held = Arc::strong_count(slot) > 1;
            let alive =
                |slot: &Slot| slot.link.as_ref().is_some_and(|link| link.connection.close_reason().is_none());
            held || slot.try_lock().is_ok_and(|slot| alive(&slot))
        });
    }

    fn slot(&self, provider: Provider) -> SharedSlot {
        let mut slots = locked(&self.slots);
        if slots.len() >= self.most && !slots.contains_key(&provider) {
            drop(slots);
            self.make_room();
            self.forget_closed();
            slots = locked(&self.slots);
        }
        slots.entry(provider).or_default().clone()
    }

    /// Closes the connection that has been unused for longest.
    fn make_room(&self) {
        let open = locked(&self.open);
        let unused = open.iter().filter(|link| link.connection.close_reason().is_none());
        let oldest =
            unused.filter_map(|link| Some((link.unused_since()?, link))).min_by_key(|(since, _)| *since);
        if let Some((_, link)) = oldest {
            link.connection.close(VarInt::from_u32(0), b"unused");
        }
    }

    /// Gives each connection in use an equal part of what may come in before it is read.
    fn share_window(&self) {
        let open = locked(&self.open);
        let used = || open.iter().filter(|link| link.requests.load(Ordering::Acquire) > 0);
        let part = self.window / used().count().max(1);
        for link in used() {
            let window = part.clamp(WINDOW_BYTES_MIN.min(self.window_each), self.window_each);
            link.connection.set_receive_window(varint(window));
        }
    }
}

impl Link {
    fn unused_since(&self) -> Option<Instant> {
        (self.requests.load(Ordering::Acquire) == 0).then(|| *locked(&self.used))
    }
}

/// A connection in use.
pub(crate) struct Use {
    pub(crate) link: Arc<Link>,
    shared: Arc<Shared>,
}

impl Use {
    fn begin(link: Arc<Link>, shared: Arc<Shared>) -> Self {
        if link.requests.fetch_add(1, Ordering::AcqRel) == 0 {
            shared.links.share_window();
        }
        Self { link, shared }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        *locked(&self.link.used) = Instant::now();
        if self.link.requests.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.links.share_window();
        }
    }
}

/// The connection to a provider, made now if there is none.
pub(crate) async fn connect(shared: &Arc<Shared>, provider: Provider) -> Result<Use, TransferError> {
    let called = Instant::now();
    let slot = shared.links.slot(provider);
    let mut slot = slot.lock().await;
    if let Some(link) = slot.link.as_ref().filter(|link| link.connection.close_reason().is_none()) {
        return Ok(Use::begin(link.clone(), shared.clone()));
    }
    if let Some((when, error)) = &slot.failed {
        // It failed while this call was waiting: the same would happen again.
        if *when >= called {
            return Err(error.clone());
        }
    }
    slot.link = None;
    match dial(shared, provider).await {
        Ok(connection) => {
            let link = Arc::new(Link {
                connection,
                received: AtomicU64::new(0),
                provider,
                requests: AtomicUsize::new(0),
                used: Mutex::new(Instant::now()),
            });
            slot.link = Some(link.clone());
            locked(&shared.links.open).push(link.clone());
            Ok(Use::begin(link, shared.clone()))
        }
        Err(error) => {
            slot.failed = Some((Instant::now(), error.clone()));
            Err(error)
        }
    }
}

async fn dial(shared: &Shared, provider: Provider) -> Result<Connection, TransferError> {
    let Provider { peer, address } = provider;
    let config = transport::dialling(shared.tls.dialling(peer)?, shared.transport(), address.ip());
    let quinn = shared.quinn().ok_or_else(closed)?;
    let connecting = quinn.connect_with(config, address, SERVER_NAME).map_err(|error| match error {
        quinn::ConnectError::EndpointStopping => closed(),
        error => TransferError::new(Code::AddressInvalid, format!("{address} cannot be dialled: {error}.")),
    })?;
    match tokio::time::timeout(shared.limits().handshake_timeout, connecting).await {
        Ok(connected) => connected.map_err(|error| lost(&error)),
        Err(_) => {
            let message = format!("{address} did not answer in time.");
            Err(TransferError::new(Code::PeerUnreachable, message))
        }
    }
}

/// What a lost connection means to who was using it.
pub(crate) fn lost(error: &ConnectionError) -> TransferError {
    match error {
        ConnectionError::LocallyClosed => closed(),
        ConnectionError::ApplicationClosed(close)
            if code_of(close.error_code.into_inner()) == Some(Code::PeerBusy) =>
        {
            TransferError::new(Code::PeerBusy, "The peer takes no more connections.")
        }
        error => TransferError::new(Code::PeerUnreachable, format!("No connection to the peer: {error}.")),
    }
}

pub(crate) fn closed() -> TransferError {
    TransferError::new(Code::Closed, "The endpoint, or the connection, was closed here.")
}
