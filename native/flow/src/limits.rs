//! How fast bytes may move.

use std::num::NonZeroU64;

/// The most bytes asked for at once: a frame of the stream protocol.
pub const REQUEST_BYTES_MAX: u32 = 256 * 1024;
/// What may go at once after a pause: so many seconds of a rate, …
pub const BURST_NS: u64 = 5 * SECOND_NS;
/// … but not more than this, …
pub const BURST_BYTES: u64 = 5_000_000;
/// … unless that would be less than timers can tell apart.
const BURST_NS_MIN: u64 = SECOND_NS / 100;

pub(crate) const SECOND_NS: u64 = 1_000_000_000;
/// Beyond this nothing is limited. A burst of it fits the arithmetic below.
const RATE_MAX: u64 = 1_000_000_000_000;
/// Of a slow lane, so that who receives its pieces sees that they come.
const PIECES_PER_SECOND: u64 = 4;
const PIECE_BYTES_MIN: u64 = 16 * 1024;

/// Bytes a second; none of them at all is not a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(NonZeroU64);

impl Rate {
    /// `None` for 0 and for more than a terabyte a second, which limits nothing.
    pub fn per_second(bytes: u64) -> Option<Self> {
        NonZeroU64::new(bytes).filter(|bytes| bytes.get() <= RATE_MAX).map(Self)
    }

    /// Bytes a second.
    pub fn bytes(self) -> u64 {
        self.0.get()
    }

    /// Time that many bytes take, rounded up: a rate is never exceeded.
    pub(crate) fn time_for(self, bytes: u64) -> u64 {
        let time = (u128::from(bytes) * u128::from(SECOND_NS)).div_ceil(u128::from(self.bytes()));
        u64::try_from(time).unwrap_or(u64::MAX)
    }

    /// Bytes that go in that time, rounded down.
    pub(crate) fn bytes_in(self, time: u64) -> u64 {
        let bytes = u128::from(time) * u128::from(self.bytes()) / u128::from(SECOND_NS);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// How long this rate takes for what may go at once.
    pub(crate) fn burst(self) -> u64 {
        self.time_for(BURST_BYTES).clamp(BURST_NS_MIN, BURST_NS)
    }
}

/// What holds for one direction. The default limits nothing and shares fairly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub total: Option<Rate>,
    /// Of one peer. All peers at one address have this rate together, since peer ids cost nothing; only on this
    /// machine and the local network does each have it alone.
    pub per_peer: Option<Rate>,
    /// Whether this machine and the local network are held to them, too.
    pub limit_local: bool,
}

impl Limits {
    /// A good length for pieces under these limits.
    pub fn piece_bytes(&self, local: bool) -> u32 {
        if local && !self.limit_local {
            return REQUEST_BYTES_MAX;
        }
        let tightest = [self.total, self.per_peer].into_iter().flatten().map(Rate::bytes).min();
        let piece = tightest.map_or(u64::MAX, |rate| rate / PIECES_PER_SECOND);
        let whole = piece - piece % PIECE_BYTES_MIN;
        whole.clamp(PIECE_BYTES_MIN, REQUEST_BYTES_MAX.into()) as u32
    }
}
