//! A reply as it comes in: what is wanted goes out, and exactly what was asked for is taken, as long as it keeps coming.

use crate::dial::{Provider, Use, closed, connect, lost};
use crate::endpoint::Shared;
use crate::error::{Code, TransferError};
use crate::wire::{HEAD_BYTES, Request, code_of};
use catalog_flow::{Direction, Gate, Lane, Priority};
use quinn::{ReadError, RecvStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::time::{sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long a fetch may take, how urgent it is here, and who may end it.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Without a verified byte for so long, the peer has stalled.
    pub stall: Duration,
    /// For the whole of it.
    pub deadline: Duration,
    /// Against what else this node receives.
    pub priority: Priority,
    /// Ends it at once.
    pub cancel: CancellationToken,
}

/// What is left of the time that was given.
pub(crate) struct Watch {
    stall: Duration,
    stall_at: Instant,
    deadline: Instant,
    priority: Priority,
    cancel: CancellationToken,
    closing: CancellationToken,
}

impl Watch {
    pub(crate) fn new(terms: Terms, shared: &Shared) -> Self {
        let now = Instant::now();
        let Terms { stall, deadline, priority, cancel } = terms;
        let (stall_at, deadline) = (now + stall, now + deadline);
        Self { stall, stall_at, deadline, priority, cancel, closing: shared.closing.clone() }
    }

    /// Something came that is worth keeping.
    pub(crate) fn progress(&mut self) {
        self.stall_at = Instant::now() + self.stall;
    }

    /// Waits for the peer.
    pub(crate) async fn peer<T>(&self, work: impl Future<Output = T>) -> Result<T, TransferError> {
        let (until, silent) =
            if self.stall_at < self.deadline { (self.stall_at, true) } else { (self.deadline, false) };
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.cancel.cancelled() => Err(cancelled()),
            () = self.closing.cancelled() => Err(closed()),
            () = sleep_until(until.into()) => Err(if silent { self.stalled() } else { too_long() }),
        }
    }

    /// Waits for this node itself, which is nobody's stall.
    pub(crate) async fn own<T>(&mut self, work: impl Future<Output = T>) -> Result<T, TransferError> {
        let begun = Instant::now();
        let done = tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.cancel.cancelled() => Err(cancelled()),
            () = self.closing.cancelled() => Err(closed()),
            () = sleep_until(self.deadline.into()) => Err(too_long()),
        };
        self.stall_at += begun.elapsed();
        done
    }

    fn stalled(&self) -> TransferError {
        let seconds = self.stall.as_secs_f64();
        TransferError::new(Code::PeerTimeout, format!("The peer delivered nothing for {seconds} s."))
    }
}

fn cancelled() -> TransferError {
    TransferError::new(Code::Aborted, "Cancelled.")
}

fn too_long() -> TransferError {
    TransferError::new(Code::PeerTimeout, "The peer took longer than it may.")
}

/// A reply whose head has come and fits.
pub(crate) struct Reply {
    receive: RecvStream,
    used: Use,
    gate: Gate,
    lane: Lane,
    /// Bytes that were read since the gate was last asked.
    owed: u32,
    /// After so many it has to be asked again.
    piece: u32,
}

impl Reply {
    /// Asks, and reads the head.
    ///
    /// `size` is what the blob has; a peer that says otherwise has another blob.
    pub(crate) async fn open(
        shared: &Arc<Shared>,
        provider: Provider,
        request: &Request,
        size: u64,
        watch: &mut Watch,
    ) -> Result<Self, TransferError> {
        let used = watch.peer(connect(shared, provider)).await??;
        let (mut send, receive) =
            watch.peer(used.link.connection.open_bi()).await?.map_err(|error| lost(&error))?;
        let asked = async {
            send.write_all(&request.encode()).await.map_err(|_| broken_off(None))?;
            send.finish().map_err(|_| broken_off(None))
        };
        // A peer that reads no request may have refused the connection; the reply then says why.
        let asked = watch.peer(asked).await?;
        let peer = provider.peer.to_string();
        let lane = Lane::new(provider.address.ip(), peer.as_bytes(), watch.priority);
        let gate = shared.gate.clone();
        let piece = gate.piece_bytes(Direction::Down, &lane);
        let mut reply = Self { receive, used, gate, lane, owed: 0, piece };
        let head = reply.head(size, watch).await;
        head.and(asked).map(|()| reply)
    }

    async fn head(&mut self, size: u64, watch: &mut Watch) -> Result<(), TransferError> {
        let mut head = [0; HEAD_BYTES];
        self.fill(&mut head[..1], watch).await?;
        if let Some(code) = code_of(head[0].into()) {
            return Err(refusal(code));
        }
        self.fill(&mut head[1..], watch).await?;
        let stated = head[1..].iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
        if stated != size {
            let message = format!("The peer has a blob of {stated} bytes where {size} are expected.");
            return Err(TransferError::new(Code::PeerProtocol, message));
        }
        Ok(())
    }

    /// What has come, at most as much as there is room for: nothing when it is `due` before, 0 bytes at the end.
    pub(crate) async fn read(
        &mut self,
        room: &mut [u8],
        due: Option<Instant>,
        watch: &mut Watch,
    ) -> Result<Option<usize>, TransferError> {
        if self.owed >= self.piece {
            self.pay(watch).await?;
        }
        let most = room.len().min((self.piece - self.owed) as usize);
        let reading = self.receive.read(&mut room[..most]);
        let read = match due {
            None => watch.peer(reading).await?,
            Some(due) => match watch.peer(timeout_at(due.into(), reading)).await? {
                Ok(read) => read,
                Err(_) => return Ok(None),
            },
        };
        let count = read.map_err(|error| broken(&error))?.unwrap_or(0);
        self.used.link.received.fetch_add(count as u64, Ordering::Relaxed);
        self.owed += count as u32;
        Ok(Some(count))
    }

    /// Exactly as much as there is room for.
    pub(crate) async fn fill(&mut self, room: &mut [u8], watch: &mut Watch) -> Result<(), TransferError> {
        let mut filled = 0;
        while filled < room.len() {
            match self.read(&mut room[filled..], None, watch).await? {
                None | Some(0) => return Err(too_short()),
                Some(count) => filled += count,
            }
        }
        Ok(())
    }

    /// The end, which has to be here.
    pub(crate) async fn end(mut self, watch: &mut Watch) -> Result<(), TransferError> {
        self.pay(watch).await?;
        match self.read(&mut [0], None, watch).await? {
            None | Some(0) => Ok(()),
            Some(_) => Err(TransferError::new(Code::PeerProtocol, "The peer sent more than was asked for.")),
        }
    }

    /// Waits until this node may receive more. Nothing is read meanwhile, so that the peer has to wait, too.
    async fn pay(&mut self, watch: &mut Watch) -> Result<(), TransferError> {
        let owed = std::mem::take(&mut self.owed);
        if owed > 0 {
            let turn = watch.own(self.gate.acquire(Direction::Down, &self.lane, owed)).await?;
            turn.map_err(|error| TransferError::new(Code::LimitExceeded, format!("Nothing is received: {error}.")))?;
        }
        self.piece = self.gate.piece_bytes(Direction::Down, &self.lane);
        Ok(())
    }
}

/// A reply that ended before its time.
pub(crate) fn too_short() -> TransferError {
    TransferError::new(Code::PeerProtocol, "The peer sent less than was asked for.")
}

fn broken(error: &ReadError) -> TransferError {
    match error {
        ReadError::Reset(code) => broken_off(code_of(code.into_inner())),
        ReadError::ConnectionLost(error) => lost(error),
        error => TransferError::new(Code::Internal, format!("A reply cannot be read: {error}.")),
    }
}

fn broken_off(code: Option<Code>) -> TransferError {
    TransferError::new(code.unwrap_or(Code::PeerUnreachable), "The peer broke off.")
}

fn refusal(code: Code) -> TransferError {
    let message = match code {
        Code::NotFound => "The peer does not have this.",
        Code::Refused => "The peer does not give this away.",
        Code::PeerBusy => "The peer has too much to do.",
        Code::LimitExceeded => "This is more than the peer sends.",
        Code::PeerProtocol => "The peer does not understand the request.",
        _ => "Something failed at the peer.",
    };
    TransferError::new(code, message)
}
