//! Which shards are computed from which, and with what weights.
//!
//! Shard z of a stripe, data and parity alike, is the value at z of one polynomial N of degree below k, up to a factor
//! that depends on z alone: with v(z) the product of z ⊕ i over all data shards i other than z, N(i) = dataᵢ × v(i) is
//! the polynomial, and N(z) = parity × v(z) is what the definition Σ dataᵢ / (z ⊕ i) says. So k shards of any kind
//! give all others by Lagrange's formula, and every weight has a closed form; nothing need be inverted.
//!
//! Written out, target w takes source s with weight a(s) × b(w) / (w ⊕ s), where most factors have cancelled out:
//! over the lost data shards i and the parity shards p among the sources, s and w themselves left out,
//!
//! ```text
//! a(s) = Π (s ⊕ i) / Π (s ⊕ p)        b(w) = Π (w ⊕ p) / Π (w ⊕ i)
//! ```

use super::SHARDS_MAX;
use super::field::{ORDER, logarithm, power};

/// A set of positions in a stripe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Positions([u64; 4]);

impl Positions {
    pub(super) fn insert(&mut self, position: usize) {
        self.0[position / 64] |= 1 << (position % 64);
    }

    pub(super) fn contains(&self, position: usize) -> bool {
        self.0[position / 64] >> (position % 64) & 1 == 1
    }

    pub(super) fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Its members, ascending.
    fn to_vec(self) -> Vec<u8> {
        (0..SHARDS_MAX).filter(|&position| self.contains(position)).map(|position| position as u8).collect()
    }
}

impl FromIterator<usize> for Positions {
    fn from_iter<I: IntoIterator<Item = usize>>(positions: I) -> Self {
        let mut set = Self::default();
        positions.into_iter().for_each(|position| set.insert(position));
        set
    }
}

/// A computation of some shards of a stripe from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// Data shards of the stripe.
    pub(super) data: usize,
    /// The shards to compute from: as many as there are data shards.
    pub(super) sources: Positions,
    /// The shards to compute: none of the sources.
    pub(super) targets: Positions,
}

impl Pattern {
    /// Puts the weights into `matrix`: a row for each target, in each a byte for each source.
    pub(super) fn matrix(&self, matrix: &mut Vec<u8>) {
        let (sources, targets) = (self.sources.to_vec(), self.targets.to_vec());
        let (_, parity) = sources.split_at(sources.partition_point(|&s| usize::from(s) < self.data));
        let lost: Vec<u8> = (0..self.data).filter(|&i| !self.sources.contains(i)).map(|i| i as u8).collect();
        let of_sources: Vec<u32> = sources.iter().map(|&s| quotient(s, &lost, parity)).collect();
        matrix.clear();
        matrix.reserve_exact(targets.len() * sources.len());
        for w in targets {
            let of_target = quotient(w, parity, &lost);
            let weights = sources.iter().zip(&of_sources).map(|(s, of_source)| {
                let product = (of_target + of_source) % ORDER;
                power(product + ORDER - logarithm(w ^ s))
            });
            matrix.extend(weights);
        }
    }
}

/// Logarithm of Π (z ⊕ a) / Π (z ⊕ b) over all a of `above` and b of `below` other than z.
fn quotient(z: u8, above: &[u8], below: &[u8]) -> u32 {
    let product = |positions: &[u8]| -> u32 {
        positions.iter().filter(|&&other| other != z).map(|other| logarithm(z ^ other)).sum()
    };
    // What is added keeps the difference from falling below 0 and has no effect otherwise.
    (product(above) + ORDER * SHARDS_MAX as u32 - product(below)) % ORDER
}
