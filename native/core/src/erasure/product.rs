//! The product of a matrix and a stripe: every target shard is a sum of the source shards, each with its weight.
//!
//! The work is cut three ways so that it runs out of registers and near caches: the shards into blocks of columns,
//! the sources into tiles, the targets into groups. A kernel sees one tile and one group over one block.

use std::ops::Range;

/// Targets computed together: their sums stay in registers while each source is read once.
pub(super) const GROUP: usize = 4;

/// Sources read together. Each is a stream of its own, and of those a processor follows a few only; if they lie a
/// power of two apart, they also compete for the same few places in its nearest cache.
pub(super) const TILE: usize = 16;

/// The most bytes that a kernel may ask for at a time.
const MAX_STEP: usize = 128;

/// What the blocks of a tile and of all targets may take up together, since each group reads the tile again and each
/// tile the targets: a fraction of the second cache, which has 512 KiB to 2 MiB on the processors of today.
const BLOCKS_BYTES: usize = 256 << 10;

/// In shorter blocks the start of a kernel would show.
const MIN_BLOCK_BYTES: usize = 1 << 10;

/// Multiplies and adds with the instructions of some processor.
pub(super) trait Kernel: Copy {
    /// Bytes it takes at a time: a divisor of [`MAX_STEP`].
    const STEP: usize;

    /// Computes `part`, whose columns are whole steps.
    ///
    /// # Panics
    /// When the shapes in `part` disagree, or its columns are not whole steps.
    fn compute<const ROWS: usize>(self, part: Part<'_, ROWS>);
}

/// One tile of sources and one group of targets over one block of columns.
pub(super) struct Part<'a, const ROWS: usize> {
    /// For each target one weight for each source.
    pub(super) weights: [&'a [u8]; ROWS],
    /// Up to [`TILE`] sources, all of one length.
    pub(super) sources: &'a [&'a [u8]],
    /// The targets, of the same length: each becomes the sum of the sources, each source times its weight.
    pub(super) targets: [&'a mut [u8]; ROWS],
    /// Whether the sums are added to what the targets hold, rather than put in its place.
    pub(super) accumulate: bool,
}

impl<const ROWS: usize> Part<'_, ROWS> {
    /// How many columns it has.
    ///
    /// # Panics
    /// When the shapes disagree: afterwards nothing of what they promise need be checked again.
    pub(super) fn columns<K: Kernel>(&self) -> usize {
        let columns = self.targets[0].len();
        assert!(columns.is_multiple_of(K::STEP) && self.sources.len() <= TILE);
        assert!(self.weights.iter().all(|row| row.len() == self.sources.len()));
        assert!(self.sources.iter().all(|source| source.len() == columns));
        assert!(self.targets.iter().all(|target| target.len() == columns));
        columns
    }
}

/// Sets each of `targets` to the sum of `sources`, each times its weight.
///
/// `matrix` has a row for each target, in it a byte for each source. All shards have one length.
pub(super) fn multiply<K: Kernel>(kernel: K, matrix: &[u8], sources: &[&[u8]], targets: &mut [&mut [u8]]) {
    const { assert!(MAX_STEP.is_multiple_of(K::STEP) && MIN_BLOCK_BYTES >= MAX_STEP) }
    let shard_bytes = sources[0].len();
    // Tiles of about one size: a last one of a single source would be all overhead.
    let tile = sources.len().div_ceil(sources.len().div_ceil(TILE));
    let block = (BLOCKS_BYTES / (tile + targets.len())).max(MIN_BLOCK_BYTES) / MAX_STEP * MAX_STEP;
    for start in (0..shard_bytes).step_by(block) {
        let columns = start..shard_bytes.min(start + block);
        for first in (0..sources.len()).step_by(tile) {
            let tile = first..sources.len().min(first + tile);
            for (rows, group) in matrix.chunks(GROUP * sources.len()).zip(targets.chunks_mut(GROUP)) {
                let cell = Cell { kernel, rows, sources, tile: tile.clone(), columns: columns.clone() };
                match group.len() {
                    1 => cell.compute::<1>(group),
                    2 => cell.compute::<2>(group),
                    3 => cell.compute::<3>(group),
                    _ => cell.compute::<GROUP>(group),
                }
            }
        }
    }
}

/// Where a part lies in the whole.
struct Cell<'a, K> {
    kernel: K,
    /// The rows of the matrix for one group.
    rows: &'a [u8],
    /// All sources, of which `tile` takes part.
    sources: &'a [&'a [u8]],
    tile: Range<usize>,
    columns: Range<usize>,
}

impl<K: Kernel> Cell<'_, K> {
    fn compute<const ROWS: usize>(&self, group: &mut [&mut [u8]]) {
        let group: &mut [&mut [u8]; ROWS] = group.try_into().expect("a group of this size");
        let mut rows = self.rows.chunks_exact(self.sources.len());
        let weights = [(); ROWS].map(|()| &rows.next().expect("a row for each target")[self.tile.clone()]);
        let Range { start, end } = self.columns;
        let rest = end - (end - start) % K::STEP;
        if start < rest {
            let mut sources: [&[u8]; TILE] = [&[]; TILE];
            for (block, source) in sources.iter_mut().zip(&self.sources[self.tile.clone()]) {
                *block = &source[start..rest];
            }
            self.kernel.compute(Part {
                weights,
                sources: &sources[..self.tile.len()],
                targets: group.each_mut().map(|target| &mut target[start..rest]),
                accumulate: self.accumulate(),
            });
        }
        if rest < end {
            self.compute_rest(weights, group, rest..end);
        }
    }

    /// The columns that do not fill a step, by way of buffers that do.
    fn compute_rest<const ROWS: usize>(
        &self,
        weights: [&[u8]; ROWS],
        group: &mut [&mut [u8]; ROWS],
        columns: Range<usize>,
    ) {
        let mut buffers = [[0; MAX_STEP]; TILE];
        let mut sources: [&[u8]; TILE] = [&[]; TILE];
        let tile = self.sources[self.tile.clone()].iter();
        for ((padded, buffer), source) in sources.iter_mut().zip(&mut buffers).zip(tile) {
            buffer[..columns.len()].copy_from_slice(&source[columns.clone()]);
            *padded = &buffer[..K::STEP];
        }
        let mut sums = [[0; MAX_STEP]; ROWS];
        self.kernel.compute(Part {
            weights,
            sources: &sources[..self.tile.len()],
            targets: sums.each_mut().map(|sum| &mut sum[..K::STEP]),
            accumulate: false,
        });
        for (target, sum) in group.iter_mut().zip(&sums) {
            for (byte, added) in target[columns.clone()].iter_mut().zip(sum) {
                *byte = if self.accumulate() { *byte ^ added } else { *added };
            }
        }
    }

    /// The first tile starts the sums, the others add to them.
    fn accumulate(&self) -> bool {
        self.tile.start > 0
    }
}
