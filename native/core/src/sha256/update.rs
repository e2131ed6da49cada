//! SHA-256 of a message that comes in pieces.

use super::message::Tail;
use super::{BLOCK_BYTES, Block, DIGEST_BYTES, Digest, Kernel, Sha256, States};
use crate::CoreError;
use crate::error::check_length;
use std::array;
use std::ops::Range;

/// Length of the state kept between pieces.
pub const SHA256_STATE_BYTES: usize = 112;

// Where its parts stand: most are words, what is pending is bytes.
const WORDS: usize = SHA256_STATE_BYTES / 4;
const BYTES: usize = 8;
const PHASE: usize = 26;
const PENDING: Range<usize> = 40..104;

const BEGUN: u32 = 1;
const FINISHED: u32 = 2;

/// FIPS 180-4 §5.1.1 writes the length into 64 bits, and in bits.
const MESSAGE_BYTES_MAX: u64 = (1 << 61) - 1;

/// SHA-256 of a message that comes in pieces.
///
/// `state` is 112 bytes, all zero before the first piece: 8 × u32 chaining words ‖ u64 bytes so far ‖ 64 bytes not yet
/// compressed, zero from where they end ‖ u32 phase (0 fresh, 1 begun, 2 finished) ‖ u32 zero. The piece is the
/// `length` bytes of `buf` from `offset` on; it may be empty. With `finish` it is the last one: the first 32 bytes of
/// `state` are then the digest. Returns bytes of digest in `state`: 32 with `finish`, else 0.
///
/// # Errors
/// `CORE_LENGTH` when `state` has another length, `CORE_RANGE` when the piece ends beyond `buf`, the state is finished
/// or none of ours, or the message grows to 2⁶¹ bytes. Nothing is written then.
///
/// See FIPS 180-4 §6.2.
pub fn sha256_update(
    state: &mut [u8],
    buf: &[u8],
    offset: u64,
    length: u64,
    finish: bool,
) -> Result<usize, CoreError> {
    check_length("state", state.len(), SHA256_STATE_BYTES)?;
    let (end, buffer_bytes) = (offset.saturating_add(length), buf.len() as u64);
    if end > buffer_bytes {
        return Err(CoreError::Range { index: 0, offset, end, buffer_bytes });
    }
    let mut message = Message::read(state)?;
    if message.bytes > MESSAGE_BYTES_MAX - length {
        return Err(CoreError::State("that of a message too long for SHA-256"));
    }
    let sha256 = Sha256::best();
    message.absorb(sha256, &buf[offset as usize..end as usize]);
    state.fill(0);
    let words = state.as_chunks_mut().0;
    words[BYTES] = (message.bytes as u32).to_le_bytes();
    words[BYTES + 1] = ((message.bytes >> 32) as u32).to_le_bytes();
    words[PHASE] = if finish { FINISHED } else { BEGUN }.to_le_bytes();
    if finish {
        state[..DIGEST_BYTES].copy_from_slice(&message.finish(sha256));
        return Ok(DIGEST_BYTES);
    }
    for (word, chaining) in words.iter_mut().zip(message.chaining.get(0)) {
        *word = chaining.to_le_bytes();
    }
    state[PENDING].copy_from_slice(&message.pending);
    Ok(0)
}

/// A message that has not ended.
struct Message {
    chaining: States<1>,
    bytes: u64,
    /// What does not fill a block yet, then zeros.
    pending: Block,
}

impl Message {
    fn read(state: &[u8]) -> Result<Self, CoreError> {
        let mut message = Self { chaining: States::fresh(), bytes: 0, pending: [0; BLOCK_BYTES] };
        if state.iter().all(|&byte| byte == 0) {
            return Ok(message);
        }
        let words: [u32; WORDS] = array::from_fn(|at| u32::from_le_bytes(state.as_chunks().0[at]));
        match words[PHASE..] {
            [BEGUN, 0] => {}
            [FINISHED, 0] => return Err(CoreError::State("finished")),
            _ => return Err(CoreError::State("none that an update leaves")),
        }
        message.chaining.set(0, array::from_fn(|at| words[at]));
        message.bytes = u64::from(words[BYTES]) | u64::from(words[BYTES + 1]) << 32;
        let held = message.held();
        message.pending[..held].copy_from_slice(&state[PENDING][..held]);
        Ok(message)
    }

    /// How many bytes are pending.
    fn held(&self) -> usize {
        (self.bytes % BLOCK_BYTES as u64) as usize
    }

    fn absorb(&mut self, sha256: Sha256, piece: &[u8]) {
        let held = self.held();
        self.bytes += piece.len() as u64;
        let mut piece = piece;
        if held > 0 {
            let (filling, later) = piece.split_at(piece.len().min(BLOCK_BYTES - held));
            self.pending[held..held + filling.len()].copy_from_slice(filling);
            if held + filling.len() < BLOCK_BYTES {
                return;
            }
            sha256.compress(&mut self.chaining, [&[self.pending]]);
            self.pending = [0; BLOCK_BYTES];
            piece = later;
        }
        let (whole, rest) = piece.as_chunks();
        if !whole.is_empty() {
            sha256.compress(&mut self.chaining, [whole]);
        }
        self.pending[..rest.len()].copy_from_slice(rest);
    }

    /// The digest, after which nothing may follow.
    fn finish(mut self, sha256: Sha256) -> Digest {
        let tail = Tail::new(&self.pending[..self.held()], self.bytes);
        sha256.compress(&mut self.chaining, [tail.blocks()]);
        self.chaining.digest(0)
    }
}
