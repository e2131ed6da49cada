//! The loop that all kernels on vectors share; they only say what a product is.

#![allow(unsafe_code)]
// Vectors are numbered throughout: one index walks several arrays in step, and the compiler sees all of them.
#![allow(clippy::needless_range_loop)]

use super::product::{Kernel, Part, TILE};

/// The vectors of some instruction set, and how they are multiplied with a constant.
///
/// # Safety
/// The functions may be called only where the instructions of the implementor exist. `load` reads and `store` writes
/// [`Self::BYTES`] bytes, at any address.
pub(super) trait Vector: Kernel {
    /// Bytes in a vector.
    const BYTES: usize;
    /// A vector.
    type Lanes: Copy;
    /// A vector, ready to be multiplied with several weights.
    type Operand: Copy;
    /// What the instructions need to know of a weight.
    type Table: Copy;
    /// The same in registers, ready to be multiplied with several vectors.
    type Weight: Copy;

    fn table(weight: u8) -> Self::Table;
    unsafe fn zero() -> Self::Lanes;
    unsafe fn load(from: *const u8) -> Self::Lanes;
    unsafe fn store(to: *mut u8, lanes: Self::Lanes);
    unsafe fn operand(lanes: Self::Lanes) -> Self::Operand;
    unsafe fn weight(table: &Self::Table) -> Self::Weight;
    /// `sum` + `weight` × `operand`.
    unsafe fn add_product(sum: Self::Lanes, weight: Self::Weight, operand: Self::Operand) -> Self::Lanes;
}

/// Vectors of each shard that are computed side by side, so that a weight is fetched for two at once. The sums of four
/// targets then take eight registers, which leaves as many for the rest on processors with sixteen.
pub(super) const ABREAST: usize = 2;

/// [`Kernel::compute`] by the vectors of `V`, in steps of [`ABREAST`] of them.
///
/// # Safety
/// The instructions of `V` must exist. The caller must be compiled for them, so that everything here becomes part of
/// it; else it is correct, but slow.
#[inline(always)]
pub(super) unsafe fn compute<V: Vector, const ROWS: usize>(part: Part<'_, ROWS>) {
    const { assert!(V::STEP == ABREAST * V::BYTES) }
    let columns = part.columns::<V>();
    let Part { weights, sources, mut targets, accumulate } = part;
    let mut tables = [[V::table(0); ROWS]; TILE];
    for i in 0..sources.len() {
        for r in 0..ROWS {
            tables[i][r] = V::table(weights[r][i]);
        }
    }
    let targets = targets.each_mut().map(|target| target.as_mut_ptr());
    for column in (0..columns).step_by(V::STEP) {
        // SAFETY: the instructions exist, and the vectors at `column` end within `columns`, which `Part::columns` has
        // found to be the length of every source and target. It has also found at most TILE sources.
        unsafe {
            let mut sums = [[V::zero(); ABREAST]; ROWS];
            if accumulate {
                for r in 0..ROWS {
                    for n in 0..ABREAST {
                        sums[r][n] = V::load(targets[r].add(column + n * V::BYTES));
                    }
                }
            }
            // Two at a time, for instructions that can add two products to a sum at once.
            let mut i = 0;
            while i + 1 < sources.len() {
                add_products::<V, ROWS>(&mut sums, tables.get_unchecked(i), at(sources, i, column));
                add_products::<V, ROWS>(&mut sums, tables.get_unchecked(i + 1), at(sources, i + 1, column));
                i += 2;
            }
            if i < sources.len() {
                add_products::<V, ROWS>(&mut sums, tables.get_unchecked(i), at(sources, i, column));
            }
            for r in 0..ROWS {
                for n in 0..ABREAST {
                    V::store(targets[r].add(column + n * V::BYTES), sums[r][n]);
                }
            }
        }
    }
}

/// Where a column of a source lies.
///
/// # Safety
/// There must be such a source, and it must be so long.
#[inline(always)]
unsafe fn at(sources: &[&[u8]], index: usize, column: usize) -> *const u8 {
    // SAFETY: as the caller promises.
    unsafe { sources.get_unchecked(index).as_ptr().add(column) }
}

/// Adds to the sums of each target the vectors of one source, times its weights.
///
/// # Safety
/// The instructions of `V` must exist, and [`ABREAST`] vectors be readable at `source`.
#[inline(always)]
unsafe fn add_products<V: Vector, const ROWS: usize>(
    sums: &mut [[V::Lanes; ABREAST]; ROWS],
    tables: &[V::Table; ROWS],
    source: *const u8,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut operands = [V::operand(V::zero()); ABREAST];
        for n in 0..ABREAST {
            operands[n] = V::operand(V::load(source.add(n * V::BYTES)));
        }
        for r in 0..ROWS {
            let weight = V::weight(&tables[r]);
            for n in 0..ABREAST {
                sums[r][n] = V::add_product(sums[r][n], weight, operands[n]);
            }
        }
    }
}
