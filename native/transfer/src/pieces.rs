//! The memory that replies are read into. There is a fixed amount of it, and a piece counts until the peer has
//! acknowledged its last byte, so that no peer can make this node hold more by acknowledging nothing.

use crate::buffers::{Buffer, Buffers};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Length of a piece: whole chunks, large enough that reading it costs little beside sending it.
pub(crate) const PIECE_BYTES: usize = 256 * 1024;

/// What all connections share.
pub(crate) struct Pieces {
    buffers: Arc<Buffers>,
    shared: Arc<Semaphore>,
    count: usize,
}

impl Pieces {
    /// Room for `bytes` at once, rounded down to pieces.
    pub(crate) fn new(bytes: usize) -> Self {
        let count = (bytes / PIECE_BYTES).max(1);
        Self { buffers: Buffers::new(PIECE_BYTES, count), shared: Arc::new(Semaphore::new(count)), count }
    }

    /// Gives the memory back when nothing is being sent.
    pub(crate) fn trim(&self) {
        if self.shared.available_permits() == self.count {
            self.buffers.clear();
        }
    }

    /// A connection's share: one piece of its own, so that it always goes on, and up to `bytes` of what all share.
    pub(crate) fn share(&self, bytes: usize) -> Share {
        let most = (bytes / PIECE_BYTES).clamp(1, self.count);
        Share {
            buffers: self.buffers.clone(),
            own: Arc::new(Semaphore::new(1)),
            most: Arc::new(Semaphore::new(most)),
            shared: self.shared.clone(),
        }
    }
}

/// What one connection may hold.
pub(crate) struct Share {
    buffers: Arc<Buffers>,
    own: Arc<Semaphore>,
    most: Arc<Semaphore>,
    shared: Arc<Semaphore>,
}

impl Share {
    /// Waits for a piece.
    pub(crate) async fn piece(&self) -> Option<Piece> {
        let permits = tokio::select! {
            biased;
            own = self.own.clone().acquire_owned() => [Some(own.ok()?), None],
            common = self.common() => common?.map(Some),
        };
        Some(Piece::new(self.buffers.take(), permits))
    }

    /// A piece if there is one right now.
    pub(crate) fn try_piece(&self) -> Option<Piece> {
        let most = self.most.clone().try_acquire_owned().ok()?;
        let shared = self.shared.clone().try_acquire_owned().ok()?;
        Some(Piece::new(self.buffers.take(), [Some(most), Some(shared)]))
    }

    async fn common(&self) -> Option<[OwnedSemaphorePermit; 2]> {
        let most = self.most.clone().acquire_owned().await.ok()?;
        Some([most, self.shared.clone().acquire_owned().await.ok()?])
    }
}

/// A buffer that counts until the last of its bytes is let go.
pub(crate) struct Piece {
    buffer: Buffer,
    length: usize,
    _permits: [Option<OwnedSemaphorePermit>; 2],
}

impl Piece {
    fn new(buffer: Buffer, permits: [Option<OwnedSemaphorePermit>; 2]) -> Self {
        Self { buffer, length: 0, _permits: permits }
    }

    /// Room for its contents.
    pub(crate) fn room(&mut self, length: usize) -> &mut [u8] {
        self.length = length;
        &mut self.buffer[..length]
    }

    /// What was written to [`Piece::room`], without a copy.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}
