//! SHA-256 with AVX-512: sixteen streams, one in each 32-bit element of the vectors.
//!
//! The rounds are those of FIPS 180-4 §6.2.2, for all streams at once; one three-input operation does for each choice,
//! majority and XOR of three. The only unsafe steps are loads, stores and the entry into code compiled for these
//! instructions.

#![allow(unsafe_code)]
// Lanes and words are numbered throughout: one index walks several arrays in step.
#![allow(clippy::needless_range_loop)]

use super::{BLOCK_BYTES, Block, Kernel, ROUND_CONSTANTS, States};
use crate::Features;
use std::arch::x86_64::*;

/// Streams side by side.
pub(super) const LANES: usize = 16;

/// Truth tables of three-input operations: bit 4a + 2b + c is the result for a, b, c.
const XOR: i32 = 0b1001_0110;
const CHOICE: i32 = 0b1100_1010;
const MAJORITY: i32 = 0b1110_1000;

/// Quarters 0 and 2 of each of two vectors.
const EVEN: i32 = 0b10_00_10_00;
/// Quarters 1 and 3.
const ODD: i32 = 0b11_01_11_01;

/// Proof that this processor has the instructions: it can only be made by [`Avx512::detect`].
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    /// `None` when this process may not use AVX-512.
    pub(super) fn detect() -> Option<Self> {
        Features::active().avx512.then_some(Self(()))
    }
}

impl Kernel<LANES> for Avx512 {
    fn compress(self, states: &mut States<LANES>, blocks: [&[Block]; LANES]) {
        // SAFETY: `self` exists, so `detect` has found every feature that `compress` is compiled for.
        unsafe { compress(states, blocks) }
    }
}

/// The next blocks are fetched while the rounds over these keep the processor busy, a quarter of them at a time. Chunks
/// often begin a multiple of 4 KiB apart, and then all sixteen compete for one set of the first-level cache: fetched
/// when they are due they cost 12 % (Zen 4).
#[target_feature(enable = "avx512f,avx512bw")]
fn compress(states: &mut States<LANES>, blocks: [&[Block]; LANES]) {
    let count = blocks.iter().map(|stream| stream.len()).min().unwrap_or(0);
    debug_assert!(blocks.iter().all(|stream| stream.len() == count), "streams differ in length");
    let mut chaining = [_mm512_setzero_si512(); 8];
    for word in 0..8 {
        // SAFETY: `states.0[word]` is 64 readable bytes, and this load asks for no alignment.
        chaining[word] = unsafe { _mm512_loadu_si512(states.0[word].as_ptr().cast()) };
    }
    let mut rows = [[0; BLOCK_BYTES]; LANES];
    for lane in 0..LANES {
        rows[lane] = blocks[lane][0];
    }
    for index in 0..count {
        let mut words = load_columns(&rows);
        let mut working = chaining;
        let next = (index + 1).min(count - 1);
        for (quarter, constants) in ROUND_CONSTANTS.as_chunks().0.iter().enumerate() {
            for lane in quarter * 4..quarter * 4 + 4 {
                rows[lane] = blocks[lane][next];
            }
            if quarter < 3 {
                sixteen_rounds::<true>(&mut working, &mut words, constants);
            } else {
                sixteen_rounds::<false>(&mut working, &mut words, constants);
            }
        }
        for word in 0..8 {
            chaining[word] = _mm512_add_epi32(chaining[word], working[word]);
        }
    }
    for word in 0..8 {
        // SAFETY: `states.0[word]` is 64 writable bytes, and this store asks for no alignment.
        unsafe { _mm512_storeu_si512(states.0[word].as_mut_ptr().cast(), chaining[word]) };
    }
}

/// Sixteen rounds; with `EXTEND` each replaces its schedule word by the one due sixteen rounds later.
///
/// Written out, since only then do all 24 vectors stay in registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn sixteen_rounds<const EXTEND: bool>(
    working: &mut [__m512i; 8],
    words: &mut [__m512i; 16],
    constants: &[u32; 16],
) {
    macro_rules! rounds {
        ($($t:literal)*) => {$(
            round(working, words[$t], constants[$t]);
            if EXTEND {
                words[$t] = next_word(words[$t], words[($t + 1) % 16], words[($t + 9) % 16], words[($t + 14) % 16]);
            }
        )*};
    }
    rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn round(working: &mut [__m512i; 8], word: __m512i, constant: u32) {
    let [a, b, c, d, e, f, g, h] = *working;
    let sum1 = xor(_mm512_ror_epi32::<6>(e), _mm512_ror_epi32::<11>(e), _mm512_ror_epi32::<25>(e));
    let choice = _mm512_ternarylogic_epi32::<CHOICE>(e, f, g);
    let input = _mm512_add_epi32(_mm512_add_epi32(h, _mm512_set1_epi32(constant.cast_signed())), word);
    let t1 = _mm512_add_epi32(input, _mm512_add_epi32(sum1, choice));
    let sum0 = xor(_mm512_ror_epi32::<2>(a), _mm512_ror_epi32::<13>(a), _mm512_ror_epi32::<22>(a));
    let t2 = _mm512_add_epi32(sum0, _mm512_ternarylogic_epi32::<MAJORITY>(a, b, c));
    *working = [_mm512_add_epi32(t1, t2), a, b, c, _mm512_add_epi32(d, t1), e, f, g];
}

/// Word t of the schedule from words t − 16, t − 15, t − 7 and t − 2.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn next_word(w16: __m512i, w15: __m512i, w7: __m512i, w2: __m512i) -> __m512i {
    let sigma0 = xor(_mm512_ror_epi32::<7>(w15), _mm512_ror_epi32::<18>(w15), _mm512_srli_epi32::<3>(w15));
    let sigma1 = xor(_mm512_ror_epi32::<17>(w2), _mm512_ror_epi32::<19>(w2), _mm512_srli_epi32::<10>(w2));
    _mm512_add_epi32(_mm512_add_epi32(w16, w7), _mm512_add_epi32(sigma0, sigma1))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn xor(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<XOR>(x, y, z)
}

/// The words of one block of each stream: vector t holds word t of all.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_columns(rows: &[Block; LANES]) -> [__m512i; 16] {
    // The words of a message are big-endian.
    let swap = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203));
    let mut words = [_mm512_setzero_si512(); LANES];
    for lane in 0..LANES {
        // SAFETY: `rows[lane]` is 64 readable bytes, and this load asks for no alignment.
        let row = unsafe { _mm512_loadu_si512(rows[lane].as_ptr().cast()) };
        words[lane] = _mm512_shuffle_epi8(row, swap);
    }
    transpose(words)
}

/// Rows to columns, of a square of 16 × 16 words: first within squares of 4 × 4, then of whole such squares.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transpose(rows: [__m512i; 16]) -> [__m512i; 16] {
    // Quarter q of squares[4i + j] becomes words 4i to 4i + 3 of column 4q + j.
    let mut squares = rows;
    for four in squares.as_chunks_mut::<4>().0 {
        let (low01, high01) =
            (_mm512_unpacklo_epi32(four[0], four[1]), _mm512_unpackhi_epi32(four[0], four[1]));
        let (low23, high23) =
            (_mm512_unpacklo_epi32(four[2], four[3]), _mm512_unpackhi_epi32(four[2], four[3]));
        *four = [
            _mm512_unpacklo_epi64(low01, low23),
            _mm512_unpackhi_epi64(low01, low23),
            _mm512_unpacklo_epi64(high01, high23),
            _mm512_unpackhi_epi64(high01, high23),
        ];
    }
    let mut columns = rows;
    for j in 0..4 {
        let even01 = _mm512_shuffle_i32x4::<EVEN>(squares[j], squares[4 + j]);
        let odd01 = _mm512_shuffle_i32x4::<ODD>(squares[j], squares[4 + j]);
        let even23 = _mm512_shuffle_i32x4::<EVEN>(squares[8 + j], squares[12 + j]);
        let odd23 = _mm512_shuffle_i32x4::<ODD>(squares[8 + j], squares[12 + j]);
        columns[j] = _mm512_shuffle_i32x4::<EVEN>(even01, even23);
        columns[4 + j] = _mm512_shuffle_i32x4::<EVEN>(odd01, odd23);
        columns[8 + j] = _mm512_shuffle_i32x4::<ODD>(even01, even23);
        columns[12 + j] = _mm512_shuffle_i32x4::<ODD>(odd01, odd23);
    }
    columns
}
