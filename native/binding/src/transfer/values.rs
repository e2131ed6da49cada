//! What crosses between JavaScript and the bulk plane, and how it is read.

use crate::failure::Failure;
use crate::flow::priority_of;
use catalog_flow::Gate;
use catalog_transfer::{
    CancellationToken, Code, Congestion, ConnectionInfo, End, Failure as Failed, Identity, Limits, Options,
    Provider, Terms, TransferError, Wanted, Whole,
};
use napi::bindgen_prelude::{Buffer, Uint8Array};
use napi_derive::napi;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

type Read<T> = std::result::Result<T, Failure>;

/// The largest integer a JavaScript number holds exactly.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// Bounds on what peers may do; times in milliseconds. `src/base/limits.ts` has their reasons.
#[napi(object, object_to_js = false)]
pub struct BulkLimits {
    /// Connections that came in, in all.
    pub connections: u32,
    /// Of these, from one address.
    pub connections_per_address: u32,
    /// Handshakes of addresses that are not proven.
    pub handshakes_unproven: u32,
    /// Handshakes of proven addresses, in all.
    pub handshakes: u32,
    /// Of these, from one address.
    pub handshakes_per_address: u32,
    /// For a handshake.
    pub handshake_timeout_ms: u32,
    /// A connection over which nothing comes is lost.
    pub idle_timeout_ms: u32,
    /// A connection over which nothing is asked is closed.
    pub unused_timeout_ms: u32,
    /// Requests of one connection at once.
    pub requests_per_connection: u32,
    /// Requests at once, in all.
    pub requests: u32,
    /// For a request to arrive, and for its decision.
    pub request_timeout_ms: u32,
    /// Of one address; twice as many at once.
    pub requests_per_second: u32,
    /// How long a refusal is remembered.
    pub refusal_lifetime_ms: u32,
    /// How many refusals are remembered.
    pub refusals: u32,
    /// For a peer to take a piece of a reply.
    pub send_stall_ms: u32,
    /// Bytes being sent, in all.
    pub send_bytes: u32,
    /// Of these, over one connection.
    pub send_bytes_per_connection: u32,
    /// Bytes received and not read yet, in all.
    pub receive_bytes: u32,
    /// Of these, over one connection.
    pub receive_bytes_per_connection: u32,
    /// Fetches at once.
    pub fetches: u32,
    /// Connections to others.
    pub dialled: u32,
}

/// How to open an endpoint.
#[napi(object, object_to_js = false)]
pub struct BulkOptions {
    /// An IP address to listen on and to dial from.
    pub host: String,
    /// 0 for any.
    pub port: u16,
    /// `cubic` or `bbr`.
    #[napi(ts_type = "'cubic' | 'bbr'")]
    pub congestion: String,
    /// What peers can push against.
    pub limits: BulkLimits,
}

/// Whom to ask, and where.
#[napi(object, object_to_js = false)]
pub struct BulkProvider {
    /// Peer id; nobody else is asked.
    pub peer: String,
    /// An IP address.
    pub host: String,
    /// The UDP port of its bulk plane.
    pub port: u16,
}

/// A blob, named by a release.
#[napi(object, object_to_js = false)]
pub struct BulkWanted {
    /// 32 bytes.
    pub root: Uint8Array,
    /// Record id of the release, 32 bytes.
    pub release: Uint8Array,
    /// As the release has it, at least 1.
    pub size: f64,
}

/// Where a blob goes.
#[napi(object, object_to_js = false)]
pub struct BulkTarget {
    /// A file that is there.
    pub path: String,
    /// Of the blob's first byte in it.
    pub offset: f64,
}

/// On what terms something is fetched.
#[napi(object, object_to_js = false)]
pub struct BulkTerms {
    /// Without a verified byte for so long, the peer has stalled.
    pub stall_ms: u32,
    /// For the whole.
    pub deadline_ms: u32,
    /// Against what else is received here.
    #[napi(ts_type = "'critical' | 'high' | 'normal' | 'low'")]
    pub priority: String,
}

/// A blob that came whole, or why it did not.
#[napi(object, object_from_js = false)]
pub struct BulkWhole {
    /// Ids of its chunks; empty when it failed.
    pub outline: Buffer,
    /// Its bytes; empty when it failed.
    pub bytes: Buffer,
    /// Why there is nothing.
    pub failure: Option<BulkFailure>,
}

/// How far a segment is.
#[napi(object, object_from_js = false)]
pub struct BulkProgress {
    /// Chunks from the first one on, verified and written.
    pub chunks: u32,
    /// Their bytes.
    pub bytes: f64,
}

/// How a segment ended.
#[napi(object, object_from_js = false)]
pub struct BulkEnd {
    /// Chunks from the first one on that are verified and written, also when it failed.
    pub chunks: u32,
    /// Their bytes.
    pub bytes: f64,
    /// From the call to the end.
    pub micros: f64,
    /// Why there are not more.
    pub failure: Option<BulkFailure>,
}

/// Why not all of it came.
#[napi(object, object_from_js = false)]
pub struct BulkFailure {
    /// One of the error table.
    pub code: String,
    /// What happened.
    pub message: String,
    /// The chunk of the blob that is not what its id says.
    pub lie: Option<u32>,
}

/// A connection.
#[napi(object, object_from_js = false)]
pub struct BulkConnection {
    /// Peer id of the other end.
    pub peer: String,
    /// Its address and port.
    pub address: String,
    /// Whether the other side dialled.
    pub inbound: bool,
    /// Requests under way.
    pub requests: u32,
    /// Bytes of contents sent over it.
    pub sent: f64,
    /// Bytes of contents received over it.
    pub received: f64,
    /// There and back, as last estimated.
    pub round_trip_micros: f64,
}

impl From<ConnectionInfo> for BulkConnection {
    fn from(info: ConnectionInfo) -> Self {
        Self {
            peer: info.peer.to_string(),
            address: info.address.to_string(),
            inbound: info.inbound,
            requests: info.requests as u32,
            sent: info.sent as f64,
            received: info.received as f64,
            round_trip_micros: info.round_trip.as_micros() as f64,
        }
    }
}

impl From<Failed> for BulkFailure {
    fn from(Failed { error, lie }: Failed) -> Self {
        Self { code: error.code.name().into(), message: error.message, lie }
    }
}

impl From<std::result::Result<Whole, Failed>> for BulkWhole {
    fn from(result: std::result::Result<Whole, Failed>) -> Self {
        match result {
            Ok(Whole { outline, bytes }) => Self { outline: outline.into(), bytes: bytes.into(), failure: None },
            Err(failed) => {
                Self { outline: vec![].into(), bytes: vec![].into(), failure: Some(failed.into()) }
            }
        }
    }
}

impl From<End> for BulkEnd {
    fn from(end: End) -> Self {
        let failure = end.failure.map(BulkFailure::from);
        let micros = end.took.as_micros() as f64;
        Self { chunks: end.chunks, bytes: end.bytes as f64, micros, failure }
    }
}

impl BulkOptions {
    pub(super) fn with(self, identity: Identity, gate: Gate) -> Read<Options> {
        let Self { host, port, congestion, limits } = self;
        let congestion = match congestion.as_str() {
            "cubic" => Congestion::Cubic,
            "bbr" => Congestion::Bbr,
            other => return Err(usage(format!("There is no congestion control called {other}."))),
        };
        Ok(Options { identity, host: address(&host)?, port, congestion, gate, limits: limits.into() })
    }
}

impl From<BulkLimits> for Limits {
    fn from(limits: BulkLimits) -> Self {
        let time = |milliseconds: u32| Duration::from_millis(milliseconds.into());
        let count = |number: u32| number as usize;
        Self {
            connections: count(limits.connections),
            connections_per_address: count(limits.connections_per_address),
            handshakes_unproven: count(limits.handshakes_unproven),
            handshakes: count(limits.handshakes),
            handshakes_per_address: count(limits.handshakes_per_address),
            handshake_timeout: time(limits.handshake_timeout_ms),
            idle_timeout: time(limits.idle_timeout_ms),
            unused_timeout: time(limits.unused_timeout_ms),
            requests_per_connection: limits.requests_per_connection,
            requests: count(limits.requests),
            request_timeout: time(limits.request_timeout_ms),
            requests_per_second: limits.requests_per_second,
            refusal_lifetime: time(limits.refusal_lifetime_ms),
            refusals: count(limits.refusals),
            send_stall: time(limits.send_stall_ms),
            send_bytes: count(limits.send_bytes),
            send_bytes_per_connection: count(limits.send_bytes_per_connection),
            receive_bytes: count(limits.receive_bytes),
            receive_bytes_per_connection: count(limits.receive_bytes_per_connection),
            fetches: count(limits.fetches),
            dialled: count(limits.dialled),
        }
    }
}

pub(super) fn provider_of(provider: &BulkProvider) -> Read<Provider> {
    let peer = provider.peer.parse()?;
    Ok(Provider { peer, address: SocketAddr::new(address(&provider.host)?, provider.port) })
}

/// Reads and copies what belongs to JavaScript, so on its thread.
pub(super) fn wanted_of(wanted: &BulkWanted) -> Read<Wanted> {
    let id = |name: &str, bytes: &[u8]| {
        bytes.try_into().map_err(|_| usage(format!("{name} has {} bytes instead of 32.", bytes.len())))
    };
    let (root, release) = (id("root", &wanted.root)?, id("release", &wanted.release)?);
    Ok(Wanted { root, release, size: whole("size", wanted.size)? })
}

pub(super) fn terms_of(terms: &BulkTerms, cancel: &CancellationToken) -> Read<Terms> {
    let time = |milliseconds: u32| Duration::from_millis(milliseconds.into());
    Ok(Terms {
        stall: time(terms.stall_ms),
        deadline: time(terms.deadline_ms),
        priority: priority_of(&terms.priority)?,
        cancel: cancel.clone(),
    })
}

pub(super) fn peer_key(bytes: &[u8]) -> Read<[u8; 32]> {
    bytes.try_into().map_err(|_| usage("A node's key has 32 bytes.".into()))
}

/// A JavaScript number as a count of bytes.
pub(super) fn whole(name: &str, value: f64) -> Read<u64> {
    if value.fract() == 0.0 && (0.0..=MAX_SAFE_INTEGER).contains(&value) {
        return Ok(value as u64);
    }
    Err(usage(format!("{name} is {value}, expected a safe integer of at least 0.")))
}

fn address(text: &str) -> Read<IpAddr> {
    let invalid = || TransferError::new(Code::AddressInvalid, format!("{text:?} is not an IP address."));
    Ok(text.parse().map_err(|_| invalid())?)
}

fn usage(message: String) -> Failure {
    Failure { code: "USAGE", message }
}
