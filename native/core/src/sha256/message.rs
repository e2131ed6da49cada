//! From messages to blocks and from chaining values to digests: the padding, and one message at a time.

use super::{BLOCK_BYTES, Block, DIGEST_BYTES, Digest, INITIAL_STATE, Kernel, State};

/// Bytes the padding needs at least: the 0x80 marker and the 64-bit length.
const MIN_PADDING_BYTES: usize = 9;

/// The last one or two blocks of a message: what is left of it, the marker, zeros, the length in bits.
pub(super) struct Tail {
    blocks: [Block; 2],
    used: usize,
}

impl Tail {
    /// # Panics
    /// When `rest` is a whole block or more.
    pub(super) fn new(rest: &[u8], message_bytes: usize) -> Self {
        assert!(rest.len() < BLOCK_BYTES);
        let used = if rest.len() + MIN_PADDING_BYTES <= BLOCK_BYTES { 1 } else { 2 };
        let mut blocks = [[0; BLOCK_BYTES]; 2];
        let bytes = blocks.as_flattened_mut();
        bytes[..rest.len()].copy_from_slice(rest);
        bytes[rest.len()] = 0x80;
        let end = used * BLOCK_BYTES;
        bytes[end - 8..end].copy_from_slice(&(message_bytes as u64 * 8).to_be_bytes());
        Self { blocks, used }
    }

    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks[..self.used]
    }
}

pub(super) fn to_digest(state: &State) -> Digest {
    let mut digest = [0; DIGEST_BYTES];
    for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

/// SHA-256 of one message.
pub(super) fn digest<K: Kernel>(kernel: K, message: &[u8]) -> Digest {
    let (whole, rest) = message.as_chunks::<BLOCK_BYTES>();
    let mut states = [INITIAL_STATE];
    // The leaves of a tree are shorter than a block; entering the kernel for nothing would show there.
    if !whole.is_empty() {
        kernel.compress(&mut states, [whole]);
    }
    kernel.compress(&mut states, [Tail::new(rest, message.len()).blocks()]);
    to_digest(&states[0])
}

/// SHA-256 of every message, one after the other.
pub(super) fn digest_each<'a, K: Kernel>(kernel: K, jobs: impl Iterator<Item = (&'a [u8], &'a mut Digest)>) {
    for (message, out) in jobs {
        *out = digest(kernel, message);
    }
}
