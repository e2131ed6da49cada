//! What can go wrong, as one closed set of codes that the whole project shares.

use std::fmt;
use std::io;

/// A failure, by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Not there, or not for the asker to know.
    NotFound,
    /// The peer does not do this for the asker.
    Refused,
    /// The peer has too much to do.
    PeerBusy,
    /// More than is allowed.
    LimitExceeded,
    /// The other side does not keep to the protocol.
    PeerProtocol,
    /// A mistake in the program.
    Internal,
    /// Nobody answers there, somebody else does, or the connection was lost.
    PeerUnreachable,
    /// No answer in time.
    PeerTimeout,
    /// Bytes that are not what was asked for.
    BlobCorrupt,
    /// The disk, or what may be used of it, is full.
    DiskFull,
    /// The disk failed.
    StoreFailed,
    /// A file that was to be read is not there, or too short.
    FileUnreadable,
    /// Whoever asked gave up.
    Aborted,
    /// The endpoint is closed.
    Closed,
    /// No socket.
    ListenFailed,
    /// Not an address or a peer.
    AddressInvalid,
    /// A call that makes no sense.
    Usage,
}

impl Code {
    /// Its name everywhere else.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::Refused => "REFUSED",
            Self::PeerBusy => "PEER_BUSY",
            Self::LimitExceeded => "LIMIT_EXCEEDED",
            Self::PeerProtocol => "PEER_PROTOCOL",
            Self::Internal => "INTERNAL",
            Self::PeerUnreachable => "PEER_UNREACHABLE",
            Self::PeerTimeout => "PEER_TIMEOUT",
            Self::BlobCorrupt => "BLOB_CORRUPT",
            Self::DiskFull => "DISK_FULL",
            Self::StoreFailed => "STORE_FAILED",
            Self::FileUnreadable => "FILE_UNREADABLE",
            Self::Aborted => "ABORTED",
            Self::Closed => "CLOSED",
            Self::ListenFailed => "LISTEN_FAILED",
            Self::AddressInvalid => "ADDRESS_INVALID",
            Self::Usage => "USAGE",
        }
    }
}

/// A failure with a sentence about it.
#[derive(Clone, Debug, thiserror::Error)]
pub struct TransferError {
    /// What failed.
    pub code: Code,
    /// What and why.
    pub message: String,
}

impl TransferError {
    /// A failure with this code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A failure to write: of the disk, and never the peer's.
    pub(crate) fn writing(error: &io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let full = matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge);
        let code = if full { Code::DiskFull } else { Code::StoreFailed };
        Self::new(code, format!("What was fetched cannot be written: {error}."))
    }

    /// A failure to read what is kept here.
    pub(crate) fn reading(error: &io::Error) -> Self {
        Self::new(Code::FileUnreadable, format!("What was asked for cannot be read: {error}."))
    }
}

impl fmt::Display for TransferError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}
