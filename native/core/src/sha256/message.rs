//! From messages to blocks and on to digests: the padding, a message on its way, and the simple ways to finish it.

use super::{BLOCK_BYTES, Block, Digest, INITIAL_STATE, Kernel, State, States};
use std::array;

/// Bytes the padding needs at least: the 0x80 marker and the 64-bit length.
const MIN_PADDING_BYTES: usize = 9;

/// The last one or two blocks of a message: what is left of it, the marker, zeros, the length in bits.
#[derive(Clone, Copy)]
pub(super) struct Tail {
    blocks: [Block; 2],
    used: usize,
}

impl Tail {
    pub(super) const EMPTY: Self = Self { blocks: [[0; BLOCK_BYTES]; 2], used: 0 };

    pub(super) fn new(rest: &[u8], message_bytes: u64) -> Self {
        let mut tail = Self::EMPTY;
        tail.fill(rest, message_bytes);
        tail
    }

    /// # Panics
    /// When `rest` is a whole block or more.
    pub(super) fn fill(&mut self, rest: &[u8], message_bytes: u64) {
        assert!(rest.len() < BLOCK_BYTES);
        self.used = if rest.len() + MIN_PADDING_BYTES <= BLOCK_BYTES { 1 } else { 2 };
        self.blocks = [[0; BLOCK_BYTES]; 2];
        let bytes = self.blocks.as_flattened_mut();
        bytes[..rest.len()].copy_from_slice(rest);
        bytes[rest.len()] = 0x80;
        let end = self.used * BLOCK_BYTES;
        bytes[end - 8..end].copy_from_slice(&(message_bytes * 8).to_be_bytes());
    }

    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks[..self.used]
    }
}

/// A message on its way; its tail lies with the lane.
pub(super) struct Stream<'a> {
    /// Whole blocks still to absorb.
    whole: &'a [Block],
    rest: &'a [u8],
    message_bytes: u64,
    /// Blocks of the tail that have been absorbed.
    tail_done: usize,
    /// The chaining value so far; while a lane has the stream, the lane has that too.
    pub(super) state: State,
    pub(super) out: &'a mut Digest,
}

impl<'a> Stream<'a> {
    pub(super) fn new(message: &'a [u8], out: &'a mut Digest) -> Self {
        let (whole, rest) = message.as_chunks();
        Self { whole, rest, message_bytes: message.len() as u64, tail_done: 0, state: INITIAL_STATE, out }
    }

    pub(super) fn fill(&self, tail: &mut Tail) {
        tail.fill(self.rest, self.message_bytes);
    }

    /// The blocks that can be absorbed in one go: never empty before the message is finished.
    pub(super) fn pending<'b>(&'b self, tail: &'b Tail) -> &'b [Block] {
        if self.whole.is_empty() { &tail.blocks()[self.tail_done..] } else { self.whole }
    }

    /// Takes note of absorbed blocks and returns whether any are left.
    pub(super) fn advance(&mut self, count: usize, tail: &Tail) -> bool {
        if self.whole.is_empty() {
            self.tail_done += count;
            return self.tail_done < tail.used;
        }
        self.whole = &self.whole[count..];
        true
    }
}

/// SHA-256 of messages, one after the other.
pub(super) fn finish_each<'a, K: Kernel<1>>(kernel: K, streams: impl Iterator<Item = Stream<'a>>) {
    for mut stream in streams {
        let mut states = States::fresh();
        states.set(0, stream.state);
        let mut tail = Tail::EMPTY;
        stream.fill(&mut tail);
        loop {
            let blocks = stream.pending(&tail);
            let count = blocks.len();
            kernel.compress(&mut states, [blocks]);
            if !stream.advance(count, &tail) {
                break;
            }
        }
        *stream.out = states.digest(0);
    }
}

/// SHA-256 of 1 to `N` messages of `B` blocks, padding included.
pub(super) fn digest_padded<'a, K: Kernel<N>, const N: usize, const B: usize>(
    kernel: K,
    messages: &[[Block; B]],
    out: impl Iterator<Item = &'a mut Digest>,
) {
    let mut states = States::fresh();
    // Streams without a message of their own repeat the last one, for nobody to look at.
    let last = messages.len() - 1;
    kernel.compress(&mut states, array::from_fn(|index| messages[index.min(last)].as_slice()));
    for (index, digest) in out.take(messages.len()).enumerate() {
        *digest = states.digest(index);
    }
}
