//! Many messages at once: two lanes, kept busy with messages of any length.

use super::message::{Tail, to_digest};
use super::{BLOCK_BYTES, Block, Digest, INITIAL_STATE, Kernel, State};

/// A message on its way through a lane.
struct Lane<'a> {
    whole: &'a [Block],
    tail: Tail,
    /// Blocks of whole and tail together that have been absorbed.
    done: usize,
    out: &'a mut Digest,
}

impl<'a> Lane<'a> {
    fn new((message, out): (&'a [u8], &'a mut Digest)) -> Self {
        let (whole, rest) = message.as_chunks::<BLOCK_BYTES>();
        Self { whole, tail: Tail::new(rest, message.len()), done: 0, out }
    }

    /// The blocks that can be absorbed in one go: never empty before the message is finished.
    fn pending(&self) -> &[Block] {
        match self.done.checked_sub(self.whole.len()) {
            None => &self.whole[self.done..],
            Some(in_tail) => &self.tail.blocks()[in_tail..],
        }
    }

    fn is_finished(&self) -> bool {
        self.done == self.whole.len() + self.tail.blocks().len()
    }
}

/// SHA-256 of every message, two at a time.
///
/// Both lanes advance by as many blocks as both have at hand. A lane whose message ends takes the next
/// one at once, so that ranges of different lengths do not leave it empty; only the very last message
/// may run alone.
pub(super) fn digest_each<'a, K: Kernel>(kernel: K, jobs: impl Iterator<Item = (&'a [u8], &'a mut Digest)>) {
    let mut jobs = jobs.map(Lane::new);
    let (Some(mut left), right) = (jobs.next(), jobs.next()) else {
        return;
    };
    let mut states = [INITIAL_STATE; 2];
    let Some(mut right) = right else {
        return finish_alone(kernel, left, INITIAL_STATE);
    };
    loop {
        let (first, second) = (left.pending(), right.pending());
        let count = first.len().min(second.len());
        kernel.compress(&mut states, [&first[..count], &second[..count]]);
        left.done += count;
        right.done += count;
        if left.is_finished() {
            *left.out = to_digest(&states[0]);
            states[0] = INITIAL_STATE;
            left = match jobs.next() {
                Some(lane) => lane,
                None => return finish_alone(kernel, right, states[1]),
            };
        }
        if right.is_finished() {
            *right.out = to_digest(&states[1]);
            states[1] = INITIAL_STATE;
            right = match jobs.next() {
                Some(lane) => lane,
                None => return finish_alone(kernel, left, states[0]),
            };
        }
    }
}

/// Runs what is left of the last message, which may be nothing.
fn finish_alone<K: Kernel>(kernel: K, mut lane: Lane<'_>, state: State) {
    let mut states = [state];
    while !lane.is_finished() {
        let count = lane.pending().len();
        kernel.compress(&mut states, [lane.pending()]);
        lane.done += count;
    }
    *lane.out = to_digest(&states[0]);
}
