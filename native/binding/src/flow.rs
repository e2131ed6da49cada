//! The gate that whoever moves bytes waits at.

use crate::failure::{Coded, Failure, guarded};
use catalog_flow::{Direction, Gate, Lane, Limits, Permit, Priority, Rate, Traffic};
use napi::Env;
use napi::bindgen_prelude::{PromiseRaw, Result, within_runtime_if_available};
use napi_derive::napi;
use tokio::runtime::Handle;
use tokio::sync::oneshot::Receiver;

/// What holds for one direction.
#[napi(object)]
pub struct FlowLimits {
    /// Bytes a second in all, 1 or more; undefined for no limit.
    pub total: Option<f64>,
    /// Bytes a second of one peer, or of all peers at one public address; undefined for no limit.
    pub per_peer: Option<f64>,
    /// Whether this machine and the local network are held to them, too.
    pub limit_local: bool,
}

/// What goes on in one direction.
#[napi(object, object_from_js = false)]
pub struct FlowTraffic {
    /// Bytes that went in the last second.
    pub bytes_per_second: f64,
    /// Bytes waiting: critical, high, normal, low.
    pub queued: Vec<f64>,
    /// Requests waiting.
    pub waiting: u32,
    /// Bytes whose turn came and that are not released yet.
    pub in_service: f64,
}

/// What goes on in both directions.
#[napi(object, object_from_js = false)]
pub struct FlowSnapshot {
    /// Sending.
    pub up: FlowTraffic,
    /// Receiving.
    pub down: FlowTraffic,
}

/// Rate limits, priorities and fair shares for everything a node sends and receives.
#[napi]
pub struct TransferGate {
    /// What stands behind it, for whoever moves bytes in here.
    pub(crate) gate: Gate,
}

#[napi]
impl TransferGate {
    /// A gate with these limits.
    ///
    /// @throws Error `LIMIT_EXCEEDED` for a limit below 1 byte a second
    #[napi(catch_unwind, ts_args_type = "up: FlowLimits, down: FlowLimits", ts_return_type = "TransferGate")]
    pub fn open(up: FlowLimits, down: FlowLimits) -> Coded<TransferGate> {
        guarded(|| {
            let (up, down) = (limits(&up)?, limits(&down)?);
            let gate = within_runtime_if_available(|| Gate::new(up, down, &Handle::current()));
            Ok(TransferGate { gate })
        })
    }

    /// Takes a place in the queue.
    ///
    /// @param direction - `up` or `down`
    /// @param address - IP address of the peer
    /// @param peer - its peer id, at most 64 bytes
    /// @param priority - `critical`, `high`, `normal` or `low`
    /// @param bytes - 1…262,144
    /// @throws Error `ADDRESS_INVALID`, `LIMIT_EXCEEDED`, or `PEER_BUSY` when too many wait
    #[napi(
        catch_unwind,
        ts_args_type = "direction: 'up' | 'down', address: string, peer: string, \
                        priority: 'critical' | 'high' | 'normal' | 'low', bytes: number",
        ts_return_type = "TransferPermit"
    )]
    pub fn request(
        &self,
        direction: String,
        address: String,
        peer: String,
        priority: String,
        bytes: u32,
    ) -> Coded<TransferPermit> {
        guarded(|| {
            let direction = named(&direction, [("up", Direction::Up), ("down", Direction::Down)])?;
            let priority = priority_of(&priority)?;
            let invalid =
                |_| Failure { code: "ADDRESS_INVALID", message: format!("{address} is no IP address") };
            let lane = Lane::new(address.parse().map_err(invalid)?, peer.as_bytes(), priority);
            let place = self.gate.request(direction, &lane, bytes)?;
            let granted = place.is_granted();
            let (permit, turn) = place.split();
            Ok(TransferPermit { permit: Some(permit), turn: Some(turn), granted })
        })
    }

    /// Puts other limits in force at once, also for what waits.
    ///
    /// @throws Error `LIMIT_EXCEEDED` for a limit below 1 byte a second
    #[napi(catch_unwind, ts_args_type = "up: FlowLimits, down: FlowLimits", ts_return_type = "void")]
    pub fn set_limits(&self, up: FlowLimits, down: FlowLimits) -> Coded<()> {
        guarded(|| {
            let (up, down) = (limits(&up)?, limits(&down)?);
            self.gate.set_limits(Direction::Up, up);
            self.gate.set_limits(Direction::Down, down);
            Ok(())
        })
    }

    /// What goes on.
    #[napi(catch_unwind)]
    pub fn snapshot(&self) -> FlowSnapshot {
        let snapshot = self.gate.snapshot();
        FlowSnapshot { up: traffic(&snapshot.up.1), down: traffic(&snapshot.down.1) }
    }
}

/// A place in the queue, and once its turn has come the right to move the bytes. It counts until it is released.
#[napi]
pub struct TransferPermit {
    permit: Option<Permit>,
    turn: Option<Receiver<()>>,
    granted: bool,
}

#[napi]
impl TransferPermit {
    /// Whether its turn had come at once: nobody need wait for `ready()` then.
    #[napi(getter)]
    pub fn granted(&self) -> bool {
        self.granted
    }

    /// Resolves when its turn has come.
    ///
    /// @throws Error `ABORTED` when it is released before, or asked twice
    #[napi(catch_unwind, ts_args_type = "", ts_return_type = "Promise<void>")]
    pub fn ready<'env>(&mut self, env: &'env Env) -> Result<PromiseRaw<'env, Coded<()>>> {
        let turn = self.turn.take();
        env.spawn_future(async move {
            let came = match turn {
                Some(turn) => turn.await.is_ok(),
                None => false,
            };
            let given_up = || Failure { code: "ABORTED", message: "the place was given up".into() };
            Ok(Coded(came.then_some(()).ok_or_else(given_up)))
        })
    }

    /// The bytes are on their way, or nobody wants them any more. Releasing twice is allowed.
    #[napi(catch_unwind)]
    pub fn release(&mut self) {
        self.permit = None;
    }
}

const PRIORITIES: [(&str, Priority); 4] = [
    ("critical", Priority::Critical),
    ("high", Priority::High),
    ("normal", Priority::Normal),
    ("low", Priority::Low),
];

/// How urgent bytes are, by its name.
pub(crate) fn priority_of(word: &str) -> std::result::Result<Priority, Failure> {
    named(word, PRIORITIES)
}

fn named<T: Copy, const N: usize>(word: &str, words: [(&str, T); N]) -> std::result::Result<T, Failure> {
    let unknown =
        || Failure { code: "LIMIT_EXCEEDED", message: format!("{word} is none of the words expected") };
    words.iter().find(|(known, _)| *known == word).map(|&(_, value)| value).ok_or_else(unknown)
}

fn limits(limits: &FlowLimits) -> std::result::Result<Limits, Failure> {
    let FlowLimits { total, per_peer, limit_local } = *limits;
    Ok(Limits { total: rate(total)?, per_peer: rate(per_peer)?, limit_local })
}

/// A rate beyond what can be measured limits nothing.
fn rate(bytes: Option<f64>) -> std::result::Result<Option<Rate>, Failure> {
    match bytes {
        Some(bytes) if !(bytes >= 1.0) => {
            let message = format!("a limit is {bytes} bytes a second, expected at least 1");
            Err(Failure { code: "LIMIT_EXCEEDED", message })
        }
        // A float that is too large becomes the largest integer.
        bytes => Ok(bytes.and_then(|bytes| Rate::per_second(bytes as u64))),
    }
}

fn traffic(traffic: &Traffic) -> FlowTraffic {
    let Traffic { bytes_per_second, queued, waiting, in_service } = *traffic;
    FlowTraffic {
        bytes_per_second: bytes_per_second as f64,
        queued: queued.map(|bytes| bytes as f64).into(),
        waiting: waiting as u32,
        in_service: in_service as f64,
    }
}
