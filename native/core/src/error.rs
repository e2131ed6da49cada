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
    /// A chunk is empty or longer than [`MAX_CHUNK_BYTES`](crate::MAX_CHUNK_BYTES).
    #[error("chunk {index} is {bytes} bytes long, allowed are 1 to {max}", max = crate::MAX_CHUNK_BYTES)]
    ChunkLength {
        /// Position of the chunk.
        index: usize,
        /// Its claimed length.
        bytes: u32,
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
}

impl CoreError {
    /// The stable code callers may match on: `CORE_LENGTH` or `CORE_RANGE`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Length { .. } => "CORE_LENGTH",
            Self::Range { .. } | Self::ChunkLength { .. } | Self::ChunkCount(_) | Self::Bounds { .. } => {
                "CORE_RANGE"
            }
        }
    }
}
