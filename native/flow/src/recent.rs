//! How many bytes went in the last second.

use crate::limits::SECOND_NS;

const SLOTS: u64 = 10;
const SLOT_NS: u64 = SECOND_NS / SLOTS;

/// Sums of tenths of a second, the last ten of them.
#[derive(Debug, Default)]
pub struct Recent {
    sums: [u64; SLOTS as usize],
    /// Tenths of a second since time 0, of the newest sum.
    newest: u64,
}

impl Recent {
    pub fn add(&mut self, now: u64, bytes: u64) {
        self.forget(now);
        self.sums[(self.newest % SLOTS) as usize] += bytes;
    }

    /// Bytes in the last second, to a tenth of it.
    pub fn bytes(&mut self, now: u64) -> u64 {
        self.forget(now);
        self.sums.iter().sum()
    }

    fn forget(&mut self, now: u64) {
        let slot = now / SLOT_NS;
        for passed in 1..=(slot.saturating_sub(self.newest)).min(SLOTS) {
            self.sums[((self.newest + passed) % SLOTS) as usize] = 0;
        }
        self.newest = self.newest.max(slot);
    }
}
