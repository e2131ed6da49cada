//! SHA-256 in plain integer arithmetic, as FIPS 180-4 §6.2.2 writes it.

use super::{Block, Kernel, ROUND_CONSTANTS, State};

/// The kernel every processor can run.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Kernel for Portable {
    fn compress<const N: usize>(self, states: &mut [State; N], blocks: [&[Block]; N]) {
        for (state, blocks) in states.iter_mut().zip(blocks) {
            for block in blocks {
                absorb(state, block);
            }
        }
    }
}

fn absorb(state: &mut State, block: &Block) {
    // Only the last 16 words of the schedule are ever needed again, so it lives in a ring of 16.
    let mut schedule = [0u32; 16];
    for (word, bytes) in schedule.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (t, constant) in ROUND_CONSTANTS.iter().enumerate() {
        let word = if t < 16 { schedule[t] } else { extend(&mut schedule, t) };
        let choice = (e & f) ^ (!e & g);
        let sum1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let t1 = h.wrapping_add(sum1).wrapping_add(choice).wrapping_add(*constant).wrapping_add(word);
        let majority = (a & b) ^ (a & c) ^ (b & c);
        let sum0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        (h, g, f, e) = (g, f, e, d.wrapping_add(t1));
        (d, c, b, a) = (c, b, a, t1.wrapping_add(sum0.wrapping_add(majority)));
    }
    for (word, added) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(added);
    }
}

/// Replaces word t − 16 of the ring by word t and returns it.
fn extend(ring: &mut [u32; 16], t: usize) -> u32 {
    let early = ring[(t + 1) % 16];
    let late = ring[(t + 14) % 16];
    let sigma0 = early.rotate_right(7) ^ early.rotate_right(18) ^ (early >> 3);
    let sigma1 = late.rotate_right(17) ^ late.rotate_right(19) ^ (late >> 10);
    let word = ring[t % 16].wrapping_add(sigma0).wrapping_add(ring[(t + 9) % 16]).wrapping_add(sigma1);
    ring[t % 16] = word;
    word
}
