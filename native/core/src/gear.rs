//! Cuts bytes into chunks by what they hold, so that an insertion changes the chunks around it and no others.
//!
//! Gear hash and the two masks are those of FastCDC (Xia et al., USENIX ATC 2016). What differs: the window is full
//! at the first place that may be a cut and never reaches back before the chunk, so a cut is a function of the bytes
//! of its own chunk alone.
//!
//! Each hash waits for the one before it, so what counts is how soon that is ready: see [`roll`].

use crate::CoreError;
use std::ops::ControlFlow::{self, Break, Continue};

/// Profile of a blob cut by content into chunks of 4 to 64 KiB, 16 KiB on average.
pub const PROFILE_CONTENT_16K: u32 = 1;
/// Profile of a blob cut by content into chunks of 16 to 256 KiB, 64 KiB on average.
pub const PROFILE_CONTENT_64K: u32 = 2;

/// Bytes the hash looks back: the first of them is shifted out by the 65th.
const WINDOW_BYTES: usize = 64;
/// Bytes of one turn of the loop.
const UNROLLED_BYTES: usize = 8;

static GEAR: [u64; 256] = gear();

/// The first 256 outputs of SplitMix64 (Steele, Lea and Flood, 2014), seeded with "Catalog1".
const fn gear() -> [u64; 256] {
    let mut table = [0; 256];
    let mut state = 0x4361_7461_6c6f_6731_u64;
    let mut byte = 0;
    while byte < 256 {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        table[byte] = mixed ^ (mixed >> 31);
        byte += 1;
    }
    table
}

/// How long chunks are. A hash whose highest n bits are zero is one below 2⁶⁴⁻ⁿ.
#[derive(Clone, Copy)]
struct Profile {
    min: usize,
    avg: usize,
    max: usize,
    /// Hashes below this end a chunk of at most `avg` bytes.
    strict: u64,
    /// Hashes below this end a longer one.
    loose: u64,
}

impl Profile {
    const fn with_average(log2: u32) -> Self {
        let avg = 1 << log2;
        Self { min: avg / 4, avg, max: avg * 4, strict: 1 << (64 - log2 - 2), loose: 1 << (64 - log2 + 2) }
    }

    fn numbered(profile: u32) -> Result<Self, CoreError> {
        match profile {
            PROFILE_CONTENT_16K => Ok(Self::with_average(14)),
            PROFILE_CONTENT_64K => Ok(Self::with_average(16)),
            _ => Err(CoreError::Bounds { what: "profile", value: profile.into(), allowed: "1 and 2" }),
        }
    }
}

/// Cuts `length` bytes of `buf`, from `offset` on, into chunks by their content.
///
/// `offset` is the first byte of a chunk. Unless `last` says that the data ends here, what follows the last cut is to
/// be handed in again, with more behind it. `cuts` receives the ends of the chunks in bytes from `offset`, ascending;
/// when it is full, call again from the last cut. Returns the number of chunks found: 0 when more data is needed, or
/// `length` is 0. Every place is a function of the bytes alone; the time is linear in `length`, whatever they are.
///
/// # Errors
/// `CORE_LENGTH` when `cuts` is empty; `CORE_RANGE` when the bytes end beyond `buf`, `length` does not fit 32 bits or
/// `profile` is neither [`PROFILE_CONTENT_16K`] nor [`PROFILE_CONTENT_64K`]. Nothing is written then.
pub fn chunk(
    buf: &[u8],
    offset: u64,
    length: u64,
    profile: u32,
    last: bool,
    cuts: &mut [u32],
) -> Result<usize, CoreError> {
    if cuts.is_empty() {
        return Err(CoreError::Length { what: "cuts", actual: 0, expected: 1 });
    }
    let bytes = piece(buf, offset, length)?;
    if u32::try_from(length).is_err() {
        let value = length as i64;
        return Err(CoreError::Bounds { what: "length", value, allowed: "0 to 4294967295" });
    }
    let profile = Profile::numbered(profile)?;
    let (mut start, mut count) = (0, 0);
    while start < bytes.len() && count < cuts.len() {
        let Some(chunk_bytes) = first_chunk(&bytes[start..], profile, last) else { break };
        start += chunk_bytes;
        cuts[count] = start as u32;
        count += 1;
    }
    Ok(count)
}

/// The bytes of `buf` that the caller means.
fn piece(buf: &[u8], offset: u64, length: u64) -> Result<&[u8], CoreError> {
    let end = offset.saturating_add(length);
    let buffer_bytes = buf.len() as u64;
    if end > buffer_bytes {
        return Err(CoreError::Range { index: 0, offset, end, buffer_bytes });
    }
    Ok(&buf[offset as usize..end as usize])
}

/// Length of the chunk that `bytes`, which are not none, begin with; `None` when more of them are needed to tell.
fn first_chunk(bytes: &[u8], profile: Profile, last: bool) -> Option<usize> {
    let Profile { min, avg, max, strict, loose } = profile;
    if bytes.len() < min {
        return last.then_some(bytes.len());
    }
    let hash = bytes[min - WINDOW_BYTES..min].iter().copied().fold(0, roll);
    if hash < strict {
        return Some(min);
    }
    let (middle, end) = (avg.min(bytes.len()), max.min(bytes.len()));
    match scan(hash, &bytes[min..middle], strict) {
        Break(rolled) => Some(min + rolled),
        Continue(hash) => match scan(hash, &bytes[middle..end], loose) {
            Break(rolled) => Some(middle + rolled),
            Continue(_) => (last || end == max).then_some(end),
        },
    }
}

/// Rolls `hash` over `bytes`: breaks with how many of them it took to come below `limit`, or continues with the hash
/// after all of them.
fn scan(mut hash: u64, bytes: &[u8], limit: u64) -> ControlFlow<usize, u64> {
    let (turns, rest) = bytes.as_chunks::<UNROLLED_BYTES>();
    for (turn, eight) in turns.iter().enumerate() {
        for (index, &byte) in eight.iter().enumerate() {
            hash = roll(hash, byte);
            if hash < limit {
                return Break(turn * UNROLLED_BYTES + index + 1);
            }
        }
    }
    for (index, &byte) in rest.iter().enumerate() {
        hash = roll(hash, byte);
        if hash < limit {
            return Break(turns.len() * UNROLLED_BYTES + index + 1);
        }
    }
    Continue(hash)
}

/// The hash one byte further on.
#[inline(always)]
#[allow(unsafe_code)] // One instruction that the compiler does not choose by itself.
fn roll(hash: u64, byte: u8) -> u64 {
    let gear = GEAR[usize::from(byte)];
    #[cfg(target_arch = "x86_64")]
    {
        let rolled;
        // Left to itself, the compiler shifts first and then adds from memory: two steps from hash to hash instead of
        // one, and a quarter to a third less speed.
        // SAFETY: it computes a sum of registers and touches nothing else.
        unsafe {
            core::arch::asm!(
                "lea {rolled}, [{gear} + 2 * {hash}]",
                rolled = lateout(reg) rolled,
                gear = in(reg) gear,
                hash = in(reg) hash,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        rolled
    }
    #[cfg(not(target_arch = "x86_64"))]
    (hash << 1).wrapping_add(gear)
}
