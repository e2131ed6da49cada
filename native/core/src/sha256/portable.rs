//! SHA-256 in plain integer arithmetic, as FIPS 180-4 §6.2.2 writes it.

use super::{Block, Kernel, ROUND_CONSTANTS, State, States};

/// The kernel every processor can run.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl<const N: usize> Kernel<N> for Portable {
    fn compress(self, states: &mut States<N>, blocks: [&[Block]; N]) {
        for (index, blocks) in blocks.into_iter().enumerate() {
            let mut state = states.get(index);
            for block in blocks {
                absorb(&mut state, block);
            }
            states.set(index, state);
        }
    }
}

fn absorb(state: &mut State, block: &Block) {
    // Only the last 16 words of the schedule are ever needed again, so it lives in a ring of 16.
    let mut words = [0u32; 16];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let mut working = *state;
    for (group, constants) in ROUND_CONSTANTS.as_chunks().0.iter().enumerate() {
        sixteen_rounds(&mut working, &mut words, constants, group < 3);
    }
    for (word, added) in state.iter_mut().zip(working) {
        *word = word.wrapping_add(added);
    }
}

/// Sixteen rounds; with `extend` each replaces its schedule word by the one due sixteen rounds later.
///
/// Written out, since only then do the names rotate without moving anything.
#[inline]
fn sixteen_rounds(working: &mut State, words: &mut [u32; 16], constants: &[u32; 16], extend: bool) {
    macro_rules! rounds {
        ($($t:literal)*) => {$(
            round(working, words[$t].wrapping_add(constants[$t]));
            if extend {
                words[$t] = next_word(words[$t], words[($t + 1) % 16], words[($t + 9) % 16], words[($t + 14) % 16]);
            }
        )*};
    }
    rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
}

#[inline]
fn round(working: &mut State, input: u32) {
    let [a, b, c, d, e, f, g, h] = *working;
    let sum1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
    let choice = (e & f) ^ (!e & g);
    let t1 = h.wrapping_add(sum1).wrapping_add(choice).wrapping_add(input);
    let sum0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
    let majority = (a & b) ^ (a & c) ^ (b & c);
    let t2 = sum0.wrapping_add(majority);
    *working = [t1.wrapping_add(t2), a, b, c, d.wrapping_add(t1), e, f, g];
}

/// Word t of the schedule from words t − 16, t − 15, t − 7 and t − 2.
#[inline]
fn next_word(w16: u32, w15: u32, w7: u32, w2: u32) -> u32 {
    let sigma0 = w15.rotate_right(7) ^ w15.rotate_right(18) ^ (w15 >> 3);
    let sigma1 = w2.rotate_right(17) ^ w2.rotate_right(19) ^ (w2 >> 10);
    w16.wrapping_add(sigma0).wrapping_add(w7).wrapping_add(sigma1)
}
