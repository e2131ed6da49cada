//! The bytes of a request and of the head of its reply. `src/wire/WIRE.md` has every one of them.

use crate::error::Code;

/// The unit of verification: all chunks but the last one of a blob have this length.
pub const CHUNK_BYTES: usize = 65_536;
/// Length of a chunk's id, of a root and of a release's id.
pub const ID_BYTES: usize = 32;
/// The longest blob there can be.
pub const BLOB_BYTES_MAX: u64 = 64 << 30;
/// Length of a request.
pub const REQUEST_BYTES: usize = 76;
/// Length of what stands before the contents in a reply that is not a refusal.
pub const HEAD_BYTES: usize = 9;

const VERSION: u8 = 1;
const FLAG_OUTLINE: u8 = 1;
const FLAG_DATA: u8 = 2;
const STATUS_OK: u8 = 0;

/// A digest.
pub type Id = [u8; ID_BYTES];

/// Which part of which blob is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whether the ids of the chunks are wanted.
    pub outline: bool,
    /// Whether their bytes are; one of both has to be.
    pub data: bool,
    /// The blob.
    pub root: Id,
    /// Id of the record that names it.
    pub release: Id,
    /// The first chunk.
    pub first: u32,
    /// How many chunks; at least 1.
    pub count: u32,
}

impl Request {
    /// As it stands on the wire.
    pub fn encode(&self) -> [u8; REQUEST_BYTES] {
        let mut bytes = [0; REQUEST_BYTES];
        bytes[0] = VERSION;
        bytes[1] = if self.outline { FLAG_OUTLINE } else { 0 } | if self.data { FLAG_DATA } else { 0 };
        bytes[4..36].copy_from_slice(&self.root);
        bytes[36..68].copy_from_slice(&self.release);
        bytes[68..72].copy_from_slice(&self.first.to_be_bytes());
        bytes[72..].copy_from_slice(&self.count.to_be_bytes());
        bytes
    }

    /// Reads a request; nothing comes of one that is malformed.
    pub fn decode(bytes: &[u8; REQUEST_BYTES]) -> Option<Self> {
        let flags = bytes[1];
        let wanted = (1..=FLAG_OUTLINE | FLAG_DATA).contains(&flags);
        if bytes[0] != VERSION || !wanted || bytes[2..4] != [0, 0] {
            return None;
        }
        let number = |at: usize| bytes[at..at + 4].try_into().ok().map(u32::from_be_bytes);
        let (first, count) = (number(68)?, number(72)?);
        let end = u64::from(first) + u64::from(count);
        if count == 0 || end > u64::from(chunks_of(BLOB_BYTES_MAX)) {
            return None;
        }
        let root = bytes[4..36].try_into().ok()?;
        let release = bytes[36..68].try_into().ok()?;
        let (outline, data) = (flags & FLAG_OUTLINE != 0, flags & FLAG_DATA != 0);
        Some(Self { outline, data, root, release, first, count })
    }

    /// How many bytes of ids and how many of chunks follow the head, for a blob of this size; nothing when the range
    /// is not within it.
    pub fn contents(&self, size: u64) -> Option<(u64, u64)> {
        let end = u64::from(self.first) + u64::from(self.count);
        if end > u64::from(chunks_of(size)) {
            return None;
        }
        let chunk = CHUNK_BYTES as u64;
        let bytes = size.min(end * chunk) - u64::from(self.first) * chunk;
        let ids = u64::from(self.count) * ID_BYTES as u64;
        Some((if self.outline { ids } else { 0 }, if self.data { bytes } else { 0 }))
    }
}

/// How many chunks a blob of this size has, up to the longest one.
pub fn chunks_of(size: u64) -> u32 {
    size.min(BLOB_BYTES_MAX).div_ceil(CHUNK_BYTES as u64) as u32
}

/// The head of a reply with contents.
pub fn encode_head(size: u64) -> [u8; HEAD_BYTES] {
    let mut bytes = [0; HEAD_BYTES];
    bytes[0] = STATUS_OK;
    bytes[1..].copy_from_slice(&size.to_be_bytes());
    bytes
}

/// The status of a refusal, which is all of its reply; the same numbers break off a reply that has begun.
pub fn status_of(code: Code) -> u8 {
    match code {
        Code::NotFound => 1,
        Code::Refused => 2,
        Code::PeerBusy => 3,
        Code::LimitExceeded => 4,
        Code::PeerProtocol => 5,
        _ => 6,
    }
}

/// What a status says; nothing for the one of a reply with contents.
pub fn code_of(status: u64) -> Option<Code> {
    match status {
        0 => None,
        1 => Some(Code::NotFound),
        2 => Some(Code::Refused),
        3 => Some(Code::PeerBusy),
        4 => Some(Code::LimitExceeded),
        5 => Some(Code::PeerProtocol),
        // Those of later versions too.
        _ => Some(Code::Internal),
    }
}
