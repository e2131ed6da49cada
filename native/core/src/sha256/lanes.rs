//! Many messages at once: lanes that are kept busy with messages of any length.

use super::message::{Stream, Tail};
use super::{Kernel, States};
use std::array;

/// SHA-256 of messages, `N` at a time, until fewer than `least` (1 to `N`) are under way and none waits; returns those.
///
/// All lanes advance by as many blocks as every one has at hand. A lane whose message ends takes the next one at once,
/// so that different lengths leave none empty.
pub(super) fn absorb<'a, K: Kernel<N>, const N: usize>(
    kernel: K,
    mut waiting: impl Iterator<Item = Stream<'a>>,
    least: usize,
) -> impl Iterator<Item = Stream<'a>> {
    let mut states = States::fresh();
    let mut tails = [Tail::EMPTY; N];
    let mut lanes: [Option<Stream>; N] = array::from_fn(|_| waiting.next());
    let mut busy = 0;
    for (index, stream) in lanes.iter_mut().flatten().enumerate() {
        states.set(index, stream.state);
        stream.fill(&mut tails[index]);
        busy += 1;
    }
    while busy >= least {
        let count = compress(kernel, &mut states, &lanes, &tails);
        for (index, lane) in lanes.iter_mut().enumerate() {
            let Some(stream) = lane else { continue };
            if stream.advance(count, &tails[index]) {
                continue;
            }
            *stream.out = states.digest(index);
            *lane = waiting.next();
            match lane {
                Some(stream) => {
                    states.set(index, stream.state);
                    stream.fill(&mut tails[index]);
                }
                None => busy -= 1,
            }
        }
    }
    lanes.into_iter().enumerate().filter_map(move |(index, lane)| {
        let mut stream = lane?;
        stream.state = states.get(index);
        Some(stream)
    })
}

/// Absorbs as many blocks as every busy lane has at hand, and returns their number.
fn compress<K: Kernel<N>, const N: usize>(
    kernel: K,
    states: &mut States<N>,
    lanes: &[Option<Stream<'_>>; N],
    tails: &[Tail; N],
) -> usize {
    let mut blocks = [&[][..]; N];
    let mut count = usize::MAX;
    for (index, stream) in lanes.iter().enumerate() {
        if let Some(stream) = stream {
            blocks[index] = stream.pending(&tails[index]);
            count = count.min(blocks[index].len());
        }
    }
    // An idle lane repeats the blocks of a busy one, for nobody to look at.
    let spare = blocks.iter().find(|blocks| !blocks.is_empty()).copied().unwrap_or_default();
    for blocks in &mut blocks {
        let pending = if blocks.is_empty() { spare } else { *blocks };
        *blocks = &pending[..count];
    }
    kernel.compress(states, blocks);
    count
}
