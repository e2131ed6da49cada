//! What can be wrong with a call into the core.

use thiserror::Error;

/// A refused call. Nothing has been written to the caller's buffers.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CoreError {
    /// Two buffers disagree in shape, for example 3 ranges and room for 2 digests.
    #[error("{what} holds {actual} elements, expected {expected}")]
    Length {
        /// The offending argument.
        what: &'static str,
        /// How many elements it has.
        actual: u64,
        /// How many it must have (for `ranges`: the next even number).
        expected: u64,
    },
    /// A range reaches beyond the buffer.
    #[error("range {index} covers bytes {offset} to {end} of a buffer of {buffer_bytes}")]
    Range {
        /// Position of the range, counted in ranges.
        index: usize,
        /// First byte of the range.
        offset: u64,
        /// One past its last byte.
        end: u64,
        /// Length of the buffer.
        buffer_bytes: u64,
    },
    /// A chunk is empty or longer than [`max_chunk_bytes`](crate::max_chunk_bytes).
    #[error("chunk {index} is {bytes} bytes long, allowed are 1 to {max}")]
    ChunkLength {
        /// Position of the chunk.
        index: usize,
        /// Its claimed length.
        bytes: u32,
        /// The longest that its profile allows.
        max: u32,
    },
    /// More chunks than the 32-bit count in a root can express.
    #[error("{0} chunks do not fit the 32-bit count of a root")]
    ChunkCount(usize),
    /// A number is none of those its argument may be.
    #[error("{what} is {value}, allowed are {allowed}")]
    Bounds {
        /// The offending argument.
        what: &'static str,
        /// What it is.
        value: i64,
        /// What it may be, in words.
        allowed: &'static str,
    },
    /// A hash cannot go on from this state.
    #[error("the state is {0}")]
    State(&'static str),
    /// No stripe has such shards.
    #[error(
        "a stripe of {data} + {parity} shards of {shard_bytes} bytes, allowed are at least 1 of each and {max} shards",
        max = crate::SHARDS_MAX
    )]
    Stripe {
        /// Its data shards.
        data: usize,
        /// Its parity shards.
        parity: usize,
        /// Length of each.
        shard_bytes: usize,
    },
    /// A stripe has lost more shards than it has parity.
    #[error("{present} shards are present, {needed} are needed to rebuild another")]
    TooFewShards {
        /// Shards that are there.
        present: usize,
        /// Shards that any other can be computed from.
        needed: usize,
    },
}

impl CoreError {
    /// The stable code callers may match on: `CORE_LENGTH` or `CORE_RANGE`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Length { .. } => "CORE_LENGTH",
            Self::Range { .. }
            | Self::ChunkLength { .. }
            | Self::ChunkCount(_)
            | Self::Bounds { .. }
            | Self::State(_)
            | Self::Stripe { .. }
            | Self::TooFewShards { .. } => "CORE_RANGE",
        }
    }
}

/// Refuses an argument that has another number of elements than it must have.
pub(crate) fn check_length(what: &'static str, actual: usize, expected: usize) -> Result<(), CoreError> {
    let (actual, expected) = (actual as u64, expected as u64);
    if actual == expected { Ok(()) } else { Err(CoreError::Length { what, actual, expected }) }
}

/// The argument as an array of `N` bytes, unless it has another length.
pub(crate) fn sized<'a, const N: usize>(
    what: &'static str,
    bytes: &'a [u8],
) -> Result<&'a [u8; N], CoreError> {
    let (actual, expected) = (bytes.len() as u64, N as u64);
    bytes.try_into().map_err(|_| CoreError::Length { what, actual, expected })
}
