//! Those who come in: their handshakes, their connections, and a task for each thing they ask.

use crate::answer::answer;
use crate::door::Knock;
use crate::endpoint::{ConnectionInfo, Shared, locked};
use crate::error::Code;
use crate::peer::PeerId;
use crate::pieces::Share;
use crate::tls::peer_of;
use crate::transport::Accepting;
use crate::wire::status_of;
use quinn::{Connection, Incoming, ServerConfig, VarInt};
use rustls::pki_types::CertificateDer;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// A connection that came in.
pub(crate) struct Visitor {
    pub(crate) peer: PeerId,
    pub(crate) address: IpAddr,
    pub(crate) share: Share,
    pub(crate) sent: AtomicU64,
    connection: Connection,
    requests: AtomicUsize,
    used: Mutex<Instant>,
    inside: AtomicBool,
}

impl Visitor {
    /// Since when nothing is under way.
    fn unused_since(&self) -> Option<Instant> {
        (self.requests.load(Ordering::Acquire) == 0).then(|| *locked(&self.used))
    }

    fn leave(&self, shared: &Shared) {
        if self.inside.swap(false, Ordering::AcqRel) {
            locked(&shared.door).left(self.address);
        }
    }

    fn hang_up(&self, code: Code) {
        self.connection.close(VarInt::from_u32(status_of(code).into()), b"");
    }
}

/// All who are inside.
#[derive(Default)]
pub(crate) struct Visitors {
    inside: Mutex<HashMap<usize, Arc<Visitor>>>,
}

impl Visitors {
    pub(crate) fn info(&self) -> Vec<ConnectionInfo> {
        let describe = |visitor: &Arc<Visitor>| ConnectionInfo {
            peer: visitor.peer,
            address: visitor.connection.remote_address(),
            inbound: true,
            requests: visitor.requests.load(Ordering::Relaxed),
            sent: visitor.sent.load(Ordering::Relaxed),
            received: 0,
            round_trip: visitor.connection.rtt(),
            packet_bytes: visitor.connection.stats().path.current_mtu,
        };
        locked(&self.inside).values().map(describe).collect()
    }

    /// Those that are open.
    pub(crate) fn connections(&self) -> Vec<Connection> {
        let inside = locked(&self.inside);
        let open = inside.values().map(|visitor| &visitor.connection);
        open.filter(|connection| connection.close_reason().is_none()).cloned().collect()
    }

    /// Hangs up on those who have asked nothing for long.
    pub(crate) fn sweep(&self, unused: Duration) {
        for visitor in locked(&self.inside).values() {
            if visitor.unused_since().is_some_and(|since| since.elapsed() >= unused) {
                visitor.connection.close(VarInt::from_u32(0), b"unused");
            }
        }
    }

    /// Makes room by hanging up on who has asked nothing for longest.
    fn make_room(&self, shared: &Shared) {
        let mut inside = locked(&self.inside);
        let unused = inside.iter().filter_map(|(&id, visitor)| Some((visitor.unused_since()?, id)));
        let Some((_, id)) = unused.min() else { return };
        if let Some(visitor) = inside.remove(&id) {
            visitor.hang_up(Code::PeerBusy);
            visitor.leave(shared);
        }
    }
}

/// Lets in who knocks, each in a task of its own: nobody waits for another one's handshake.
pub(crate) async fn accept(shared: Arc<Shared>, accepting: Accepting) {
    let Some(quinn) = shared.quinn() else { return };
    while let Some(incoming) = quinn.accept().await {
        let (from, proven) = (incoming.remote_address().ip(), incoming.remote_address_validated());
        let knock = locked(&shared.door).knock(from, proven);
        match knock {
            Knock::Enter => {
                let config = accepting.from(from);
                let welcome = welcome(shared.clone(), incoming, config, (from, proven));
                shared.tasks.spawn_on(welcome, &shared.runtime);
            }
            Knock::Prove => {
                if let Err(error) = incoming.retry() {
                    error.into_incoming().refuse();
                }
            }
            Knock::Refuse => incoming.refuse(),
        }
    }
}

async fn welcome(
    shared: Arc<Shared>,
    incoming: Incoming,
    config: Arc<ServerConfig>,
    (from, proven): (IpAddr, bool),
) {
    let handshake = async { incoming.accept_with(config).ok()?.await.ok() };
    let connection = timeout(shared.limits().handshake_timeout, handshake).await;
    locked(&shared.door).handshake_ended(from, proven);
    // A handshake that fails is the other side's business, and happens as often as it likes.
    let Ok(Some(connection)) = connection else { return };
    let Some(peer) = authenticated(&connection) else {
        connection.close(VarInt::from_u32(status_of(Code::PeerProtocol).into()), b"");
        return;
    };
    if locked(&shared.door).is_full() {
        shared.visitors.make_room(&shared);
    }
    if !locked(&shared.door).enter(from) {
        connection.close(VarInt::from_u32(status_of(Code::PeerBusy).into()), b"");
        return;
    }
    let visitor = Arc::new(Visitor {
        peer,
        address: from,
        share: shared.pieces.share(shared.limits().send_bytes_per_connection),
        sent: AtomicU64::new(0),
        connection: connection.clone(),
        requests: AtomicUsize::new(0),
        used: Mutex::new(Instant::now()),
        inside: AtomicBool::new(true),
    });
    let id = connection.stable_id();
    locked(&shared.visitors.inside).insert(id, visitor.clone());
    // It ends with the connection: lost, closed by the other side, or by the sweep.
    while let Ok((send, receive)) = connection.accept_bi().await {
        visitor.requests.fetch_add(1, Ordering::AcqRel);
        let (inner, visitor) = (shared.clone(), visitor.clone());
        shared.tasks.spawn_on(
            async move {
                answer(&inner, &visitor, send, receive).await;
                *locked(&visitor.used) = Instant::now();
                visitor.requests.fetch_sub(1, Ordering::AcqRel);
            },
            &shared.runtime,
        );
    }
    locked(&shared.visitors.inside).remove(&id);
    visitor.leave(&shared);
}

/// Who is at the other end, by the certificate that the handshake has verified.
fn authenticated(connection: &Connection) -> Option<PeerId> {
    let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    peer_of(&identity)
}
