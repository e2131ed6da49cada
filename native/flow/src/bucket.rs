//! A token bucket, kept as the one time at which it will be full again (the generic cell rate algorithm of ATM).
//! There is nothing to refill, nothing rounds in favour of whoever takes, and a bucket nobody knows yet is full.

use crate::limits::Rate;

/// What it holds hangs on a rate that is kept elsewhere, once for all buckets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    full_at: u64,
}

impl Bucket {
    /// When it will be full; it may have been so for long.
    pub fn full_at(&self) -> u64 {
        self.full_at
    }

    /// The first moment from `now` on at which `bytes` may be taken while `reserve`, in time of the rate, stays.
    ///
    /// What is larger than all there can be may go when there is all of it, and leaves a debt.
    pub fn ready_at(&self, now: u64, rate: Rate, bytes: u64, reserve: u64) -> u64 {
        let room = rate.burst().saturating_sub(reserve);
        let cost = rate.time_for(bytes).min(room);
        self.full_at.saturating_add(cost).saturating_sub(room).max(now)
    }

    /// Takes bytes, which must be ready or owed.
    pub fn take(&mut self, now: u64, rate: Rate, bytes: u64) {
        self.full_at = self.full_at.max(now).saturating_add(rate.time_for(bytes));
    }

    /// Goes over to another rate: as many bytes stay as were there and fit, and a debt stays as large. What had no
    /// limit before begins empty, so that no change lets a burst through.
    pub fn change(&mut self, now: u64, from: Option<Rate>, to: Option<Rate>) {
        let Some(rate) = to else { return };
        let missing = match from {
            None => rate.burst(),
            Some(old) => {
                let there = old.bytes_in(old.burst()).saturating_sub(old.bytes_in(self.missing(now)));
                let debt = old.bytes_in(self.missing(now)).saturating_sub(old.bytes_in(old.burst()));
                let depth = rate.bytes_in(rate.burst());
                rate.time_for(depth.saturating_sub(there).saturating_add(debt))
            }
        };
        self.full_at = now.saturating_add(missing);
    }

    fn missing(&self, now: u64) -> u64 {
        self.full_at.saturating_sub(now)
    }
}
