//! What the owner of an endpoint decides: where it listens and how much others may ask of it.

use crate::certificate::Identity;
use catalog_flow::Gate;
use std::net::IpAddr;
use std::time::Duration;

/// How fast a connection dares to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Congestion {
    /// Backs off at every loss, as TCP does: fair to others, slow on long paths that lose packets.
    #[default]
    Cubic,
    /// Follows the measured bandwidth. Experimental in quinn.
    Bbr,
}

/// How to open an endpoint.
pub struct Options {
    /// Who this node is.
    pub identity: Identity,
    /// The address to listen on and to dial from.
    pub host: IpAddr,
    /// The UDP port; 0 for any.
    pub port: u16,
    /// For all connections.
    pub congestion: Congestion,
    /// Before it, all that moves bytes waits for its turn.
    pub gate: Gate,
    /// What others can push against.
    pub limits: Limits,
}

/// Every bound that a peer can push against. `src/base/limits.ts` has the product's values and their reasons.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections that came in, over all addresses.
    pub connections: usize,
    /// Of these, from one address (IPv4) or one /64 (IPv6).
    pub connections_per_address: usize,
    /// Handshakes under way of addresses that may be forged; with more, a new one has to prove its address first.
    pub handshakes_unproven: usize,
    /// Handshakes under way of addresses that were proven, over all of them.
    pub handshakes: usize,
    /// Of these, from one address.
    pub handshakes_per_address: usize,
    /// A handshake that takes longer, in either direction, is given up.
    pub handshake_timeout: Duration,
    /// A connection over which nothing comes is lost after this.
    pub idle_timeout: Duration,
    /// A connection over which nothing is asked is closed after this.
    pub unused_timeout: Duration,
    /// Requests of one connection answered at once; further ones wait in the asker.
    pub requests_per_connection: u32,
    /// Requests answered at once over all connections.
    pub requests: usize,
    /// A request has to arrive within this, and its answer to be decided.
    pub request_timeout: Duration,
    /// Requests of one address in a second, after a burst of twice as many.
    pub requests_per_second: u32,
    /// How long a refusal is remembered.
    pub refusal_lifetime: Duration,
    /// How many refusals are remembered.
    pub refusals: usize,
    /// A reply of which the asker takes no piece for so long is broken off.
    pub send_stall: Duration,
    /// Bytes being sent, unacknowledged ones too, over all connections, beyond one piece each.
    pub send_bytes: usize,
    /// The same for one connection.
    pub send_bytes_per_connection: usize,
    /// Bytes that may come in before they are read, over all connections.
    pub receive_bytes: usize,
    /// The same for one connection.
    pub receive_bytes_per_connection: usize,
    /// Fetches under way at once; further ones wait.
    pub fetches: usize,
    /// Connections to others; those unused for longest make room.
    pub dialled: usize,
}
