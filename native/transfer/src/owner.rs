//! What an endpoint asks of its owner: one decision a request, and what it tells: how far the reply is, and its end.

use crate::error::{Code, TransferError};
use crate::peer::PeerId;
use crate::wire::Request;
use catalog_flow::Priority;
use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// After so many the owner hears how far a reply is: at line rate a thousand times a second.
const TOLD_BYTES: u64 = 1024 * 1024;

/// A request, and whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Who asks; authenticated.
    pub peer: PeerId,
    /// Where it asks from.
    pub address: IpAddr,
    /// For what.
    pub request: Request,
}

/// Where bytes lie.
#[derive(Clone, Debug)]
pub enum Source {
    /// In a file, from an offset on.
    File {
        /// The file, opened once a request.
        path: PathBuf,
        /// Where the first byte is.
        offset: u64,
    },
    /// In memory, all of them.
    Memory(bytes::Bytes),
}

/// Leave to send.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Comes back in [`Owner::ended`].
    pub id: u64,
    /// The blob's bytes.
    pub data: Source,
    /// How many there are.
    pub size: u64,
    /// The ids of all its chunks; nothing when only bytes are asked for.
    pub outline: Option<Source>,
    /// Of a blob that is not here whole, one bit a chunk, least significant first: those that may be sent.
    pub held: Option<Vec<u8>>,
    /// Against what else this node sends.
    pub priority: Priority,
}

/// How a reply ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The peer has all of it.
    Complete,
    /// It broke off.
    Failed(TransferError),
}

/// A decision under way.
pub type Decision<'a> = Pin<Box<dyn Future<Output = Result<Grant, Code>> + Send + 'a>>;

/// Decides what is sent, and hears of every end.
pub trait Owner: Send + Sync + 'static {
    /// Decides about a request. What it grants stays granted until [`Owner::ended`] is called with its id.
    ///
    /// # Errors
    /// `NOT_FOUND`, `REFUSED` (both are remembered for a short time), `PEER_BUSY`, `LIMIT_EXCEEDED`; all others reach
    /// the peer as `INTERNAL`.
    fn authorise(&self, asked: Asked) -> Decision<'_>;

    /// So many bytes of contents have been handed to the transport by now: called now and then while a reply goes on.
    fn sent(&self, _id: u64, _sent: u64) {}

    /// A grant has ended: called exactly once for each, whatever happened.
    ///
    /// `sent` counts the bytes of contents handed to the transport; with [`Outcome::Complete`] they are all that was
    /// asked for, and acknowledged.
    fn ended(&self, id: u64, sent: u64, outcome: Outcome);
}

/// A grant that tells its owner of its end, also when it is dropped.
pub(crate) struct Lease {
    owner: Arc<dyn Owner>,
    pub(crate) grant: Grant,
    pub(crate) sent: u64,
    /// Of these, what the owner has heard of.
    told: u64,
    outcome: Option<Outcome>,
    /// It counts as a request under way.
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    pub(crate) fn new(owner: Arc<dyn Owner>, grant: Grant, permit: OwnedSemaphorePermit) -> Self {
        Self { owner, grant, sent: 0, told: 0, outcome: None, _permit: permit }
    }

    /// More contents have been handed to the transport.
    pub(crate) fn count(&mut self, bytes: u64) {
        self.sent += bytes;
        if self.sent - self.told >= TOLD_BYTES {
            self.told = self.sent;
            self.owner.sent(self.grant.id, self.sent);
        }
    }

    pub(crate) fn end(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let gone = || Outcome::Failed(TransferError::new(Code::PeerUnreachable, "The peer went away."));
        self.owner.ended(self.grant.id, self.sent, self.outcome.take().unwrap_or_else(gone));
    }
}
