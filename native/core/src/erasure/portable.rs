//! Products without vectors: one look-up gives the products of a byte with the weights of a whole group.

// Columns and rows are numbered throughout: one index walks several arrays in step.
#![allow(clippy::needless_range_loop)]

use super::field;
use super::product::{GROUP, Kernel, Part, TILE};

/// The kernel every processor can run.
#[derive(Clone, Copy)]
pub(super) struct Portable;

/// For each byte its products with the weights of a group, the first lowest. A tile of them is 16 KiB and stays in
/// the nearest cache.
type Table = [u32; 256];

/// Columns computed together: as many as fill a word of each target.
const COLUMNS: usize = 8;

impl Kernel for Portable {
    const STEP: usize = COLUMNS;

    fn compute<const ROWS: usize>(self, part: Part<'_, ROWS>) {
        let columns = part.columns::<Self>();
        let Part { weights, sources, targets, accumulate } = part;
        let mut tables = [[0; 256]; TILE];
        for i in 0..sources.len() {
            let mut group = [0; GROUP];
            for r in 0..ROWS {
                group[r] = weights[r][i];
            }
            fill(&mut tables[i], group);
        }
        for column in (0..columns).step_by(COLUMNS) {
            let rows = transpose(sums(&tables, sources, column));
            for r in 0..ROWS {
                let target = targets[r][column..].first_chunk_mut().expect("whole steps");
                let before = if accumulate { u64::from_le_bytes(*target) } else { 0 };
                *target = (before ^ rows[r]).to_le_bytes();
            }
        }
    }
}

/// The product with a sum is the sum of the products, so that only single bits need be multiplied.
fn fill(table: &mut Table, mut weights: [u8; GROUP]) {
    table[0] = 0;
    for bit in 0..8 {
        let products = u32::from_le_bytes(weights);
        let (below, above) = table.split_at_mut(1 << bit);
        for n in 0..below.len() {
            above[n] = below[n] ^ products;
        }
        for weight in &mut weights {
            *weight = field::double(*weight);
        }
    }
}

/// For each column the sums of the products, all rows in one word.
#[inline]
fn sums(tables: &[Table; TILE], sources: &[&[u8]], column: usize) -> [u32; COLUMNS] {
    let mut sums = [0; COLUMNS];
    for (table, source) in tables.iter().zip(sources) {
        let bytes = source[column..].first_chunk::<COLUMNS>().expect("whole steps");
        for n in 0..COLUMNS {
            sums[n] ^= table[usize::from(bytes[n])];
        }
    }
    sums
}

/// From one word of bytes for each column to one for each row: both halves of the words as squares of 4 × 4 bytes,
/// in which first neighbours and then pairs of them change sides.
#[inline]
fn transpose(columns: [u32; COLUMNS]) -> [u64; GROUP] {
    let mut words = [0; GROUP];
    for n in 0..GROUP {
        words[n] = u64::from(columns[n]) | u64::from(columns[GROUP + n]) << 32;
    }
    let mut exchange = |low: usize, high: usize, bits: u32, mask: u64| {
        let differing = (words[low] >> bits ^ words[high]) & mask;
        words[low] ^= differing << bits;
        words[high] ^= differing;
    };
    exchange(0, 1, 8, 0x00ff_00ff_00ff_00ff);
    exchange(2, 3, 8, 0x00ff_00ff_00ff_00ff);
    exchange(0, 2, 16, 0x0000_ffff_0000_ffff);
    exchange(1, 3, 16, 0x0000_ffff_0000_ffff);
    words
}
