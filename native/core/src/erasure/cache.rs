//! The matrices last used, so that the stripes of one blob, which lost the same shards, work them out once.
//!
//! Each thread has its own, of a few entries, so there is nothing to lock and nothing that callers could make grow: a
//! matrix has at most 127 × 128 weights, a cache thus 254 KiB.

use super::pattern::Pattern;
use std::cell::RefCell;

/// Losses that are in play at the same time: few, since shards are lost with the peers that hold them.
const ENTRIES: usize = 16;

struct Entry {
    pattern: Pattern,
    matrix: Vec<u8>,
}

thread_local! {
    /// The entry last used comes first.
    static RECENT: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

/// Calls `use_matrix` with the matrix of `pattern`.
pub(super) fn with_matrix(pattern: &Pattern, use_matrix: impl FnOnce(&[u8])) {
    RECENT.with_borrow_mut(|entries| {
        let known = entries.iter().position(|entry| entry.pattern == *pattern);
        let place = known.unwrap_or_else(|| {
            if entries.len() < ENTRIES {
                entries.push(Entry { pattern: *pattern, matrix: Vec::new() });
            }
            let last = entries.len() - 1;
            entries[last].pattern = *pattern;
            pattern.matrix(&mut entries[last].matrix);
            last
        });
        entries[..=place].rotate_right(1);
        use_matrix(&entries[0].matrix);
    });
}
